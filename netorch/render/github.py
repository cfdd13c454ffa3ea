"""A difference as workflow commands of GitHub Actions, which annotate lines of the file. Pure.

GitHub shows ten errors and ten warnings of a step: changes that come from one line of the file are one annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from netorch.errors import NetorchError, Position, printable
from netorch.render import text
from netorch.render.changes import Change
from netorch.state.resource import Disruption

MAX_ANNOTATIONS = 10
"""Annotations of one level that GitHub shows of a step."""

_LONGEST = 20
"""Lines of one annotation."""

_STOPS = frozenset((Disruption.FLAP, Disruption.REPLACE, Disruption.DELETE))
"""Changes that stop traffic are errors, the others warnings."""


def annotate(
    name: str, found: Sequence[Change], file: str, where: Callable[[Change], Position | None]
) -> Iterator[str]:
    """One command for each line of the file (and level) that changes come from. `file`: as the repository has it, "" without one."""
    grouped: dict[tuple[str, Position | None], list[Change]] = {}
    for change in found:
        place = where(change)
        level = "error" if change.disruption in _STOPS else "warning"
        grouped.setdefault((level, Position(place.line, 1) if place else None), []).append(change)
    for level in ("error", "warning"):
        groups = [(place, changes) for (its, place), changes in grouped.items() if its == level]
        shown = groups if len(groups) <= MAX_ANNOTATIONS else groups[: MAX_ANNOTATIONS - 1]
        for place, changes in shown:
            yield command(level, "\n".join(_said(changes)), file, place, title=f"{name} differs")
        if rest := [change for _, changes in groups[len(shown) :] for change in changes]:
            yield command(
                level,
                "\n".join(_said(rest)),
                file,
                title=f"{name} differs: {text.count_text(len(rest), 'further change')}",
            )


def failure(error: NetorchError, path: Callable[[str], str]) -> Iterator[str]:
    """One error for each problem. `path`: a file's name → as the repository has it."""
    for problem in error.problems:
        words = f"{problem.what} {problem.remedy}".rstrip()
        yield command("error", printable(words), path(error.file), problem.where, title="netorch")


def warning(line: str) -> str:
    return command("warning", printable(line), title="netorch")


def command(
    level: str, message: str, file: str = "", place: Position | None = None, title: str = ""
) -> str:
    """`::error file=…,line=…,title=…::MESSAGE`, escaped as the runner reads it."""
    said = {"file": file, "line": str(place.line) if place else "", "title": title}
    if place and place.column > 1:
        said["col"] = str(place.column)
    words = ",".join(
        f"{name}={_property(value)}"
        for name, value in said.items()
        if value and (file or name == "title")
    )
    return f"::{level} {words}::{_data(message)}"


def relative(file: str, folder: str, workspace: str) -> str:
    """A file as an annotation names it: below the workspace, that is the checkout. `file` counts from `folder`; "" for standard input."""
    if file in ("", "-"):
        return ""
    whole = _plain(PurePosixPath(folder, file))
    for base in (workspace, folder):
        if base and whole.is_relative_to(_plain(PurePosixPath(base))):
            return str(whole.relative_to(_plain(PurePosixPath(base))))
    return str(whole)


def _plain(path: PurePosixPath) -> PurePosixPath:
    """Without `..`, as the words of the path say it."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return PurePosixPath(*parts)


def _said(found: Sequence[Change]) -> Iterator[str]:
    lines = [printable(line) for line in text.change_lines(found)]
    yield from lines[:_LONGEST]
    if len(lines) > _LONGEST:
        yield f"… and {len(lines) - _LONGEST} more"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
