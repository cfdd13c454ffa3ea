"""Choose what to read from the kernel for a topology, read it, and find its own objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netorch.converge import hazards
from netorch.converge.attached import Reach
from netorch.converge.observe import Observed, observe
from netorch.converge.original_settings import Memory
from netorch.converge.previous import Previous
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.name import names_in
from netorch.kinds.netns import netns_key
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.ownership import RECORDED
from netorch.values.snapshot import Scope, Snapshot


def scope(
    previous: Previous, state: Mapping[Key, Resource], attached: frozenset[str], memory: Memory
) -> Scope:
    """Return what to read in order to compare `state` with the kernel."""
    mark = previous.mark
    sysctls = dict(memory.paths(state))
    for label, paths in hazards.ipv6_switches(state).items():
        sysctls[label] = tuple(dict.fromkeys((*sysctls.get(label, ()), *paths)))
    second_names = previous.second_names(state)
    # names on record too, because a second name of somebody else stays
    names = names_in(state).union(*second_names)
    return Scope(
        mark=mark.alias,
        in_full=names,
        second_names=second_names,
        attached=attached,
        sysctls=sysctls,
        topology=mark.topology,
        filters=frozenset(key.netns for key in state if key.kind == "filter"),
        recorded_filters=previous.filters,
        forwards=frozenset(key.netns for key in state if key.kind == "forward"),
        # with a file, they are read to find what somebody has added by hand, too
        neighbours=bool(state) or previous.may_contain("neighbours"),
        static_macs=bool(state) or previous.may_contain("fdb"),
    )


def read_all(
    kernel: LinuxKernel, previous: Previous, reach: Reach, brief: bool = False
) -> tuple[Snapshot, Observed]:
    """Read everything with the marks of a topology, in all namespaces of `reach`.

    With `brief`, objects that the kernel deletes together with their namespaces are left out.
    """
    memory = previous.memory
    asked = scope(
        previous, reach.desired.state if reach.desired is not None else {}, reach.attached, memory
    )
    if reach.desired is None:
        forwards = frozenset[str]() if reach.known else reach.names
        asked = replace(asked, in_full=reach.names, forwards=forwards)
    snapshot = kernel.read(replace(asked, brief=brief))
    return snapshot, observe_ours(kernel, previous, snapshot, {}, memory)


def observe_ours(
    kernel: LinuxKernel,
    previous: Previous,
    snapshot: Snapshot,
    desired: Mapping[Key, Resource],
    memory: Memory,
    known: Mapping[str, Sequence[Resource]] | None = None,
) -> Observed:
    """Return what a snapshot has of this topology, and which `desired` keys foreign objects have.

    `known` is label → the resources, except files, of namespaces that need no second look.
    """
    originals = memory.originals(snapshot, desired, kernel.pristine_sysctls)
    evidence = previous.evidence(snapshot)
    observed = observe(snapshot, previous.mark, desired, originals, known=known, evidence=evidence)
    theirs = _of_others(previous, snapshot, observed, desired)
    unproven = {
        key: text
        for key, text in observed.unproven.items()
        if not previous.owner_elsewhere(key, snapshot)
    }
    if not theirs and len(unproven) == len(observed.unproven):
        return observed
    return Observed(
        {key: resource for key, resource in observed.state.items() if key not in theirs},
        {
            **observed.conflicts,
            **{key: made_by(whose) for key, whose in theirs.items() if key in desired},
        },
        observed.stale,
        unproven,
    )


def _of_others(
    previous: Previous,
    snapshot: Snapshot,
    observed: Observed,
    desired: Mapping[Key, Resource],
) -> dict[Key, str]:
    """Return key → other topology that has it on record, for objects with this topology's number.

    In a namespace that netorch made, only objects that would be deleted are checked: the other
    topology may be attached to it.
    """
    if not previous.names or previous.names == (previous.topology,):
        return {}
    owners: dict[Key, str] = {}
    for key in observed.state:
        if key.kind not in RECORDED or key.kind == "link":
            continue
        made = netns_key(key.netns) in observed.state
        asked = (key not in desired and bool(desired)) if made else previous.ownership is None
        if asked and (whose := previous.owner_elsewhere(key, snapshot)):
            owners[key] = whose
    return owners


def made_by(topology: str) -> str:
    """Return the sentence about an object of another topology."""
    return f"topology {topology!r} made it"
