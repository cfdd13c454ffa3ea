"""What a signal does to the command line: end it while nothing has begun, then have it roll back."""

from __future__ import annotations

import os
import signal


def let_interrupts_end() -> None:
    """Let SIGINT end the process at once, as long as there is nothing to roll back.

    A KeyboardInterrupt in the middle of an import prints more than one line.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def trap() -> None:
    """Let the first signal raise KeyboardInterrupt, so that what was begun is rolled back.

    Later signals wait for that. Signals that the caller has us ignore stay ignored.
    """
    count = 0

    def interrupt(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise KeyboardInterrupt
        os.write(2, b"netorch: rolling back, wait\n")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
