"""Three measures of a function's work that hardly depend on the machine and its load.

`calls`: the number of functions that it calls, Python's own and C's. The same Python and the same
input give the same number each time, so that a difference of one per cent is a change of the
program. The number does not show how long a call takes.

`lines`: the number of lines that it runs. It shows loops that call nothing, so that it tells how
work grows with its input.

`ratio`: its processor time, divided by that of a fixed mix of work in pure Python (`yardstick`),
which runs right before and right after it. It shows every change, but differs by about ten per cent
on a busy machine.
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
    """The two measures of a function."""

    calls: int
    """The number of function calls."""
    ratio: float
    """Processor time divided by the yardstick's."""


def calls(work: Work) -> int:
    """Return the number of function calls of the work once its caches are warm."""
    work()
    count = 0

    def count_call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        if event in {"call", "c_call"}:
            count += 1

    gc.collect()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    # minus the call that restores the old profiler
    return count - 1


def lines(work: Work) -> int:
    """Return the number of lines of Python that the work runs, without warming its caches.

    A loop counts once for each turn, even if it calls nothing and is on one line. Counting is slow.
    """
    count = 0

    def count_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return count_line

    before = sys.gettrace()
    sys.settrace(count_line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def ratios(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Return the median ratio of each work.

    Each round runs all of them, so that a slow moment of the machine affects all alike.
    """
    values_by_name: dict[str, list[float]] = {name: [] for name in works}
    # the garbage collector must not spend their time on objects that existed before
    gc.collect()
    gc.freeze()
    try:
        # short work is repeated until it takes about as long as the yardstick
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
                values_by_name[name].append(2 * taken / (before + after))
    finally:
        gc.unfreeze()
    return {name: statistics.median(values) for name, values in values_by_name.items()}


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
    """Do about 20 ms of work like that of the phases.

    It cuts up bytes, makes small objects, puts them into dictionaries, looks them up, compares and
    sorts them.
    """
    data = b"".join(_PAIR.pack(12, number) + b"payload\0" for number in range(200))
    total = 0
    for turn in range(120):
        payloads: dict[int, bytes] = {}
        offset = 0
        while offset < len(data):
            length, number = _PAIR.unpack_from(data, offset)
            payloads[number] = data[offset + 4 : offset + length]
            offset += length
        points = {
            (f"name{number}", turn): _Point(f"name{number}", number, payload)
            for number, payload in payloads.items()
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
