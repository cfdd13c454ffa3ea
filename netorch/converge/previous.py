"""What earlier applies left under /run/netorch: read once, while the lock is held, and handed along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from netorch.converge.attached import has_left, with_left
from netorch.converge.original_settings import Memory, memory_of
from netorch.errors import NetorchError, Problem
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Originals, Record
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded, load
from netorch.state.key import HOST, Key


class Previous(Value, dict=True):
    """What is on record of one topology, and of the others on this machine.

    A file is loaded when somebody first asks what it says, because most commands need not know.
    """

    topology: str
    record: Record | None
    """What was applied last; None without a usable record."""
    settings: Originals
    """Sysctls of this topology from before its first apply."""
    settings_of_others: tuple[Originals, ...]
    names: tuple[str, ...]
    """Every topology that has a record, this one included."""
    warning: str = ""
    """What is wrong with the record."""
    settings_warning: str = ""
    """What is wrong with the record of sysctls."""
    loaded: Desired | None = None
    """What the file asks for, where that is known already."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Label → the backend of the packet filter there, "" for one that a version without marks made."""

    @classmethod
    def read(cls, topology: str) -> Previous:
        """Read /run/netorch. NetorchError where it cannot be read."""
        record, warning = records.read_record(topology)
        settings, settings_warning = records.read_sysctls(topology)
        names, others = _names_and_settings_of_others(topology)
        return cls(
            topology=topology,
            record=record,
            settings=settings,
            settings_of_others=others,
            names=names,
            warning=warning,
            settings_warning=settings_warning,
            filters=_filters(topology, record),
        )

    @cached_property
    def desired(self) -> Desired | None:
        """What the file that was applied last asks for; None without a usable record of it."""
        return self.loaded or recorded(self.topology, self.record)

    @cached_property
    def desired_with_left(self) -> Desired | None:
        """The same, with the attached namespaces that a killed apply did not come round to clear."""
        return with_left(self.topology, self.desired)

    @cached_property
    def attached(self) -> Desired | None:
        """What was applied last if that reached into namespaces of others, else None.

        Loading the file takes time, so it is loaded only if its text may attach anything.
        """
        if self.record is None or not (self.record.may_say("attach") or has_left(self.topology)):
            return None
        return self.desired_with_left

    @cached_property
    def memory(self) -> Memory:
        """The sysctls from before, of this topology and of the others."""
        return memory_of(self.settings, self.settings_of_others)

    @cached_property
    def others(self) -> Mapping[str, Desired]:
        """What each other topology of this machine asked for when it was applied last."""
        loaded = {
            name: recorded(name, records.read_record(name)[0])
            for name in self.names
            if name != self.topology
        }
        return {name: desired for name, desired in loaded.items() if desired is not None}

    def claims(self, topologies: Iterable[str]) -> dict[Key, str]:
        """What these other topologies have on the host without a mark that names them.

        Addresses, routes and rules have room for a number only. The values name the topologies.
        """
        numbered = {"address", "route", "rule"}
        return {
            key: name
            for name in topologies
            if name in self.others
            for key in self.others[name].state
            if key.netns == HOST and key.kind in numbered
        }

    def may_say(self, word: str) -> bool:
        """Whether the file that was applied last may have this word; True where nothing is known."""
        return self.record is None or self.record.may_say(word)

    def with_others_now(self) -> Previous:
        """The same with what other topologies have on record by now.

        Their locks are not held, so they may have come, changed or gone since this was read.
        """
        names, others = _names_and_settings_of_others(self.topology)
        return replace(self, names=names, settings_of_others=others, loaded=self._known)

    def with_settings(self, settings: Originals) -> Previous:
        """The same with these sysctls from before on record."""
        return replace(self, settings=settings, loaded=self._known)

    @property
    def _known(self) -> Desired | None:
        """What the file asks for, as far as somebody has asked."""
        return self.__dict__.get("desired", self.loaded)

    def rewritten(self, record: Record, desired: Desired, settings: Originals) -> Previous:
        """The same after an apply wrote its record and its `settings`."""
        return replace(
            self,
            record=record,
            settings=settings,
            warning="",
            loaded=desired,
            # those from before stay, because a rollback puts them back
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


def _names_and_settings_of_others(
    topology: str,
) -> tuple[tuple[str, ...], tuple[Originals, ...]]:
    """The topologies that have a record, and the sysctls from before of all but this one."""
    names = tuple(records.applied_names())
    return names, tuple(records.read_sysctls(name)[0] for name in names if name != topology)


def reload(name: str, record: Record) -> Loaded:
    """Load the file that was applied last, as it was then. NetorchError if it holds another one."""
    loaded = load(
        record.text.encode("utf-8", "surrogateescape"),
        record.source,
        record.variables,
        record.override,
        record.folder or None,
    )
    if loaded.desired.topology != name:
        what = f"the record of {name!r} holds another topology, {loaded.desired.topology!r}"
        raise NetorchError(Problem("record-damaged", what, object=name))
    return loaded


def recorded(name: str, record: Record | None) -> Desired | None:
    """What the file that was applied last asks for; None without a usable record of it."""
    try:
        return reload(name, record).desired if record is not None else None
    except NetorchError:
        return None


def namespaces_of(desired: Desired | None) -> frozenset[str]:
    """The names in /run/netns that a file makes."""
    if desired is None:
        return frozenset()
    return frozenset(key.netns for key in desired.state if key.kind == "netns")
