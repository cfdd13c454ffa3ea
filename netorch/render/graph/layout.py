"""Picture → Placed: igraph says where the things are that hold the picture together, `fans` arranges what hangs on one of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

from netorch.errors import NetorchError, Problem
from netorch.render.graph import leaf_fans
from netorch.render.graph.numbered import ABREAST, GAP, MANY, Graph
from netorch.render.graph.picture import Edge, Picture, ThingId
from netorch.render.graph.placement import Placed, PlacedEdge, Spot
from netorch.render.graph.shapes import corner

try:
    import igraph

    from netorch.render.graph.layers import arrange, layers_of
    from netorch.render.graph.springs import sprung
except ImportError:
    _COMMAND = "pip install 'netorch[graph]'"
    raise NetorchError(
        Problem(
            "no-igraph",
            f"svg and html need the library igraph, which is not installed: `{_COMMAND}`, or take -o mermaid or -o dot",
            object="igraph",
            command=_COMMAND,
        )
    ) from None

MARGIN = 40.0
CLEAR = 40.0
"""As far as words are moved at most to get clear of a slanting border."""
WIDE = 1.7
"""Width to height that parts without a connection are packed into."""

Point = tuple[float, float]


def place(picture: Picture) -> Placed:
    """The same picture has the same places. NetorchError without the library."""
    graph = Graph(picture)
    whole = igraph.Graph(n=len(graph.things), edges=list(graph.between))
    parts = [_part(graph, sorted(members)) for members in whole.connected_components()]
    spots = {spot.thing.id: spot for spot in _packed(parts)}
    right = max((spot.x + spot.width / 2 for spot in map(_hull, spots.values())), default=0.0)
    bottom = max((spot.y + spot.height / 2 for spot in map(_hull, spots.values())), default=0.0)
    wires = tuple(wire for pair in graph.between.values() for wire in _wires(pair, spots))
    return Placed(
        picture, max(right + MARGIN, 460.0), bottom + MARGIN, tuple(spots.values()), wires
    )


def _part(graph: Graph, members: Sequence[int]) -> list[Spot]:
    """The things that are connected, around some point of their own."""
    if len(members) == 1:
        return [Spot(graph.things[members[0]], 0, 0, *graph.sizes[members[0]])]
    if (layers := layers_of(graph, members)) is not None:
        return arrange(graph, layers)
    leaves: dict[int, list[int]] = {}
    for member in members:
        if graph.leaf_edge(member) is not None:
            leaves.setdefault(next(iter(graph.near[member])), []).append(member)
    fanned = {hub: found for hub, found in leaves.items() if len(found) > MANY}
    apart = {leaf for found in fanned.values() for leaf in found}
    return sprung(graph, [member for member in members if member not in apart], fanned)


def _hull(spot: Spot) -> Spot:
    """The upright rectangle around a spot."""
    angle = spot.angle * pi / 180
    width = abs(spot.width * cos(angle)) + abs(spot.height * sin(angle))
    height = abs(spot.width * sin(angle)) + abs(spot.height * cos(angle))
    return Spot(spot.thing, spot.x, spot.y, width, height)


def _packed(parts: list[list[Spot]]) -> list[Spot]:
    """Parts in rows, the largest first, with the left upper corner at the margin."""
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
    room = max(
        [
            *(width for width, *_ in boxes),
            (WIDE * sum((w + GAP) * (h + GAP) for w, h, *_ in boxes)) ** 0.5,
            0,
        ]
    )
    x = y = MARGIN
    row = 0.0
    found: list[Spot] = []
    for width, height, left, top, spots in sorted(boxes, key=lambda entry: -entry[1]):
        if x > MARGIN and x + width > room + MARGIN:
            x, y, row = MARGIN, y + row + 2 * GAP, 0.0
        found += [spot.moved(x - left, y - top) for spot in spots]
        x, row = x + width + 2 * GAP, max(row, height)
    return found


def _wires(edges: Sequence[Edge], spots: dict[ThingId, Spot]) -> list[PlacedEdge]:
    """The edges between two things side by side, each from border to border."""
    found: list[PlacedEdge] = []
    for index, edge in enumerate(edges):
        one, other = (spots[end.thing] for end in edge.ends)
        dx, dy = other.x - one.x, other.y - one.y
        length = hypot(dx, dy) or 1.0
        # the same side for both directions
        sign = 1 if edge.ends[0].thing < edge.ends[1].thing else -1
        aside = (index - (len(edges) - 1) / 2) * ABREAST * sign
        ox, oy = -dy / length * aside, dx / length * aside
        start, stop = _border(one, other.x, other.y, ox, oy), _border(other, one.x, one.y, ox, oy)
        silent = (one.leaf is not None, other.leaf is not None)
        clear = (_clearance(one, start, stop), _clearance(other, stop, start))
        found.append(
            PlacedEdge(
                edge=edge,
                start=start,
                stop=stop,
                silent=silent,
                far=(silent[1], silent[0]),
                clear=clear,
            )
        )
    return found


def _border(spot: Spot, x: float, y: float, ox: float, oy: float) -> Point:
    """Where the way to (x, y), moved aside by (ox, oy), leaves a spot."""
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
    """Whether the shape of a thing covers a point, seen from its middle."""
    radius = corner(spot.thing.kind, spot.height)
    dx, dy = abs(x) - (spot.width / 2 - radius), abs(y) - (spot.height / 2 - radius)
    return dx <= radius and dy <= radius and (dx <= 0 or dy <= 0 or hypot(dx, dy) <= radius)


def _clearance(spot: Spot, start: Point, stop: Point) -> float:
    """How far along an edge words beside it have to go to get clear of what it starts at."""
    dx, dy = abs(stop[0] - start[0]), abs(stop[1] - start[1])
    if spot.leaf is not None or not (dx or dy):
        return 0.0
    by_side = abs(start[0] - spot.x) >= spot.width / 2 - 1
    slope = (dy / dx if dx else 0.0) if by_side else (dx / dy if dy else 0.0)
    return min(CLEAR, 13 * slope)
