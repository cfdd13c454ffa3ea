"""An apply on trial, which netorch rolls back after some time unless the user confirms it.

A process of its own watches from before the first step, so it works even if the user's session is
gone. It holds in memory where the apply began, and rolls back in the same way as a failed apply: it
plans the way back, carries it out, and reads the kernel again until nothing differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from netorch.errors import KernelRefused, LockedError, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.files import pending, records
from netorch.kernel.files.pending import Outcome, Pending
from netorch.kernel.processes import watcher
from netorch.kernel.system.error_text import problem_of
from netorch.state.plan import Plan

PATIENCE = 3600.0
"""The seconds for which the watcher waits for the lock of the topology."""

_POLL = 0.02
"""Seconds between two looks whether the watcher has ended."""

_EXPIRED, _UNDONE = "not confirmed in time", "undone"

TakeBack = Callable[[Callable[[Plan], None]], list[Problem]]
"""Rolls back, calls its argument with the plan, and returns what could not be rolled back."""


class Trial(Value):
    """What an apply on trial needs besides the topology."""

    seconds: float
    """The time to confirm it."""
    describe: Callable[[Plan], str] = lambda _: ""
    """Returns the text of `Outcome.changes`. It runs in the process that rolls back."""


class ConfirmationWatch:
    """The process that rolls one apply back unless it is confirmed in time."""

    def __init__(self, name: str, trial: Trial, take_back: TakeBack) -> None:
        from secrets import token_hex

        self._name, self._seconds, self.token = name, trial.seconds, token_hex(8)
        pending.write(name, Pending.new(self.token, trial.seconds))
        try:
            self._watcher = watcher.start(
                lambda: _watch(name, self.token, take_back, trial.describe)
            )
        except OSError as error:
            pending.remove(name)
            why = problem_of(error) if error.errno else Problem("watcher-failed", "")
            raise NetorchError(
                Problem(
                    why.code,
                    "--confirm-within: the process that waits for the confirmation cannot be "
                    f"started: {error.strerror or error}.",
                    remedy=why.remedy,
                    command=why.command,
                )
            ) from None
        try:
            pending.write(name, Pending.new(self.token, trial.seconds, self._watcher))
        except NetorchError:
            # the watcher ends by itself when it reads that nothing waits to be confirmed
            pending.remove(name)
            raise

    def begin(self) -> float:
        """Start the time to confirm after the apply. Returns its end in seconds since 1970."""
        waiting = Pending.new(self.token, self._seconds, self._watcher)
        pending.write(self._name, waiting)
        return waiting.until

    def call_off(self) -> None:
        """Stop waiting for a confirmation, because the apply was rolled back already."""
        pending.remove(self._name)


def confirm(name: str, lock_timeout: float = 10.0, token: str = "") -> bool:
    """Confirm an apply on trial, so that it stays. Return False if none waits, but all stays.

    With a token, confirm only the apply that has it. Raise NetorchError if the apply is rolled
    back already, and if there is no such topology.
    """
    with records.lock(name, lock_timeout):
        if waiting_of(name, token) is None:
            return False
        pending.remove(name)
        records.forget_previous(name)
        watcher.log(f"{name}: confirmed")
        from netorch.converge import journal

        journal.record_act("confirm", name, records.read_record(name)[0])
    return True


def waiting_of(name: str, token: str = "") -> Pending | None:
    """Return the trial that `confirm` would confirm, or None if all that was applied stays.

    Raise NetorchError where `confirm` raises it.
    """
    waiting = pending.read(name)
    if waiting is not None and token in ("", waiting.token):
        return waiting
    event = rolled_back(name)
    if waiting is None and not event and name in records.applied_names():
        return None
    reason = f" The last event: {event}" if event else ""
    if waiting is not None:
        reason = " Another apply, with another token, waits."
    raise NetorchError(
        Problem(
            "nothing-to-confirm",
            f"topology {name!r} has no apply that waits to be confirmed.{reason}",
            object=name,
        )
    )


def undo(name: str, lock_timeout: float = 10.0, token: str = "") -> Outcome | None:
    """Roll back an apply on trial at once. Return None if none waits.

    The process that waits for the confirmation rolls back, as at the deadline. With a token, only
    the apply that has it is rolled back. Raise NetorchError if there is no such topology, and
    KernelRefused if not everything could be rolled back.
    """
    from netorch.kernel.journal.write import caller

    with records.lock(name, lock_timeout):
        waiting = to_undo(name, token)
        if waiting is None:
            return None
        if not waiting.watched:
            command = f"netorch destroy {name}"
            what = (
                f"topology {name!r}: the process that would roll back is gone, so nothing is "
                "undone."
            )
            remedy = f"Apply the old file, or remove everything: `{command}`."
            raise NetorchError(Problem("not-rolled-back", what, None, remedy, name, command))
        pending.write(name, replace(waiting, deadline=time.monotonic(), undo=True, caller=caller()))
    while waiting.watched:
        time.sleep(_POLL)
    outcome = pending.take_outcome(waiting.token)
    if outcome is None:
        what = f"topology {name!r}: the process that rolled back ended before it was done."
        remedy = f"`netorch diff {name}` shows what differs from what was applied last."
        raise NetorchError(Problem("not-rolled-back", what, None, remedy, name))
    if outcome.problems:
        raise KernelRefused(outcome.problems)
    return outcome


def to_undo(name: str, token: str = "") -> Pending | None:
    """Return the trial that `undo` would roll back. Raise NetorchError where `undo` does."""
    waiting = pending.read(name)
    if waiting is None and not (watcher.logged(name) or name in records.applied_names()):
        raise NetorchError(Problem("not-live", f"topology {name!r} is not live here.", object=name))
    return waiting if waiting is not None and token in ("", waiting.token) else None


def rolled_back(name: str) -> str:
    """Return the last event of the topology if that is a rollback, and "" otherwise.

    An apply after the rollback counts, because what it made stays.
    """
    event = watcher.logged(name)
    what = event.partition(f" {name}: ")[2]
    if not what.startswith((_EXPIRED, _UNDONE)):
        return ""
    record = records.read_record(name)[0] if name in records.applied_names() else None
    return "" if record is not None and record.applied > watcher.time_of(event) else event


def refuse_pending(name: str) -> list[str]:
    """Raise LockedError while an apply waits to be confirmed.

    Returns a warning if an apply was never confirmed and its watcher does not run any more.
    """
    waiting = pending.read(name)
    if waiting is None:
        return []
    if waiting.watched:
        command = f"netorch confirm {name}"
        what = f"topology {name!r}: an apply waits until {waiting.clock} to be confirmed."
        confirming = f"Run `{command}` to keep what was applied"
        remedy = f"{confirming}, or wait until it is rolled back."
        raise LockedError(Problem("awaits-confirmation", what, None, remedy, name, command))
    pending.remove(name)
    return [
        f"{name}: an earlier apply was never confirmed, but the process that would have rolled it "
        "back is gone: its changes are still there."
    ]


def list_waiting() -> list[str]:
    """Return the names of the topologies with an apply that waits to be confirmed."""
    return [name for name in records.applied_names() if pending.read(name) is not None]


def list_rolled_back() -> list[str]:
    """Return the last events of topologies that were rolled back, and not applied again since."""
    return [event for name in watcher.logged_names() if (event := rolled_back(name))]


def _watch(name: str, token: str, take_back: TakeBack, describe: Callable[[Plan], str]) -> None:
    """Wait for the deadline or the confirmation, and roll back at the deadline.

    This runs in the watching process.
    """

    def own() -> Pending | None:
        waiting = pending.read(name)
        return waiting if waiting is not None and waiting.token == token else None

    def over() -> bool:
        waiting = own()
        return waiting is None or waiting.left <= 0

    plans: list[Plan] = []
    ended = False
    while True:
        ended = watcher.wait(over) or ended
        if own() is None:
            # without the lock, whose file would be there again after the apply has removed it
            return
        with records.lock(name, PATIENCE):
            waiting = own()
            if waiting is None:
                return
            if waiting.left > 0 and not ended:
                continue  # because the time to confirm starts again when the apply is done
            record, _ = records.read_record(name)
            began = time.monotonic()
            problems = take_back(plans.append)
            pending.remove(name)
            if waiting.undo:
                changes = describe(plans[0]) if plans else ""
                pending.write_outcome(token, Outcome(tuple(problems), changes))
        break
    from netorch.converge import journal

    done = _UNDONE if waiting.undo else _EXPIRED
    journal.record_rollback(name, record, plans, problems, done, began, waiting.caller)
    text = " ".join(problem.text() for problem in problems)
    watcher.log(
        f"{name}: {done}, "
        + (f"and not everything could be rolled back: {text}" if problems else "rolled back")
    )
