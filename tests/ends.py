"""That something comes to an end: a guard against what hangs or grows without bound, far from any figure of speed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 60.0
"""Of the processor's time in this process: a loaded machine does not count."""


@contextmanager
def ends() -> Iterator[None]:
    """AssertionError in the body if it goes on and on."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(
            f"this took {SECONDS:.0f} seconds of the processor's time, and was not at its end"
        )

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
