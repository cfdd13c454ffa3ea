"""The topologies of this machine: diff, apply, destroy, list. What the commands call; it prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from netorch.converge import live
from netorch.converge.compare import Difference, compare
from netorch.converge.execute import Progress, ignore_progress
from netorch.converge.live import Live
from netorch.converge.previous import Previous
from netorch.converge.report import Observers, Report
from netorch.converge.teardown import tear_down
from netorch.converge.transaction import Transaction
from netorch.errors import NetorchError
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.error_text import problem_of
from netorch.resolve.loader import Loaded
from netorch.state.key import HOST
from netorch.state.plan import Plan
from netorch.values.marks import ALIAS
from netorch.values.snapshot import Scope

if TYPE_CHECKING:
    from netorch.kernel.reader import ParallelReader


class Orchestrator:
    """The topologies of this machine, through one kernel door. A context manager."""

    def __init__(
        self,
        kernel: LinuxKernel | None = None,
        *,
        count_read: Callable[[int, int], None] = lambda *_: None,
        reader: ParallelReader | None = None,
    ) -> None:
        """`count_read` hears, in another thread, how many namespaces have been read of how many.

        `reader` reads some of the namespaces at the same time.
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
        """End it. What the system refused meanwhile, without a word of the part that asked, is a NetorchError."""
        self.kernel.close()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise NetorchError(problem_of(error)) from error

    def diff(self, loaded: Loaded) -> Difference:
        """What apply would do. ConflictError where something of others is in the way."""
        desired = loaded.desired
        records.refuse_odd_place(desired.topology)
        return compare(self.kernel, desired, Previous.read(desired.topology), loaded)

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
        confirm_within: float | None = None,
    ) -> Report:
        """Converge the kernel to the file, or leave it as it was. `planned` sees the plan before anything changes.

        `phase` hears what is being done, and `progress` how much of it.
        `confirm_within`: seconds after which all of it is taken back, unless `confirm` is called before.
        """
        observers = Observers(phase, progress, planned)
        phase("waiting for the lock")
        with records.lock(loaded.desired.topology, lock_timeout) as stamp:
            if self._reader is not None:
                self._reader.locked(stamp)
            transaction = Transaction(self.kernel, loaded, record, observers, confirm_within)
            on_record = False
            try:
                while not on_record:
                    transaction.look_and_plan()
                    if transaction.is_done:
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
        """Take away all that topology `name` has on this machine, with or without a record of it. `brief`: the plan need not say what goes
        with its namespaces.
        """
        phase("waiting for the lock")
        with records.lock(name, lock_timeout) as stamp:
            if self._reader is not None:
                self._reader.locked(stamp)
            return tear_down(self.kernel, name, Observers(phase, progress), planned, brief)

    def names(self) -> list[str]:
        """Every topology with a record or a mark on this machine, sorted."""
        return live.names(self.kernel)

    def labels(self) -> list[str]:
        """The namespaces that netorch made, whichever topology they belong to."""
        return [label for label in self.kernel.read(Scope(ALIAS)).namespaces if label != HOST]

    def live(self) -> list[Live]:
        """Every topology as it is now."""
        return [self.look(name) for name in self.names()]

    def look(self, name: str) -> Live:
        """One topology as it is now, compared with the file that was applied last."""
        return live.look(self.kernel, name)
