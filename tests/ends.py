"""A guard against code that hangs or grows without bound; its limit is no measure of speed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 60.0
"""The limit, in processor time of this process, so that a busy machine does not matter."""


@contextmanager
def ends() -> Iterator[None]:
    """Raise AssertionError in the body when it takes longer than the limit."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"this was not finished after {SECONDS:.0f} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
