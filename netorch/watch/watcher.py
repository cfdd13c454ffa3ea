"""The loop of `watch`: wait for news, compare, tell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING

from netorch.converge.orchestrator import Orchestrator
from netorch.errors import NetorchError
from netorch.immutable import Value
from netorch.kernel.events.listener import Listener
from netorch.kernel.files import records
from netorch.watch import attribution, drift
from netorch.watch.events import Actor, Event, Sort
from netorch.watch.observer import Comparison, Hooks, Observer
from netorch.watch.subject import Subject

if TYPE_CHECKING:
    from netorch.kernel.events.notification import News
    from netorch.kernel.files.records import Holder, Record

_QUIET, _MOST = 0.05, 0.4
"""After a notification, netorch compares when so many seconds were quiet, but after the second
number of seconds in any case.
"""
_BUSY = 0.5
"""Seconds between two looks at a topology that another netorch works on."""
_FULL = 20
"""The number of intervals after which everything is read again, in case of a bug."""


class Options(Value):
    """What a watch does."""

    names: tuple[str, ...] = ()
    """The topologies to watch; all of this machine if there are none."""
    interval: float = 30.0
    """Seconds between two looks at what Linux does not notify about."""
    once: bool = False
    """Whether it ends with the first drift."""
    timeout: float | None = None
    """Seconds after which it ends."""


class Ending(Enum):
    """Why a watch has ended."""

    DRIFT = "drift"
    """Something drifted, with `once`."""
    TIMEOUT = "timeout"
    NOTHING = "nothing"
    """The last topology was destroyed, with `once`."""


class Watcher:
    """Watches topologies until `run` returns."""

    def __init__(
        self,
        options: Options,
        observers: Sequence[Observer],
        hooks: Hooks | None = None,
    ) -> None:
        self._options = options
        self._observers = observers
        self._hooks = hooks or Hooks()
        self._subjects: dict[str, Subject] = {}
        self._has_drifted = False
        self._intervals = 0

    def run(self) -> Ending:
        """Watch. Raise NetorchError if that is not possible."""
        with ExitStack() as stack:
            self._orchestrator = stack.enter_context(Orchestrator())
            self._listener = Listener()
            stack.callback(self._listener.close)
            self._marks = stack.enter_context(ExitStack())
            self._remember_marks()
            try:
                return self._loop()
            finally:
                self._hooks.stopping()
                for observer in self._observers:
                    observer.close()

    def _loop(self) -> Ending:
        began = time.monotonic()
        tick = began + self._options.interval
        self._find_subjects()
        is_ready = False
        while True:
            self._look_at_all()
            self._hooks.alive()
            if not is_ready:
                is_ready = True
                self._hooks.ready()
            self._hooks.status(self._status())
            if self._options.once and self._has_drifted:
                return Ending.DRIFT
            if self._options.once and not self._subjects and self._options.names:
                return Ending.NOTHING
            now = time.monotonic()
            if self._options.timeout is not None and now >= began + self._options.timeout:
                return Ending.TIMEOUT
            self._listener.wait(self._pause(now, began, tick))
            self._listener.settle(_QUIET, _MOST)
            self._take(self._listener.take())
            if time.monotonic() >= tick:
                self._check_quietly()
                tick = time.monotonic() + self._options.interval

    def _pause(self, now: float, began: float, tick: float) -> float:
        """Return how many seconds to wait for news."""
        moments = [tick]
        if self._options.timeout is not None:
            moments.append(began + self._options.timeout)
        if self._hooks.seconds_alive:
            moments.append(now + self._hooks.seconds_alive / 2)
        if any(subject.is_due for subject in self._subjects.values()):
            moments.append(now + _BUSY)
        return max(0.0, min(moments) - now)

    # what has changed

    def _take(self, news: News) -> None:
        if news.is_empty:
            return
        if news.names or news.files:
            self._remember_marks()
        for name in news.records:
            if (subject := self._subjects.get(name)) is not None:
                subject.holder = records.last_holder(name) or subject.holder
        if news.records:
            self._find_subjects()
        for subject in self._subjects.values():
            subject.hear(news)
        if news.lost:
            for observer in self._observers:
                observer.lost(len(news.lost))
        for inode in news.lost:
            labels = [
                f"{subject.name}: {subject.inodes[inode]}"
                for subject in self._subjects.values()
                if inode in subject.inodes
            ]
            if labels:
                reason = f"notifications of {labels[0]} were lost, so everything is read again"
                self._tell([Event(0.0, "", Sort.NOTE, reason=reason)], "")

    def _remember_marks(self) -> None:
        """Forget the marks of namespaces of others, and remember them again from now on."""
        self._marks.close()
        self._marks.enter_context(self._orchestrator.kernel.remembering_marks())

    def _find_subjects(self) -> None:
        """Begin to watch topologies that have been applied."""
        names = records.applied_names()
        for name in names:
            asked = not self._options.names or name in self._options.names
            if asked and name not in self._subjects:
                subject = self._subjects[name] = Subject(name)
                subject.holder = records.last_holder(name)

    def _check_quietly(self) -> None:
        """Look at what Linux does not notify about, and mark what has changed."""
        self._find_subjects()
        self._intervals += 1
        for subject in self._subjects.values():
            subject.is_due = True
            if self._intervals % _FULL == 0:
                subject.mark_all()
                continue
            before = subject.settings()
            now = self._orchestrator.kernel.settings(before) if before else {}
            subject.mark(label for label, values in before.items() if now.get(label) != values)
            subject.mark(subject.quiet_labels())

    # comparing

    def _look_at_all(self) -> None:
        for subject in list(self._subjects.values()):
            if subject.is_due:
                self._look(subject)
        self._orchestrator.kernel.rest()

    def _look(self, subject: Subject) -> None:
        stamp = records.stamp(subject.name)
        if subject.is_busy:
            subject.holder = records.last_holder(subject.name) or subject.holder
            return
        try:
            record = records.read_record(subject.name)[0]
        except NetorchError:
            record = None
        if record is None:
            self._forget(subject)
            return
        if record != subject.record:
            self._take_over(subject, record)
        began = time.monotonic()
        try:
            self._listen(subject)
            difference = subject.look(self._orchestrator.kernel)
        except NetorchError as error:
            if records.stamp(subject.name) == stamp:
                self._failed(subject, began, error)
            else:
                subject.mark_all()
            return
        if records.stamp(subject.name) != stamp:
            # another netorch has begun to work on it meanwhile
            subject.mark_all()
            return
        now = drift.drifts(difference.plan, getattr(difference, "intended", None))
        self._advance(subject, now)
        seconds = time.monotonic() - began
        counts = drift.count_objects(now)
        self._report(
            Comparison(
                subject.name, time.time(), seconds, difference, counts, nodes=subject.nodes()
            )
        )
        if self._listen(subject):
            self._look(subject)

    def _listen(self, subject: Subject) -> bool:
        """Listen in all namespaces of a topology. Return whether some are new."""
        kernel = self._orchestrator.kernel
        if subject.loaded is None:
            return False
        listening = self._listener.inodes()
        labels = [
            label
            for label in subject.names()
            if label not in subject.inodes.values()
            or any(
                inode not in listening for inode, known in subject.inodes.items() if known == label
            )
        ]
        if not labels:
            return False
        sockets = kernel.event_sockets(labels)
        new = [one.label for one in sockets if one.inode not in listening]
        self._listener.add(sockets)
        self._listener.watch_files(labels)
        subject.mark(new)
        subject.is_due = bool(new)
        return bool(new)

    def _take_over(self, subject: Subject, record: Record) -> None:
        """Let a new record count."""
        is_new = subject.record is None
        subject.record, subject.loaded, subject.difference = record, None, None
        subject.mark_all()
        if is_new:
            self._tell([Event(0.0, "", Sort.WATCH)], subject.name)
        else:
            event = Event(
                0.0, "", Sort.APPLIED, who=_actor(subject.holder), reason=_command(subject.holder)
            )
            self._tell([event], subject.name)

    def _forget(self, subject: Subject) -> None:
        del self._subjects[subject.name]
        if subject.record is None:
            return
        self._listener.remove(
            subject.inodes.keys()
            - {inode for other in self._subjects.values() for inode in other.inodes}
        )
        event = Event(
            0.0, "", Sort.DESTROYED, who=_actor(subject.holder), reason=_command(subject.holder)
        )
        self._tell([event], subject.name)
        for observer in self._observers:
            observer.gone(subject.name)

    # telling

    def _advance(self, subject: Subject, now: dict[drift.Place, drift.Drift]) -> None:
        # the event of an apply tells who did everything that belongs to it
        own = subject.holder.pid if subject.holder is not None else 0
        who = attribution.by_notifications(subject.notifications, own)
        subject.notifications = {}
        events, subject.reports = drift.advance(subject.reports, now, who)
        if subject.failure:
            subject.failure = ""
            if not any(event.sort is Sort.IN_SYNC for event in events):
                events.append(Event(0.0, "", Sort.NOTE, reason="can be compared again"))
        self._tell(events, subject.name)
        if any(not one.intended for one in now.values()):
            self._has_drifted = True

    def _failed(self, subject: Subject, began: float, error: NetorchError) -> None:
        reason = " ".join(error.lines())
        if reason != subject.failure:
            subject.failure = reason
            self._tell([Event(0.0, "", Sort.FAILED, reason=reason)], subject.name)
        seconds = time.monotonic() - began
        self._report(Comparison(subject.name, time.time(), seconds, None, {}, reason))

    def _report(self, comparison: Comparison) -> None:
        for observer in self._observers:
            observer.comparison(comparison)

    def _tell(self, events: Iterable[Event], topology: str) -> None:
        now = time.time()
        for event in events:
            stamped = event.at(now, topology)
            for observer in self._observers:
                observer.event(stamped)

    def _status(self) -> str:
        count = len(self._subjects)
        topologies = f"{count} topology" if count == 1 else f"{count} topologies"
        wrong = sum(bool(subject.reports or subject.failure) for subject in self._subjects.values())
        return f"{topologies}, {f'{wrong} not in sync' if wrong else 'in sync'}"


def _actor(holder: Holder | None) -> Actor:
    return Actor() if holder is None else Actor(holder.pid, "netorch")


def _command(holder: Holder | None) -> str:
    return "" if holder is None else holder.command
