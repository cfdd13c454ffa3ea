"""Places the things of a ring in a row above, a column at each side, and a row below."""

from __future__ import annotations

from collections.abc import Sequence

from netorch.immutable import replace
from netorch.render.graph.directions import neighbours
from netorch.render.graph.picture import Picture
from netorch.render.graph.placement import Placed, PlacedEdge, Point, Row, Spot
from netorch.render.graph.shapes import corner
from netorch.render.graph.sizes import end_size, label_size, labels_of, middle, side_width

LEAST = 4
"""The least number of things of a ring that is drawn so."""
MARGIN, GAP, PITCH = 40.0, 48.0, 3.0
LANE = 26.0
"""The distance between the boxes at a side and the lines there."""
ROW_GAP = 44.0


def ring_of(picture: Picture) -> list[int]:
    """Return the things of a picture that is one ring, clockwise from the first, or nothing."""
    near = neighbours(picture)
    if (
        len(near) < LEAST
        or picture.frames
        or len(picture.edges) != len(near)
        or any(len(others) != 2 for others in near)
    ):
        return []
    way = [0, min(near[0])]
    while step := next(one for one in near[way[-1]] if one != way[-2]):
        way.append(step)
    return way if len(way) == len(near) else []


def place_ring(picture: Picture, way: Sequence[int], count: int) -> Placed:
    """Place a ring. `count` is the number of things in the row above, and of those below."""
    return _Ring(picture, way, count).placed()


