"""Moves texts along their edges to where they cover nothing, in a picture with frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, hypot

from netorch.immutable import replace
from netorch.render.graph.placement import PlacedEdge, PlacedFrame, Spot
from netorch.render.graph.sizes import end_length, end_lines, frame_title_width, middle_width

MAX_TEXTS = 600
"""The most edges whose texts are moved, because it takes time."""
RADIUS = 7.0
"""Half of the height of a text. It is regarded as a row of circles."""
LABEL_HEIGHT = 19.0
"""The height of a line of the labels in the middle of an edge."""
CELL = 40.0
"""The side of the squares by which texts near each other are found."""
STEP = 12.0
"""The distance between two places that are tried for a text."""
TRIES = 24
EDGE_OF_FRAME = 12.0
"""The distance of a title from the sides of its frame."""

Point = tuple[float, float]


def spread_labels(
    edges: Sequence[PlacedEdge], spots: Iterable[Spot], frames: Sequence[PlacedFrame]
) -> tuple[list[PlacedEdge], list[PlacedFrame]]:
    """Return the edges and frames with better positions of their texts.

    The text of the first edge is placed first, and each further one where it covers the fewest
    texts and things that are there already.
    """
    taken = _Taken()
    for spot in spots:
        taken.add(_rectangle(spot))
    placed = list(edges)
    if len(edges) <= MAX_TEXTS:
        placed = [_place_ends(edge, taken) for edge in placed]
        placed = [_place_labels(edge, taken) for edge in placed]
    titled = []
    for frame in frames:
        title = _title(frame, placed, taken)
        titled.append(replace(frame, title=title))
        taken.add(_row(title, (1.0, 0.0), frame_title_width(frame.frame)))
    return placed, titled


class _Taken:
    """The places of texts and things."""

    def __init__(self) -> None:
        self.circles: dict[tuple[int, int], list[Point]] = {}

    def add(self, circles: Iterable[Point]) -> None:
        for x, y in circles:
            self.circles.setdefault((int(x // CELL), int(y // CELL)), []).append((x, y))

    def covered(self, circles: Iterable[Point], height: float = 2 * RADIUS) -> int:
        """Return how many of some circles cover what is there already.

        `height` is the least distance between two middles.
        """
        return sum(self._is_covered(circle, height) for circle in circles)

    def _is_covered(self, circle: Point, height: float) -> bool:
        column, row = int(circle[0] // CELL), int(circle[1] // CELL)
        return any(
            hypot(circle[0] - x, circle[1] - y) < height
            for near in (column - 1, column, column + 1)
            for by in (row - 1, row, row + 1)
            for x, y in self.circles.get((near, by), ())
        )


def _rectangle(spot: Spot) -> Iterator[Point]:
    """Yield circles that cover a box, or nothing for a leaf, which is beside all edges."""
    if spot.leaf is not None:
        return
    columns = max(1, ceil(spot.width / (2 * RADIUS)))
    rows = max(1, ceil(spot.height / (2 * RADIUS)))
    for column in range(columns):
        for row in range(rows):
            yield (
                spot.x + ((column + 0.5) / columns - 0.5) * max(0.0, spot.width - 2 * RADIUS),
                spot.y + ((row + 0.5) / rows - 0.5) * max(0.0, spot.height - 2 * RADIUS),
            )


def _row(start: Point, direction: Point, length: float, aside: float = 0.0) -> Iterator[Point]:
    """Yield circles along a text. `aside` is its distance from the line, upwards."""
    dx, dy = direction
    up = (dy, -dx) if dx > 0 or (dx == 0 and dy > 0) else (-dy, dx)
    count = max(1, ceil(length / RADIUS))
    for index in range(count):
        way = (index + 0.5) * length / count
        yield start[0] + dx * way + up[0] * aside, start[1] + dy * way + up[1] * aside


def _ways(edge: PlacedEdge) -> tuple[Point, float]:
    """Return the direction of an edge and its length."""
    dx, dy = edge.stop[0] - edge.start[0], edge.stop[1] - edge.start[1]
    length = hypot(dx, dy) or 1.0
    return (dx / length, dy / length), length


def _end_circles(edge: PlacedEdge, index: int, offset: float) -> list[Point]:
    (dx, dy), _ = _ways(edge)
    near, direction = (edge.start, (dx, dy)) if index == 0 else (edge.stop, (-dx, -dy))
    end = edge.edge.ends[index]
    start = near[0] + direction[0] * (7 + offset), near[1] + direction[1] * (7 + offset)
    length = end_length(end)
    above, below = end_lines(end)
    return [
        *(_row(start, direction, length, 8.0) if above else ()),
        *(_row(start, direction, length, -8.0) if below else ()),
    ]


def _place_ends(edge: PlacedEdge, taken: _Taken) -> PlacedEdge:
    """Move the texts at the ends of an edge."""
    _, length = _ways(edge)
    ends = edge.edge.ends
    texts = sum(end_length(end) + 7 for end in ends) + middle_width(edge.edge)
    offsets = list(edge.offsets)
    texted = [index for index in (0, 1) if not edge.unlabelled[index] and ends[index].texts()]
    for index in texted:
        # what is left of the edge, of which the first of two ends takes a half at most
        room = max(0.0, length - texts - sum(offsets)) / (1 if index == texted[-1] else 2)
        tries = [offsets[index] + STEP * step for step in range(TRIES) if STEP * step <= room]
        best = min(tries, key=lambda way: taken.covered(_end_circles(edge, index, way)))
        offsets[index] = best
        taken.add(_end_circles(edge, index, best))
    return replace(edge, offsets=(offsets[0], offsets[1]))


def _place_labels(edge: PlacedEdge, taken: _Taken) -> PlacedEdge:
    """Move the labels in the middle of an edge."""
    labels = edge.edge.labels
    if not labels:
        return edge
    _, length = _ways(edge)
    before, after = (
        0.0 if edge.unlabelled[index] else end_length(end) + edge.offsets[index] + 7
        for index, end in enumerate(edge.edge.ends)
    )
    width, height = middle_width(edge.edge), 14.0 * len(labels) + 2
    (dx, dy), _ = _ways(edge)
    # how far the box of the labels reaches along the edge
    reach = min(width / 2 / (abs(dx) or 1e-9), height / 2 / (abs(dy) or 1e-9))
    first, last = before + reach, length - after - reach
    middle = min(max(0.5 * (first + last), 0.2 * length), 0.8 * length)
    tries = [middle]
    for step in range(1, TRIES):
        tries += [
            way for way in (middle - STEP * step, middle + STEP * step) if first <= way <= last
        ]

    def circles(way: float) -> list[Point]:
        x, y = edge.start[0] + dx * way, edge.start[1] + dy * way
        lines = range(len(labels))
        return [
            circle
            for line in lines
            for circle in _row((x - width / 2, y - height / 2 + 14 * line + 8), (1.0, 0.0), width)
        ]

    best = min(tries, key=lambda way: taken.covered(circles(way), LABEL_HEIGHT))
    taken.add(circles(best))
    return replace(edge, labels_at=best / length)


def _title(frame: PlacedFrame, edges: Sequence[PlacedEdge], taken: _Taken) -> Point:
    """Return where the title of a frame covers the fewest edges and texts."""
    width = frame_title_width(frame.frame)
    first = frame.x + EDGE_OF_FRAME
    room = max(0.0, frame.width - 2 * EDGE_OF_FRAME - width)
    lines = [edge for edge in edges if len(edges) <= MAX_TEXTS and _touches(edge, frame)]

    def cost(place: Point) -> int:
        covered = taken.covered(_row((place[0], place[1] - 5), (1.0, 0.0), width))
        return covered + 3 * sum(_crosses(edge, place, width) for edge in lines)

    places = [
        (first + room * step / TRIES, y)
        for y in (
            frame.y + 19,
            frame.y + frame.height - 10,
            frame.y - 6,
            frame.y + frame.height + 15,
        )
        for step in range(TRIES + 1)
    ]
    return min(places, key=cost)


def _touches(edge: PlacedEdge, frame: PlacedFrame) -> bool:
    (x1, y1), (x2, y2) = edge.start, edge.stop
    return (
        min(x1, x2) <= frame.x + frame.width
        and max(x1, x2) >= frame.x
        and min(y1, y2) <= frame.y + frame.height
        and max(y1, y2) >= frame.y
    )


def _crosses(edge: PlacedEdge, place: Point, width: float) -> bool:
    """Whether an edge crosses the middle of a line of text that begins at a place."""
    (x1, y1), (x2, y2) = edge.start, edge.stop
    for y in (place[1] - 11, place[1] - 5, place[1] + 2):
        if (y1 - y) * (y2 - y) < 0:
            x = x1 + (x2 - x1) * (y - y1) / (y2 - y1)
            if place[0] - 4 < x < place[0] + width + 4:
                return True
    return False
