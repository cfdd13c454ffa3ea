"""Summarises a plan for users: one change for each object, with old and new values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import asdict

from netorch.immutable import field
from netorch.state.groups import Group, groups
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource
from netorch.values import typed_json

INTERRUPTING = frozenset((Disruption.FLAP, Disruption.REPLACE, Disruption.DELETE))
"""The disruptions that stop traffic."""

AttributeChanges = tuple[str | None, str | None]
"""The old and the new value of an attribute; None for a missing value."""


class Change(Struct):
    """What happens to one object."""

    disruption: Disruption
    key: Key
    """The key of the object, by which netorch finds its position in the file."""
    title: str
    """The object as users call it, such as `veth r1/eth0`."""
    values: dict[str, AttributeChanges] = field(default_factory=dict)
    """Name → old and new value of each attribute that changes."""
    because: str = ""
    """The title of another object whose change causes this one, "" if there is none."""
    added: tuple[str, ...] = ()
    """Lines that the object gets, if it consists of lines, as a file does."""
    removed: tuple[str, ...] = ()
    """Lines that the object loses."""
    unchanged: tuple[str, ...] = ()
    """Attributes in `values` that an object which is made again has as before."""
    steps: list[Step] = field(default_factory=list)
    """The steps that make the change, in the plan's order. Empty if a private host sent it."""


def encode(entries: Iterable[Change]) -> str:
    """Return changes as JSON, without their steps."""
    return typed_json.encode(
        [asdict(entry) | {"key": tuple(entry.key), "steps": []} for entry in entries]
    )


def decode(text: str) -> list[Change]:
    """Return the changes in a text of `encode`. Raises ValueError if it is not one."""
    rows = typed_json.decode(text, list[dict[str, Any]])
    return [convert(row | {"key": Key(*row["key"])}, Change) for row in rows]


def changes(plan: Plan) -> list[Change]:
    """Return the changes of a plan in its order.

    An attribute that has a step of its own (state, master) belongs to the change of its object.
    """
    titles: dict[Key, str] = {}
    moves: _Moves = {}
    result: list[Change] = []
    deleted = (step.resource for step in plan.deletes)
    gone = {resource.key: resource for resource in (*plan.implied, *deleted)}
    for group in groups(plan):
        step, title = group.step, group.step.resource.title()
        if group.lost is not None:
            absent = group.lost.absent()
            values: dict[str, AttributeChanges] = {
                name: (value, absent.get(name)) for name, value in group.lost.attributes().items()
            }
            change = Change(group.disruption, step.key, title, values, steps=group.steps)
        else:
            values = _values(step, group.deleted)
            for part in group.parts:
                values |= {
                    name: (None, value) for name, value in part.resource.attributes().items()
                }
            change = Change(
                group.disruption,
                step.key,
                title,
                values,
                _because(step, titles),
                *_lines(step, moves),
                _unchanged(group, gone),
                steps=group.steps,
            )
        titles |= dict.fromkeys((entry.key for entry in group.steps), title)
        result.append(change)
    return result


def count_differences(plan: Plan) -> int:
    """Return in how many places two states differ: the number of lines of `netorch diff`."""
    return len(changes(plan))


MANY_LINES = 20
"""The number of lines beyond which the same lines are not shown once more."""


def with_same_lines(entries: Iterable[Change]) -> Iterator[tuple[Change, str]]:
    """Yield each change, and the title of the first one with the same lines if these are many.

    The title is "" for a change whose own lines are to be shown. All nodes of a topology have the
    same hosts file, which has a line for each of them.
    """
    titles: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    # by identity first, because hashing a thousand lines for each of a thousand nodes takes time
    known: dict[tuple[int, int], str] = {}
    for change in entries:
        lines = change.added, change.removed
        if len(change.added) + len(change.removed) <= MANY_LINES:
            yield change, ""
            continue
        place = id(change.added), id(change.removed)
        if place not in known:
            known[place] = titles.setdefault(lines, change.title)
        yield change, known[place] if known[place] != change.title else ""


def summary(entries: Sequence[Change]) -> Mapping[str, int]:
    """Return how many changes there are of each disruption."""
    return {
        sort.value: count
        for sort in Disruption
        if (count := sum(change.disruption is sort for change in entries))
    }


