"""Writes many changes in few lines: equal changes together, and new objects by their kind. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from netorch.errors import printable
from netorch.render import text
from netorch.render.changes import Change
from netorch.state.resource import Disruption

ALIKE = 5
"""The number of equal changes from which on one line shows them."""

_PLURALS = {
    "netns": "namespaces",
    "name": "second names",
    "veth": "veth interfaces",
    "address": "addresses",
    "policy": "policies",
    "neighbour": "neighbours",
    "nat": "sets of rules",
}
_WORD = re.compile(r"[\w.-]+")
_WHOLE = frozenset((Disruption.CREATE, Disruption.DELETE))


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Return the key that sorts `h2` before `h10`."""
    parts = re.findall(r"\d+|\D+", name)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def lines(
    changes: Sequence[Change], *, by_kind: bool = False, colour: bool = False, columns: int = 0
) -> Iterator[str]:
    """Yield the lines of `text.change_lines`, with one line for equal changes of many objects.

    With `by_kind`, one line also counts the new objects of a kind, or the deleted ones. With
    `columns`, longer lines are wrapped.
    """
    for group in _by_kind(changes) if by_kind else _runs(changes):
        first = group[0]
        if len(group) < ALIKE:
            content = [line for change in group for line in text.change_lines([change])]
        elif first.disruption in _WHOLE:
            content = [_count(group)]
        else:
            content = [*text.change_lines([first])]
            names = _range(change.key.netns or change.title for change in group[1:])
            content.append(f"    (and the same of {len(group) - 1} more: {names})")
        for line in content:
            yield from _painted(line, first, colour, columns)


def _painted(line: str, change: Change, colour: bool, columns: int) -> list[str]:
    pieces = [line]
    if columns and len(line) > columns:
        from textwrap import wrap

        indent = " " * (len(line) - len(line.lstrip()) + 4)
        pieces = wrap(
            line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    code = text.SIGNS[change.disruption][1]
    if line.startswith("    - "):
        code = text.SIGNS[Disruption.DELETE][1]
    elif line.startswith("    + "):
        code = text.SIGNS[Disruption.CREATE][1]
    elif line.startswith("    ("):
        return pieces
    return [text.paint(piece, code, colour) for piece in pieces]


def _runs(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield the changes, with those together that follow each other and are equal."""
    group: list[Change] = []
    for change in changes:
        if group and not (change.disruption not in _WHOLE and _same(group[0], change)):
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _same(one: Change, other: Change) -> bool:
    return (
        one.disruption is other.disruption
        and one.values == other.values
        and one.because == other.because
        and (one.added, one.removed) == (other.added, other.removed)
        and _shape(one) == _shape(other)
    )


def _shape(change: Change) -> str:
    """Return the title without the name of the node."""
    node = change.key.netns
    return _WORD.sub(lambda word: "*" if word[0] == node else word[0], change.title)


def _by_kind(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield the changes of `_runs`, with all new objects of a kind in the place of the first."""
    kinds: dict[tuple[Disruption, str], list[Change]] = {}
    for change in changes:
        if change.disruption in _WHOLE:
            kinds.setdefault((change.disruption, _kind(change)), []).append(change)
    others: list[Change] = []
    for change in changes:
        if change.disruption not in _WHOLE:
            others.append(change)
            continue
        yield from _runs(others)
        others = []
        if group := kinds.pop((change.disruption, _kind(change)), None):
            yield group
    yield from _runs(others)


def _kind(change: Change) -> str:
    return change.title.partition(" ")[0]


def _count(group: Sequence[Change]) -> str:
    """Return `+ 300 namespaces  n1 … n300`."""
    kind = _kind(group[0])
    plural = _PLURALS.get(kind, f"{kind}s")
    names = _range(change.title.partition(" ")[2] for change in group)
    return f"{text.SIGNS[group[0].disruption][0]} {len(group)} {plural}  {names}"


def _range(names: Iterable[str]) -> str:
    """Return the first and the last of names, or all of them if they are few."""
    ordered = sorted(names, key=natural)
    few = ordered if len(ordered) <= 3 else [ordered[0], "…", ordered[-1]]
    return printable((" " if "…" in few else ", ").join(few))
