"""Writes the results of commands as JSON, which docs/json.md documents.

The format is stable within a `version`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netorch.errors import NetorchError, Position, Problem, printable
from netorch.render.changes import Change, summary, with_same_lines

if TYPE_CHECKING:
    from netorch.converge.intended import Deviation

VERSION = 1


def document(**content: Any) -> str:
    return json.dumps({"version": VERSION, **content}, indent=2, ensure_ascii=False)


def changes(
    entries: Sequence[Change],
    where: Callable[[Change], Position | None] = lambda _: None,
    commands: Callable[[Change], Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Return the changes for a document.

    `commands`, if given, returns the shell commands that would make the same change.
    """
    return [
        _change(change, same, where(change))
        | ({"commands": list(commands(change))} if commands else {})
        for change, same in with_same_lines(entries)
    ]


def difference(
    topology: str,
    entries: Sequence[Change] = (),
    where: Callable[[Change], Position | None] = lambda _: None,
    commands: Callable[[Change], Sequence[str]] | None = None,
    deviations: Sequence[Deviation] = (),
    adopted: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Return the document of a `diff`. `where` and `commands` are those of `changes`."""
    return document(
        topology=topology,
        in_sync=not entries,
        adopted=list(adopted),
        changes=changes(entries, where, commands),
        intended=intended(deviations),
        summary=counts(entries),
        warnings=list(warnings),
    )


def counts(entries: Sequence[Change]) -> Mapping[str, int]:
    return summary(entries)


def intended(deviations: Sequence[Deviation]) -> list[dict[str, Any]]:
    """Return the intended deviations for a document."""
    return [
        {
            "node": deviation.node,
            "interface": deviation.interface,
            "netns": deviation.netns,
            "name": deviation.link,
            "state": ("down" if deviation.is_down else "up")
            if deviation.impairment is None
            else None,
            "impair": None
            if deviation.impairment is None
            else dict(deviation.impairment.file_values()),
            "flap": None if deviation.flap is None else deviation.flap.every,
            "since": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(deviation.since)),
            "by": deviation.who or None,
            "command": deviation.command,
            "text": printable(deviation.text()),
        }
        for deviation in deviations
    ]


def problems(entries: Iterable[Problem], file: str) -> list[dict[str, Any]]:
    return [
        {
            "file": file or None,
            "line": problem.where.line if problem.where else None,
            "column": problem.where.column if problem.where else None,
            "end_line": problem.end.line if problem.end else None,
            "end_column": problem.end.column if problem.end else None,
            "code": problem.code,
            "object": problem.object or None,
            "what": problem.what,
            "remedy": problem.remedy or None,
            "command": problem.command or None,
        }
        for problem in entries
    ]


def failure(error: NetorchError) -> str:
    return document(error=type(error).__name__, problems=problems(error.problems, error.file))


def problem(kind: str, entry: Problem) -> str:
    """Return the document of a failure other than a NetorchError.

    Such a failure is wrong usage, an interrupt, or a bug in netorch.
    """
    return document(error=kind, problems=problems([entry], ""))


def _change(change: Change, same: str, place: Position | None) -> dict[str, Any]:
    return {
        "action": change.disruption.value,
        "kind": change.key.kind,
        "netns": change.key.netns,
        "name": change.key.name,
        "title": change.title,
        "values": {
            name: {"old": old, "new": new}
            for name, (old, new) in change.values.items()
            if name not in change.unchanged
        },
        "added": [] if same else list(change.added),
        "removed": [] if same else list(change.removed),
        "same_lines_as": same or None,
        "because": change.because or None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
