"""Reading the kernel for one topology: which namespaces and settings to read, and what of it is ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netorch.converge import hazards
from netorch.converge.attached import Reach
from netorch.converge.observe import Observed, observe
from netorch.converge.original_settings import Memory
from netorch.converge.previous import Previous
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.netns import netns_key
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.ownership import RECORDED
from netorch.values.snapshot import Scope, Snapshot

SMALL = 100
"""The number of namespaces up to which nobody notices that their neighbours and forwarding databases are read as well."""


def scope(
    previous: Previous, state: Mapping[Key, Resource], attached: frozenset[str], memory: Memory
) -> Scope:
    """What to read in order to compare `state` with the kernel."""
    mark = previous.mark
    sysctls = dict(memory.paths(state))
    for label, paths in hazards.ipv6_switches(state).items():
        sysctls[label] = tuple(dict.fromkeys((*sysctls.get(label, ()), *paths)))
    return Scope(
        mark=mark.alias,
        in_full=frozenset(key.netns for key in state if key.kind == "netns"),
        attached=attached,
        sysctls=sysctls,
        topology=mark.topology,
        filters=frozenset(key.netns for key in state if key.kind == "filter"),
        recorded_filters=previous.filters,
        forwards=frozenset(key.netns for key in state if key.kind == "forward"),
        neighbours=reads_neighbours(previous, state),
        static_macs=_is_small(state) or _may_have("mac", "fdb", previous, state),
    )


def reads_neighbours(previous: Previous, state: Mapping[Key, Resource]) -> bool:
    """Whether to read neighbours, so that one which somebody entered by hand is drift.

    A topology of more than `SMALL` namespaces has to say `neighbours` for that, because the time is
    noticed there: on a star of 1,000 a `diff` takes 1.4 s of the processor with it, not 1.2 s.
    """
    return _is_small(state) or _may_have("neighbour", "neighbours", previous, state)


def _is_small(state: Mapping[Key, Resource]) -> bool:
    """Whether what somebody entered by hand is looked for although the file has none; not without any file."""
    return bool(state) and sum(key.kind == "netns" for key in state) <= SMALL


def _may_have(kind: str, word: str, previous: Previous, state: Mapping[Key, Resource]) -> bool:
    """Whether to read neighbours and the like.

    Their dump is slow where there are many. So they are read only if this file has some, the last
    one may have had some, or nothing is known of the last one.
    """
    return any(key.kind == kind for key in state) or previous.may_say(word)


def read_all(
    kernel: LinuxKernel, previous: Previous, reach: Reach, brief: bool = False
) -> tuple[Snapshot, Observed]:
    """All that carries the marks of a topology, wherever that reaches.

    `brief`: without what goes with its namespaces anyhow.
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
    """What of a snapshot is this topology's, and which of the `desired` keys are somebody else's.

    `known`: label → what is there beside files, of namespaces that need not be looked through.
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
            **observed.strangers,
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
    """What seems to be ours for its number, while another topology has it on record: key → that topology.

    In a namespace that netorch made, such as one that the other topology is attached to, only what is about to go matters.
    """
    if not previous.names or previous.names == (previous.topology,):
        return {}
    found: dict[Key, str] = {}
    for key in observed.state:
        if key.kind not in RECORDED or key.kind == "link":
            continue
        made = netns_key(key.netns) in observed.state
        asked = (key not in desired and bool(desired)) if made else previous.ownership is None
        if asked and (whose := previous.owner_elsewhere(key, snapshot)):
            found[key] = whose
    return found


def made_by(topology: str) -> str:
    """The sentence about an object of another topology."""
    return f"topology {topology!r} made it"
