"""Writes problems and differences as a Code Quality report of GitLab. Pure.

GitLab shows the entries in a merge request, at the lines of the topology file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from netorch.errors import Position, Problem, printable
from netorch.render import text
from netorch.render.changes import INTERRUPTING, Change
from netorch.values.digest import blake2b


def of_problems(
    problems: Iterable[Problem], file: str, severity: str = "critical"
) -> Iterator[dict[str, Any]]:
    """Yield an entry for each problem of a file.

    `file` is the path below the repository, "" without a file.
    """
    for problem in problems:
        words = f"{problem.what} {problem.remedy}".rstrip()
        yield _entry(f"netorch/{problem.code}", words, file, problem.where, problem.end, severity)


def of_changes(
    name: str, changes: Sequence[Change], file: str, where: Callable[[Change], Position | None]
) -> Iterator[dict[str, Any]]:
    """Yield an entry for each change of a topology: major if its repair interrupts traffic."""
    for change in changes:
        severity = "major" if change.disruption in INTERRUPTING else "minor"
        lines = "\n".join(text.change_lines([change]))
        words = f"{name} differs: {lines}"
        yield _entry("netorch/drift", words, file, where(change), None, severity)


def report(entries: Iterable[dict[str, Any]]) -> str:
    """Return the report. Entries with equal texts get different fingerprints."""
    numbers: dict[str, int] = {}
    rows = []
    for entry in entries:
        words = "\n".join((entry["check_name"], entry["location"]["path"], entry["description"]))
        number = numbers[words] = numbers.get(words, 0) + 1
        # without the line, so that an entry stays the same when lines before it are added
        digest = blake2b(f"{words}\n{number}".encode(), digest_size=16)
        rows.append(entry | {"fingerprint": digest.hexdigest()})
    return json.dumps(rows, indent=2, ensure_ascii=False)


def _entry(
    check: str,
    words: str,
    file: str,
    place: Position | None,
    end: Position | None,
    severity: str,
) -> dict[str, Any]:
    lines = {"begin": place.line if place else 1}
    if place and end:
        lines["end"] = end.line
    return {
        "description": "\n".join(printable(line) for line in words.splitlines()),
        "check_name": check,
        "severity": severity,
        "location": {"path": file or "-", "lines": lines},
    }
