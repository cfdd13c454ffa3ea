"""How much work a function is, by two measures that another machine, or a busier one, does not change much.

`calls`: how many functions it calls, Python's own and C's. With the same Python and the same input it is the same number each time, so
that a change of one per cent is a change of the program; but it does not see how long a call takes.

`ratio`: the processor time that it takes, over that of a fixed mix of work in pure Python (`yardstick`), which runs right before and
right after it. It sees everything, and moves by some ten per cent on a busy machine.
"""

from __future__ import annotations

import gc
import statistics
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figure:
    """`calls` of functions, and processor time as a `ratio` to the yardstick's."""

    calls: int
    ratio: float


def calls(work: Work) -> int:
    """How many calls of functions the work is, once its caches are warm."""
    work()
    count = 0

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        if event in {"call", "c_call"}:
            count += 1

    gc.collect()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    # the way back to the old profiler is a call, too
    return count - 1


def ratios(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """The median ratio of each; all of them in turn in every round, so that what slows down the machine for a while meets all alike."""
    found: dict[str, list[float]] = {name: [] for name in works}
    # what was there before is not the work of theirs, for the collector neither
    gc.collect()
    gc.freeze()
    try:
        # what is short is done as often as takes about as long as the yardstick
        often = {
            name: max(1, round(_seconds(yardstick) / max(_seconds(work), 1e-6)))
            for name, work in works.items()
        }
        for _ in range(rounds):
            for name, work in works.items():
                before, taken, after = (
                    _seconds(yardstick),
                    _seconds(work, often[name]) / often[name],
                    _seconds(yardstick),
                )
                found[name].append(2 * taken / (before + after))
    finally:
        gc.unfreeze()
    return {name: statistics.median(values) for name, values in found.items()}


def _seconds(work: Work, times: int = 1) -> float:
    gc.collect()
    started = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - started


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    number: int
    payload: bytes


_PAIR = struct.Struct("=HH")


def yardstick() -> int:
    """Some 20 ms of what the phases do: bytes cut up, small objects made, put into dictionaries, found again, compared, sorted."""
    data = b"".join(_PAIR.pack(12, number) + b"payload\0" for number in range(200))
    total = 0
    for turn in range(120):
        found: dict[int, bytes] = {}
        offset = 0
        while offset < len(data):
            length, number = _PAIR.unpack_from(data, offset)
            found[number] = data[offset + 4 : offset + length]
            offset += length
        points = {
            (f"name{number}", turn): _Point(f"name{number}", number, payload)
            for number, payload in found.items()
        }
        total += sum(
            point.number
            for key, point in points.items()
            if point == _Point(*key, point.payload) and point.name.startswith("name1")
        )
        total += len(sorted(points, key=lambda key: key[0])) + len(
            {point.payload for point in points.values()}
        )
    return total
