"""Turn a snapshot into the observed state, and find the foreign objects that are in its way.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from netorch.immutable import Value, field
from netorch.kinds import observed_on
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.file import NodeFile
from netorch.kinds.name import name_key, names_in
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import SysctlValues
from netorch.state.by_class import of_class
from netorch.state.key import HOST, Key, is_attached
from netorch.state.registry import UNPROVEN_REPORTERS, View
from netorch.state.registry import ObservedKind as Kind
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, Mark, maker
from netorch.values.ownership import Ownership
from netorch.values.snapshot import NetnsSnapshot, Snapshot

OriginalValues = Mapping[str, Mapping[tuple[str, ...], SysctlValues | None]]
"""Label → sysctl → its value from before netorch, if that is known.

Each sysctl is a tuple of the paths at which it may be.
"""


class Observed(Value):
    """What a snapshot has of a topology."""

    state: Mapping[Key, Resource]
    """The topology's own objects."""
    conflicts: Mapping[Key, str] = field(default_factory=dict)
    """Desired key → a sentence about the foreign object that has it already."""
    stale: frozenset[str] = frozenset()
    """The names in /run/netns that a crash left there and that are not namespaces."""
    unproven: Mapping[Key, str] = field(default_factory=dict)
    """Object with marks that anybody may have written → a sentence that says so.

    netorch leaves these objects alone.
    """


class Evidence(Value):
    """What proves whose an object is, in addition to its mark in the kernel."""

    record: Ownership | None = None
    """The record of the topology's own objects; None if there is none."""
    trusts_numbers: bool = True
    """Whether a protocol number is proof enough where there is no record."""


WITHOUT_RECORD = Evidence()


def views(
    snapshot: Snapshot,
    mark: Mark,
    originals: OriginalValues,
    desired: Collection[Key],
    evidence: Evidence = WITHOUT_RECORD,
) -> dict[str, View]:
    """Return one view for each namespace, and one for each directory of files without one."""
    result: dict[str, View] = {}
    record = evidence.record
    others = {
        netns.inode
        for label, netns in snapshot.namespaces.items()
        if label == HOST or is_attached(label)
    }
    names = None if record is None else frozenset(record.namespaces)
    link_local = any(key.kind == "address" and key.parts[-1].startswith("fe80:") for key in desired)

    def is_created(label: str, netns: NetnsSnapshot) -> bool:
        first = snapshot.namespaces[netns.shares] if netns.shares else netns
        return (
            netns.inode not in others
            and netns.is_own
            and (names is None or label in names)
            and mark.owns_alias(first.mark)
        )

    for label, netns in snapshot.namespaces.items():
        created = is_created(label, netns)
        result[label] = View(
            netns,
            mark,
            created,
            result,
            originals.get(label, {}),
            desired,
            link_local,
            on_record=None if record is None or created else record.of(netns.identity),
            links_on_record=frozenset() if record is None else record.links_in(netns.identity),
            trusts_numbers=evidence.trusts_numbers,
            lent={
                place[1]: nic for nic, place in snapshot.nics.items() if place and place[0] == label
            },
            nics_on_record=frozenset(snapshot.nics),
        )
    for label, files in snapshot.orphans.items():
        result[label] = View(NetnsSnapshot(label, (0, 0), (), files=files), mark, False, result)
    return result


def _whose_namespace(netns: NetnsSnapshot, mark: Mark) -> str:
    """Return who made a namespace that is in the way, to be put after its name."""
    if not netns.is_own:
        return f"belongs to another user namespace, and {NOT_OURS}"
    alias = netns.mark
    if mark.owns_alias(alias):
        return f"has the mark of {mark.topology}, but no record proves that netorch made it"
    return maker(alias)


def _in_the_way(
    names: Mapping[str, str | None], desired: Mapping[Key, Resource]
) -> Iterator[tuple[str, str | None]]:
    """Yield the entries of `other_names` whose names the file asks for."""
    asked = names_in(desired) & names.keys()
    if asked:  # because most topologies have none, and there may be thousands of names
        yield from ((name, alias) for name, alias in names.items() if name in asked)


