"""What a signal does to the command line: end it while nothing has begun, then have it roll back."""

from __future__ import annotations

import os


def let_interrupts_end() -> None:
    """Let SIGINT end the process at once, as long as there is nothing to roll back.

    A KeyboardInterrupt in the middle of an import prints more than one line.
    """
    import _signal as signal  # type: ignore[import-not-found]  # because signal's own imports take longer

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


_numbers: list[int] = []
"""The signals that have come since `trap`."""


def has_come() -> bool:
    """Whether a signal has come that ends the command."""
    return bool(_numbers)


def trap() -> None:
    """Let the first signal raise KeyboardInterrupt, so that what was begun is rolled back.

    Later signals wait for that. Signals that the caller has us ignore stay ignored.
    """
    import signal

    _numbers.clear()

    def interrupt(number: int, frame: object) -> None:
        _numbers.append(number)
        if len(_numbers) == 1:
            raise KeyboardInterrupt
        try:
            os.write(2, b"netorch: rolling back, wait\n")
        except OSError:
            return

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
