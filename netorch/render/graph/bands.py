"""Divides the columns of a long picture into bands, which are drawn one below the other.

The first band leads from left to right, the second one back from right to left, and so on. So the
ends of two bands that follow each other are at the same side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Self

from netorch.immutable import Value
from netorch.render.graph.directions import Near
from netorch.render.graph.placement import Spot

_PER_EDGE = 60.0
"""How many pixels of difference between two bands are as bad as an edge from band to band."""


class Columns(Value):
    """The columns of a long picture, from left to right.

    A thing with one neighbour belongs to the column of that neighbour, so that they are in the
    same band.
    """

    of_thing: tuple[int, ...]
    """Thing → its column."""
    widths: tuple[float, ...]
    crossings: tuple[int, ...]
    """Column → the number of edges from it, or from one before it, to a later one."""

    @classmethod
    def of(cls, spots: Sequence[Spot], near: Near) -> Self:
        places = column_places(spots)
        for number, others in enumerate(near):
            for hub in others if len(others) == 1 else ():
                places[number] = places[hub]
        used = {place: column for column, place in enumerate(sorted(set(places)))}
        columns = [used[place] for place in places]
        own: list[dict[bool, float]] = [{} for _ in used]
        for number, spot in enumerate(spots):
            widths, is_leaf = own[columns[number]], len(near[number]) == 1
            widths[is_leaf] = max(widths.get(is_leaf, 0.0), spot.width)
        more = [0] * len(used)
        for one, others in enumerate(near):
            for other in others:
                if columns[one] < columns[other]:
                    more[columns[one]] += 1
                    more[columns[other]] -= 1
        return cls(
            tuple(columns),
            tuple(sum(widths.values()) for widths in own),
            tuple(accumulate(more)),
        )

    def bands(self, count: int, gap: float) -> list[int]:
        """Return the band of each thing, for `count` bands that are about equally wide."""
        bands = divide([width + gap for width in self.widths], self.crossings, count)
        return [bands[column] for column in self.of_thing]


def column_places(spots: Sequence[Spot]) -> list[int]:
    """Return the column of each spot. Those of two columns have no x in common."""
    places = [0] * len(spots)
    place, end = -1, float("-inf")
    for number in sorted(range(len(spots)), key=lambda one: spots[one].left):
        spot = spots[number]
        place += spot.left >= end
        places[number] = place
        end = max(end, spot.left + spot.width)
    return places


def divide(widths: Sequence[float], crossings: Sequence[int], count: int) -> list[int]:
    """Return the band of each column: `count` bands that are about equally wide.

    `crossings` has the number of edges from each column, or one before it, to a later one.
    """
    whole = sum(widths) / count
    sums = [*accumulate(widths, initial=0.0)]
    costs = [0.0, *(float("inf") for _ in widths)]
    starts: list[list[int]] = []

    def choose(low: int, high: int, first: int, last: int) -> None:
        """Find the best start of a band for each stop from `low` to `high`.

        It is from `first` to `last`, because a later stop never has an earlier start.
        """
        if low > high:
            return
        stop = (low + high) // 2
        best[stop] = min(
            (
                costs[start]
                + (sums[stop] - sums[start] - whole) ** 2
                + (_PER_EDGE * crossings[stop - 1]) ** 2,
                start,
            )
            for start in range(first, min(stop, last + 1))
        )
        choose(low, stop - 1, first, best[stop][1])
        choose(stop + 1, high, best[stop][1], last)

    for _ in range(count):
        best = [(float("inf"), 0)] * len(sums)
        choose(1, len(widths), 0, len(widths))
        costs = [cost for cost, _ in best]
        starts.append([start for _, start in best])
    bands: list[int] = []
    stop = len(widths)
    for band in range(count - 1, -1, -1):
        start = starts[band][stop]
        bands[:0] = [band] * (stop - start)
        stop = start
    return bands
