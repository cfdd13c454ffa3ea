"""Find the namespaces that need not be read again after a plan, because no step touched them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netorch.converge.observe import Observed
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.up import Up
from netorch.kinds.veth import UNKNOWN
from netorch.state.key import HOST, Key
from netorch.state.plan import Plan
from netorch.state.resource import Resource
from netorch.values.snapshot import NetnsSnapshot, Snapshot

Untouched = Mapping[str, NetnsSnapshot]
"""Label → what was read of the namespace before."""


def untouched(plan: Plan, snapshot: Snapshot) -> Untouched:
    """Return the namespaces of `snapshot` that no step of `plan` was in or referred to.

    Files are not part of a namespace, so they are always read again.
    """
    touched = {HOST}
    for resource in (*(step.resource for step in plan.steps), *plan.implied):
        if resource.KIND != "file":
            # a bridge that comes up needs all its ports, but changes none of them
            needs = () if isinstance(resource, Up) else resource.needs
            touched |= {key.netns for key in (resource.key, *_linked(resource), *needs)}
    if UNKNOWN[0] in touched:
        return {}
    # a few settings of the host are those of all namespaces, where they can only be read
    everywhere = {
        path
        for step in plan.steps
        if isinstance(step.resource, Sysctl) and step.key.netns == HOST
        for path in step.resource.paths
    }
    return {
        label: netns
        for label, netns in snapshot.namespaces.items()
        if label not in touched and everywhere.isdisjoint(netns.sysctls)
    }


def resources_of_untouched(
    observed: Observed, before: Untouched, snapshot: Snapshot
) -> Mapping[str, Sequence[Resource]]:
    """Return label → the observed resources, except files, of namespaces not read again."""
    resources: dict[str, list[Resource]] = {
        label: []
        for label, netns in snapshot.namespaces.items()
        if label in before and netns.links is before[label].links and not netns.shares
    }
    for key, resource in observed.state.items():
        if key.netns in resources and key.kind != "file":
            resources[key.netns].append(resource)
    return resources


def lost_its_other_end(
    resources: Mapping[str, Sequence[Resource]],
    before: Mapping[Key, Resource],
    now: Mapping[Key, Resource],
) -> frozenset[str]:
    """Return the labels of resources that depend on one in another namespace that is gone."""
    gone = {key for key in before if key.netns not in resources and key not in now}
    if not gone:
        return frozenset()
    return frozenset(
        label
        for label, known in resources.items()
        for resource in known
        for key in _linked(resource)
        if key in gone
    )


def exclude_namespaces(
    labels: Mapping[str, object], state: Mapping[Key, Resource]
) -> Mapping[Key, Resource]:
    """Return the state without the resources in these namespaces, but with all files."""
    if not labels:
        return state
    return {
        key: resource
        for key, resource in state.items()
        if key.netns not in labels or key.kind == "file"
    }


def _linked(resource: Resource) -> Iterator[Key]:
    """Yield the keys of the resources with which the kernel deletes this one."""
    yield from resource.dies_with
    if resource.paired_key is not None:
        yield resource.paired_key
