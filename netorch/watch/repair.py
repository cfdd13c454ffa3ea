"""When to put which object right, and when to give up. This module is pure.

An object is put right at once. If it drifts again soon, netorch waits longer before each further
attempt. After some attempts it leaves the object alone until nobody has changed it for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from netorch.immutable import Value, field, replace

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds before the second attempt, and the most before any attempt. Each waits twice as long as
the one before.
"""
ATTEMPTS = 5
"""The number of attempts after which netorch gives up, if the object drifts again each time."""
CALM = 300.0
"""Seconds after which an object that has not drifted again counts as put right for good."""
QUIET = 600.0
"""Seconds without a change after which netorch tries again to put an object right.

It waits twice as long whenever that was in vain.
"""
LONGEST_QUIET = 86400.0
"""The most seconds that it waits."""


class Outcome(Enum):
    """What an object's history says about putting it right now."""

    NOW = "now"
    LATER = "later"
    GIVE_UP = "give up"
    """From now on it is left alone."""
    LEAVE = "leave"
    """It is left alone already."""


class History(Value):
    """What was done about one object."""

    attempts: int = 0
    """How often it was put right since it was calm."""
    began: float = 0.0
    """The time of the first of these attempts."""
    last: float = 0.0
    """The time of the last attempt."""
    changed: float = 0.0
    """The last time that somebody else changed it."""
    has_given_up: bool = False
    rounds: int = 0
    """How often netorch has given up and tried again since the object was calm."""

    def attempt(self, now: float) -> History:
        """Return the history after an attempt to put the object right."""
        began = self.began if self.attempts else now
        return replace(self, attempts=self.attempts + 1, began=began, last=now)

    def change(self, now: float) -> History:
        """Return the history after somebody else has changed the object."""
        if self.has_given_up or now - self.last < CALM:
            return replace(self, changed=now)
        return History(changed=now)

    @property
    def due(self) -> float:
        """The time of the next attempt."""
        if self.has_given_up:
            return self.changed + self.quiet
        if not self.attempts:
            return self.changed
        return self.last + float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self.attempts - 1)))

    @property
    def quiet(self) -> float:
        """For how many seconds nobody may change it until netorch tries again."""
        return float(min(LONGEST_QUIET, QUIET * 2**self.rounds))

    def try_again(self) -> History:
        """Return the history of an object that netorch had given up, with one attempt left."""
        return replace(
            self, has_given_up=False, attempts=ATTEMPTS - 1, rounds=min(self.rounds + 1, 20)
        )

    def outcome(self, now: float) -> Outcome:
        """Say whether the object, which differs, is to be put right now."""
        if self.has_given_up:
            return Outcome.NOW if now >= self.due else Outcome.LEAVE
        if self.attempts >= ATTEMPTS:
            return Outcome.GIVE_UP
        return Outcome.NOW if now >= self.due else Outcome.LATER

    @property
    def end(self) -> float:
        """The time from which an object that does not differ any more need not be remembered."""
        return max(self.last, self.changed) + (self.quiet if self.has_given_up else CALM)


NEW = History()
Histories = Mapping[str, History]
"""Title of an object → its history."""


class Decision(Value):
    """What to do about the objects that differ."""

    now: frozenset[str] = frozenset()
    """Titles of the objects to put right now."""
    given_up: frozenset[str] = frozenset()
    """Titles of those that netorch leaves alone from now on.

    An object is named once, until it has been calm.
    """
    calm: frozenset[str] = frozenset()
    """Titles of those that had been given up, and have been as in the file for long."""
    later: float | None = None
    """When to decide again; None if no object waits."""
    histories: Histories = field(default_factory=dict)


def decide(
    objects: Iterable[str], changed: Iterable[str], known: Histories, now: float
) -> Decision:
    """Decide what to do about `objects`, which differ.

    Of these, somebody has just made or changed `changed`.
    """
    histories = dict(known)
    for title in changed:
        histories[title] = histories.get(title, NEW).change(now)
    due: set[str] = set()
    given_up: set[str] = set()
    moments: list[float] = []
    differing = set(objects)
    for title in differing:
        history = histories.get(title, NEW)
        match history.outcome(now):
            case Outcome.NOW:
                due.add(title)
                if history.has_given_up:
                    histories[title] = history.try_again()
            case Outcome.LATER:
                moments.append(history.due)
            case Outcome.LEAVE:
                moments.append(history.due)
            case Outcome.GIVE_UP:
                if not history.rounds:
                    given_up.add(title)
                histories[title] = replace(history, has_given_up=True)
                moments.append(histories[title].due)
    calm: set[str] = set()
    for title in histories.keys() - differing:
        history = histories[title]
        if now >= history.end:
            del histories[title]
        if history.has_given_up:
            if now >= history.end:
                calm.add(title)
            else:
                moments.append(history.end)
    return Decision(
        frozenset(due),
        frozenset(given_up),
        frozenset(calm),
        min(moments, default=None),
        histories,
    )


def attempt(objects: Iterable[str], known: Histories, now: float) -> dict[str, History]:
    """Return the histories after an attempt to put `objects` right."""
    return {**known, **{title: known.get(title, NEW).attempt(now) for title in objects}}
