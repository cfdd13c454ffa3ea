"""A plan as a person would tell it: one change an object, with old and new values and what it does to traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from netorch.immutable import field
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource

AttributeChanges = tuple[str | None, str | None]
"""Old and new; None where there is none."""


class Change(Struct):
    """What happens to one object. `because` names what takes it along, `key` leads to its place in the file; `added` and
    `removed` are lines of what is made of lines. `steps`: what is done for it, in the plan's order;
    none in a change that comes from a private host.
    """

    disruption: Disruption
    key: Key
    title: str
    values: dict[str, AttributeChanges] = field(default_factory=dict)
    because: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)


def changes(plan: Plan) -> list[Change]:
    """The changes of a plan in its order. An attribute that is a step of its own (state, master) goes with its object."""
    replaced = {step.key for step in plan.changes if step.disruption is Disruption.REPLACE}
    gone = (
        {
            resource.key: resource
            for resource in (*plan.implied, *(step.resource for step in plan.deletes))
        }
        if replaced
        else {}
    )
    left = {
        resource.part_of: resource
        for resource in plan.implied
        if resource.part_of is not None and resource.key not in replaced
    }
    found: dict[Key, Change] = {}
    parts: dict[Key, Change] = {}
    result: list[Change] = []
    ahead: dict[Key, Step] = {}
    for step in plan.steps:
        if step.after is None and step.key in replaced:
            ahead[step.key] = step
            continue
        own = [ahead[step.key], step] if step.key in ahead else [step]
        parent = step.resource.part_of
        if (
            parent is not None
            and step.before is None
            and parent in found
            and found[parent].disruption in _NEW
        ):
            found[parent].values |= {
                name: (None, value) for name, value in step.resource.attributes().items()
            }
            found[step.key] = found[parent]
            found[parent].steps += own
            continue
        if parent is not None and step.disruption is Disruption.REPLACE and parent in parts:
            # that a link goes down and up again where it joins or leaves a master
            found[step.key] = parts[parent]
            parts[parent].steps += own
            parts[parent].disruption = max(
                parts[parent].disruption, Disruption.FLAP, key=list(Disruption).index
            )
            continue
        if parent in left and step.disruption is Disruption.REPLACE:
            # it left a master that is gone: a step of its own was not needed, but it is what a person sees
            lost = left[parent]
            absent = lost.absent()
            values: dict[str, AttributeChanges] = {
                name: (value, absent.get(name)) for name, value in lost.attributes().items()
            }
            change = Change(Disruption.FLAP, step.key, step.resource.title(), values)
        else:
            values = _values(step, gone.get(step.key) if step.after is not None else None)
            change = Change(
                _disruption(step),
                step.key,
                step.resource.title(),
                values,
                _because(step, found),
                *_lines(step),
            )
        change.steps += own
        found[step.key] = change
        if parent is not None and parent.kind == "link":
            parts[parent] = change
        result.append(change)
    return result


def count_differences(plan: Plan) -> int:
    """In how many places two states differ: the lines of `netorch diff`, wherever a number is told."""
    return len(changes(plan))


def summary(found: Sequence[Change]) -> Mapping[str, int]:
    """How many changes there are of each sort."""
    return {
        sort.value: count
        for sort in Disruption
        if (count := sum(change.disruption is sort for change in found))
    }


def gone_objects(plan: Plan) -> int:
    """How many objects a plan of deletes takes away, counted as `changes` counts those that are made: a part goes with its object."""
    gone = [*plan.implied, *(step.resource for step in plan.steps)]
    keys = {resource.key for resource in gone}
    return sum(resource.part_of not in keys for resource in gone)


_NEW = {Disruption.CREATE, Disruption.REPLACE}


def _disruption(step: Step) -> Disruption:
    if (
        step.resource.part_of is None
        or step.resource.part_of.kind != "link"
        or step.key.kind == "link"
        or (step.disruption is Disruption.REPLACE and step.cause is not None)
    ):
        return step.disruption
    # a link that comes up or joins a bridge is an update of the link, one that goes down or leaves stops traffic
    if step.before is not None and step.after is not None:
        return step.disruption
    if step.before is None and step.disruption is not Disruption.REPLACE:
        return Disruption.UPDATE
    return step.disruption if step.after is not None else step.resource.REMOVAL


def _values(step: Step, gone: Resource | None) -> dict[str, AttributeChanges]:
    """Old and new of each attribute; of a replacement (`gone` is what was there) the old one only where it was another."""
    absent = step.resource.absent()
    old = step.before.attributes() if step.before is not None else absent
    new = step.after.attributes() if step.after is not None else absent
    if gone is not None and step.after is not None:
        was = gone.attributes()
        return {
            name: (None if was.get(name) == value else _unsaid(gone, name, was), value)
            for name, value in new.items()
        } | {
            name: (value, _unsaid(step.after, name, new))
            for name, value in was.items()
            if name not in new
        }
    names = [*new, *(name for name in old if name not in new)]
    if step.before is not None and step.after is not None:
        both = {
            name: (_unsaid(step.before, name, old), _unsaid(step.after, name, new))
            for name in names
        }
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}
    return {name: (old.get(name), new.get(name)) for name in names}


def _unsaid(resource: Resource, name: str, said: Mapping[str, str]) -> str | None:
    """What is said, or what goes without saying, being the default: where it changes it is worth a word."""
    return said[name] if name in said else resource.default_text(name)


def _lines(step: Step) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines that come and lines that go; one that only changes its place does both."""
    old = tuple(step.before.lines()) if step.before is not None and step.after is not None else ()
    new = tuple(step.after.lines()) if step.after is not None else ()
    return _moved(old, new) if old else (new, ())


@lru_cache(maxsize=16)
def _moved(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same for a thousand nodes, since their hosts files are."""
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


def _because(step: Step, found: Mapping[Key, Change]) -> str:
    if step.cause is None:
        return ""
    return found[step.cause].title if step.cause in found else str(step.cause)
