"""Remember the values that sysctls had before netorch, because no mark can hold them.

`netorch.kernel.files.records` saves them. In a namespace that netorch made there is nothing to
remember: the original value is the kernel's default for a new namespace. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from netorch.immutable import Value, field
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl, SysctlValues, values_in
from netorch.language.names import sysctl_path
from netorch.state.by_class import of_class
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.snapshot import Snapshot
from netorch.values.sysctl_paths import default_path, with_defaults

NamespaceIdentity = tuple[int, int]
"""The identity of a namespace, as in `NetnsSnapshot.identity`."""
Paths = tuple[str, ...]
"""One sysctl: the paths at which it may be."""
Place = tuple[str, Paths]
"""The label of a namespace, and a sysctl in it."""
Records = Mapping[str, Mapping[Paths, tuple[NamespaceIdentity, SysctlValues]]]
"""Label → sysctl → (the namespace that its values were read in, the values).

An empty tuple stands for the kernel's default.
"""

ANY: NamespaceIdentity = (0, 0)
"""Stands for a namespace that netorch makes."""


class Memory(Value):
    """The original values of the sysctls that topologies changed."""

    ours: Mapping[Place, tuple[NamespaceIdentity, SysctlValues]] = field(default_factory=dict)
    """The original values of the sysctls that this topology changed."""
    others: Mapping[tuple[NamespaceIdentity, Paths], SysctlValues] = field(default_factory=dict)
    """The original values of the sysctls that other topologies changed."""

    def paths(self, state: Mapping[Key, Resource]) -> dict[str, Paths]:
        """Return label → the paths to read: those of the state, of memory, and their defaults."""
        by_label: dict[str, list[str]] = {}
        for resource in of_class(state, Sysctl):
            by_label.setdefault(resource.netns, []).extend(resource.paths)
        for label, paths in self.ours:
            by_label.setdefault(label, []).extend(paths)
        return {label: with_defaults(paths) for label, paths in by_label.items()}

    @property
    def shared(self) -> frozenset[Place]:
        """The sysctls that this topology changed in namespaces that it did not make.

        Other topologies may need them, too.
        """
        return frozenset(place for place, (identity, _) in self.ours.items() if identity != ANY)

    @property
    def records(self) -> Records:
        """What is remembered of this topology, in the form of its record."""
        return _grouped(self.ours)

    def only(self, places: Collection[Place]) -> Memory:
        """Return the memory with only these places of this topology."""
        ours = {place: entry for place, entry in self.ours.items() if place in places}
        return Memory(ours, self.others)

    def moved(self, labels: Mapping[str, str]) -> Memory:
        """Return the memory with the labels of namespaces replaced: old → new."""
        return Memory(
            {
                (labels.get(label, label), paths): entry
                for (label, paths), entry in self.ours.items()
            },
            self.others,
        )

    def originals(
        self,
        snapshot: Snapshot,
        desired: Mapping[Key, Resource],
        pristine: Callable[[Iterable[str]], Mapping[str, str]],
    ) -> dict[str, dict[Paths, SysctlValues | None]]:
        """Return label → sysctl → its original value, for the sysctls to compare.

        These are the sysctls of `desired`, with None because their original values do not matter,
        and those that this topology changed and that still differ from their original values.
        """
        result: dict[str, dict[Paths, SysctlValues | None]] = {}
        for resource in of_class(desired, Sysctl):
            result.setdefault(resource.netns, {})[resource.paths] = None
        for (label, paths), (identity, before) in self.ours.items():
            netns = snapshot.namespaces.get(label)
            here = result.setdefault(label, {})
            if (
                netns is None
                or paths in here
                or identity not in {ANY, netns.identity}
                or (netns.identity, paths) in self.others
            ):
                continue
            if not (now := values_in(netns.sysctls, paths)):
                continue
            original = (
                before
                or _first(netns.sysctls, map(default_path, paths))
                or _first(pristine(paths), paths)
            )
            if original and now != original:
                here[paths] = original
        return result

    def during(self, state: Mapping[Key, Resource], snapshot: Snapshot) -> Records:
        """Return what to remember before `state` is applied: all so far, and what will change."""
        fresh = self._fresh(state, snapshot)
        return _grouped(
            {**self.ours, **{place: self._before(place, entry) for place, entry in fresh.items()}}
        )

    def after(self, state: Mapping[Key, Resource], snapshot: Snapshot) -> Records:
        """Return what to remember after `state` is applied: only the sysctls that it sets."""
        fresh = self._fresh(state, snapshot)
        return _grouped({place: self._before(place, entry) for place, entry in fresh.items()})

    def _before(
        self, place: Place, now: tuple[NamespaceIdentity, SysctlValues]
    ) -> tuple[NamespaceIdentity, SysctlValues]:
        """Return what is remembered of a place, or `now` if that was in another namespace.

        The place of a restarted container, for example, is in another namespace.
        """
        was = self.ours.get(place, now)
        return was if was[0] == now[0] else now

    def _fresh(
        self, state: Mapping[Key, Resource], snapshot: Snapshot
    ) -> dict[Place, tuple[NamespaceIdentity, SysctlValues]]:
        entries: dict[Place, tuple[NamespaceIdentity, SysctlValues]] = {}
        for resource in of_class(state, Sysctl):
            place = (resource.netns, resource.paths)
            netns = snapshot.namespaces.get(resource.netns)
            if netns is None or netns_key(resource.netns) in state:
                entries[place] = (ANY, ())
            else:
                shared = self.others.get((netns.identity, resource.paths))
                entries[place] = (
                    netns.identity,
                    shared if shared is not None else values_in(netns.sysctls, resource.paths),
                )
        return entries


def memory_of(records: Records, others: Iterable[Records]) -> Memory:
    """Return the memory of these records, without entries that are not network sysctls."""
    ours = {
        (label, paths): entry
        for label, entries in records.items()
        for paths, entry in entries.items()
        if _is_safe(paths)
    }
    theirs = {
        (identity, paths): values
        for other in others
        for entries in other.values()
        for paths, (identity, values) in entries.items()
        if identity != ANY and _is_safe(paths)
    }
    return Memory(ours, theirs)


def _grouped(
    entries: Mapping[Place, tuple[NamespaceIdentity, SysctlValues]],
) -> Records:
    grouped: dict[str, dict[Paths, tuple[NamespaceIdentity, SysctlValues]]] = {}
    for (label, paths), entry in entries.items():
        grouped.setdefault(label, {})[paths] = entry
    return grouped


def _first(there: Mapping[str, str], paths: Iterable[str | None]) -> SysctlValues:
    return next(((there[path],) for path in paths if path is not None and path in there), ())


def _is_safe(paths: Paths) -> bool:
    """Whether all paths are below /proc/sys/net, even if somebody has changed the record."""
    try:
        return all(path == sysctl_path(path) for path in paths)
    except ValueError:
        return False
