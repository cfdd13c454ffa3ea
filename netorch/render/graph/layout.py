"""Gives the things of a picture their positions.

igraph places the things that have several neighbours, and `leaf_fans` arranges the leaves around
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

from netorch.errors import NetorchError, Problem
from netorch.render.graph import leaf_fans
from netorch.render.graph.labels import spread_labels
from netorch.render.graph.numbered import ABREAST, MANY, Graph
from netorch.render.graph.packing import pack
from netorch.render.graph.picture import Edge, Picture, ThingId
from netorch.render.graph.placement import Placed, PlacedEdge, Spot
from netorch.render.graph.shapes import corner

try:
    import igraph

    from netorch.render.graph import framed
    from netorch.render.graph.layers import arrange, layers_of
    from netorch.render.graph.springs import arrange_by_springs
except ImportError:
    _COMMAND = "pip install 'netorch[graph]'"
    raise NetorchError(
        Problem(
            "no-igraph",
            "svg and html need the library igraph, which is not installed: "
            f"run `{_COMMAND}`, or use -o mermaid or -o dot",
            object="igraph",
            command=_COMMAND,
        )
    ) from None

MARGIN = 40.0
CLEAR = 40.0
"""The longest distance by which a text moves away from a border that its edge meets at a slant."""

Point = tuple[float, float]


def place(picture: Picture) -> Placed:
    """Place the things and edges of a picture. The result is the same for the same picture."""
    graph = Graph(picture)
    if picture.frames:
        return _place_frames(picture, graph)
    whole = igraph.Graph(n=len(graph.things), edges=list(graph.between))
    parts = [_part(graph, sorted(members)) for members in whole.connected_components()]
    spots = {spot.thing.id: spot for spot in _packed(parts)}
    right = max((spot.x + spot.width / 2 for spot in map(_hull, spots.values())), default=0.0)
    bottom = max((spot.y + spot.height / 2 for spot in map(_hull, spots.values())), default=0.0)
    edges = tuple(edge for pair in graph.between.values() for edge in _place_edges(pair, spots))
    return Placed(
        picture, max(right + MARGIN, 460.0), bottom + MARGIN, tuple(spots.values()), edges
    )


def _place_frames(picture: Picture, graph: Graph) -> Placed:
    """Place a picture with frames."""
    things, frames = framed.arrange(graph, picture.frames, MARGIN)
    spots = {spot.thing.id: spot for spot in things}
    edges = [edge for pair in graph.between.values() for edge in _place_edges(pair, spots)]
    edges, frames = spread_labels(edges, things, frames)
    right = [*(spot.x + spot.width / 2 for spot in things), *(box.x + box.width for box in frames)]
    bottom = [
        *(spot.y + spot.height / 2 for spot in things),
        *(box.y + box.height for box in frames),
    ]
    return Placed(
        picture,
        max(max(right) + MARGIN, 460.0),
        max(bottom) + MARGIN,
        tuple(things),
        tuple(edges),
        tuple(frames),
    )


def _part(graph: Graph, members: Sequence[int]) -> list[Spot]:
    """Place the things of one connected part of the graph. The origin is arbitrary."""
    if len(members) == 1:
        return [Spot(graph.things[members[0]], 0, 0, *graph.sizes[members[0]])]
    if (layers := layers_of(graph, members)) is not None:
        return arrange(graph, layers)
    leaves: dict[int, list[int]] = {}
    for member in members:
        if graph.leaf_edge(member) is not None:
            leaves.setdefault(next(iter(graph.near[member])), []).append(member)
    fanned = {hub: own for hub, own in leaves.items() if len(own) > MANY}
    apart = {leaf for own in fanned.values() for leaf in own}
    return arrange_by_springs(graph, [member for member in members if member not in apart], fanned)


def _hull(spot: Spot) -> Spot:
    """Return the rectangle around a spot whose sides are horizontal and vertical."""
    angle = spot.angle * pi / 180
    width = abs(spot.width * cos(angle)) + abs(spot.height * sin(angle))
    height = abs(spot.width * sin(angle)) + abs(spot.height * cos(angle))
    return Spot(spot.thing, spot.x, spot.y, width, height)


def _packed(parts: list[list[Spot]]) -> list[Spot]:
    """Pack the parts in rows, the highest first. The upper left corner is at the margin."""
    boxes = []
    for spots in parts:
        hulls = [_hull(spot) for spot in spots]
        left, top = (
            min(spot.x - spot.width / 2 for spot in hulls),
            min(spot.y - spot.height / 2 for spot in hulls),
        )
        right, bottom = (
            max(spot.x + spot.width / 2 for spot in hulls),
            max(spot.y + spot.height / 2 for spot in hulls),
        )
        boxes.append((right - left, bottom - top, left, top, spots))
    return [spot.moved(x, y) for spots, x, y in pack(boxes, MARGIN) for spot in spots]


def _place_edges(edges: Sequence[Edge], spots: dict[ThingId, Spot]) -> list[PlacedEdge]:
    """Place the edges between two things side by side, each from border to border."""
    placed: list[PlacedEdge] = []
    for index, edge in enumerate(edges):
        one, other = (spots[end.thing] for end in edge.ends)
        dx, dy = other.x - one.x, other.y - one.y
        length = hypot(dx, dy) or 1.0
        # The sign makes two edges in opposite directions move to different sides.
        sign = 1 if edge.ends[0].thing < edge.ends[1].thing else -1
        aside = (index - (len(edges) - 1) / 2) * ABREAST * sign
        ox, oy = -dy / length * aside, dx / length * aside
        start, stop = _border(one, other.x, other.y, ox, oy), _border(other, one.x, one.y, ox, oy)
        unlabelled = (one.leaf is not None, other.leaf is not None)
        placed.append(
            PlacedEdge(
                edge=edge,
                start=start,
                stop=stop,
                unlabelled=unlabelled,
                swapped=(unlabelled[1], unlabelled[0]),
                offsets=(_clearance(one, start, stop), _clearance(other, stop, start)),
            )
        )
    return placed


def _border(spot: Spot, x: float, y: float, ox: float, oy: float) -> Point:
    """Return the point on the border of a spot at which an edge to (x, y) begins.

    (ox, oy) is the distance of the edge from the line between the middles of both things.
    """
    if spot.leaf is not None:
        return leaf_fans.foot(spot)
    dx, dy = x - spot.x, y - spot.y
    length = hypot(dx, dy) or 1.0
    inside, outside = 0.0, hypot(spot.width, spot.height)
    for _ in range(24):
        way = (inside + outside) / 2
        if _covers(spot, ox + dx / length * way, oy + dy / length * way):
            inside = way
        else:
            outside = way
    return spot.x + ox + dx / length * inside, spot.y + oy + dy / length * inside


def _covers(spot: Spot, x: float, y: float) -> bool:
    """Whether the shape of a thing covers a point, which is relative to its middle."""
    radius = corner(spot.thing.kind, spot.height)
    dx, dy = abs(x) - (spot.width / 2 - radius), abs(y) - (spot.height / 2 - radius)
    return dx <= radius and dy <= radius and (dx <= 0 or dy <= 0 or hypot(dx, dy) <= radius)


def _clearance(spot: Spot, start: Point, stop: Point) -> float:
    """Return how far along an edge its text must begin so as not to cover the thing there."""
    dx, dy = abs(stop[0] - start[0]), abs(stop[1] - start[1])
    if spot.leaf is not None or not (dx or dy):
        return 0.0
    by_side = abs(start[0] - spot.x) >= spot.width / 2 - 1
    slope = (dy / dx if dx else 0.0) if by_side else (dx / dy if dy else 0.0)
    return min(CLEAR, 13 * slope)
