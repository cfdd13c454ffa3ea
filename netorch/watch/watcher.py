"""The loop of `watch`: wait for news, compare, report, and put right."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING

from netorch.converge.orchestrator import Orchestrator
from netorch.errors import NetorchError, Problem
from netorch.immutable import Value
from netorch.kernel.events.listener import Listener
from netorch.kernel.events.netlink_sockets import BUFFER
from netorch.kernel.files import records
from netorch.watch import attribution, drift, intended
from netorch.watch.commands import Commands
from netorch.watch.events import Actor, Event, Sort
from netorch.watch.observer import Comparison, Hooks, Observer, Reconciliation
from netorch.watch.reconcile import Reconciler
from netorch.watch.subject import Subject

if TYPE_CHECKING:
    from netorch.converge.compare import Difference
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
    reconcile: bool = False
    """Whether it puts right what drifts."""
    max_changes: int | None = None
    """The largest number of objects that it changes at once."""
    command: tuple[str, ...] = ()
    """The command to run for each drift, with its arguments."""
    output: int | None = None
    """The file descriptor of a pipe with whose reader the watch ends."""
    buffer: int = BUFFER
    """The size of the receive buffers in bytes."""


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
        self, options: Options, observers: Sequence[Observer], hooks: Hooks | None = None
    ) -> None:
        self._options = options
        self._observers = observers
        self._hooks = hooks or Hooks()
        self._subjects: dict[str, Subject] = {}
        self._had_subjects = False
        self._has_drifted = False
        self._intervals = 0

    def run(self) -> Ending:
        """Watch. Raise NetorchError if that is not possible, BrokenPipeError without a reader."""
        with ExitStack() as stack:
            self._orchestrator = stack.enter_context(Orchestrator())
            self._listener = Listener()
            stack.callback(self._listener.close)
            if self._options.output is not None:
                self._listener.watch_output(self._options.output)
            self._marks = stack.enter_context(ExitStack())
            self._remember_marks()
            self._commands = Commands(self._options.command, self._listener.wake)
            stack.callback(self._commands.close)
            for observer in self._observers:
                stack.callback(observer.close)
            stack.callback(self._hooks.stopping)
            return self._loop()

    def _loop(self) -> Ending:
        began = time.monotonic()
        tick = began + self._options.interval
        self._find_subjects()
        is_ready = False
        while True:
            self._look_at_all()
            if not is_ready:
                is_ready = True
                self._hooks.ready()
            self._hooks.alive()
            self._hooks.status(self._status())
            if (ending := self._ending(began)) is not None:
                return ending
            self._listener.wait(self._pause(began, tick))
            self._listener.settle(_QUIET, _MOST)
            if self._listener.output_is_closed:
                raise BrokenPipeError
            self._take(self._listener.take())
            self._tell(self._commands.take_failures())
            if time.monotonic() >= tick:
                self._check_quietly()
                tick = time.monotonic() + self._options.interval

    def _ending(self, began: float) -> Ending | None:
        """Return why the watch is at its end, or None."""
        options = self._options
        if options.once and self._has_drifted:
            return Ending.DRIFT
        if options.once and options.names and self._had_subjects and not self._subjects:
            return Ending.NOTHING
        if options.timeout is not None and time.monotonic() >= began + options.timeout:
            return Ending.TIMEOUT
        return None

    def _pause(self, began: float, tick: float) -> float:
        """Return how many seconds to wait for news."""
        now = time.monotonic()
        moments = [tick]
        if self._options.timeout is not None:
            moments.append(began + self._options.timeout)
        if self._hooks.seconds_alive:
            moments.append(now + self._hooks.seconds_alive / 2)
        for subject in self._subjects.values():
            if subject.is_due:
                moments.append(now + _BUSY)
            if subject.reconciler is not None and subject.reconciler.wake is not None:
                moments.append(subject.reconciler.wake)
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
        if news.lost:
            for observer in self._observers:
                observer.lost(len(news.lost))
        for subject in self._subjects.values():
            subject.hear(news)
            for inode in news.lost & subject.inodes.keys():
                label = subject.inodes[inode]
                reason = f"notifications of {label} were lost, so everything is read again"
                self._tell([Event(0.0, "", Sort.NOTE, reason=reason)], subject)

    def _remember_marks(self) -> None:
        """Forget the marks of namespaces of others, and remember them again from now on."""
        self._marks.close()
        self._marks.enter_context(self._orchestrator.kernel.remembering_marks())

    def _find_subjects(self) -> None:
        """Begin to watch topologies that have been applied."""
        for name in records.applied_names():
            asked = not self._options.names or name in self._options.names
            if asked and name not in self._subjects:
                subject = self._subjects[name] = Subject(name)
                subject.holder = records.last_holder(name)
                if self._options.reconcile:
                    subject.reconciler = Reconciler(self._options.max_changes)
                self._had_subjects = True

    def _check_quietly(self) -> None:
        """Look at what Linux does not notify about, and mark what has changed."""
        self._find_subjects()
        self._release_namespaces()
        self._intervals += 1
        for subject in self._subjects.values():
            is_unknown = subject.difference is None or bool(subject.failure)
            if is_unknown or self._intervals % _FULL == 0:
                subject.mark_all()
                continue
            before = subject.settings()
            now = self._orchestrator.kernel.settings(before) if before else {}
            changed = [label for label, values in before.items() if now.get(label) != values]
            if labels := [*changed, *subject.quiet_labels()]:
                subject.mark(labels)
            if subject.names_change_quietly or not self._listener.watches_files:
                subject.is_due = True

    def _release_namespaces(self) -> None:
        """Stop to listen in namespaces that belong to no topology any more."""
        subjects = self._subjects.values()
        if all(subject.difference is not None for subject in subjects):
            known = {inode for subject in subjects for inode in subject.inodes}
            self._listener.remove(self._listener.inodes() - known)

    # comparing

    def _look_at_all(self) -> None:
        now = time.monotonic()
        for subject in list(self._subjects.values()):
            wake = subject.reconciler.wake if subject.reconciler is not None else None
            if subject.is_due:
                self._look(subject)
            elif wake is not None and wake <= now and not subject.is_busy:
                self._reconcile(subject, ())
            while subject.is_due and subject.has_new_labels:
                self._look(subject)
        self._orchestrator.kernel.rest()

    def _look(self, subject: Subject) -> None:
        """Compare one topology, unless another netorch works on it."""
        subject.has_new_labels = False
        stamp = records.stamp(subject.name)
        if subject.is_busy:
            subject.holder = records.last_holder(subject.name) or subject.holder
            return
        try:
            record = _record(subject.name)
        except NetorchError as error:
            subject.mark_all()
            subject.is_due = False
            self._fail(subject, time.monotonic(), error)
            return
        if record is None:
            self._forget(subject)
            return
        if record != subject.record:
            self._take_over(subject, record)
        began = time.monotonic()
        try:
            subject.load()
            # before it is read, so that no change is missed
            self._listen(subject)
            difference = subject.look(self._orchestrator.kernel)
        except NetorchError as error:
            if records.stamp(subject.name) == stamp:
                self._fail(subject, began, error)
            else:
                subject.mark_all()
            return
        if records.stamp(subject.name) != stamp:
            # another netorch has begun to work on it meanwhile
            subject.mark_all()
            return
        self._listen(subject)
        self._compare(subject, difference, began)

    def _listen(self, subject: Subject) -> None:
        """Listen in all namespaces of a topology, and let new ones be read again."""
        listening = self._listener.inodes()
        by_label = {label: inode for inode, label in subject.inodes.items()}
        labels = [label for label in subject.names() if by_label.get(label) not in listening]
        if not labels:
            return
        sockets = self._orchestrator.kernel.event_sockets(labels, self._options.buffer)
        new = [one.label for one in sockets if one.inode not in listening]
        self._listener.add(sockets)
        self._listener.watch_files([*labels, *subject.second_names()])
        if new and subject.difference is not None:
            subject.mark(new)
            subject.has_new_labels = True

    def _take_over(self, subject: Subject, record: Record) -> None:
        """Let a new record count."""
        is_new = subject.record is None
        subject.record, subject.loaded, subject.difference = record, None, None
        subject.mark_all()
        if not is_new:
            self._announce(subject)
            self._tell([_act(Sort.APPLIED, subject.holder)], subject)

    def _announce(self, subject: Subject) -> None:
        """Tell that a topology is watched, once."""
        if not subject.is_announced:
            subject.is_announced = True
            self._tell([Event(0.0, "", Sort.WATCH)], subject)

    def _forget(self, subject: Subject) -> None:
        """End the watch of a topology that was destroyed."""
        del self._subjects[subject.name]
        if not subject.is_announced:
            return
        others = {inode for other in self._subjects.values() for inode in other.inodes}
        self._listener.remove(subject.inodes.keys() - others)
        self._tell([_act(Sort.DESTROYED, subject.holder)], subject)
        for observer in self._observers:
            observer.gone(subject.name)

    def _compare(self, subject: Subject, difference: Difference, began: float) -> None:
        """Report what differs now, and put it right."""
        self._announce(subject)
        now = drift.drifts(difference.plan)
        events = self._advance(subject, now)
        intentions = intended.intentions(difference.intended)
        self._tell(intended.advance(subject.intentions, intentions), subject)
        subject.intentions = intentions
        if subject.failure:
            subject.failure = ""
            self._tell([Event(0.0, "", Sort.NOTE, reason="can be compared again")], subject)
        self._has_drifted = self._has_drifted or bool(now)
        self._report(
            Comparison(
                subject.name,
                time.time(),
                time.monotonic() - began,
                difference,
                drift.count_objects(now),
                nodes=subject.nodes(),
            )
        )
        self._reconcile(subject, {event.object for event in events if event.sort is Sort.DRIFT})

    def _advance(self, subject: Subject, now: dict[drift.Place, drift.Drift]) -> Sequence[Event]:
        """Report the drifts of now and the end of earlier ones, and return these events."""
        # the event of an apply tells who did everything that belongs to it
        own = subject.holder.pid if subject.holder is not None else 0
        who = attribution.by_notifications(subject.notifications, own)
        subject.notifications = {}
        events, subject.reports = drift.advance(subject.reports, now, who)
        subject.remember_actors(events)
        self._tell(_news(events, subject), subject)
        return events

    def _reconcile(self, subject: Subject, changed: Iterable[str]) -> None:
        if subject.reconciler is None or subject.difference is None:
            return
        result = subject.reconciler.reconcile(self._orchestrator, subject, frozenset(changed))
        if result.plan:
            # what drifted after the comparison was put right as well
            self._take(self._listener.take())
            self._advance(subject, {**subject.reports, **drift.drifts(result.plan)})
        self._tell(result.events, subject)
        if result.is_attempt:
            labels = {step.key.netns for step in subject.difference.plan.steps}
            subject.mark(labels)
            subject.has_new_labels = not result.reason
            attempt = Reconciliation(
                subject.name, time.time(), result.seconds, result.changes, result.reason
            )
            for observer in self._observers:
                observer.reconciliation(attempt)

    def _fail(self, subject: Subject, began: float, error: NetorchError) -> None:
        self._announce(subject)
        reason = " ".join(error.lines())
        if reason != subject.failure:
            subject.failure = reason
            self._tell([Event(0.0, "", Sort.FAILED, reason=reason)], subject)
        seconds = time.monotonic() - began
        self._report(Comparison(subject.name, time.time(), seconds, None, {}, reason))

    # reporting

    def _report(self, comparison: Comparison) -> None:
        for observer in self._observers:
            observer.comparison(comparison)

    def _tell(self, events: Iterable[Event], subject: Subject | None = None) -> None:
        now = time.time()
        for event in events:
            stamped = event.at(now, subject.name) if subject is not None else event
            for observer in self._observers:
                observer.event(stamped)
            if stamped.sort is Sort.DRIFT and not self._commands.run(stamped):
                self._tell(self._commands.take_failures())

    def _status(self) -> str:
        count = len(self._subjects)
        topologies = f"{count} topology" if count == 1 else f"{count} topologies"
        wrong = sum(bool(one.reports or one.failure) for one in self._subjects.values())
        return f"{topologies}, {f'{wrong} not in sync' if wrong else 'in sync'}"


def _news(events: Sequence[Event], subject: Subject) -> Sequence[Event]:
    """Return the events without those about objects that netorch has given up.

    Somebody keeps changing these objects, and users were told so.
    """
    given_up = frozenset() if subject.reconciler is None else subject.reconciler.given_up
    if not given_up:
        return events
    return [
        event for event in events if event.object not in given_up and event.sort is not Sort.IN_SYNC
    ]


def _record(name: str) -> Record | None:
    """Return what was applied last, or None. Raise NetorchError if its record is damaged."""
    record, warning = records.read_record(name)
    if warning:
        raise NetorchError(Problem("record-damaged", warning, object=name))
    return record


def _act(sort: Sort, holder: Holder | None) -> Event:
    """Return the event of another netorch, which held the lock last."""
    if holder is None:
        return Event(0.0, "", sort)
    # without the interpreter, and without the path of the script
    words = holder.command.split(" ")
    if len(words) > 1 and words[0].rpartition("/")[2].startswith("python"):
        words = [words[1].rpartition("/")[2], *words[2:]]
    return Event(0.0, "", sort, who=Actor(holder.pid, "netorch"), reason=" ".join(words))
