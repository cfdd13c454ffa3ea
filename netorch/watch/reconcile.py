"""Puts right what drifted, with the same transaction as `apply`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from netorch.converge.compare import Difference
from netorch.converge.concurrent_changes import name_processes
from netorch.errors import LockedError, NetorchError
from netorch.immutable import Value
from netorch.kernel.files import records
from netorch.render.changes import changes
from netorch.render.text import count_text, summarize
from netorch.state.plan import Plan
from netorch.watch import drift, repair
from netorch.watch.events import NOBODY, Event, Sort
from netorch.watch.repair import Histories

if TYPE_CHECKING:
    from netorch.converge.orchestrator import Orchestrator
    from netorch.watch.subject import Subject

_LONGEST_PAUSE = 300.0
"""The most seconds after a failed attempt."""


class _Overtaken(Exception):
    """Another netorch has applied or destroyed the topology since it was compared."""


class _TooMany(Exception):
    """The plan has more changes than the user allows."""


class Result(Value):
    """The end of an attempt."""

    events: tuple[Event, ...] = ()
    changes: int = 0
    """How many objects were changed."""
    seconds: float = 0.0
    reason: str = ""
    """Why it failed, or ""."""
    is_attempt: bool = False
    """Whether there was an apply at all."""
    plan: Plan = Plan()
    """What it changed. Some of that may have drifted after the comparison."""


class Reconciler:
    """Puts one topology right, again and again."""

    def __init__(self, most: int | None) -> None:
        """`most` is the largest number of objects that one attempt may change."""
        self._most = most
        self._histories: Histories = {}
        self._failures = 0
        self._pause_ends = 0.0
        self._reasons: set[str] = set()
        """Why attempts failed, as users were told."""
        self._refusal = ""
        self.wake: float | None = None
        """When to call `reconcile` again, of the monotonic clock."""

    @property
    def given_up(self) -> frozenset[str]:
        """The titles of the objects that netorch leaves alone."""
        return frozenset(
            title for title, history in self._histories.items() if history.has_given_up
        )

    def reconcile(
        self, orchestrator: Orchestrator, subject: Subject, changed: Collection[str]
    ) -> Result:
        """Put right what is to be put right now. `changed` are the objects that have just drifted.

        The topology has been compared, and is not busy.
        """
        difference, record, loaded = subject.difference, subject.record, subject.loaded
        assert difference is not None and record is not None and loaded is not None
        objects = drift.objects(difference.plan)
        keys = {title: frozenset().union(*there.values()) for title, there in objects.items()}
        now = time.monotonic()
        decision = repair.decide(keys, changed, self._histories, now)
        self._histories, self.wake = decision.histories, decision.later
        events = [self._give_up(subject, title, difference, keys) for title in decision.given_up]
        events += [
            Event(0.0, "", Sort.RESTORED, title, reason="is as in the file, and stays so")
            for title in sorted(decision.calm)
        ]
        if decision.calm and not keys and not self.given_up:
            events.append(Event(0.0, "", Sort.IN_SYNC))
        if not keys:
            self._failures, self._reasons, self._refusal = 0, set(), ""
        if not decision.now:
            return Result(tuple(events))
        if now < self._pause_ends:
            self.wake = min(self._pause_ends, self.wake or self._pause_ends)
            return Result(tuple(events))
        if self._most is not None:
            # before the attempt, too, because each attempt has a line in the machine's log
            count = sum(len(there) for title, there in objects.items() if title in decision.now)
            if count > self._most:
                return Result((*events, *self._refuse(_too_many(count))))
        leave = frozenset().union(*(keys[title] for title in keys.keys() - decision.now))

        def check(planned: Difference) -> None:
            if records.read_record(subject.name)[0] != record:
                raise _Overtaken
            count = len(changes(planned.plan))
            if self._most is not None and count > self._most:
                raise _TooMany(_too_many(count))

        try:
            report = orchestrator.apply(
                loaded, record, planned=check, lock_timeout=0.0, act="reconcile", leave=leave
            )
        except (LockedError, _Overtaken):
            subject.is_due = True
            return Result(tuple(events))
        except _TooMany as error:
            return Result((*events, *self._refuse(str(error))))
        except NetorchError as error:
            seconds = time.monotonic() - now
            self._histories = repair.attempt(
                _titles_in(error, decision.now), self._histories, time.monotonic()
            )
            reason, failure = self._fail(error)
            return Result((*events, *failure), 0, seconds, reason, is_attempt=True)
        self._histories = repair.attempt(decision.now, self._histories, time.monotonic())
        self._failures, self._reasons, self._refusal = 0, set(), ""
        made = changes(report.plan)
        if made:
            titles = [change.title for change in made]
            more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
            reason = f"{summarize(made, done=True)}: {', '.join(titles[:3])}{more}"
            events.append(Event(0.0, "", Sort.RECONCILED, reason=reason))
        return Result(tuple(events), len(made), time.monotonic() - now, "", True, report.plan)

    def _refuse(self, what: str) -> list[Event]:
        """Tell once that too much would have to be changed."""
        if what == self._refusal:
            return []
        self._refusal = what
        reason = (
            f"{what}, and --max-changes is {self._most}: nothing is changed. "
            "Look at `netorch diff`, and run `netorch apply` if that is right."
        )
        return [Event(0.0, "", Sort.FAILED, reason=reason)]

    def _fail(self, error: NetorchError) -> tuple[str, list[Event]]:
        """Wait longer after each failure, and tell each reason once."""
        self._failures += 1
        pause = min(_LONGEST_PAUSE, float(2 ** (self._failures - 1)))
        self._pause_ends = time.monotonic() + pause
        self.wake = min(self._pause_ends, self.wake or self._pause_ends)
        reason = " ".join(error.lines())
        if reason in self._reasons:
            return reason, []
        self._reasons.add(reason)
        text = f"could not be put right, and netorch tries again in {pause:g} s: {reason}"
        return reason, [Event(0.0, "", Sort.FAILED, reason=text)]

    def _give_up(
        self,
        subject: Subject,
        title: str,
        difference: Difference,
        keys: Mapping[str, frozenset[object]],
    ) -> Event:
        history = self._histories[title]
        who = subject.actors.get(title, NOBODY)
        by = f", last by {who.text}" if who != NOBODY else ""
        steps = [step for step in difference.plan.steps if step.key in keys[title]]
        others = "" if by else " ".join(("", *name_processes(steps, difference.snapshot)))
        seconds = max(1, round(time.monotonic() - history.began))
        reason = (
            f"was changed again each of the {history.attempts} times that netorch put it right, "
            f"within {seconds} s{by}: netorch leaves it alone until it has stayed the same for "
            f"{round(history.quiet / 60)} minutes.{others}"
        )
        return Event(0.0, "", Sort.GAVE_UP, title, who=who, reason=reason)


def _too_many(count: int) -> str:
    return f"{count_text(count, 'object')} would have to be changed"


def _titles_in(error: NetorchError, objects: Collection[str]) -> Collection[str]:
    """Return the objects that an error is about, or all of them if it names none."""
    titles = {problem.object for problem in error.problems}
    return titles.intersection(objects) or objects
