"""Sysctls that several topologies may need, such as the host's ip_forward.

The last topology that needs one sets it back. What a topology needs is in its record, together with
the original value. One lock orders everything that reads the records of other topologies and acts
on them; callers hold it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from netorch.converge.execute import Refusal, execute
from netorch.converge.original_settings import Memory, Place
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl, values_in
from netorch.state.by_class import of_class
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource
from netorch.values.snapshot import Snapshot
from netorch.values.sysctl_paths import with_defaults


def places_of(state: Mapping[Key, Resource]) -> frozenset[Place]:
    """Return the sysctls of a state in namespaces that it does not make."""
    return frozenset(
        (resource.netns, resource.paths)
        for resource in of_class(state, Sysctl)
        if netns_key(resource.netns) not in state
    )


def changed_since(kernel: LinuxKernel, places: Collection[Place], snapshot: Snapshot) -> bool:
    """Whether one of these sysctls has another value now than in the snapshot."""
    now = kernel.settings(_by_label(places))
    return any(
        values_in(snapshot.namespaces[label].sysctls, paths) != values_in(now.get(label, {}), paths)
        for label, paths in places
        if label in snapshot.namespaces
    )


def put_back(
    kernel: LinuxKernel, memory: Memory, places: Collection[Place], snapshot: Snapshot
) -> tuple[Memory, list[Refusal]]:
    """Set these sysctls back to their original values, except those that another topology needs.

    Returns what is still to be remembered, and what Linux refused. `snapshot` has the namespaces of
    the labels.
    """
    now = kernel.settings(_by_label(places))
    namespaces = {
        label: replace(snapshot.namespaces[label], sysctls=values)
        for label, values in now.items()
        if label in snapshot.namespaces
    }
    there = replace(snapshot, namespaces=namespaces)
    originals = memory.only(places).originals(there, {}, kernel.pristine_sysctls)
    settings = [
        Sysctl(label, paths, values_in(now[label], paths), original)
        for label, values in originals.items()
        for paths, original in values.items()
    ]
    # In reverse order, so that forwarding is restored before the settings that had to be written
    # before it, such as accept_ra=2.
    steps = tuple(Step(setting, None, Disruption.DELETE) for setting in reversed(settings))
    run = execute(kernel, Plan(deletes=steps), keep_going=True)
    refused = {_place(refusal.step) for refusal in run.refusals}
    remaining = {place for place in memory.ours if place not in places or place in refused}
    return memory.only(remaining), run.refusals


def without_places(plan: Plan, places: Collection[Place]) -> Plan:
    """Return the plan without the steps that set these sysctls back."""
    deletes = tuple(step for step in plan.deletes if _place(step) not in places)
    return replace(plan, deletes=deletes) if len(deletes) < len(plan.deletes) else plan


def _place(step: Step) -> Place | None:
    resource = step.resource
    return (resource.netns, resource.paths) if isinstance(resource, Sysctl) else None


def _by_label(places: Iterable[Place]) -> dict[str, tuple[str, ...]]:
    by_label: dict[str, list[str]] = {}
    for label, paths in places:
        by_label.setdefault(label, []).extend(paths)
    return {label: with_defaults(paths) for label, paths in by_label.items()}
