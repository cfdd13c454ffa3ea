"""Writes the results of commands as JSON, which docs/json.md documents.

The format is stable within a `version`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netorch.errors import NetorchError, Position, Problem
from netorch.render.changes import Change, summary, with_same_lines

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


def counts(entries: Sequence[Change]) -> Mapping[str, int]:
    return summary(entries)


def problems(entries: Iterable[Problem], file: str) -> list[dict[str, Any]]:
    return [
        {
            "file": file or None,
            "line": problem.where.line if problem.where else None,
            "column": problem.where.column if problem.where else None,
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
        "values": {name: {"old": old, "new": new} for name, (old, new) in change.values.items()},
        "added": [] if same else list(change.added),
        "removed": [] if same else list(change.removed),
        "same_lines_as": same or None,
        "because": change.because or None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
