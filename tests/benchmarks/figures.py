"""Arithmetic of measurements: medians of ratios, and the growth of costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Round:
    """The measurements of one round at one shape.

    All of them were made within seconds, so that other work of the machine affects all of them.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    """`SUBJECT OPERATION` → milliseconds of wall-clock time."""
    processor: dict[str, float] = field(default_factory=dict)
    """`SUBJECT OPERATION` → milliseconds of processor time."""
    peaks: dict[str, int] = field(default_factory=dict)
    """`SUBJECT OPERATION` → peak memory in kilobytes."""
    phases: dict[str, float] = field(default_factory=dict)
    """Phase of a whole apply → milliseconds of wall-clock time."""


Clock = Literal["milliseconds", "processor"]
"""Which times of a round: wall-clock time or processor time.

Processor time is steadier on a busy machine, but contains neither waiting nor the work that the
kernel does by itself.
"""


def median(rounds: Sequence[Round], what: str, clock: Clock = "milliseconds") -> float | None:
    """Return the median in milliseconds; None if no round measured it."""
    values = [getattr(one, clock)[what] for one in rounds if what in getattr(one, clock)]
    return statistics.median(values) if values else None


def peak(rounds: Sequence[Round], what: str) -> float | None:
    """Return the highest peak in megabytes; None if no round measured it."""
    values = [one.peaks[what] for one in rounds if what in one.peaks]
    return max(values) / 1024 if values else None


def ratio(
    rounds: Sequence[Round], what: str, *floors: str, clock: Clock = "milliseconds"
) -> float | None:
    """Return the median of the rounds' ratios of `what` to the sum of `floors`.

    None if no round has all of them.
    """
    times: list[Mapping[str, float]] = [getattr(one, clock) for one in rounds]
    values = [
        one[what] / sum(one[floor] for floor in floors)
        for one in times
        if floors and {what, *floors} <= one.keys()
    ]
    return statistics.median(values) if values else None


def excess(rounds: Sequence[Round], what: str, floor: str) -> float | None:
    """Return the median of the rounds' differences in milliseconds."""
    values = [
        one.milliseconds[what] - one.milliseconds[floor]
        for one in rounds
        if {what, floor} <= one.milliseconds.keys()
    ]
    return statistics.median(values) if values else None


def exponent(costs: Mapping[int, float]) -> float | None:
    """Return the exponent of the size in the cost; 1 means linear growth.

    It is the slope of the least-squares line through the logarithms; None for fewer than two sizes.
    """
    points = [(math.log(size), math.log(cost)) for size, cost in costs.items() if cost > 0]
    if len(points) < 2:
        return None
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def phase_medians(rounds: Iterable[Round]) -> dict[str, float]:
    """Return phase → median milliseconds, in the order of the phases."""
    values_by_phase: dict[str, list[float]] = {}
    for one in rounds:
        for phase, value in one.phases.items():
            values_by_phase.setdefault(phase, []).append(value)
    return {phase: statistics.median(values) for phase, values in values_by_phase.items()}
