"""Lays out a topology that is spread over several machines, each with a frame around its things.

Kamada and Kawai's algorithm places the things, where each machine pulls its own ones together. Then
things and frames that cover each other or an edge move apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import atan2, hypot, sqrt

import igraph

from netorch.immutable import replace
from netorch.render.graph import leaf_fans
from netorch.render.graph.leaf_fans import MIN_EDGE, PITCH, Leaf, Ring
from netorch.render.graph.numbered import GAP, MANY, Graph, leaves_of
from netorch.render.graph.packing import pack
from netorch.render.graph.picture import Frame
from netorch.render.graph.placement import PlacedFrame, Spot
from netorch.render.graph.sizes import frame_title_width, leaf_length, required_length
from netorch.render.graph.springs import (
    MAX_PAIRS,
    ROUNDS,
    Point,
    SpringEdge,
    clear_edges,
    coordinates,
    pairs_near,
    rotate,
    stretch,
)

PAD = 26.0
"""The distance from the border of a frame to the things in it."""
TITLE = 30.0
"""The height of the strip for the title, at the top of a frame and at its bottom."""
ROOM = 110.0
"""The length that an edge between two machines has besides what its texts need, so that they can be
moved along it.
"""
BETWEEN = 50.0
"""The least distance between two frames, besides `GAP`."""
GROWTH = 1.1
"""The factor by which the distances of frames grow if they do not come apart otherwise."""
PATIENCE = 20
"""The number of rounds after which distances grow."""


@dataclass(slots=True)
class _Body:
    """What moves as one: a thing, a hub with its ring of leaves, or a column of leaves."""

    machine: str
    half: tuple[float, float]
    """Half of the width and of the height."""
    member: int = -1
    """The number of the thing or hub."""
    ring: Ring | None = None
    column: list[Leaf] = field(default_factory=list)
    hub: int = -1
    """The body of the hub of a column."""


def arrange(
    graph: Graph, frames: Sequence[Frame], margin: float
) -> tuple[list[Spot], list[PlacedFrame]]:
    """Place all things, and a frame around those of each machine.

    The upper left corner is at the margin.
    """
    boxes = []
    for members, own in _parts(graph, frames):
        layout = _Layout(graph, members, own)
        layout.place()
        left, top, right, bottom = layout.extent()
        boxes.append((right - left, bottom - top, left, top, layout))
    spots, placed = list[Spot](), list[PlacedFrame]()
    for layout, x, y in pack(boxes, margin):
        spots += [spot.moved(x, y) for spot in layout.spots()]
        placed += [replace(box, x=box.x + x, y=box.y + y) for box in layout.frames()]
    return spots, placed


def _parts(graph: Graph, frames: Sequence[Frame]) -> Iterator[tuple[list[int], list[Frame]]]:
    """Yield the things and frames of each part that no edge joins to another one."""
    count = len(graph.things)
    numbers = {frame.name: count + number for number, frame in enumerate(frames)}
    joined = [
        (member, numbers[thing.machine])
        for member, thing in enumerate(graph.things)
        if thing.machine in numbers
    ]
    whole = igraph.Graph(n=count + len(frames), edges=[*graph.between, *joined])
    for part in whole.connected_components():
        own = sorted(part)
        yield (
            [member for member in own if member < count],
            [frames[number - count] for number in own if number >= count],
        )


class _Layout:
    def __init__(self, graph: Graph, members: Sequence[int], frames: Sequence[Frame]) -> None:
        self.graph, self.members, self.names = (
            graph,
            members,
            [frame.name for frame in frames],
        )
        self.titles = {frame.name: frame for frame in frames}
        self.bodies: list[_Body] = []
        self.body_of: dict[int, int] = {}
        """Thing → its body. A leaf of a ring or of a column has none."""
        self._make_bodies()
        self.halves = [body.half for body in self.bodies]
        self.lengths = self._lengths()
        self.inside: dict[str, list[int]] = {name: [] for name in self.names}
        """Machine → its bodies."""
        self.outside: list[int] = []
        for number, body in enumerate(self.bodies):
            self.inside.get(body.machine, self.outside).append(number)
        self.at: list[list[float]] = []
        """Body → its position."""

    def _make_bodies(self) -> None:
        graph = self.graph
        groups: dict[tuple[int, str], list[int]] = {}
        for member in self.members:
            if graph.leaf_edge(member) is not None:
                hub = next(iter(graph.near[member]))
                groups.setdefault((hub, graph.things[member].machine), []).append(member)
        groups = {key: leaves for key, leaves in groups.items() if len(leaves) > MANY}
        apart = {leaf for leaves in groups.values() for leaf in leaves}
        for member in self.members:
            if member in apart:
                continue
            thing = graph.things[member]
            half = (graph.sizes[member][0] / 2, graph.sizes[member][1] / 2)
            body = _Body(thing.machine, half, member)
            if (leaves := groups.get((member, thing.machine))) is not None:
                away = sum(near not in apart for near in graph.near[member])
                away += sum(hub == member for hub, _ in groups) - 1
                body.ring = leaf_fans.ring(leaves_of(graph, leaves), graph.sizes[member], away)
                body.half = (body.ring.reach, body.ring.reach)
            self.body_of[member] = len(self.bodies)
            self.bodies.append(body)
        for (hub, machine), leaves in groups.items():
            if machine != graph.things[hub].machine:
                column = [self._with_labels(leaf, hub) for leaf in leaves_of(graph, leaves)]
                half = (max(leaf.length for leaf in column) / 2, len(column) * PITCH / 2)
                self.bodies.append(_Body(machine, half, column=column, hub=self.body_of[hub]))

    def _with_labels(self, leaf: Leaf, hub: int) -> Leaf:
        """Put the labels of a leaf's edge into its own line, because they would be too close."""
        end = leaf.end
        edge = self.graph.edges_between(hub, self.graph.numbers[leaf.thing.id])[0]
        end = replace(end, addresses=(*end.addresses, *edge.labels))
        return replace(leaf, end=end, length=leaf_length(leaf.thing, end))

    def _lengths(self) -> dict[tuple[int, int], float]:
        """Return two bodies → the distance from border to border that their edges need."""
        lengths: dict[tuple[int, int], float] = {}
        things = self.graph.things
        for one in self.body_of:
            for other in self.graph.near[one]:
                if one < other and other in self.body_of:
                    edges = self.graph.edges_between(one, other)
                    crosses = things[one].machine != things[other].machine
                    pair = self.body_of[one], self.body_of[other]
                    lengths[pair] = max(map(required_length, edges)) + (ROOM if crosses else 0)
        for number, body in enumerate(self.bodies):
            if body.column:
                label = max(leaf.hub_label for leaf in body.column)
                way = max(MIN_EDGE, 2 * label + 10, body.half[1] / 2)
                lengths[body.hub, number] = way
        return lengths

    def place(self) -> None:
        self.at = [list(point) for point in self._by_springs()]
        edges: list[SpringEdge] = [(*pair, length) for pair, length in self.lengths.items()]
        degree = [0] * len(self.bodies)
        for one, other, _ in edges:
            degree[one] += 1
            degree[other] += 1
        few = len(edges) * len(self.bodies) < MAX_PAIRS
        for _ in range(ROUNDS):
            moved = self._separate_bodies()
            moved |= stretch(self.at, self.halves, edges, degree)
            if few:
                moved |= clear_edges(self.at, self.halves, edges)
            moved |= self._separate_columns()
            moved |= self._separate_frames()
            if not moved:
                break
        # Nothing may cover anything, even if that makes an edge pass behind a thing.
        for step in (self._separate_bodies, self._separate_frames):
            rounds = 0
            while step():
                rounds += 1
                if rounds % PATIENCE == 0:
                    self.at = [[x * GROWTH, y * GROWTH] for x, y in self.at]

    def _by_springs(self) -> list[Point]:
        """Place the bodies by springs as long as the texts along the edges need."""
        count = len(self.bodies)
        diagonals = [
            hypot(*half) * (0.72 if body.ring else 0.8)
            for half, body in zip(self.halves, self.bodies, strict=True)
        ]
        pairs = list(self.lengths)
        lengths = [self.lengths[pair] + diagonals[pair[0]] + diagonals[pair[1]] for pair in pairs]
        # a point in the middle of each machine, near to which its bodies are
        for number, name in enumerate(self.names):
            own = self.inside[name]
            area = sum((2 * w + 90) * (2 * h + 60) for w, h in (self.halves[body] for body in own))
            for body in own:
                pairs.append((body, count + number))
                lengths.append(max(20.0, sqrt(area) / 2))
        whole = igraph.Graph(n=count + len(self.names), edges=pairs)
        points = coordinates(whole, lengths) if whole.vcount() > 1 else [(0.0, 0.0)]
        edges = [edge.tuple for edge in whole.es]
        ratios = sorted(
            length / max(1e-9, hypot(*(a - b for a, b in zip(points[i], points[j], strict=True))))
            for length, (i, j) in zip(lengths, edges, strict=True)
        )
        scale = ratios[len(ratios) // 2] if ratios else 1.0
        return rotate([(x * scale, y * scale) for x, y in points[:count]])

    def _separate_bodies(self) -> bool:
        """Move bodies apart that cover each other, in the direction of the shorter way."""
        moved = False
        for i, j in pairs_near(self.at, self.halves):
            if (push := _overlap(self.at[i], self.halves[i], self.at[j], self.halves[j])) is None:
                continue
            moved = True
            axis, step = push
            self.at[i][axis] += step
            self.at[j][axis] -= step
        return moved

    def _separate_columns(self) -> bool:
        """Move each column to the left or to the right of its hub, so that the edges reach it."""
        moved = False
        for number, body in enumerate(self.bodies):
            if body.column:
                hub, width = body.hub, body.half[0] + self.halves[body.hub][0]
                delta = self.at[number][0] - self.at[hub][0]
                lacking = self.lengths[hub, number] + width - abs(delta)
                if lacking > 1:
                    moved = True
                    step = (lacking if delta >= 0 else -lacking) / 2
                    self.at[number][0] += step
                    self.at[hub][0] -= step
        return moved

    def _separate_frames(self) -> bool:
        """Move frames apart that cover each other or what is in no frame."""
        blocks = [*([body] for body in self.outside), *(self.inside[name] for name in self.names)]
        positions: list[list[float]] = [self.at[body] for body in self.outside]
        halves = [self.halves[body] for body in self.outside]
        for name in self.names:
            x, y, width, height = self._box(name)
            positions.append([x + width / 2, y + height / 2])
            halves.append(((width + BETWEEN) / 2, (height + BETWEEN) / 2))
        moved = False
        before = [list(position) for position in positions]
        for i, j in pairs_near(positions, halves):
            if (push := _overlap(positions[i], halves[i], positions[j], halves[j])) is None:
                continue
            moved = True
            axis, step = push
            positions[i][axis] += step
            positions[j][axis] -= step
        for old, new, block in zip(
            before[len(self.outside) :],
            positions[len(self.outside) :],
            blocks[len(self.outside) :],
            strict=True,
        ):
            for body in block:
                self.at[body][0] += new[0] - old[0]
                self.at[body][1] += new[1] - old[1]
        return moved

    def _box(self, name: str) -> tuple[float, float, float, float]:
        """Return the position of the upper left corner of a frame, and its size."""
        own = self.inside[name]
        left = min(self.at[body][0] - self.halves[body][0] for body in own) - PAD
        right = max(self.at[body][0] + self.halves[body][0] for body in own) + PAD
        top = min(self.at[body][1] - self.halves[body][1] for body in own) - TITLE
        bottom = max(self.at[body][1] + self.halves[body][1] for body in own) + TITLE
        lacking = max(0.0, frame_title_width(self.titles[name]) + PAD - (right - left))
        return left - lacking / 2, top, right - left + lacking, bottom - top

    def frames(self) -> list[PlacedFrame]:
        return [PlacedFrame(self.titles[name], *self._box(name)) for name in self.names]

    def extent(self) -> tuple[float, float, float, float]:
        """Return the left, upper, right and lower ends of everything."""
        corners = [(x, y, x + width, y + height) for x, y, width, height in self._boxes()]
        left, top, right, bottom = zip(*corners, strict=True)
        return min(left), min(top), max(right), max(bottom)

    def _boxes(self) -> Iterator[tuple[float, float, float, float]]:
        yield from map(self._box, self.names)
        for body in self.outside:
            (x, y), (half_width, half_height) = self.at[body], self.halves[body]
            yield x - half_width, y - half_height, 2 * half_width, 2 * half_height

    def spots(self) -> list[Spot]:
        graph, spots = self.graph, list[Spot]()
        for (x, y), body in zip(self.at, self.bodies, strict=True):
            if body.column:
                spots += self._column(x, y, body)
                continue
            spots.append(Spot(graph.things[body.member], x, y, *graph.sizes[body.member]))
            if body.ring is not None:
                there = [
                    self.at[self.body_of[near]]
                    for near in graph.near[body.member]
                    if near in self.body_of
                ]
                own = self.body_of[body.member]
                there += [
                    self.at[number] for number, each in enumerate(self.bodies) if each.hub == own
                ]
                away = [atan2(point[1] - y, point[0] - x) for point in there]
                spots += body.ring.spots(x, y, away)
        return spots

    def _column(self, x: float, y: float, body: _Body) -> list[Spot]:
        """Return the positions of leaves one below the other, which begin at the hub's side."""
        right = x >= self.at[body.hub][0]
        side = x - body.half[0] if right else x + body.half[0]
        top = y - body.half[1] + PITCH / 2
        return [
            Spot(
                thing=leaf.thing,
                x=side + (leaf.length / 2 if right else -leaf.length / 2),
                y=top + index * PITCH,
                width=leaf.length,
                height=leaf_fans.HEIGHT,
                angle=0.0 if right else 180.0,
                leaf=leaf.end,
            )
            for index, leaf in enumerate(body.column)
        ]


def _overlap(
    one: Sequence[float],
    one_half: tuple[float, ...],
    other: Sequence[float],
    other_half: tuple[float, ...],
) -> tuple[int, float] | None:
    """Return the axis along which two rectangles come apart soonest, and how far each moves.

    The first one moves by that, and the second one by the opposite. None if they are apart.
    """
    overs = [
        one_half[axis] + other_half[axis] + GAP - abs(one[axis] - other[axis]) for axis in (0, 1)
    ]
    if min(overs) <= 0.01:
        return None
    axis = 0 if overs[0] < overs[1] else 1
    return axis, overs[axis] / 2 if one[axis] >= other[axis] else -overs[axis] / 2
