"""Settings of the kernel from before netorch, for the way back: what no mark can hold. Pure; `netorch.kernel.files.records` keeps it.

In a namespace that netorch made nothing needs to be known: the way back is the kernel's default for a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from netorch.immutable import Value, field
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl, SysctlValues, values_in
from netorch.language.scalars import sysctl_name
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.snapshot import Snapshot
from netorch.values.sysctl_paths import default_path, with_defaults

NamespaceIdentity = tuple[int, int]
"""Of a namespace, as `NetnsSnapshot.identity`."""
Paths = tuple[str, ...]
Place = tuple[str, Paths]
"""Label and setting."""
Records = Mapping[str, Mapping[Paths, tuple[NamespaceIdentity, SysctlValues]]]
"""Label → setting → (namespace that the values were read in, the values; none for the kernel's default)."""

ANY: NamespaceIdentity = (0, 0)


class Memory(Value):
    """`ours`: what this topology changed. `others`: what further topologies changed, by namespace and setting."""

    ours: Mapping[Place, tuple[NamespaceIdentity, SysctlValues]] = field(default_factory=dict)
    others: Mapping[tuple[NamespaceIdentity, Paths], SysctlValues] = field(default_factory=dict)

    def paths(self, state: Mapping[Key, Resource]) -> dict[str, Paths]:
        """Label → what to read: settings of the state, those remembered, and where the defaults of both stand."""
        wanted: dict[str, list[str]] = {}
        for resource in state.values():
            if isinstance(resource, Sysctl):
                wanted.setdefault(resource.netns, []).extend(resource.paths)
        for label, paths in self.ours:
            wanted.setdefault(label, []).extend(paths)
        return {label: with_defaults(paths) for label, paths in wanted.items()}

    @property
    def shared(self) -> frozenset[Place]:
        """What this topology changed in namespaces that it did not make, where other topologies may need it too."""
        return frozenset(place for place, (identity, _) in self.ours.items() if identity != ANY)

    @property
    def records(self) -> Records:
        """What is remembered of this topology."""
        return _grouped(self.ours)

    def only(self, places: Collection[Place]) -> Memory:
        """The same of some places of this topology."""
        ours = {place: entry for place, entry in self.ours.items() if place in places}
        return Memory(ours, self.others)

    def moved(self, labels: Mapping[str, str]) -> Memory:
        """The same where namespaces go by other labels: old → new."""
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
        wanted: Mapping[Key, Resource],
        pristine: Callable[[Iterable[str]], Mapping[str, str]],
    ) -> dict[str, dict[Paths, SysctlValues | None]]:
        """Label → the settings to compare → their value from before: what is wanted, and what was ours and still differs."""
        found: dict[str, dict[Paths, SysctlValues | None]] = {}
        for resource in wanted.values():
            if isinstance(resource, Sysctl):
                found.setdefault(resource.netns, {})[resource.paths] = None
        for (label, paths), (identity, before) in self.ours.items():
            netns = snapshot.namespaces.get(label)
            here = found.setdefault(label, {})
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
        return found

    def during(self, state: Mapping[Key, Resource], snapshot: Snapshot) -> Records:
        """What to remember before `state` is applied: all that was, and what is about to change."""
        fresh = self._fresh(state, snapshot)
        return _grouped(
            {**self.ours, **{place: self._before(place, entry) for place, entry in fresh.items()}}
        )

    def after(self, state: Mapping[Key, Resource], snapshot: Snapshot) -> Records:
        """What to remember once `state` is there: nothing that it no longer sets."""
        fresh = self._fresh(state, snapshot)
        return _grouped({place: self._before(place, entry) for place, entry in fresh.items()})

    def _before(
        self, place: Place, now: tuple[NamespaceIdentity, SysctlValues]
    ) -> tuple[NamespaceIdentity, SysctlValues]:
        """What is remembered of a place, unless that was of another namespace, such as the one that a container had."""
        was = self.ours.get(place, now)
        return was if was[0] == now[0] else now

    def _fresh(
        self, state: Mapping[Key, Resource], snapshot: Snapshot
    ) -> dict[Place, tuple[NamespaceIdentity, SysctlValues]]:
        found: dict[Place, tuple[NamespaceIdentity, SysctlValues]] = {}
        for resource in state.values():
            if not isinstance(resource, Sysctl):
                continue
            place = (resource.netns, resource.paths)
            netns = snapshot.namespaces.get(resource.netns)
            if netns is None or netns_key(resource.netns) in state:
                found[place] = (ANY, ())
            else:
                shared = self.others.get((netns.identity, resource.paths))
                found[place] = (
                    netns.identity,
                    shared if shared is not None else values_in(netns.sysctls, resource.paths),
                )
        return found


def memory_of(records: Records, others: Iterable[Records]) -> Memory:
    """The memory that these records hold; what is not a setting of the network is passed over."""
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
    """A record that was tampered with leads nowhere outside /proc/sys/net."""
    try:
        return all(path == sysctl_name(path) for path in paths)
    except ValueError:
        return False
