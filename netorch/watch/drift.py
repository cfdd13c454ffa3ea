"""What differs from the file, what of that was told already, and what is to be told now.

This module is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from netorch.immutable import Value, replace
from netorch.render.changes import Change as PlannedChange
from netorch.render.changes import changes
from netorch.state.key import Key
from netorch.state.plan import Plan
from netorch.state.resource import Disruption
from netorch.watch.events import NOBODY, Actor, Change, Event, Sort


class Place(NamedTuple):
    """What a drift is about. There is one drift at a place at a time."""

    object: str
    """The title of the object."""
    attribute: str
    """The attribute, "" for the object as a whole."""


class Drift(Value):
    """One attribute that differs from the file, or one object that is missing or unexpected."""

    key: Key
    """The key of the object."""
    place: Place
    change: Change
    desired: str | None = None
    """The value that the file asks for."""
    actual: str | None = None
    """The value that the kernel has."""
    missing_lines: tuple[str, ...] = ()
    """Lines of the file that the object lacks."""
    extra_lines: tuple[str, ...] = ()
    """Lines of the object that are not in the file."""
    consequences: tuple[str, ...] = ()
    """Titles of objects that are missing because this one is."""
    cause: str = ""
    """The title of the missing object that explains this drift, which is not told then."""

    @property
    def is_consequence(self) -> bool:
        return bool(self.cause)

    def same(self, other: Drift) -> bool:
        """Tell whether a user who was told the one drift needs not be told the other."""
        return replace(self, consequences=()) == replace(other, consequences=())


Drifts = Mapping[Place, Drift]


def drifts(plan: Plan) -> dict[Place, Drift]:
    """Return what differs, from the plan that would put it right, in the words of `diff`."""
    result: dict[Place, Drift] = {}
    entries = changes(plan)
    causes = _causes(entries)
    for entry in entries:
        for drift in _drifts_of(entry):
            result[drift.place] = replace(drift, cause=causes.get(entry.title, ""))
    effects: dict[str, list[str]] = {}
    for title, cause in causes.items():
        effects.setdefault(cause, []).append(title)
    for title, titles in effects.items():
        place = Place(title, "")
        if place in result:
            result[place] = replace(result[place], consequences=tuple(sorted(titles)))
    return result


def objects(plan: Plan) -> dict[str, dict[str, frozenset[Key]]]:
    """Return the objects that differ, with those that are missing because of them.

    The result is title → title of the object itself and of its consequences → the keys of the steps
    that would put that right.
    """
    entries = changes(plan)
    causes = _causes(entries)
    result: dict[str, dict[str, frozenset[Key]]] = {}
    for entry in entries:
        there = result.setdefault(causes.get(entry.title, entry.title), {})
        keys = frozenset(step.key for step in entry.steps)
        there[entry.title] = there.get(entry.title, frozenset()) | keys
    return result


def count_objects(now: Drifts) -> dict[str, int]:
    """Return kind → how many objects differ."""
    kinds = {place.object: drift.key.kind for place, drift in now.items()}
    counts: dict[str, int] = {}
    for kind in kinds.values():
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _causes(entries: Iterable[PlannedChange]) -> dict[str, str]:
    """Return title of a missing object → title of the missing object that explains it.

    A namespace explains all in it, and a link its addresses and routes.
    """
    created = [entry for entry in entries if entry.disruption is Disruption.CREATE]
    titles: dict[Key, str] = {}
    for entry in created:
        titles.setdefault(entry.key, entry.title)
        titles.update({step.key: entry.title for step in entry.steps})
    parents: dict[str, list[str]] = {}
    pairs: dict[str, str] = {}
    for entry in created:
        needs = parents.setdefault(entry.title, [])
        for step in entry.steps:
            resource = step.resource
            for key in (*resource.dies_with, *resource.depends_on_any):
                if titles.get(key, entry.title) != entry.title:
                    needs.append(titles[key])
            if (other := titles.get(resource.paired_key or resource.key)) not in (
                None,
                entry.title,
            ):
                pairs[entry.title] = other or ""
    # the two ends of a cable go together, so one of them is enough
    alone = {title for title in pairs if not parents[title]}
    for title in alone:
        other = pairs[title]
        if other not in alone or other < title:
            parents[title].append(other)

    def root(title: str) -> str:
        visited = {title}
        while above := [one for one in parents.get(title, ()) if one not in visited]:
            title = above[0]
            visited.add(title)
        return title

    causes = {title: root(title) for title in parents}
    return {title: cause for title, cause in causes.items() if cause != title}


def _drifts_of(entry: PlannedChange) -> Iterator[Drift]:
    if entry.disruption is Disruption.CREATE:
        place = Place(entry.title, "")
        yield Drift(entry.key, place, Change.MISSING)
        return
    if entry.disruption is Disruption.DELETE:
        yield Drift(entry.key, Place(entry.title, ""), Change.UNEXPECTED)
        return
    # in a replacement, attributes that stay the same have no old value
    values = {
        name: pair
        for name, pair in entry.values.items()
        if entry.disruption is not Disruption.REPLACE or pair[0] is not None
    }
    for name, (actual, desired) in values.items():
        yield Drift(
            entry.key,
            Place(entry.title, name),
            Change.CHANGED,
            desired,
            actual,
            entry.added,
            entry.removed,
        )
    if not values:
        yield Drift(
            entry.key,
            Place(entry.title, ""),
            Change.CHANGED,
            missing_lines=entry.added,
            extra_lines=entry.removed,
        )


def advance(
    reports: Drifts, now: Drifts, who: Callable[[Drift], Actor] = lambda _: NOBODY
) -> tuple[list[Event], dict[Place, Drift]]:
    """Return the events that lead from the drifts that were told to the drifts of now.

    Also returns what is told after these events. The times and topologies of the events are not
    filled in. A drift is told once, and again if its values change. `who` returns who made a drift.
    """
    events = [
        _drift_event(drift, reports.get(place), who(drift))
        for place, drift in now.items()
        if not drift.is_consequence and _is_news(drift, reports.get(place))
    ]
    events += [
        _restored_event(drift, who(drift))
        for place, drift in reports.items()
        if place not in now and not drift.is_consequence
    ]
    if reports and not now:
        events.append(Event(0.0, "", Sort.IN_SYNC))
    return events, {place: _remember(reports.get(place), drift) for place, drift in now.items()}


def _remember(report: Drift | None, drift: Drift) -> Drift:
    """Return a drift as it is to be remembered.

    One that was told for itself stays so when another one explains it, because its end is to be
    told as well.
    """
    return drift if report is None or not drift.is_consequence else report


def _is_news(drift: Drift, report: Drift | None) -> bool:
    return report is None or report.is_consequence or not drift.same(report)


def _drift_event(drift: Drift, report: Drift | None, who: Actor) -> Event:
    before = (
        report.actual if report is not None and report.change is drift.change else drift.desired
    )
    return Event(
        0.0,
        "",
        Sort.DRIFT,
        drift.place.object,
        drift.key.kind,
        drift.change,
        drift.place.attribute,
        before,
        drift.actual,
        drift.missing_lines,
        drift.extra_lines,
        drift.consequences,
        who,
    )


def _restored_event(drift: Drift, who: Actor) -> Event:
    return Event(
        0.0,
        "",
        Sort.RESTORED,
        drift.place.object,
        drift.key.kind,
        drift.change,
        drift.place.attribute,
        drift.actual,
        drift.desired,
        drift.missing_lines,
        drift.extra_lines,
        who=who,
    )
