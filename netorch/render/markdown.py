"""A difference as GitHub's Markdown, for a comment on a pull request or the summary of a job. Pure.

All that comes from a file or from the kernel stands in code spans: there is no markup, no HTML and no mention in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from netorch.errors import NetorchError, printable
from netorch.render import text
from netorch.render.changes import Change
from netorch.state.resource import Disruption

COMMENT = 65_536
"""Bytes that a comment on GitHub may have."""

SUMMARY = 1 << 20
"""Bytes that the summary of a step may have."""

OPEN_ROWS = 20
"""Changes that a table shows before it is folded."""

_RESERVE = 1024
"""Bytes kept free for what ends a report."""

_TRAFFIC = {
    Disruption.CREATE: "none, it is new",
    Disruption.UPDATE: "none, changed in place",
    Disruption.FLAP: "traffic stops for a moment",
    Disruption.REPLACE: "deleted and made again",
    Disruption.DELETE: "gone, with all that uses it",
}


def report(
    name: str, found: Sequence[Change], warnings: Iterable[str] = (), limit: int = COMMENT
) -> str:
    """A heading, the table of changes and what else there is to know, in `limit` bytes of UTF-8 at most."""
    summed = text.summarize(found) if found else "in sync"
    head = f"### netorch: {code(name)} {'is ' if not found else 'differs: '}{summed}\n"
    tail = "".join(f"\n> **Warning:** {code(line)}\n" for line in warnings)
    if len(tail.encode()) > limit // 4:
        tail = (
            f"\n> **Warning:** there are more warnings than fit here: run {code('netorch diff')}\n"
        )
    if not found:
        return head + tail
    room = limit - len((head + tail).encode()) - _RESERVE
    table, shown = _table(found, room)
    left = len(found) - shown
    cut = (
        f"\nand {text.count_text(left, 'change')} more that did not fit here: run {code('netorch diff')}\n"
        if left
        else ""
    )
    if len(found) > OPEN_ROWS:
        table = f"<details>\n<summary>{text.count_text(len(found), 'change')}</summary>\n\n{table}{cut}\n</details>\n"
        cut = ""
    lines = "" if left else _lines(found, room - len(table.encode()))
    return f"{head}\n{table}{cut}{lines}{tail}"


def failure(error: NetorchError, limit: int = COMMENT) -> str:
    """A heading, and what went wrong."""
    made = "### netorch: failed\n\n"
    lines = error.lines()
    for number, line in enumerate(lines):
        row = f"- {code(line)}\n"
        if len((made + row).encode()) > limit - _RESERVE:
            return f"{made}\nand {text.count_text(len(lines) - number, 'more line')}\n"
        made += row
    return made


def code(said: str) -> str:
    """Text as a code span, in one line, that means nothing but itself, in a table too."""
    said = printable(" ".join(said.split())) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", said)), default=0))
    pad = " " if said[0] in "` " or said[-1] in "` " else ""
    # a table is cut into cells before anything else is looked at
    return f"{fence}{pad}{said}{pad}{fence}".replace("|", "\\|")


def _table(found: Sequence[Change], room: int) -> tuple[str, int]:
    """The table as far as it fits, and how many changes it has."""
    rows = ["| Action | Object | What | Disruption |\n", "| --- | --- | --- | --- |\n"]
    used = sum(len(row.encode()) for row in rows)
    for number, change in enumerate(found):
        row = f"| {' | '.join(_cells(change))} |\n"
        used += len(row.encode())
        if used > room:
            return "".join(rows), number
        rows.append(row)
    return "".join(rows), len(found)


def _cells(change: Change) -> Iterator[str]:
    yield change.disruption.value
    yield code(change.title)
    yield "<br>".join(code(value) for value in text.values(change, verbose=False))
    yield _TRAFFIC[change.disruption] + (
        f", goes with {code(change.because)}" if change.because else ""
    )


def _lines(found: Sequence[Change], room: int) -> str:
    """What comes and goes of what is made of lines, each object folded."""
    made = ""
    for change in found:
        lines = [*(f"- {line}" for line in change.removed), *(f"+ {line}" for line in change.added)]
        if not lines or change.disruption is Disruption.CREATE:
            continue
        body = "\n".join(printable(line) for line in lines)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
        title = f"{text.count_text(len(lines), 'line')} of"
        block = f"\n<details>\n<summary>{title} {_html(change.title)}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"
        if len((made + block).encode()) > room:
            return (
                made
                + f"\nThe lines of further objects did not fit here: run {code('netorch diff')}\n"
            )
        made += block
    return made


def _html(said: str) -> str:
    """Text between tags, where a code span does not work: all but letters by its number, in an element without mentions."""
    numbers = (
        letter if letter.isalnum() or letter in " /" else f"&#{ord(letter)};"
        for letter in printable(said)
    )
    return f"<code>{''.join(numbers)}</code>"
