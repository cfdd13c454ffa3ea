"""Signal handling. A signal ends a command, and makes it roll back the changes it has begun."""

from __future__ import annotations

import os


def let_interrupts_end() -> None:
    """Let SIGINT end the process at once, while there is nothing to roll back.

    A KeyboardInterrupt in the middle of an import would print a traceback.
    """
    # `_signal`, because importing `signal` takes longer
    import _signal as signal  # type: ignore[import-not-found]

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


_numbers: list[int] = []
"""The signals that have arrived since `trap`."""


def has_arrived() -> bool:
    """Whether a signal that ends the command has arrived."""
    return bool(_numbers)


def is_terminated() -> bool:
    """Whether the first signal was SIGTERM, with which service managers end a service."""
    return _numbers[:1] == [15]


def trap() -> None:
    """Let the first signal raise KeyboardInterrupt, so that the command rolls back its changes.

    Later signals only print that the rollback is running. Signals that are ignored stay ignored.
    """
    import signal

    _numbers.clear()

    def interrupt(number: int, frame: object) -> None:
        _numbers.append(number)
        if len(_numbers) == 1:
            raise KeyboardInterrupt
        try:
            os.write(2, b"netorch: rolling back, please wait\n")
        except OSError:
            return

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def collect() -> int:
    """Let the signals of `trap` only be noted, for a command that ends by them without an error.

    `has_arrived` tells whether there was one. Return a file descriptor that is readable then.
    """
    import signal

    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def note(number: int, frame: object) -> None:
        _numbers.append(number)
        try:
            os.write(writable, b".")
        except OSError:
            return

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, note)
    return readable
