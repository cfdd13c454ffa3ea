"""Snapshot → observed state: what in the kernel is this topology's, and what of others stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cache

from netorch.immutable import Value, field
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.file import NodeFile
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import SysctlValues
from netorch.state.key import HOST, Key, is_attached
from netorch.state.registry import OBSERVED, UNPROVEN_REPORTERS, View
from netorch.state.registry import ObservedKind as Kind
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, Mark, maker
from netorch.values.ownership import Ownership
from netorch.values.snapshot import NetnsSnapshot, Snapshot

OriginalValues = Mapping[str, Mapping[tuple[str, ...], SysctlValues | None]]
"""Label → the settings to look at (each as the places where it may stand) → the value from before netorch, if known."""


class Observed(Value):
    """`state`: ours. `strangers`: keys that something else has already → a sentence that says what and whose.

    `stale`: names in /run/netns that are not namespaces.
    """

    state: Mapping[Key, Resource]
    strangers: Mapping[Key, str] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    unproven: Mapping[Key, str] = field(default_factory=dict)
    """What carries marks that prove nothing, and is left alone → a sentence that says so."""


class Evidence(Value):
    """What tells whose an object is, beside its mark in the kernel."""

    record: Ownership | None = None
    """What is on record; None without a record."""
    trusts_numbers: bool = True
    """Whether a number is enough where there is no record."""


WITHOUT_RECORD = Evidence()


def views(
    snapshot: Snapshot,
    mark: Mark,
    originals: OriginalValues,
    wanted: Container[Key],
    evidence: Evidence = WITHOUT_RECORD,
) -> dict[str, View]:
    """One view a namespace, and one for files that outlived their namespace."""
    found: dict[str, View] = {}
    record = evidence.record
    others = {
        netns.inode
        for label, netns in snapshot.namespaces.items()
        if label == HOST or is_attached(label)
    }
    names = None if record is None else frozenset(record.namespaces)
    for label, netns in snapshot.namespaces.items():
        created = (
            netns.inode not in others
            and netns.is_own
            and (names is None or label in names)
            and mark.owns_alias(netns.mark)
        )
        found[label] = View(
            netns,
            mark,
            created,
            found,
            originals.get(label, {}),
            wanted,
            on_record=None if record is None or created else record.of(netns.identity),
            links_on_record=frozenset() if record is None else record.links_in(netns.identity),
            trusts_numbers=evidence.trusts_numbers,
            lent={
                place[1]: nic for nic, place in snapshot.nics.items() if place and place[0] == label
            },
            nics_on_record=frozenset(snapshot.nics),
        )
    for label, files in snapshot.orphans.items():
        found[label] = View(NetnsSnapshot(label, (0, 0), (), files=files), mark, False, found)
    return found


def _whose_namespace(netns: NetnsSnapshot, mark: Mark) -> str:
    """Who made a namespace that is in the way, in a person's words."""
    if not netns.is_own:
        return f"belongs to another user namespace, and {NOT_OURS}"
    alias = netns.mark
    if mark.owns_alias(alias):
        return f"says that {mark.topology} made it, and no record proves it"
    return maker(alias)


def _taken_twice(snapshot: Snapshot, wanted: Mapping[Key, Resource]) -> Iterator[tuple[str, str]]:
    """Names of namespaces of the file that lead to the namespace of another one, and that one."""
    names: dict[tuple[int, int], str] = {}
    for label, netns in snapshot.namespaces.items():
        if netns_key(label) in wanted and names.setdefault(netns.inode, label) != label:
            yield label, names[netns.inode]


def _by_links(kinds: Sequence[type[Kind]]) -> Callable[[frozenset[str]], Sequence[type[Kind]]]:
    """What to look for where there are links of such kinds."""
    on = [(kind, kind.links()) for kind in kinds]

    @cache
    def found(there: frozenset[str]) -> Sequence[type[Kind]]:
        return [
            kind
            for kind, links in on
            if kind.FOREIGN_KIND or not links or not links.isdisjoint(there)
        ]

    return found


def observe(
    snapshot: Snapshot,
    mark: Mark,
    wanted: Mapping[Key, Resource],
    originals: OriginalValues | None = None,
    kinds: Sequence[type[Kind]] = OBSERVED,
    known: Mapping[str, Sequence[Resource]] | None = None,
    evidence: Evidence = WITHOUT_RECORD,
) -> Observed:
    """What is ours in `snapshot`, and which of the `wanted` keys are somebody else's. `kinds`: what to look for.

    `known`: label → what is there beside files, from a look before.
    """
    state: dict[Key, Resource] = {}
    strangers: dict[Key, str] = {}
    # a link's alternative name is one more name that nobody else may have
    second_names = {
        link_key(key.netns, resource.altname): key
        for key, resource in wanted.items()
        if isinstance(resource, Link) and resource.altname
    }
    for label, alias in snapshot.strangers.items():
        odd = f"is {snapshot.odd.get(label, 'an empty file')}, not a network namespace"
        what = odd if alias is None else f"exists and {maker(alias)}"
        strangers[netns_key(label)] = f"/run/netns/{label} {what}"
    asked = {(key.kind, key.netns) for key in (*wanted, *second_names)}
    looked_for = _by_links(kinds)
    known = known or {}
    unproven: dict[Key, str] = {}
    for view in views(snapshot, mark, originals or {}, wanted, evidence).values():
        if (
            not view.created
            and view.label != HOST
            and not is_attached(view.label)
            and view.netns.links
        ):
            strangers[netns_key(view.label)] = (
                f"namespace {view.label!r} exists and {_whose_namespace(view.netns, mark)}"
            )
        for resource in known.get(view.label, ()):
            state[resource.key] = resource
        # whoever is root of another user namespace writes there what he likes; the files are ours
        only_files = view.label in known or not view.netns.is_own
        for kind in (NodeFile,) if only_files else looked_for(view.link_kinds):
            for resource in kind.observe(view):
                state[resource.key] = resource
            for key, whose in (
                kind.foreign_objects(view) if (kind.FOREIGN_KIND, view.label) in asked else ()
            ):
                if key in wanted:
                    strangers[key] = whose
                elif key in second_names:
                    strangers[second_names[key]] = whose
        if not view.created:
            unproven.update(pair for tell in UNPROVEN_REPORTERS for pair in tell(view))
    for label, first in _taken_twice(snapshot, wanted):
        state.pop(netns_key(label), None)
        strangers[netns_key(label)] = (
            f"/run/netns/{label} is another name of the namespace {first!r}"
        )
    stale = frozenset(
        label
        for label, alias in snapshot.strangers.items()
        if alias is None and label not in snapshot.odd
    )
    return Observed(
        state,
        {key: whose for key, whose in strangers.items() if key in wanted and key not in state},
        stale,
        unproven,
    )