def best_ring(
    picture: Picture, way: Sequence[int], ratio: float, widest: float
) -> tuple[Placed, int] | None:
    """Place a ring so that it is the largest on a screen of this ratio.

    Return it with the number of things in the row above, or None if it is wider than `widest`.
    """
    tried: list[tuple[float, int, Placed]] = []
    for count in range(1, len(way) // 2 + 1):
        placed = place_ring(picture, way, count)
        tried.append((max(placed.width / ratio, placed.height), count, placed))
        if placed.width > widest:
            break  # because a longer row is wider still
    _, count, placed = min(tried, key=lambda one: one[:2])
    return (placed, count) if placed.width <= widest else None


class _Ring:
    def __init__(self, picture: Picture, way: Sequence[int], count: int) -> None:
        self.picture, self.way, self.count = picture, way, count
        numbers = {thing.id: number for number, thing in enumerate(picture.things)}
        between = {
            frozenset(numbers[end.thing] for end in edge.ends): number
            for number, edge in enumerate(picture.edges)
        }
        following = [*way[1:], way[0]]
        self.edges = [between[frozenset(pair)] for pair in zip(way, following, strict=True)]
        """Place in the ring → the edge to the next thing."""
        sides = len(way) - 2 * count
        self.rights = range(count, count + (sides + 1) // 2)
        """The places at the right side."""
        self.below = range(self.rights.stop, self.rights.stop + count)
        self.lefts = range(self.below.stop, len(way))

    def _is_right(self, place: int, *, after: bool) -> bool:
        """Whether the edge to the next thing, or to the one before, meets a thing at its right."""
        if place in self.rights:
            return True
        if place in self.lefts:
            return False
        return after is (place < self.count)

    def _ends(self, place: int) -> list[tuple[int, int, bool]]:
        """Return the edges of a thing from top to bottom: number, end, and whether at the right."""
        thing = self.picture.things[self.way[place]].id
        ends = []
        for after in (False, True):
            number = self.edges[place if after else place - 1]
            index = next(
                index
                for index, end in enumerate(self.picture.edges[number].ends)
                if end.thing == thing
            )
            ends.append((number, index, self._is_right(place, after=after)))
        return ends[::-1] if place in self.lefts else ends

    def _spot(self, place: int) -> Spot:
        """Return a thing with its size, at the origin."""
        thing = self.picture.things[self.way[place]]
        inner, height = middle(thing, 2)
        sides = []
        ends = [
            (number, self.picture.edges[number].ends[index], right)
            for number, index, right in self._ends(place)
        ]
        for side in (False, True):
            there = [end for _, end, right in ends if right is side]
            sides.append(side_width(there))
            heights = [end_size(end)[1] + PITCH for end in there]
            height = max(height, sum(heights) + 2 * corner(thing.kind, 99) - PITCH)
        left, right_side = sides
        width = inner + left + right_side
        rows = []
        for side in (False, True):
            at_side = [(number, end) for number, end, right in ends if right is side]
            top = -(sum(end_size(end)[1] + PITCH for _, end in at_side) - PITCH) / 2
            for number, end in at_side:
                size = end_size(end)[1]
                rows.append(Row(number, end, top + size / 2, side))
                top += size + PITCH
        return Spot(thing, 0.0, 0.0, width, height, left + inner / 2 - width / 2, tuple(rows))

    def placed(self) -> Placed:
        spots = [self._spot(place) for place in range(len(self.way))]
        labels = [self._label_size(number) for number in self.edges]
        """Place → the size of the labels of the edge to the next thing."""
        last = self.below.stop - 1
        columns = [max(spots[one].width, spots[last - one].width) for one in range(self.count)]
        gaps = [
            max(GAP, *(labels[edge][0] + 24 for edge in (one, last - 1 - one)))
            for one in range(self.count - 1)
        ]
        outer = [
            max(labels[place][0] / 2 for place in places)
            for places in ([last, *self.lefts], [self.count - 1, *self.rights])
        ]
        """The width of half of the labels at the left, and at the right."""
        lanes = [max(LANE, half + 12) for half in outer]
        sides = [
            max((spots[place].width for place in places), default=0.0)
            for places in (self.lefts, self.rights)
        ]
        rows = sum(columns) + sum(gaps)
        width = max(rows, sum(sides) + GAP)
        left = MARGIN + outer[0] + lanes[0]
        right = left + width
        top, bottom = (
            max(spots[place].height for place in places)
            for places in (range(self.count), self.below)
        )
        row_gap = max(ROW_GAP, *(height + 20 for _, height in labels))
        height = max(
            sum(spots[place].height + row_gap for place in places) + row_gap
            for places in (self.lefts, self.rights)
        )
        middles: dict[int, Point] = {}
        x = left + (width - rows) / 2
        for place, column in enumerate(columns):
            middles[place] = x + column / 2, MARGIN + top / 2
            middles[last - place] = x + column / 2, MARGIN + top + height + bottom / 2
            x += column + (gaps[place] if place < len(gaps) else 0.0)
        for places, is_right in ((self.lefts[::-1], False), (self.rights, True)):
            used = sum(spots[place].height for place in places)
            gap = (height - used) / (len(places) + 1)
            y = MARGIN + top + gap
            for place in places:
                half = spots[place].width / 2
                middles[place] = (
                    right - half if is_right else left + half,
                    (y + spots[place].height / 2),
                )
                y += spots[place].height + gap
        spots = [_moved(spot, *middles[place]) for place, spot in enumerate(spots)]
        ways = [
            self._edge(spots, place, (left - lanes[0], right + lanes[1]))
            for place in range(len(self.way))
        ]
        by_thing = sorted(zip(self.way, spots, strict=True), key=lambda pair: pair[0])
        by_edge = sorted(zip(self.edges, ways, strict=True), key=lambda pair: pair[0])
        return Placed(
            self.picture,
            max(right + lanes[1] + outer[1] + MARGIN, 460.0),
            top + height + bottom + 2 * MARGIN,
            tuple(spot for _, spot in by_thing),
            tuple(edge for _, edge in by_edge),
        )

    def _label_size(self, number: int) -> tuple[float, float]:
        edge = self.picture.edges[number]
        return label_size(edge) if labels_of(edge) else (0.0, 0.0)

    def _edge(self, spots: Sequence[Spot], place: int, lanes: tuple[float, float]) -> PlacedEdge:
        """Return the edge to the next thing. `lanes` has the x of the lines at both sides."""
        number, following = self.edges[place], (place + 1) % len(self.way)
        edge = self.picture.edges[number]
        start, stop = (_meeting(spots[end], number) for end in (place, following))
        rights = self._is_right(place, after=True), self._is_right(following, after=False)
        points = [start, stop]
        if rights[0] is rights[1]:
            lane = lanes[rights[0]]
            points = [start, (lane, start[1]), (lane, stop[1]), stop]
        label = None
        if labels_of(edge):
            inner = points[1:3] if len(points) > 2 else points
            (x1, y1), (x2, y2) = inner
            label = (x1 + x2) / 2, (y1 + y2) / 2
        if edge.ends[0].thing != spots[place].thing.id:
            points.reverse()
        return PlacedEdge(edge, tuple(points), label)


def _moved(spot: Spot, x: float, y: float) -> Spot:
    return replace(
        spot,
        x=x,
        y=y,
        middle=x + spot.middle,
        rows=tuple(replace(row, y=y + row.y) for row in spot.rows),
    )


def _meeting(spot: Spot, number: int) -> Point:
    """Return the point at which an edge meets the border of a thing."""
    row = next(row for row in spot.rows if row.edge == number)
    return spot.left + (spot.width if row.right else 0.0), row.y
