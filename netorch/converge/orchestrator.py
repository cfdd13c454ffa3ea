"""Diff, apply, destroy and list the topologies of this machine. It prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from netorch.converge.compare import Difference, compare
from netorch.converge.execute import Progress, ignore_progress
from netorch.converge.in_sync import is_of_record, remember
from netorch.converge.previous import Previous, RecordsOfAll
from netorch.converge.report import Observers, Report
from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.comparison.answers import stamp_of_records
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.error_text import problem_of
from netorch.resolve.loaded import Loaded
from netorch.state.key import HOST, Key
from netorch.state.plan import Plan
from netorch.values.marks import ALIAS
from netorch.values.snapshot import Scope

if TYPE_CHECKING:
    from netorch.converge.confirmation import Trial
    from netorch.converge.live import Live
    from netorch.converge.transaction import Transaction
    from netorch.kernel.reader import ParallelReader


@contextmanager
def _lines_of(loaded: Loaded) -> Iterator[None]:
    """Let an error in this context show the lines of the file that it is about."""
    try:
        yield
    except NetorchError as error:
        loaded.add_lines(error)
        raise


class Orchestrator:
    """The operations on the topologies of this machine, with one open kernel. A context manager."""

    def __init__(
        self,
        kernel: LinuxKernel | None = None,
        *,
        count_read: Callable[[int, int], None] = lambda *_: None,
        reader: ParallelReader | None = None,
    ) -> None:
        """Open the kernel. Raise NetorchError if that fails.

        `count_read` is called, in another thread, with the number of namespaces that have been
        read and the number of all. `reader` reads a part of the namespaces in parallel.
        """
        try:
            self.kernel = kernel or LinuxKernel(count_read, reader)
        except OSError as error:
            raise NetorchError(problem_of(error)) from error
        self._reader = reader

    def __enter__(self) -> Orchestrator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the kernel. Turn an OSError that nothing else has explained into a NetorchError."""
        self.kernel.close()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise NetorchError(problem_of(error)) from error

    def diff(
        self,
        loaded: Loaded,
        record: Record | None = None,
        *,
        reset: bool = False,
        adopt: bool = False,
    ) -> Difference:
        """Return what `apply` would do. Raise ConflictError if a foreign object is in the way.

        `reset` and `adopt` are those of `apply`. With `record`, which `apply` would write, a result
        without any difference is remembered, so that the next `diff` is faster.
        """
        desired = loaded.desired
        records.require_usable_path(desired.topology)
        if reset or adopt:
            record = None
        before = stamp_of_records() if record is not None else ""
        previous = Previous.read(desired.topology)
        if record is not None and not is_of_record(record, previous):
            record = None
        if reset:
            previous = replace(previous, intended=())
        with _lines_of(loaded):
            difference = compare(
                self.kernel,
                desired,
                previous,
                loaded,
                adopt=adopt,
                records_answers=record is not None,
            )
        if record is not None:
            remember(difference, desired, record, before, is_apply=False)
        return difference

    def apply(
        self,
        loaded: Loaded,
        record: Record,
        *,
        keep_partial: bool = False,
        progress: Progress = ignore_progress,
        phase: Callable[[str], None] = lambda _: None,
        planned: Callable[[Difference], None] = lambda _: None,
        lock_timeout: float = 10.0,
        trial: Trial | None = None,
        reset: bool = False,
        act: str = "apply",
        leave: Collection[Key] = (),
        adopt: bool = False,
    ) -> Report:
        """Make the kernel match the file, or leave it as it was.

        `planned` is called with the plan before anything changes, `phase` with what is being done,
        and `progress` with how much of it is done. A `trial` is rolled back, unless `confirm` is
        called in time. With `keep_partial` a failed apply is not rolled back. `reset` ends what
        users have done to the topology on purpose, which stays otherwise. `act` is what the log of
        the machine calls it. `leave` are keys of objects that stay as they are. With `adopt`, the
        topology takes over objects that netorch did not make, if they can become as the file says
        in place.
        """
        from netorch.converge.transaction import Transaction

        began, topology = time.monotonic(), loaded.desired.topology
        observers = Observers(phase, progress, planned)
        transaction = Transaction(
            self.kernel, loaded, record, observers, trial, reset, leave, adopt
        )
        phase("waiting for the lock")
        try:
            with records.lock(topology, lock_timeout) as stamp:
                if self._reader is not None:
                    self._reader.locked(stamp)
                with _lines_of(loaded):
                    report = self._carry_out(transaction, keep_partial)
        except BaseException as error:
            from netorch.converge import journal

            journal.record_failure(act, topology, record, transaction.outcome, error, began)
            raise
        if report.changed:
            from netorch.converge import journal

            seconds = trial.seconds if trial is not None else None
            journal.record_changes(act, topology, record, report, began, seconds)
        return report

    @staticmethod
    def _carry_out(transaction: Transaction, keep_partial: bool) -> Report:
        on_record = False
        try:
            while not on_record:
                transaction.look_and_plan()
                if transaction.is_done:
                    transaction.save_state()
                    transaction.remember_comparison()
                    return transaction.report
                on_record = transaction.remember()
            transaction.carry_out()
            return transaction.finish()
        except BaseException as error:
            if not transaction.has_begun or (on_record and keep_partial):
                raise
            after = transaction.roll_back(error)
            if after is error:
                raise
            raise after from None

    def destroy(
        self,
        name: str,
        *,
        progress: Progress = ignore_progress,
        phase: Callable[[str], None] = lambda _: None,
        planned: Callable[[Plan], None] = lambda _: None,
        lock_timeout: float = 10.0,
        brief: bool = False,
    ) -> Report:
        """Delete everything that topology `name` has on this machine, with or without a record.

        With `brief` the plan leaves out objects that the kernel deletes with their namespaces.
        """
        from netorch.converge.teardown import tear_down

        def act(report: Report) -> None:
            tear_down(self.kernel, name, Observers(phase, progress), planned, brief, report)

        return self._end("destroy", name, act, phase, lock_timeout)

    def release(
        self,
        name: str,
        *,
        phase: Callable[[str], None] = lambda _: None,
        lock_timeout: float = 10.0,
    ) -> Report:
        """Take the marks from all that topology `name` has on this machine, and leave it there."""
        from netorch.converge.release import release

        def act(report: Report) -> None:
            release(self.kernel, name, Observers(phase), report)

        return self._end("release", name, act, phase, lock_timeout)

    def _end(
        self,
        act: str,
        name: str,
        carry_out: Callable[[Report], None],
        phase: Callable[[str], None],
        lock_timeout: float,
    ) -> Report:
        """Carry out an act that ends a topology, with its lock, and leave a line in the log."""
        from netorch.converge import journal

        began = time.monotonic()
        report = Report(Plan())
        phase("waiting for the lock")
        try:
            with records.lock(name, lock_timeout) as stamp:
                if self._reader is not None:
                    self._reader.locked(stamp)
                carry_out(report)
        except BaseException as error:
            outcome = "incomplete" if report.changed else "refused"
            journal.record_failure(act, name, report.record, outcome, error, began)
            raise
        if report.changed:
            journal.record_end(act, name, report, began)
        return report

    def one_after_the_other(self) -> AbstractContextManager[None]:
        """Return a context in which several topologies are destroyed.

        The marks of namespaces are then read only once, because the others keep theirs.
        """
        return self.kernel.remembering_marks()

    def names(self) -> list[str]:
        """Return every topology with a record or a mark on this machine, sorted."""
        from netorch.converge import live

        return live.names(self.kernel)

    def labels(self) -> list[str]:
        """Return the namespaces that netorch made, of all topologies."""
        namespaces = self.kernel.read(Scope(ALIAS, brief=True)).namespaces
        return [label for label in namespaces if label != HOST]

    def live(self) -> list[Live]:
        """Return every topology as it is now."""
        from netorch.converge import live

        with self.kernel.reading_once() as readings:
            every = RecordsOfAll.read()
            result: list[Live] = []
            for name in self.names():
                result.append(live.look(self.kernel, name, every))
                readings.forget_details()
            return result

    def look(self, name: str) -> Live:
        """Return one topology as it is now, compared with the file that was applied last."""
        from netorch.converge import live

        with self.kernel.reading_once():
            return live.look(self.kernel, name)
