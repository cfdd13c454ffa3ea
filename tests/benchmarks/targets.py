"""The performance targets of netorch, and whether a measurement meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.figures import Round, excess, median, ratio
from tests.benchmarks.peers import BATCH, IFSTATE, MININET

Measured = Mapping[str, Sequence[Round]]
"""Shape → its rounds."""


@dataclass(frozen=True, slots=True)
class Target:
    """A limit of a figure."""

    what: str
    limit: float
    figure: Callable[[Measured], float | None]
    """Returns the measured value; None if it was not measured."""
    unit: str = "×"
    at_least: bool = False
    """Whether the limit is a minimum. Otherwise it is a maximum."""

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a target was met."""

    what: str
    target: str
    measured: str
    met: bool | None
    """None if nothing was measured."""


def _of(shape: str, what: str, *floors: str) -> Callable[[Measured], float | None]:
    return lambda measured: ratio(measured.get(shape, ()), what, *floors)


def _growth(measured: Measured) -> float | None:
    """Return the growth of netorch's cost per node, divided by the growth of the floor's.

    The growth is from 1,000 to 4,000 nodes.
    """
    costs = [
        median(measured.get(shape, ()), what)
        for what in ("whole apply", "floor create")
        for shape in ("star-4000", "star-1000")
    ]
    if None in costs:
        return None
    large, small, floor_large, floor_small = (cost for cost in costs if cost is not None)
    return large / small / (floor_large / floor_small)


def _excess_seconds(measured: Measured) -> float | None:
    over = excess(measured.get("star-100", ()), "whole apply", "floor create")
    return over / 1000 if over is not None else None


TARGETS: tuple[tuple[Target, ...], ...] = (
    (
        Target(
            "engine alone, apply, star-100 ÷ floor",
            1.3,
            _of("star-100", "engine apply", "floor create"),
        ),
    ),
    (
        Target(
            "engine alone, apply, star-1000 ÷ floor",
            1.15,
            _of("star-1000", "engine apply", "floor create"),
        ),
    ),
    (
        Target("apply, star-100 − floor", 0.35, _excess_seconds, unit=" s"),
        Target("apply, star-100 ÷ floor", 5, _of("star-100", "whole apply", "floor create")),
    ),
    (Target("apply, star-1000 ÷ floor", 1.6, _of("star-1000", "whole apply", "floor create")),),
    (
        Target(
            "diff, nothing to do, star-1000 ÷ the floor's create",
            0.5,
            _of("star-1000", "whole diff", "floor create"),
        ),
    ),
    (
        Target(
            "apply of one change, star-1000 ÷ the floor's create",
            0.55,
            _of("star-1000", "whole change", "floor create"),
        ),
    ),
    (
        Target(
            "destroy, star-1000 ÷ floor", 1.2, _of("star-1000", "whole destroy", "floor destroy")
        ),
    ),
    (
        Target(
            "Mininet ÷ apply, star-100", 5, _of("star-100", MININET, "whole apply"), at_least=True
        ),
    ),
    (
        Target(
            "ifstate ÷ apply, star-100", 40, _of("star-100", IFSTATE, "whole apply"), at_least=True
        ),
    ),
    (
        Target(
            "ip -batch ÷ apply, star-1000", 4, _of("star-1000", BATCH, "whole apply"), at_least=True
        ),
    ),
    (Target("growth of the cost per node from 1,000 to 4,000 ÷ the floor's growth", 1.5, _growth),),
)
"""Groups of targets. It is enough to meet one target of each group."""


def judge(measured: Measured) -> list[Verdict]:
    """Return a verdict for each group."""
    verdicts = []
    for group in TARGETS:
        values = [(target, target.figure(measured)) for target in group]
        known = [(target, value) for target, value in values if value is not None]
        limits = " or ".join(
            f"{'≥' if target.at_least else '≤'} {target.limit:g}{target.unit}" for target in group
        )
        reported = (
            " and ".join(f"{value:.2f}{target.unit}" for target, value in known)
            if known
            else "not measured"
        )
        met = any(target.met(value) for target, value in known) if known else None
        verdicts.append(
            Verdict(" or ".join(target.what for target in group), limits, reported, met)
        )
    return verdicts
