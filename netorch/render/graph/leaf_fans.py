"""Leaves, each one line, around the thing that they hang on: on a ring like the rays of the sun, or below it like the teeth of a comb."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

from netorch.immutable import Value
from netorch.render.graph.picture import EdgeEnd, Thing
from netorch.render.graph.placement import Spot

PITCH = 18.0
"""From one line to the next."""
HEIGHT = 15.0
CLOSE = 9.5
"""How near to each other words along two edges may be."""
WAY = 46.0
"""From a thing's border to its leaves, at least."""
LANE = 0.16
"""Radians that are left free on both sides of an edge that leads away."""


class Leaf(Value):
    """`length` of its line, `size` of it upright; `label`: how long the words at the hub's end of its edge are, `way` all of its words."""

    thing: Thing
    end: EdgeEnd
    length: float
    size: tuple[float, float]
    label: float
    way: float


class Ring(Value):
    """`radius` is where the lines begin, `reach` where the longest ends."""

    leaves: Sequence[Leaf]
    radius: float
    reach: float

    def spots(self, x: float, y: float, away: Sequence[float]) -> list[Spot]:
        """In their order, clockwise; `away`: directions in which edges lead to other things."""
        arcs = _free(away)
        whole = sum(stop - start for start, stop in arcs)
        found: list[Spot] = []
        for index, leaf in enumerate(self.leaves):
            way = (index + 0.5) * whole / len(self.leaves)
            for start, stop in arcs:
                if way <= stop - start:
                    break
                way -= stop - start
            angle = start + way
            middle = self.radius + leaf.length / 2
            found.append(
                Spot(
                    thing=leaf.thing,
                    x=x + middle * cos(angle),
                    y=y + middle * sin(angle),
                    width=leaf.length,
                    height=HEIGHT,
                    angle=angle * 180 / pi,
                    leaf=leaf.end,
                )
            )
        return found


def ring(leaves: Sequence[Leaf], hub: tuple[float, float], away: int) -> Ring:
    """A ring that is large enough, with `away` edges leading out of it."""
    arc = max(pi / 2, 2 * pi - 2 * LANE * away)
    label = max(leaf.label for leaf in leaves)
    inner = max(hypot(*hub) / 2 + 6, len(leaves) * CLOSE / arc)
    radius = max(
        hypot(*hub) / 2 + WAY, len(leaves) * PITCH / arc, inner + label + 14 if label else 0
    )
    return Ring(leaves, radius, radius + max(leaf.length for leaf in leaves))


def _free(away: Sequence[float]) -> list[tuple[float, float]]:
    """The arcs between the lanes of edges that lead away, from the first on; the whole circle from above without one."""
    if not away:
        return [(-pi / 2, 3 * pi / 2)]
    angles = sorted(angle % (2 * pi) for angle in away)
    arcs = [
        (one + LANE, other - LANE)
        for one, other in zip(angles, [*angles[1:], angles[0] + 2 * pi], strict=True)
    ]
    found = [(start, stop) for start, stop in arcs if stop - start > 0.05]
    return found or [(-pi / 2, 3 * pi / 2)]


def comb_width(leaves: Sequence[Leaf], turned: bool) -> float:
    return sum(PITCH if turned else leaf.size[0] + 14 for leaf in leaves)


def comb(hub: Spot, leaves: Sequence[Leaf], turned: bool) -> list[Spot]:
    """Below their hub: side by side upright, or as lines that hang down."""
    x = hub.x - comb_width(leaves, turned) / 2
    label = max((leaf.label for leaf in leaves), default=0.0)
    # lines to a comb lie half as close at half the way
    way = max(WAY, 2 * label + 10) if turned else max((leaf.way for leaf in leaves), default=0.0)
    top = hub.y + hub.height / 2 + way
    found: list[Spot] = []
    for leaf in leaves:
        width = comb_width([leaf], turned)
        if turned:
            found.append(
                Spot(
                    thing=leaf.thing,
                    x=x + width / 2,
                    y=top + leaf.length / 2,
                    width=leaf.length,
                    height=HEIGHT,
                    angle=90.0,
                    leaf=leaf.end,
                )
            )
        else:
            found.append(Spot(leaf.thing, x + width / 2, top + leaf.size[1] / 2, *leaf.size))
        x += width
    return found


def foot(spot: Spot) -> tuple[float, float]:
    """Where the edge of a leaf meets it."""
    angle = spot.angle * pi / 180
    return spot.x - spot.width / 2 * cos(angle), spot.y - spot.width / 2 * sin(angle)
