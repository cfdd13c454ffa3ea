"""An apply on trial: what it did is taken back after a while, unless somebody confirms it; also when nothing of its session is left.

A process of its own watches from before the first step. It holds in memory where the apply began, and rolls back as a failed apply
does: it plans back, and looks again until nothing differs.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex

from netorch.errors import LockedError, NetorchError, Problem
from netorch.kernel.files import pending, records
from netorch.kernel.files.pending import Pending
from netorch.kernel.processes import watcher

PATIENCE = 3600.0
"""Seconds that the watcher waits for whoever holds the topology's lock."""


class ConfirmationWatch:
    """The watch over one apply, which begins before its first step."""

    def __init__(self, name: str, seconds: float, take_back: Callable[[], list[Problem]]) -> None:
        self._name, self._seconds, self._token = name, seconds, token_hex(8)
        pending.write(name, Pending.new(self._token, seconds))
        try:
            self._watcher = watcher.start(lambda: _watch(name, self._token, take_back))
        except OSError as error:
            pending.remove(name)
            raise NetorchError(
                Problem("watcher-failed", f"--confirm-within: {error.strerror or error}.")
            ) from None
        try:
            pending.write(name, Pending.new(self._token, seconds, self._watcher))
        except NetorchError:
            # the watcher ends by itself where nothing waits for it
            pending.remove(name)
            raise

    def begin(self) -> float:
        """All is done: the time to confirm counts from now. When it ends, in seconds since 1970."""
        found = Pending.new(self._token, self._seconds, self._watcher)
        pending.write(self._name, found)
        return found.until

    def call_off(self) -> None:
        """There is nothing to confirm any more."""
        pending.remove(self._name)


def confirm(name: str, lock_timeout: float = 10.0) -> None:
    """Let what waits for it stay."""
    with records.lock(name, lock_timeout):
        found = pending.read(name)
        if found is None:
            before = watcher.logged(name)
            raise NetorchError(
                Problem(
                    "nothing-to-confirm",
                    f"nothing of topology {name!r} waits to be confirmed."
                    + (f" The last that happened: {before}" if before else ""),
                    object=name,
                )
            )
        pending.remove(name)
        records.forget_previous(name)
        watcher.log(f"{name}: confirmed")


def refuse_pending(name: str) -> list[str]:
    """LockedError while an apply waits; a warning where nobody is left who would roll it back."""
    found = pending.read(name)
    if found is None:
        return []
    if found.watched:
        command = f"netorch confirm {name}"
        what = f"topology {name!r} waits to be confirmed until {found.clock}."
        kept = f"Run `{command}` to keep what was applied"
        remedy = f"{kept}, or wait until it is rolled back."
        raise LockedError(Problem("awaits-confirmation", what, None, remedy, name, command))
    pending.remove(name)
    return [
        f"an apply of {name} was never confirmed, and the process that was to roll it back is gone: what it made stayed."
    ]


def list_waiting() -> list[str]:
    """The topologies that wait to be confirmed."""
    return [name for name in records.applied_names() if pending.read(name) is not None]


def _watch(name: str, token: str, take_back: Callable[[], list[Problem]]) -> None:
    """The watcher's life: until the deadline, or until nothing waits for it any more."""

    def over() -> bool:
        found = pending.read(name)
        return found is None or found.token != token or found.left <= 0

    ended = False
    while True:
        ended = watcher.wait(over) or ended
        with records.lock(name, PATIENCE):
            found = pending.read(name)
            if found is None or found.token != token:
                return
            if found.left > 0 and not ended:
                continue  # the apply took longer than the time to confirm it, which began at its end
            problems = take_back()
            pending.remove(name)
        break
    said = " ".join(problem.text() for problem in problems)
    watcher.log(
        f"{name}: not confirmed in time, "
        + (f"and not all of it could be taken back: {said}" if problems else "rolled back")
    )
