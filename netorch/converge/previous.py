"""What earlier applies left below /run/netorch. It is read once, while the lock is held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property

from netorch.converge import intended
from netorch.converge.attached import has_left, with_left
from netorch.converge.observe import Evidence
from netorch.converge.original_settings import Memory, memory_of
from netorch.converge.recorded_state import reload
from netorch.errors import NetorchError
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Originals, Record
from netorch.kinds.base.link import link_key
from netorch.kinds.name import names_in
from netorch.resolve.desired import Desired
from netorch.state.key import HOST, Key, is_attached
from netorch.state.resource import Resource
from netorch.values.marks import PROTOCOLS, Mark, read_alias
from netorch.values.ownership import (
    RECORDED,
    ObjectName,
    Ownership,
    free_number,
    identity_text,
)
from netorch.values.snapshot import Snapshot


class RecordsOfAll(Value):
    """What the records of all topologies say that matters to each of them."""

    names: tuple[str, ...]
    """Every topology that has a record."""
    settings: Mapping[str, Originals]
    """Topology → the values of its sysctls from before its first apply, if it changed any."""

    @classmethod
    def read(cls) -> RecordsOfAll:
        """Read /run/netorch. Raise NetorchError if it cannot be read."""
        names = tuple(records.applied_names())
        return cls(names, records.sysctls_of_all(names))

    def settings_of_others(self, topology: str) -> tuple[Originals, ...]:
        return tuple(there for name, there in self.settings.items() if name != topology)


class Previous(Value, dict=True):
    """The records of one topology, and of the others on this machine.

    A recorded file is loaded when it is first needed, because most commands do not need it.
    """

    topology: str
    """The name of the topology."""
    record: Record | None
    """What was applied last; None if there is no usable record."""
    settings: Originals
    """The values of this topology's sysctls from before its first apply."""
    settings_of_others: tuple[Originals, ...]
    """Other topology → the values of its sysctls from before its first apply."""
    names: tuple[str, ...]
    """Every topology that has a record, including this one."""
    warning: str = ""
    """The sentence about a fault in the record of the file, or ""."""
    settings_warning: str = ""
    """The sentence about a fault in the record of sysctls, or ""."""
    ownership: Ownership | None = None
    """The record of this topology's own objects; None if there is no usable one."""
    ownership_warning: str = ""
    """The sentence about a fault in the record of own objects, or ""."""
    loaded: Desired | None = None
    """What the recorded file asks for, if it is loaded already."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Label → the backend of its packet filter, "" for a filter of a version without marks."""
    intended: intended.Deviations = ()
    """What users have done to the topology on purpose."""
    intended_warning: str = ""
    """The sentence about a fault in the record of intended deviations, or ""."""

    @classmethod
    def read(cls, topology: str, every: RecordsOfAll | None = None) -> Previous:
        """Read /run/netorch. Raise NetorchError if it cannot be read.

        `every` has what was read of all topologies a moment ago.
        """
        record, warning = records.read_record(topology)
        settings, settings_warning = records.read_sysctls(topology)
        ownership, ownership_warning = records.read_ownership(topology)
        deviations, intended_warning = intended.read(topology)
        every = every or RecordsOfAll.read()
        return cls(
            topology=topology,
            record=record,
            settings=settings,
            settings_of_others=every.settings_of_others(topology),
            names=every.names,
            warning=warning,
            settings_warning=settings_warning,
            ownership=ownership,
            ownership_warning=ownership_warning,
            filters=_filters(topology, record),
            intended=deviations,
            intended_warning=intended_warning,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences about faults in the records, except for the record of the file."""
        faults = (self.settings_warning, self.ownership_warning, self.intended_warning)
        return tuple(filter(None, faults))

    @cached_property
    def mark(self) -> Mark:
        """The marks of this topology, with the recorded protocol number."""
        return Mark(self.topology, self.ownership.number if self.ownership is not None else 0)

    @cached_property
    def ownership_of_others(self) -> Mapping[str, Ownership]:
        """The records of the own objects of each other topology."""
        read = {
            name: records.read_ownership(name)[0] for name in self.names if name != self.topology
        }
        return {name: ownership for name, ownership in read.items() if ownership is not None}

    def with_number(self, snapshot: Snapshot, adopt: bool = False) -> Previous:
        """Choose a protocol number for this topology if it has none on record.

        The number is computed from the name. If another topology or a foreign object has this
        number already, netorch chooses a different one. With `adopt`, the number of foreign objects
        does not matter: they may be what a topology of this name has released, and some kernels do
        not change the number of an address.
        """
        default = Mark(self.topology)
        if self.ownership is not None or _is_marked(snapshot, default):
            return self
        taken = {
            *(Mark(name, own.number).protocol for name, own in self.ownership_of_others.items()),
            *(() if adopt else _numbers(snapshot)),
        }
        number = free_number(default.protocol, PROTOCOLS, taken)
        if number == default.protocol:
            return self
        return replace(self, ownership=Ownership(number))

    def evidence(self, snapshot: Snapshot) -> Evidence:
        """Return what proves whose the objects of a snapshot are, in addition to their marks.

        Without a record, a protocol number is proof enough only if a link has the topology's name
        and no other topology has the same number.
        """
        if self.ownership is not None:
            return Evidence(self.ownership)
        mark = self.mark
        others = {*self.names, *_marked_topologies(snapshot)} - {self.topology}
        shared = any(
            Mark(name, own.number if (own := self.ownership_of_others.get(name)) else 0).protocol
            == mark.protocol
            for name in others
        )
        return Evidence(None, trusts_numbers=not shared and _is_marked(snapshot, mark))

    def second_names(self, state: Collection[Key]) -> tuple[frozenset[str], ...]:
        """Return `Scope.second_names` for comparing `state` with the kernel."""
        asked = frozenset(key.netns for key in state if key.kind == "name")
        recorded = frozenset(() if self.ownership is None else self.ownership.second_names)
        if self.ownership is None or not (asked or recorded):
            return (asked,)
        return asked, frozenset(self.ownership.namespaces) - names_in(state), recorded

    def owner_elsewhere(self, key: Key, snapshot: Snapshot) -> str:
        """Return the other topology that has an object on record as its own, or ""."""
        netns = snapshot.namespaces.get(key.netns)
        if netns is None:
            return ""
        name = (key.kind, *key.parts)
        return next(
            (
                topology
                for topology, ownership in self.ownership_of_others.items()
                if name in ownership.of(netns.identity)
            ),
            "",
        )

    @cached_property
    def desired(self) -> Desired | None:
        """What the file that was applied last asks for; None if there is no usable record."""
        return self.loaded or recorded(self.topology, self.record)

    @cached_property
    def desired_with_left(self) -> Desired | None:
        """`desired`, with the attached namespaces that a killed apply did not clear."""
        return with_left(self.topology, self.desired)

    @cached_property
    def attached(self) -> Desired | None:
        """What was applied last if that attached any namespace, else None.

        Loading the file takes time, so it is loaded only if its text contains `attach`.
        """
        if self.record is None or not (
            self.record.may_contain("attach") or has_left(self.topology)
        ):
            return None
        return self.desired_with_left

    @cached_property
    def memory(self) -> Memory:
        """The original values of sysctls that this topology and the others changed."""
        return memory_of(self.settings, self.settings_of_others)

    @cached_property
    def others(self) -> Mapping[str, Desired]:
        """What each other topology on this machine asked for when it was applied last."""
        loaded = {
            name: recorded(name, records.read_record(name)[0])
            for name in self.names
            if name != self.topology
        }
        return {name: desired for name, desired in loaded.items() if desired is not None}

    def may_contain(self, word: str) -> bool:
        """Whether the file that was applied last may contain a word; True without a record."""
        return self.record is None or self.record.may_contain(word)

    def with_others_now(self) -> Previous:
        """Read the records of the other topologies again.

        Their locks are not held, so their records may have changed meanwhile.
        """
        every = RecordsOfAll.read()
        others = every.settings_of_others(self.topology)
        return replace(self, names=every.names, settings_of_others=others, loaded=self._known)

    def claiming(
        self, keys: Iterable[Key], own: Mapping[Key, Resource], snapshot: Snapshot
    ) -> Previous:
        """Return what is on record when the topology has taken over `keys`, beside its `own`."""
        recorded = ownership_of([*own, *keys], snapshot, self.mark)
        return replace(self, ownership=recorded.also(self.ownership), loaded=self._known)

    def with_settings(self, settings: Originals) -> Previous:
        """Return a copy with these original values of sysctls on record."""
        return replace(self, settings=settings, loaded=self._known)

    @property
    def _known(self) -> Desired | None:
        """What the recorded file asks for, if it is loaded."""
        return self.__dict__.get("desired", self.loaded)

    def rewritten(
        self, record: Record, desired: Desired, settings: Originals, ownership: Ownership
    ) -> Previous:
        """Return what is on record after an apply has written these records."""
        return replace(
            self,
            record=record,
            settings=settings,
            ownership=ownership,
            warning="",
            loaded=desired,
            # earlier filters stay in it, because a rollback may make them again
            filters={**(record.filters or {}), **self.filters},
        )


def _filters(topology: str, record: Record | None) -> Mapping[str, str]:
    if record is None:
        return {}
    if record.filters is not None:
        return record.filters
    desired = recorded(topology, record)
    state = desired.state if desired is not None else {}
    return {key.netns: "" for key in state if key.kind == "filter"}


def recorded(name: str, record: Record | None) -> Desired | None:
    """Return what the file that was applied last asks for, or None if there is no usable record."""
    try:
        return reload(name, record).desired if record is not None else None
    except NetorchError:
        return None


def namespaces_of(desired: Desired | None) -> frozenset[str]:
    """Return the names in /run/netns that a file makes."""
    if desired is None:
        return frozenset()
    return names_in(desired.state)


def ownership_of(state: Collection[Key], snapshot: Snapshot, mark: Mark) -> Ownership:
    """Return the record of the own objects of a state, or of their keys.

    `snapshot` has the namespaces that the topology is attached to.
    """
    objects: dict[str, list[ObjectName]] = {}
    for key in state:
        if key.kind in RECORDED and (key.netns == HOST or is_attached(key.netns)):
            netns = snapshot.namespaces.get(key.netns)
            if netns is not None:
                place = objects.setdefault(identity_text(netns.identity), [])
                place.append((key.kind, *key.parts))
    return Ownership(
        number=mark.protocol,
        namespaces=tuple(sorted(names_in(state))),
        second_names=tuple(sorted(key.netns for key in state if key.kind == "name")),
        objects={identity: tuple(sorted(there)) for identity, there in sorted(objects.items())},
        links=_links_of(state, snapshot),
    )


def _links_of(state: Collection[Key], snapshot: Snapshot) -> dict[str, tuple[int, ...]]:
    """Return namespace that netorch did not make → the indices of the state's links in it."""
    return {
        identity_text(netns.identity): indices
        for label, netns in sorted(snapshot.namespaces.items())
        if (label == HOST or is_attached(label))
        and (
            indices := tuple(
                sorted(link.index for link in netns.links if link_key(label, link.name) in state)
            )
        )
    }


def _is_marked(snapshot: Snapshot, mark: Mark) -> bool:
    """Whether a link has the topology's mark in a namespace where only root can write it."""
    return any(
        mark.owns_alias(link.alias)
        for label, netns in snapshot.namespaces.items()
        if not is_attached(label) and netns.is_own
        for link in netns.links
        if link.kind or link.name == "lo"
    )


def _marked_topologies(snapshot: Snapshot) -> Iterator[str]:
    """Yield the topologies whose marks are on the host or on named namespaces."""
    yield from (read_alias(link.alias).topology for link in snapshot.namespaces[HOST].links)
    yield from (read_alias(alias).topology for alias in snapshot.other_names.values() if alias)


def _numbers(snapshot: Snapshot) -> Iterator[int]:
    """Yield the protocol numbers of all objects on the host and in attached namespaces."""
    for label, netns in snapshot.namespaces.items():
        if label == HOST or is_attached(label):
            for records_of in (netns.addresses, netns.routes, netns.rules, netns.neighbours):
                yield from (record.protocol for record in records_of)
