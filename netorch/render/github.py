"""Writes a difference as workflow commands of GitHub Actions. Pure.

The commands annotate lines of the topology file. GitHub shows at most ten errors and ten warnings
of a step. Changes that come from the same line of the file therefore share one annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Position, Problem, printable
from netorch.render import text
from netorch.render.changes import INTERRUPTING, Change

if TYPE_CHECKING:
    from netorch.converge.intended import Deviation

MAX_ANNOTATIONS = 10
"""The most annotations of one level that GitHub shows for a step."""

_MAX_LINES = 20
"""The most lines of one annotation."""


def annotate(
    name: str, changes: Sequence[Change], file: str, where: Callable[[Change], Position | None]
) -> Iterator[str]:
    """Yield a command for each line of the file, and each level, that changes come from.

    Changes that interrupt traffic are errors, the others are warnings. `file` is the path below the
    repository, "" without a file.
    """
    grouped: dict[tuple[str, Position | None], list[Change]] = {}
    for change in changes:
        place = where(change)
        level = "error" if change.disruption in INTERRUPTING else "warning"
        grouped.setdefault((level, Position(place.line, 1) if place else None), []).append(change)
    for level in ("error", "warning"):
        groups = [(place, group) for (its, place), group in grouped.items() if its == level]
        single = groups if len(groups) <= MAX_ANNOTATIONS else groups[: MAX_ANNOTATIONS - 1]
        for place, group in single:
            message = "\n".join(_change_lines(group))
            yield command(level, message, file, place, title=f"{name} differs")
        if rest := [change for _, group in groups[len(single) :] for change in group]:
            yield command(
                level,
                "\n".join(_change_lines(rest)),
                file,
                title=f"{name} differs: {text.count_text(len(rest), 'further change')}",
            )


def notices(name: str, deviations: Iterable[Deviation]) -> Iterator[str]:
    """Yield a notice for what users have done to a topology on purpose."""
    yield from _notice(f"{name}: intended", [one.text() for one in deviations])


def adoptions(name: str, titles: Iterable[str]) -> Iterator[str]:
    """Yield a notice for the objects that a topology takes over as they are."""
    yield from _notice(f"{name}: to adopt", list(titles))


def _notice(title: str, texts: Sequence[str]) -> Iterator[str]:
    lines = [printable(text) for text in texts]
    if lines:
        more = [f"… and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
        yield command("notice", "\n".join([*lines[:_MAX_LINES], *more]), title=title)


def failure(error: NetorchError, path: Callable[[str], str]) -> Iterator[str]:
    """Yield an error for each problem. `path` returns the path of a file in the repository."""
    for problem in error.problems:
        yield of_problem("error", problem, path(error.file))


def of_problem(level: str, problem: Problem, file: str) -> str:
    """Return the annotation of a problem. `file` is its path in the repository."""
    words = printable(f"{problem.what} {problem.remedy}".rstrip())
    return command(level, words, file, problem.where, "netorch", problem.end)


def warning(line: str) -> str:
    return command("warning", printable(line), title="netorch")


def command(
    level: str,
    message: str,
    file: str = "",
    place: Position | None = None,
    title: str = "",
    end: Position | None = None,
) -> str:
    """Return `::error file=…,line=…,title=…::MESSAGE`, escaped for the runner.

    `end` is the place after the wrong word. GitHub uses it if it is in the same line.
    """
    properties = {"file": file, "line": str(place.line) if place else "", "title": title}
    if place and end and end.line == place.line and end.column > place.column:
        properties |= {"col": str(place.column), "endColumn": str(end.column)}
    elif place and place.column > 1:
        properties["col"] = str(place.column)
    words = ",".join(
        f"{name}={_property(value)}"
        for name, value in properties.items()
        if value and (file or name == "title")
    )
    return f"::{level} {words}::{_data(message)}"


def relative(file: str, folder: str, workspace: str) -> str:
    """Return the path of a file below the workspace, which is the checkout of the repository.

    `file` is relative to `folder`. Return "" for standard input.
    """
    if file in ("", "-"):
        return ""
    whole = _without_dots(PurePosixPath(folder, file))
    for base in (workspace, folder):
        if base and whole.is_relative_to(_without_dots(PurePosixPath(base))):
            return str(whole.relative_to(_without_dots(PurePosixPath(base))))
    return str(whole)


def _without_dots(path: PurePosixPath) -> PurePosixPath:
    """Return the path without `..`. Symbolic links are not followed."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return PurePosixPath(*parts)


def _change_lines(changes: Sequence[Change]) -> Iterator[str]:
    lines = [printable(line) for line in text.change_lines(changes)]
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"… and {len(lines) - _MAX_LINES} more"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
