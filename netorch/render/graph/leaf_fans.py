"""Arranges leaves, things with a single edge, around their hub, the thing at the other end.

On a ring, each leaf is one line that points away from the hub, like a ray of the sun. In a comb,
the leaves are below the hub, side by side, like the teeth of a comb.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

from netorch.immutable import Value
from netorch.render.graph.picture import EdgeEnd, Thing
from netorch.render.graph.placement import Spot

PITCH = 18.0
"""The distance from one line to the next."""
HEIGHT = 15.0
"""The height of a line."""
MIN_LABEL_GAP = 9.5
"""The least distance between the texts along two edges."""
MIN_EDGE = 46.0
"""The least distance from the hub's border to its leaves."""
LANE = 0.16
"""Radians that stay free on both sides of an edge from the hub to a thing that is not a leaf."""


class Leaf(Value):
    """A thing with a single edge."""

    thing: Thing
    end: EdgeEnd
    """The leaf's end of its edge."""
    length: float
    """The length of the leaf if it is drawn as one line."""
    size: tuple[float, float]
    """The width and height of the leaf if it is drawn as a box."""
    hub_label: float
    """The length of the text at the hub's end of the edge."""
    edge_length: float
    """The length of the edge that all its texts need."""


class Ring(Value):
    """Leaves around a hub."""

    leaves: Sequence[Leaf]
    radius: float
    """The distance from the middle of the hub at which the lines begin."""
    reach: float
    """The distance at which the longest line ends."""

    def spots(self, x: float, y: float, away: Sequence[float]) -> list[Spot]:
        """Return the positions of the leaves in their order, clockwise.

        `away` has the directions of the edges from the hub to things that are not leaves.
        """
        arcs = _free_arcs(away)
        whole = sum(stop - start for start, stop in arcs)
        spots: list[Spot] = []
        arc, passed = 0, 0.0
        for index, leaf in enumerate(self.leaves):
            way = (index + 0.5) * whole / len(self.leaves)
            start, stop = arcs[arc]
            while way - passed > stop - start and arc + 1 < len(arcs):
                passed += stop - start
                arc += 1
                start, stop = arcs[arc]
            angle = start + way - passed
            middle = self.radius + leaf.length / 2
            spots.append(
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
        return spots


def ring(leaves: Sequence[Leaf], hub: tuple[float, float], away: int) -> Ring:
    """Return a ring with room for the leaves, and for `away` edges to things that are not leaves.

    `hub` is the width and height of the hub.
    """
    arc = max(pi / 2, 2 * pi - 2 * LANE * away)
    label = max(leaf.hub_label for leaf in leaves)
    inner = max(hypot(*hub) / 2 + 6, len(leaves) * MIN_LABEL_GAP / arc)
    radius = max(
        hypot(*hub) / 2 + MIN_EDGE, len(leaves) * PITCH / arc, inner + label + 14 if label else 0
    )
    return Ring(leaves, radius, radius + max(leaf.length for leaf in leaves))


def _free_arcs(away: Sequence[float]) -> list[tuple[float, float]]:
    """Return the arcs between the edges that lead away, in radians.

    Without such an edge, return the whole circle from the top on.
    """
    if not away:
        return [(-pi / 2, 3 * pi / 2)]
    angles = sorted(angle % (2 * pi) for angle in away)
    arcs = [
        (one + LANE, other - LANE)
        for one, other in zip(angles, [*angles[1:], angles[0] + 2 * pi], strict=True)
    ]
    usable = [(start, stop) for start, stop in arcs if stop - start > 0.05]
    return usable or [(-pi / 2, 3 * pi / 2)]


def comb_width(leaves: Sequence[Leaf], vertical: bool) -> float:
    return sum(PITCH if vertical else leaf.size[0] + 14 for leaf in leaves)


def comb(hub: Spot, leaves: Sequence[Leaf], vertical: bool) -> list[Spot]:
    """Return the positions of leaves below their hub, as boxes or as vertical lines."""
    x = hub.x - comb_width(leaves, vertical) / 2
    label = max((leaf.hub_label for leaf in leaves), default=0.0)
    # The label is drawn from the leaf's end of the edge. The edge is twice as long as the label,
    # because the edges converge: nearer to the hub, they are too close together for text.
    way = (
        max(MIN_EDGE, 2 * label + 10)
        if vertical
        else max((leaf.edge_length for leaf in leaves), default=0.0)
    )
    top = hub.y + hub.height / 2 + way
    spots: list[Spot] = []
    for leaf in leaves:
        width = comb_width([leaf], vertical)
        if vertical:
            spots.append(
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
            spots.append(Spot(leaf.thing, x + width / 2, top + leaf.size[1] / 2, *leaf.size))
        x += width
    return spots


def foot(spot: Spot) -> tuple[float, float]:
    """Return the point at which the edge of a leaf meets it."""
    angle = spot.angle * pi / 180
    return spot.x - spot.width / 2 * cos(angle), spot.y - spot.width / 2 * sin(angle)
