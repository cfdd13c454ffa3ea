"""Lays out any other graph by springs.

Kamada and Kawai's algorithm places the things. Then things that cover each other or an edge move
apart.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import atan2, cos, floor, hypot, sin, sqrt
from random import Random

import igraph

from netorch.render.graph import leaf_fans
from netorch.render.graph.numbered import GAP, Graph, leaves_of
from netorch.render.graph.placement import Spot
from netorch.render.graph.sizes import required_length

MAX_PAIRS = 20_000
"""The most pairs of an edge and a thing that are checked for overlaps, which takes time."""
MANY_THINGS = 150
"""The number of things from which only those near each other are checked for overlaps."""
MOST_SPRINGS = 1000
"""The most things that springs between all of them place, in a second. The time is quadratic."""
ROUNDS = 150
"""The most rounds in which things that cover each other move apart."""

Point = tuple[float, float]
SpringEdge = tuple[int, int, float]
"""Two things, and the distance from border to border that the texts of their edge need."""


def arrange_by_springs(
    graph: Graph, core: Sequence[int], fanned: dict[int, list[int]]
) -> list[Spot]:
    """Place the things of `core` by springs as long as the texts along the edges need.

    `fanned` maps hubs to their leaves, which get a ring around the hub.
    """
    numbers = {member: index for index, member in enumerate(core)}
    pairs = [pair for pair in graph.between if pair[0] in numbers and pair[1] in numbers]
    rings = {
        hub: leaf_fans.ring(
            leaves_of(graph, leaves),
            graph.sizes[hub],
            sum(near in numbers for near in graph.near[hub]),
        )
        for hub, leaves in fanned.items()
    }
    halves = [
        (rings[member].reach, rings[member].reach)
        if member in rings
        else tuple(side / 2 for side in graph.sizes[member])
        for member in core
    ]
    lengths = [
        max(map(required_length, graph.between[pair]))
        + sum(
            hypot(*halves[numbers[member]]) * (0.72 if member in rings else 0.8) for member in pair
        )
        for pair in pairs
    ]
    core_graph = igraph.Graph(
        n=len(core), edges=[(numbers[one], numbers[other]) for one, other in pairs]
    )
    points: list[Point] = [(0.0, 0.0)]
    if len(core) > 1:
        points = rotate(coordinates(core_graph, lengths))
        actual = [
            max(
                1e-9,
                hypot(
                    *(
                        a - b
                        for a, b in zip(points[numbers[one]], points[numbers[other]], strict=True)
                    )
                ),
            )
            for one, other in pairs
        ]
        ratios = sorted(length / distance for length, distance in zip(lengths, actual, strict=True))
        scale = ratios[len(ratios) // 2]
        spring_edges = [
            (numbers[one], numbers[other], max(map(required_length, graph.between[one, other])))
            for one, other in pairs
        ]
        points = _separate([(x * scale, y * scale) for x, y in points], halves, spring_edges)
    spots: list[Spot] = []
    for member, (x, y) in zip(core, points, strict=True):
        spots.append(Spot(graph.things[member], x, y, *graph.sizes[member]))
        if member in rings:
            neighbours = (points[numbers[near]] for near in graph.near[member] if near in numbers)
            spots += rings[member].spots(
                x, y, [atan2(there[1] - y, there[0] - x) for there in neighbours]
            )
    return spots


def coordinates(graph: igraph.Graph, lengths: Sequence[float]) -> list[Point]:
    """Return positions in which neighbours are near each other, in any scale."""
    start = graph.layout_circle().coords
    if graph.vcount() <= MOST_SPRINGS:
        layout = graph.layout_kamada_kawai(
            seed=start, weights=lengths, maxiter=max(2000, 60 * graph.vcount())
        )
    else:
        igraph.set_random_number_generator(Random(0))  # so that the picture is always the same
        try:
            layout = graph.layout_drl(seed=start)
        finally:
            igraph.set_random_number_generator(random)
    return [(x, y) for x, y in layout.coords]


def rotate(points: list[Point]) -> list[Point]:
    """Rotate the points so that their longest extent is horizontal.

    Pages are wider than high, and horizontal text along an edge is read best.
    """
    count = len(points)
    x0, y0 = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    xx = sum((x - x0) ** 2 for x, _ in points)
    yy = sum((y - y0) ** 2 for _, y in points)
    xy = sum((x - x0) * (y - y0) for x, y in points)
    if hypot(xx - yy, 2 * xy) < 0.05 * (xx + yy):
        return points
    angle = -atan2(2 * xy, xx - yy) / 2
    return [
        (
            (x - x0) * cos(angle) - (y - y0) * sin(angle),
            (x - x0) * sin(angle) + (y - y0) * cos(angle),
        )
        for x, y in points
    ]


def _separate(
    points: list[Point], halves: Sequence[tuple[float, ...]], spring_edges: Sequence[SpringEdge]
) -> list[Point]:
    """Move things apart that cover each other, and make room for texts and edges.

    Two things move in the direction in which the distance is shortest.
    """
    positions = [list(point) for point in points]
    degree = [0] * len(points)
    for one, other, _ in spring_edges:
        degree[one] += 1
        degree[other] += 1
    for _ in range(ROUNDS):
        moved = False
        for i, j in pairs_near(positions, halves):
            (wi, hi), (wj, hj) = halves[i], halves[j]
            dx, dy = positions[i][0] - positions[j][0], positions[i][1] - positions[j][1]
            over_x, over_y = wi + wj + GAP - abs(dx), hi + hj + GAP - abs(dy)
            if over_x <= 0.01 or over_y <= 0.01:
                continue
            moved = True
            axis, over, delta = (0, over_x, dx) if over_x < over_y else (1, over_y, dy)
            step = over / 2 if delta >= 0 else -over / 2
            positions[i][axis] += step
            positions[j][axis] -= step
        moved |= stretch(positions, halves, spring_edges, degree)
        if len(spring_edges) * len(positions) < MAX_PAIRS:
            moved |= clear_edges(positions, halves, spring_edges)
        if not moved:
            break
    return [(x, y) for x, y in positions]


def pairs_near(
    positions: Sequence[Sequence[float]], halves: Sequence[tuple[float, ...]]
) -> Iterable[tuple[int, int]]:
    """Return the pairs of things that may cover each other, the higher number first.

    Among many things, these are the ones that are in a common square of a grid. A square is as
    large as a thing on average.
    """
    if len(positions) <= MANY_THINGS:
        return ((i, j) for i in range(len(positions)) for j in range(i))
    side = sqrt(sum((2 * w + GAP) * (2 * h + GAP) for w, h in halves) / len(halves))
    squares: dict[tuple[int, int], list[int]] = {}
    for number, ((x, y), (w, h)) in enumerate(zip(positions, halves, strict=True)):
        w, h = w + GAP / 2, h + GAP / 2  # noqa: PLW2901
        for column in range(floor((x - w) / side), floor((x + w) / side) + 1):
            for row in range(floor((y - h) / side), floor((y + h) / side) + 1):
                squares.setdefault((column, row), []).append(number)
    return sorted(
        {
            (number, other)
            for here in squares.values()
            for position, number in enumerate(here)
            for other in here[:position]
        }
    )


def stretch(
    positions: list[list[float]],
    halves: Sequence[tuple[float, ...]],
    spring_edges: Sequence[SpringEdge],
    degree: Sequence[int],
) -> bool:
    """Stretch edges that are too short for their texts. The end with fewer edges moves more."""
    moved = False
    for one, other, required in spring_edges:
        dx, dy = positions[other][0] - positions[one][0], positions[other][1] - positions[one][1]
        length = hypot(dx, dy) or 1.0
        lacking = (
            required
            + sum(depth(halves[end], dx / length, dy / length) for end in (one, other))
            - length
        )
        if lacking > 1:
            moved = True
            share = degree[other] / (degree[one] + degree[other])
            for end, part in ((one, -share), (other, 1 - share)):
                positions[end][0] += dx / length * lacking * part * 0.6
                positions[end][1] += dy / length * lacking * part * 0.6
    return moved


def clear_edges(
    positions: list[list[float]],
    halves: Sequence[tuple[float, ...]],
    spring_edges: Sequence[SpringEdge],
) -> bool:
    """Move things away from the edges of other things."""
    moved = False
    for one, other, _ in spring_edges:
        (x1, y1), (x2, y2) = positions[one], positions[other]
        dx, dy = x2 - x1, y2 - y1
        square = dx * dx + dy * dy or 1.0
        length = hypot(dx, dy) or 1.0
        for i, (x, y) in enumerate(positions):
            if i in {one, other}:
                continue
            along = ((x - x1) * dx + (y - y1) * dy) / square
            if not 0.02 < along < 0.98:
                continue
            aside = ((x - x1) * dy - (y - y1) * dx) / length
            # The thing needs its extent towards the line, and 16 pixels for the texts along the
            # line.
            lacking = (halves[i][0] * abs(dy) + halves[i][1] * abs(dx)) / length + 16 - abs(aside)
            if lacking > 1:
                moved = True
                step = (lacking if aside >= 0 else -lacking) * 0.5
                positions[i][0] += dy / length * step
                positions[i][1] -= dx / length * step
    return moved


def depth(half: tuple[float, ...], dx: float, dy: float) -> float:
    """Return the distance from the middle of a rectangle to its border in a direction."""
    return min(half[0] / abs(dx) if dx else float("inf"), half[1] / abs(dy) if dy else float("inf"))
