"""Arithmetic of measurements: medians of ratios, and how costs grow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Round:
    """What one round measured at one shape: `SUBJECT OPERATION` → milliseconds on the clock, milliseconds that the processors spent on
    it, peak kilobytes; and the phases of a whole apply.

    Everything of a round was measured within seconds of one another, so what else the machine did stands in all of it.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)


Clock = Literal["milliseconds", "processor"]
"""Which figures of a round: those of the wall clock, or what the processors spent. The latter is steadier where others compute as well,
but knows nothing of waiting, nor of what the kernel does by itself.
"""


def median(rounds: Sequence[Round], what: str, clock: Clock = "milliseconds") -> float | None:
    """Milliseconds; None where it was not measured."""
    values = [getattr(one, clock)[what] for one in rounds if what in getattr(one, clock)]
    return statistics.median(values) if values else None


def peak(rounds: Sequence[Round], what: str) -> float | None:
    """The highest, in megabytes."""
    values = [one.peaks[what] for one in rounds if what in one.peaks]
    return max(values) / 1024 if values else None


def ratio(
    rounds: Sequence[Round], what: str, *floors: str, clock: Clock = "milliseconds"
) -> float | None:
    """The median of the rounds' ratios of `what` to the sum of `floors`; None where no round has all of them."""
    found: list[Mapping[str, float]] = [getattr(one, clock) for one in rounds]
    values = [
        one[what] / sum(one[floor] for floor in floors)
        for one in found
        if floors and {what, *floors} <= one.keys()
    ]
    return statistics.median(values) if values else None


def excess(rounds: Sequence[Round], what: str, floor: str) -> float | None:
    """The median of the rounds' differences, in milliseconds."""
    values = [
        one.milliseconds[what] - one.milliseconds[floor]
        for one in rounds
        if {what, floor} <= one.milliseconds.keys()
    ]
    return statistics.median(values) if values else None


def exponent(costs: Mapping[int, float]) -> float | None:
    """Of size in the cost: the slope of the least squares line in the logarithms. 1 is linear. None of fewer than two sizes."""
    points = [(math.log(size), math.log(cost)) for size, cost in costs.items() if cost > 0]
    if len(points) < 2:
        return None
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def phase_medians(rounds: Iterable[Round]) -> dict[str, float]:
    """Phase → median milliseconds, in the order of the phases."""
    found: dict[str, list[float]] = {}
    for one in rounds:
        for phase, value in one.phases.items():
            found.setdefault(phase, []).append(value)
    return {phase: statistics.median(values) for phase, values in found.items()}