def _taken_twice(
    snapshot: Snapshot, desired: Mapping[Key, Resource], state: Mapping[Key, Resource]
) -> Iterator[tuple[str, str]]:
    """Yield (name, other name) for a namespace with two names that are two namespaces in the file.

    A second name that the topology has made is left out, because it is removed first.
    """
    for label, netns in snapshot.namespaces.items():
        first = netns.shares
        if first and {netns_key(label), netns_key(first)} <= desired.keys():
            if netns_key(first) not in state:
                yield first, label
            elif name_key(label) not in state:
                yield label, first


def observe(
    snapshot: Snapshot,
    mark: Mark,
    desired: Mapping[Key, Resource],
    originals: OriginalValues | None = None,
    kinds: Sequence[type[Kind]] | None = None,
    known: Mapping[str, Sequence[Resource]] | None = None,
    evidence: Evidence = WITHOUT_RECORD,
) -> Observed:
    """Return what `snapshot` has of the topology, and which desired keys foreign objects have.

    `kinds` are the kinds to look for; None means all. `known` is label → the resources of that
    namespace except files, if they were observed before.
    """
    state: dict[Key, Resource] = {}
    conflicts: dict[Key, str] = {}
    # a foreign link is in the way of an alternative name, too
    second_names = {
        link_key(link.netns, link.altname): link.key
        for link in of_class(desired, Link)
        if link.altname
    }
    for label, alias in _in_the_way(snapshot.other_names, desired):
        no_netns = (
            f"is {snapshot.foreign_files.get(label, 'an empty file')}, not a network namespace"
        )
        what = no_netns if alias is None else f"exists and {maker(alias)}"
        conflicts[netns_key(label)] = conflicts[name_key(label)] = f"/run/netns/{label} {what}"
    asked: dict[str, set[str]] = {}
    for kind_name, label in {(key.kind, key.netns) for key in (*desired, *second_names)}:
        asked.setdefault(label, set()).add(kind_name)
    known = known or {}
    unproven: dict[Key, str] = {}
    by_label = views(snapshot, mark, originals or {}, desired, evidence)
    for label, view in by_label.items():
        if not view.created and label != HOST and not is_attached(label) and view.netns.links:
            conflicts[netns_key(label)] = conflicts[name_key(label)] = (
                f"namespace {label!r} exists and {_whose_namespace(view.netns, mark)}"
            )
        for resource in known.get(label, ()):
            state[resource.key] = resource
        # root of another user namespace can write any mark there, so only files count, which
        # are on the host
        only_files = label in known or not view.netns.is_own
        kinds_asked = asked.get(label, ())
        for kind in (NodeFile,) if only_files else kinds or observed_on(view.link_kinds):
            for resource in kind.observe(view):
                state[resource.key] = resource
            for key, whose in (
                kind.foreign_objects(view) if kind.FOREIGN_KIND in kinds_asked else ()
            ):
                if key in desired:
                    conflicts[key] = whose
                elif key in second_names:
                    conflicts[second_names[key]] = whose
        if not view.created:
            unproven.update(pair for report in UNPROVEN_REPORTERS for pair in report(view))
    # each view refers to all of them, and the command line collects no such cycles
    by_label.clear()
    for label, first in [*_taken_twice(snapshot, desired, state)]:
        state.pop(netns_key(label), None)
        conflicts[netns_key(label)] = (
            f"/run/netns/{label} is another name of the namespace {first!r}"
        )
    stale = frozenset(
        label
        for label, alias in snapshot.other_names.items()
        if alias is None and label not in snapshot.foreign_files
    )
    return Observed(
        state,
        {key: whose for key, whose in conflicts.items() if key in desired and key not in state},
        stale,
        unproven,
    )
