"""An apply on trial, which netorch rolls back after some time unless the user confirms it.

A process of its own watches from before the first step, so it works even if the user's session is
gone. It holds in memory where the apply began, and rolls back in the same way as a failed apply: it
plans the way back, carries it out, and reads the kernel again until nothing differs.
"""

from __future__ import annotations

from collections.abc import Callable

from netorch.errors import LockedError, NetorchError, Problem
from netorch.kernel.files import pending, records
from netorch.kernel.files.pending import Pending
from netorch.kernel.processes import watcher
from netorch.kernel.system.error_text import problem_of

PATIENCE = 3600.0
"""The seconds for which the watcher waits for the lock of the topology."""


class ConfirmationWatch:
    """The process that rolls one apply back unless it is confirmed in time."""

    def __init__(self, name: str, seconds: float, take_back: Callable[[], list[Problem]]) -> None:
        from secrets import token_hex

        self._name, self._seconds, self._token = name, seconds, token_hex(8)
        pending.write(name, Pending.new(self._token, seconds))
        try:
            self._watcher = watcher.start(lambda: _watch(name, self._token, take_back))
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
            pending.write(name, Pending.new(self._token, seconds, self._watcher))
        except NetorchError:
            # the watcher ends by itself when it reads that nothing waits to be confirmed
            pending.remove(name)
            raise

    def begin(self) -> float:
        """Start the time to confirm after the apply. Returns its end in seconds since 1970."""
        waiting = Pending.new(self._token, self._seconds, self._watcher)
        pending.write(self._name, waiting)
        return waiting.until

    def call_off(self) -> None:
        """Stop waiting for a confirmation, because the apply was rolled back already."""
        pending.remove(self._name)


def confirm(name: str, lock_timeout: float = 10.0) -> None:
    """Confirm an apply on trial, so that it stays. Raise NetorchError if none waits."""
    with records.lock(name, lock_timeout):
        waiting = pending.read(name)
        if waiting is None:
            before = watcher.logged(name)
            raise NetorchError(
                Problem(
                    "nothing-to-confirm",
                    f"topology {name!r} has no apply that waits to be confirmed."
                    + (f" The last event: {before}" if before else ""),
                    object=name,
                )
            )
        pending.remove(name)
        records.forget_previous(name)
        watcher.log(f"{name}: confirmed")


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


def _watch(name: str, token: str, take_back: Callable[[], list[Problem]]) -> None:
    """Wait for the deadline or the confirmation, and roll back at the deadline.

    This runs in the watching process.
    """

    def over() -> bool:
        waiting = pending.read(name)
        return waiting is None or waiting.token != token or waiting.left <= 0

    ended = False
    while True:
        ended = watcher.wait(over) or ended
        with records.lock(name, PATIENCE):
            waiting = pending.read(name)
            if waiting is None or waiting.token != token:
                return
            if waiting.left > 0 and not ended:
                continue  # because the time to confirm starts again when the apply is done
            problems = take_back()
            pending.remove(name)
        break
    text = " ".join(problem.text() for problem in problems)
    watcher.log(
        f"{name}: not confirmed in time, "
        + (f"and not everything could be rolled back: {text}" if problems else "rolled back")
    )
