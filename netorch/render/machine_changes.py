"""The changes of each machine, for a topology that is spread over several. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from netorch.errors import Position
from netorch.immutable import Value
from netorch.render import json, text
from netorch.render.changes import Change


class MachineChanges(Value):
    """What happens on one machine."""

    machine: str
    """The name of the machine, "" for that of a file without `hosts`."""
    address: str
    """The address of the machine, or ""."""
    changes: tuple[Change, ...]
    """The changes, in the order of its plan."""

    @property
    def place(self) -> str:
        """The machine as users call it."""
        if not self.machine:
            return "a machine without a name"
        return f"{self.machine} ({self.address})"


def summarize(entries: Sequence[MachineChanges]) -> str:
    """Return `2 to create, 1 to delete, on 2 of 3 machines`, or `in sync`."""
    different = [entry for entry in entries if entry.changes]
    if not different:
        return "in sync"
    every = [change for entry in different for change in entry.changes]
    where = f"{len(different)} of {text.count_text(len(entries), 'machine')}"
    return f"{text.summarize(every)}, on {where}"


def with_machines(entries: Sequence[MachineChanges]) -> list[Change]:
    """Return all changes, whose titles name the machines."""
    return [
        replace(
            change,
            title=f"{change.title} on {entry.machine}" if entry.machine else change.title,
        )
        for entry in entries
        for change in entry.changes
    ]


def rows(
    entries: Sequence[MachineChanges], where: Callable[[Change], Position | None]
) -> list[dict[str, Any]]:
    """Return the changes for a JSON document, each with its machine."""
    return [
        {"machine": entry.machine or None, **row}
        for entry in entries
        for row in json.changes(entry.changes, where)
    ]


def machine_rows(entries: Sequence[MachineChanges]) -> list[dict[str, Any]]:
    """Return the machines for a JSON document."""
    return [*_machine_rows(entries)]


def _machine_rows(entries: Sequence[MachineChanges]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        yield {
            "machine": entry.machine or None,
            "address": entry.address or None,
            "in_sync": not entry.changes,
            "summary": json.counts(entry.changes),
        }
