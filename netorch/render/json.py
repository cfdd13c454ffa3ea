"""What commands say, as JSON: documented in docs/json.md, stable within one `version`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netorch.errors import NetorchError, Position, Problem
from netorch.render.changes import Change, summary

VERSION = 1


def document(**content: Any) -> str:
    return json.dumps({"version": VERSION, **content}, indent=2, ensure_ascii=False)


def changes(
    found: Sequence[Change],
    where: Callable[[Change], Position | None] = lambda _: None,
    commands: Callable[[Change], Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """`commands`: those that would do the same, where they are asked for."""
    return [
        _change(change, where(change)) | ({"commands": list(commands(change))} if commands else {})
        for change in found
    ]


def counts(found: Sequence[Change]) -> Mapping[str, int]:
    return summary(found)


def problems(found: Iterable[Problem], file: str) -> list[dict[str, Any]]:
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
        for problem in found
    ]


def failure(error: NetorchError) -> str:
    return document(error=type(error).__name__, problems=problems(error.problems, error.file))


def problem(kind: str, found: Problem) -> str:
    """A failure that is not a NetorchError: wrong usage, an interrupt, a mistake of netorch's own."""
    return document(error=kind, problems=problems([found], ""))


def _change(change: Change, place: Position | None) -> dict[str, Any]:
    return {
        "action": change.disruption.value,
        "kind": change.key.kind,
        "netns": change.key.netns,
        "name": change.key.name,
        "title": change.title,
        "values": {name: {"old": old, "new": new} for name, (old, new) in change.values.items()},
        "added": list(change.added),
        "removed": list(change.removed),
        "because": change.because or None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