def _values(step: Step, deleted: Resource | None) -> dict[str, AttributeChanges]:
    """Return the old and the new value of each attribute.

    In a replacement, `deleted` is the object before. An old value is then given only if it differs
    from the new one.
    """
    absent = step.resource.absent()
    old = step.before.attributes() if step.before is not None else absent
    new = step.after.attributes() if step.after is not None else absent
    if deleted is not None and step.after is not None:
        was = deleted.attributes()
        return {
            name: (None if was.get(name) == value else _text_of(deleted, name, was), value)
            for name, value in new.items()
        } | {
            name: (value, _text_of(step.after, name, new))
            for name, value in was.items()
            if name not in new
        }
    names = [*new, *(name for name in old if name not in new)]
    if step.before is not None and step.after is not None:
        both = {
            name: (_text_of(step.before, name, old), _text_of(step.after, name, new))
            for name in names
        }
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}
    return {name: (old.get(name), new.get(name)) for name in names}


def _unchanged(group: Group, gone: Mapping[Key, Resource]) -> tuple[str, ...]:
    """Return the attributes of a replacement that stay as they are, also those of its parts."""
    if group.deleted is None:
        return ()
    again = [group.step, *group.parts]
    return tuple(
        name
        for step in again
        if step.after is not None and step.key in gone
        for name, value in step.after.attributes().items()
        if gone[step.key].attributes().get(name) == value
    )


def _text_of(resource: Resource, name: str, attributes: Mapping[str, str]) -> str | None:
    """Return the value of an attribute, or its default, which `attributes` leaves out."""
    return attributes[name] if name in attributes else resource.default_text(name)


Lines = tuple[str, ...]
_Moves = dict[tuple[int, int], tuple[Lines, Lines, tuple[Lines, Lines]]]
"""The differences that are known: `id` of the text before and of the text after → both texts, and
the added and the removed lines. It holds the texts, because an `id` is valid only while they exist.
"""


def _lines(step: Step, moves: _Moves) -> tuple[Lines, Lines]:
    """Return the added and the removed lines. A line that only moves is in both.

    The results are kept in `moves`, because the hosts files of a thousand nodes are all the same.
    """
    old = tuple(step.before.lines()) if step.before is not None and step.after is not None else ()
    new = tuple(step.after.lines()) if step.after is not None else ()
    if not old:
        return new, ()
    place = id(old), id(new)
    if place not in moves:
        moves[place] = old, new, _moved(old, new)
    return moves[place][2]


MOST_PAIRS = 1_000_000
"""The most pairs of an old and a new line that difflib compares, which may take a second."""


@lru_cache(maxsize=16)
def _moved(old: Lines, new: Lines) -> tuple[Lines, Lines]:
    if len(old) * len(new) > MOST_PAIRS:
        return _moved_of_many(old, new)
    from difflib import SequenceMatcher

    added: list[str] = []
    removed: list[str] = []
    for kind, start, end, from_, to in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            removed += old[start:end]
            added += new[from_:to]
    return tuple(added), tuple(removed)


def _moved_of_many(old: Lines, new: Lines) -> tuple[Lines, Lines]:
    """Return the added and the removed lines of two long texts, whose lines hardly repeat.

    The lines that stay are a longest increasing sequence of the positions in the old text, in the
    order of the new one. The first of several equal lines corresponds to the first, and so on.
    """
    places: dict[str, list[int]] = {}
    for position in range(len(old) - 1, -1, -1):
        places.setdefault(old[position], []).append(position)
    # the last position of the best sequence of each length, and the number of its line in `new`
    ends: list[int] = []
    lines: list[int] = []
    before: dict[int, tuple[int, int]] = {}
    for number, line in enumerate(new):
        if not places.get(line):
            continue
        position = places[line].pop()
        length = bisect_left(ends, position)
        before[number] = lines[length - 1] if length else -1, position
        if length == len(ends):
            ends.append(position)
            lines.append(number)
        else:
            ends[length], lines[length] = position, number
    same_new: set[int] = set()
    same_old: set[int] = set()
    number = lines[-1] if lines else -1
    while number >= 0:
        same_new.add(number)
        number, position = before[number]
        same_old.add(position)
    return (
        tuple(line for number, line in enumerate(new) if number not in same_new),
        tuple(line for number, line in enumerate(old) if number not in same_old),
    )


def _because(step: Step, titles: Mapping[Key, str]) -> str:
    if step.cause is None:
        return ""
    return titles.get(step.cause) or str(step.cause)
