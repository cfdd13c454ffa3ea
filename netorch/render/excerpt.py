"""Shows the line of a file with the wrong word underlined. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from netorch.errors import FileError, NetorchError, Problem, printable

_CUT = "…"
_TAB = " " * 4
_RED, _FAINT, _PLAIN = "\033[1;31m", "\033[2m", "\033[0m"


EXCERPTS = 20
"""The number of places whose line is shown."""

SAME_PLACE = 3
"""The number of errors of one place that are listed, because a range may cause hundreds."""


def report(
    error: NetorchError, columns: int = 80, *, colour: bool = False, wrap: bool = False
) -> Iterator[str]:
    """Yield the lines of an error for a user, with the lines of the file that they are about.

    With `wrap`, a sentence that is longer than `columns` takes several lines, which are indented.
    """
    start = "" if error.file else "netorch: "
    for number, group in enumerate(groups(error.problems)):
        for problem in group[:SAME_PLACE]:
            line = f"{start}{problem.text(error.file)}"
            yield from _wrapped(line, columns) if wrap else [line]
        if len(group) > SAME_PLACE:
            yield f"… and {len(group) - SAME_PLACE} more errors at this place"
        if number < EXCERPTS:
            yield from lines(group[0], columns, colour=colour)
    if isinstance(error, FileError) and len(error.problems) > EXCERPTS:
        yield f"{len(error.problems)} errors"


def _wrapped(line: str, columns: int) -> list[str]:
    from textwrap import wrap

    return wrap(
        line, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def groups(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Return the problems with those together that follow each other and have one place."""
    result: list[list[Problem]] = []
    for problem in problems:
        last = result[-1][0] if result else None
        same = last and last.where and (last.where, last.end) == (problem.where, problem.end)
        if last and same and last.code == problem.code:
            result[-1].append(problem)
        else:
            result.append([problem])
    return result


def lines(problem: Problem, columns: int = 80, *, colour: bool = False) -> list[str]:
    """Return the line of a problem and its underline, at most `columns` wide.

    Of a long line it shows the part around the wrong word. The result is empty for a problem whose
    line is not known.
    """
    if problem.where is None or not problem.line.strip():
        return []
    line, end = problem.line.rstrip(), problem.end
    first = min(problem.where.column - 1, len(line))
    last = end.column - 1 if end is not None and end.line == problem.where.line else len(line)
    last = max(min(last, len(line)), first)
    # only the part around the word, because a file may be one line of megabytes
    start, stop = max(0, first - 4 * columns), first + 4 * columns
    cells = [_TAB if letter == "\t" else printable(letter) for letter in line[start:stop]]
    first, last = first - start, min(last, stop) - start
    number = f"{problem.where.line:>4}"
    size = len(number)
    cells, first, last = _window(cells, first, last, max(20, columns - len(number) - 3))
    widths = [_width(cell) for cell in cells]
    mark = "^" * max(1, sum(widths[first:last]))
    if colour:
        mark = f"{_RED}{mark}{_PLAIN}"
        number, bar = f"{_FAINT}{number}", f"|{_PLAIN}"
    else:
        bar = "|"
    blank = f"{_FAINT}{' ' * size}" if colour else " " * size
    return [
        f"{number} {bar} {''.join(cells)}",
        f"{blank} {bar} {' ' * sum(widths[:first])}{mark}",
    ]


def _window(cells: list[str], first: int, last: int, room: int) -> tuple[list[str], int, int]:
    """Return the part of a line that fits into `room` columns, and where the word is in it."""
    ends = [0, *accumulate(map(_width, cells))]
    if ends[-1] <= room:
        return cells, first, last
    # a third of the room stays before the word, and all of it if the word is near the start
    begin = first
    while begin > 0 and ends[first] - ends[begin - 1] <= room // 3:
        begin -= 1
    stop = begin
    while stop < len(cells) and ends[stop + 1] - ends[begin] <= room - 2:
        stop += 1
    while stop == len(cells) and begin > 0 and ends[stop] - ends[begin - 1] <= room - 2:
        begin -= 1
    before, after = [_CUT] * (begin > 0), [_CUT] * (stop < len(cells))
    shift = len(before) - begin
    return [*before, *cells[begin:stop], *after], first + shift, min(last, stop) + shift


def _width(cell: str) -> int:
    """Return the number of columns that a terminal takes for a text."""
    if cell.isascii():
        return len(cell)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in cell
    )
