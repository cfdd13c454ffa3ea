"""Writes a difference as GitHub's Markdown, for a comment or the summary of a job. Pure.

Every text that comes from a file or from the kernel is in a code span, so that GitHub does not read
markup, HTML or mentions in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Problem, printable
from netorch.immutable import Value
from netorch.render import text
from netorch.render.changes import Change, with_same_lines
from netorch.state.resource import Disruption

if TYPE_CHECKING:
    from netorch.converge.intended import Deviation
    from netorch.render.machine_changes import MachineChanges

COMMENT = 65_536
"""The most bytes of a comment on GitHub."""

SUMMARY = 1 << 20
"""The most bytes of the summary of a step."""

OPEN_ROWS = 20
"""The most changes of a table that is not folded."""

_RESERVE = 1024
"""Bytes that stay free for the end of a report."""

_TRAFFIC = {
    Disruption.CREATE: "none, it is new",
    Disruption.UPDATE: "none, changed in place",
    Disruption.FLAP: "traffic stops for a moment",
    Disruption.REPLACE: "deleted and made again",
    Disruption.DELETE: "deleted, with everything that uses it",
}


class Verdict(Value):
    """What `validate` says about one file."""

    file: str
    """The path below the repository."""
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def report(
    name: str,
    changes: Sequence[Change],
    warnings: Iterable[str] = (),
    limit: int = COMMENT,
    intended: Iterable[Deviation] = (),
) -> str:
    """Return a heading, the table of changes, changed lines, intended deviations and warnings.

    The report has at most `limit` bytes of UTF-8.
    """
    summed = text.summarize(changes) if changes else "in sync"
    head = f"### netorch: {code(name)} {'is ' if not changes else 'differs: '}{summed}\n"
    tail = _intended(intended, limit) + _warnings(warnings, limit)
    if not changes:
        return head + tail
    return f"{head}\n{_body(changes, limit - len((head + tail).encode()) - _RESERVE)}{tail}"


def machines_report(
    name: str,
    entries: Sequence[MachineChanges],
    warnings: Iterable[str] = (),
    limit: int = COMMENT,
) -> str:
    """Return a heading, and for each machine with changes a heading and what `report` has."""
    from netorch.render.machine_changes import summarize

    different = [entry for entry in entries if entry.changes]
    summed = summarize(entries)
    head = f"### netorch: {code(name)} {'is ' if not different else 'differs: '}{summed}\n"
    tail = _warnings(warnings, limit)
    room = limit - len((head + tail).encode()) - _RESERVE
    blocks: list[str] = []
    for number, entry in enumerate(different):
        title = f"\n#### {code(entry.place)}: {text.summarize(entry.changes)}\n\n"
        room -= len(title.encode())
        if room < _RESERVE:
            left = text.count_text(len(different) - number, "more machine")
            blocks.append(f"\nand {left} that did not fit here: run {code('netorch diff')}\n")
            break
        blocks.append(title + _body(entry.changes, room))
        room -= len(blocks[-1].encode()) - len(title.encode())
    return f"{head}{''.join(blocks)}{tail}"


def _intended(deviations: Iterable[Deviation], limit: int) -> str:
    tail = "".join(f"\n> **Intended:** {code(one.text())}\n" for one in deviations)
    if len(tail.encode()) > limit // 4:
        return f"\n> **Intended:** there is more than fits here: run {code('netorch diff')}\n"
    return tail


def _warnings(lines: Iterable[str], limit: int) -> str:
    tail = "".join(f"\n> **Warning:** {code(line)}\n" for line in lines)
    if len(tail.encode()) > limit // 4:
        return (
            f"\n> **Warning:** there are more warnings than fit here: run {code('netorch diff')}\n"
        )
    return tail


def _body(changes: Sequence[Change], room: int) -> str:
    """Return the table of changes and the changed lines, in at most `room` bytes."""
    table, count = _table(changes, room)
    left = len(changes) - count
    cut = (
        f"\nand {text.count_text(left, 'change')} more that did not fit here: "
        f"run {code('netorch diff')}\n"
        if left
        else ""
    )
    if len(changes) > OPEN_ROWS:
        title = f"<summary>{text.count_text(len(changes), 'change')}</summary>"
        table = f"<details>\n{title}\n\n{table}{cut}\n</details>\n"
        cut = ""
    lines = "" if left else _lines(changes, room - len(table.encode()))
    return f"{table}{cut}{lines}"


def validation(verdicts: Sequence[Verdict], limit: int = SUMMARY) -> str:
    """Return a heading and the table of the errors and warnings of some files."""
    wrong = sum(bool(verdict.errors) for verdict in verdicts)
    files = text.count_text(len(verdicts), "file")
    summed = f"{wrong} of {files} wrong" if wrong else f"{files} valid"
    rows = [f"### netorch: {summed}\n"]
    used = len(rows[0].encode())
    lines = [
        f"| {level} | {code(_place(verdict.file, problem))} | {code(_sentences(problem))} |\n"
        for verdict in verdicts
        for level, problems in (("error", verdict.errors), ("warning", verdict.warnings))
        for problem in problems
    ]
    if lines:
        rows.append("\n| Level | Place | What |\n| --- | --- | --- |\n")
    for number, line in enumerate(lines):
        used += len(line.encode())
        if used > limit - _RESERVE:
            more = text.count_text(len(lines) - number, "more line")
            rows.append(f"\nand {more} that did not fit here: run {code('netorch validate')}\n")
            break
        rows.append(line)
    return "".join(rows)


def _sentences(problem: Problem) -> str:
    return f"{problem.what} {problem.remedy}".rstrip()


def _place(file: str, problem: Problem) -> str:
    # a file that cannot be read is only the object of its problem
    return f"{file}:{problem.where.line}" if problem.where else file or problem.object


def failure(error: NetorchError, limit: int = COMMENT) -> str:
    """Return a heading and the lines of the error."""
    rows = ["### netorch: failed\n\n"]
    used = len(rows[0].encode())
    lines = error.lines()
    for number, line in enumerate(lines):
        row = f"- {code(line)}\n"
        used += len(row.encode())
        if used > limit - _RESERVE:
            more = text.count_text(len(lines) - number, "more line")
            return f"{''.join(rows)}\nand {more}\n"
        rows.append(row)
    return "".join(rows)


def code(value: str) -> str:
    """Return a text as a code span of one line, which may be in a table."""
    value = printable(" ".join(value.split())) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", value)), default=0))
    pad = " " if value[0] in "` " or value[-1] in "` " else ""
    # escaped even in a code span, because GitHub splits a table into cells first
    return f"{fence}{pad}{value}{pad}{fence}".replace("|", "\\|")


def _table(changes: Sequence[Change], room: int) -> tuple[str, int]:
    """Return as much of the table as fits into `room` bytes, and how many changes that is."""
    rows = ["| Action | Object | What | Disruption |\n", "| --- | --- | --- | --- |\n"]
    used = sum(len(row.encode()) for row in rows)
    for number, change in enumerate(changes):
        row = f"| {' | '.join(_cells(change))} |\n"
        used += len(row.encode())
        if used > room:
            return "".join(rows), number
        rows.append(row)
    return "".join(rows), len(changes)


def _cells(change: Change) -> Iterator[str]:
    yield change.disruption.value
    yield code(change.title)
    yield "<br>".join(code(value) for value in text.values(change, verbose=False))
    yield _TRAFFIC[change.disruption] + (
        f", goes with {code(change.because)}" if change.because else ""
    )


def _lines(changes: Sequence[Change], room: int) -> str:
    """Return the added and removed lines of each object that consists of lines, folded."""
    blocks: list[str] = []
    used = 0
    for change, same in with_same_lines(changes):
        lines = [*(f"- {line}" for line in change.removed), *(f"+ {line}" for line in change.added)]
        if not lines or same or change.disruption is Disruption.CREATE:
            continue
        body = "\n".join(printable(line) for line in lines)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
        title = f"{text.count_text(len(lines), 'line')} of {_html(change.title)}"
        diff = f"{fence}diff\n{body}\n{fence}"
        block = f"\n<details>\n<summary>{title}</summary>\n\n{diff}\n\n</details>\n"
        used += len(block.encode())
        if used > room:
            more = f"\nThe lines of further objects did not fit here: run {code('netorch diff')}\n"
            return "".join([*blocks, more])
        blocks.append(block)
    return "".join(blocks)


def _html(value: str) -> str:
    """Return a `code` element, for a text between HTML tags, where a code span does not work.

    Every character except letters, digits, spaces and slashes becomes a numeric character
    reference. GitHub does not look for mentions in a `code` element.
    """
    numbers = (
        letter if letter.isalnum() or letter in " /" else f"&#{ord(letter)};"
        for letter in printable(value)
    )
    return f"<code>{''.join(numbers)}</code>"
