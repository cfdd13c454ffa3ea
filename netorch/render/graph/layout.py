"""Gives the things of a picture their positions.

Things stand in columns, and edges lead from column to column. The texts of an edge are inside the
boxes at its ends, and its labels have room of their own, so that no line passes through a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from netorch.immutable import Value
from netorch.render.graph.bands import Columns, column_places
from netorch.render.graph.directions import columns, neighbours
from netorch.render.graph.engine import layout
from netorch.render.graph.picture import Picture
from netorch.render.graph.placement import Placed, PlacedEdge, PlacedFrame, Point, Row, Spot
from netorch.render.graph.ring import best_ring, place_ring, ring_of
from netorch.render.graph.shapes import corner
from netorch.render.graph.sizes import (
    end_size,
    frame_title_width,
    label_size,
    labels_of,
    middle,
    side_width,
)

MARGIN = 40.0
TITLE = 34
"""The height of the strip for the title of a frame."""
PAD = 22
"""The distance from the border of a frame to the things in it."""
GAP = 8.0
"""The least distance between two things, one below the other."""
BLOCK_GAP = 5.0
"""The further distance between the neighbours of one thing and those of another one."""
BETWEEN = 48.0
"""The least distance between two columns."""
MANY = 12
"""The most things of a fan whose edges are placed one by one."""
WIDE, RATIO = 1300.0, 3.0
"""A picture is drawn in bands if it is wider than `WIDE`, and than its height by this factor."""
BEST_RATIO = 1.7
"""The best ratio of width and height, that of most screens and of paper."""
BAND_GAP, MOST_GAP = 36.0, 80.0
"""The distance between two bands, and the one up to which it grows in a picture that is wide."""
LANE = 10.0
"""The distance between two lines that lead from band to band."""
MANY_EDGES = 150
"""The number of edges from which the engine tries less, because it takes time."""
PITCH = 3.0
"""The distance between the texts of two edges in a box."""
_BETWEEN = "elk.layered.spacing.nodeNodeBetweenLayers"
SPACING = {
    "elk.spacing.nodeNode": f"{GAP}",
    "elk.spacing.edgeNode": "12",
    "elk.spacing.edgeEdge": "10",
    "elk.spacing.edgeLabel": "6",
    "elk.spacing.portPort": f"{PITCH}",
    _BETWEEN: f"{BETWEEN}",
    "elk.layered.spacing.edgeNodeBetweenLayers": "20",
    "elk.layered.spacing.edgeEdgeBetweenLayers": "12",
}
OPTIONS = {
    "elk.algorithm": "layered",
    "elk.direction": "RIGHT",
    "elk.hierarchyHandling": "INCLUDE_CHILDREN",
    "elk.aspectRatio": "1.7",
    "elk.edgeRouting": "POLYLINE",
    "elk.json.shapeCoords": "ROOT",
    "elk.json.edgeCoords": "ROOT",
    "elk.spacing.componentComponent": "40",
    "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
    "elk.layered.nodePlacement.strategy": "BRANDES_KOEPF",
    "elk.layered.thoroughness": "20",
    "elk.padding": f"[top={MARGIN},left={MARGIN},bottom={MARGIN},right={MARGIN}]",
    **SPACING,
}


def place(picture: Picture) -> Placed:
    """Place the things and edges of a picture. The result is the same for the same picture."""
    return (_free(picture) if picture.file is None else _following(picture, picture.file))[0]


class _Arrangement(Value):
    """How a picture is arranged, apart from the sizes of its things."""

    row: int = 0
    """The number of things in the row above a ring, 0 for another picture."""
    bands: tuple[int, ...] = ()
    """Thing → its band, or nothing if there is only one."""


def _free(picture: Picture) -> tuple[Placed, _Arrangement]:
    """Place a picture, with the arrangement that is best for it."""
    way = ring_of(picture)
    if way and (best := best_ring(picture, way, BEST_RATIO, WIDE)) is not None:
        ring, row = best
        return ring, _Arrangement(row)
    placed = _Layout(picture).placed()
    if picture.frames or not _is_strip(placed):
        return placed, _Arrangement()
    return _in_bands(placed)


def _following(picture: Picture, file: Picture) -> tuple[Placed, _Arrangement]:
    """Place the picture of a live topology, with the arrangement of its file where possible."""
    placed, arrangement = _free(file)
    if arrangement.row:
        way = ring_of(picture)
        if len(way) != len(file.things):
            return _free(picture)
        return place_ring(picture, way, arrangement.row), arrangement
    known = {thing.id: number for number, thing in enumerate(file.things)}
    numbers = [known.get(thing.id) for thing in picture.things]
    """Thing → its number in the file, None if it is extra."""
    of_file = columns(file)
    ranks = [(of_file[number], number) for number in range(len(of_file))]
    last = max(of_file, default=0) + 1
    order = [(last, at) if number is None else ranks[number] for at, number in enumerate(numbers)]
    places = {rank: place for place, rank in enumerate(sorted(order))}
    heights = [None if number is None else placed.spots[number].y for number in numbers]
    bands: list[int] = []
    if arrangement.bands:
        for others, number in zip(neighbours(picture), numbers, strict=True):
            near = [
                known_number for other in others if (known_number := numbers[other]) is not None
            ]
            there = [number] if number is not None else near
            bands.append(
                min((arrangement.bands[one] for one in there), default=max(arrangement.bands))
            )
    layout_of_live = _Layout(
        picture,
        bands,
        [places[rank] for rank in order],
        heights,
        _with_room(picture, numbers, placed, arrangement),
    )
    return layout_of_live.placed(), arrangement


def _with_room(
    picture: Picture, numbers: Sequence[int | None], file: Placed, arrangement: _Arrangement
) -> set[int]:
    """Return the edges without a label that need as much room as those beside them with one.

    The engine places a label in a column of its own. So a thing whose edges have no label would
    stand in that column if the file has no label there, instead of in its own.
    """
    columns_of_file: dict[int, tuple[int, int]] = {}
    for band in set(arrangement.bands or (0,)):
        members = [
            number
            for number in range(len(file.spots))
            if not arrangement.bands or arrangement.bands[number] == band
        ]
        places = column_places([file.spots[number] for number in members])
        columns_of_file |= {
            number: (band, place) for number, place in zip(members, places, strict=True)
        }
    of_id = {
        thing.id: columns_of_file[number]
        for thing, number in zip(picture.things, numbers, strict=True)
        if number is not None
    }
    gaps: dict[tuple[int, int], list[int]] = {}
    """Band and column → the edges from there to the next column."""
    for number, edge in enumerate(picture.edges):
        ends = sorted(of_id[end.thing] for end in edge.ends if end.thing in of_id)
        if len(ends) == 2 and ends[1] == (ends[0][0], ends[0][1] + 1):
            gaps.setdefault(ends[0], []).append(number)
    return {
        number
        for edges in gaps.values()
        if any(labels_of(picture.edges[number]) for number in edges)
        for number in edges
        if not labels_of(picture.edges[number])
    }


def _is_strip(placed: Placed) -> bool:
    return placed.width > WIDE and placed.width > RATIO * placed.height


def _in_bands(strip: Placed) -> tuple[Placed, _Arrangement]:
    """Return the picture in the number of bands with which it is the largest on a screen."""
    columns = Columns.of(strip.spots, neighbours(strip.picture))
    height = strip.height - 2 * MARGIN + BAND_GAP
    first = round(((strip.width - 2 * MARGIN) / BEST_RATIO / height) ** 0.5)
    best, arrangement = strip, _Arrangement()
    for count in range(min(max(first, 2), len(columns.widths)), len(columns.widths) + 1):
        bands = columns.bands(count, BETWEEN)
        placed = _Layout(strip.picture, bands).placed()
        if _size(placed) >= _size(best):
            break
        best, arrangement = placed, _Arrangement(bands=tuple(bands))
    return best, arrangement


def _size(placed: Placed) -> float:
    """Return the height of a screen of the best ratio that has room for a picture."""
    return max(placed.width / BEST_RATIO, placed.height)


class _Layout:
    def __init__(
        self,
        picture: Picture,
        bands: Sequence[int] = (),
        order: Sequence[int] = (),
        heights: Sequence[float | None] = (),
        with_room: Collection[int] = (),
    ) -> None:
        self.picture = picture
        self.with_room = with_room
        """Edges without a label that get as much room as those with one."""
        self.heights = heights
        """Thing → a number that orders the things in a column from top to bottom, if it has one."""
        self.bands = bands or [0] * len(picture.things)
        """Thing → its band."""
        self.numbers = {thing.id: number for number, thing in enumerate(picture.things)}
        self.columns = order or columns(picture)
        self.rights: list[tuple[bool, bool]] = []
        """Edge → whether its ends are at the right sides of their things."""
        self.ends: list[list[tuple[int, int]]] = [[] for _ in picture.things]
        """Thing → the numbers of its edges, each with the number of the end."""
        self.blocks: dict[int, list[dict[str, Any]]] = {}
        """First thing of a fan → the nodes of all its things, with their positions in the block."""
        self.bundled: dict[tuple[int, int], int] = {}
        """Edge, and the end of it that is not in a fan → the fan, if its edges are one bundle."""
        self.offsets: dict[tuple[int, int], float] = {}
        """Edge and end of a bundle → its distance from the upper end of the bundle."""
        self.orders: list[list[int]] = []
        """Band → the edges that lead from it to the next one, the innermost first."""
        self.sides = 0.0, 0.0
        """The horizontal positions between which the bands are."""
        for number, edge in enumerate(picture.edges):
            one, other = (self.numbers[end.thing] for end in edge.ends)
            forward = self.columns[one] <= self.columns[other]
            if one == other:
                self.rights.append((True, True))
            else:
                bands = self.bands[one], self.bands[other]
                if bands[0] != bands[1]:
                    forward = bands[0] < bands[1]
                self.rights.append(
                    (forward is not bool(bands[0] % 2), forward is bool(bands[1] % 2))
                )
            for index, thing in enumerate((one, other)):
                self.ends[thing].append((number, index))

    def graph(self, band: int = 0, order: Sequence[int] = ()) -> dict[str, Any]:
        """Return a band of the picture as an ELK graph.

        `order` has the edges that come from the band before, from top to bottom.
        """
        inside: dict[str, list[dict[str, Any]]] = {}
        names = {frame.name for frame in self.picture.frames}
        fans = {fan[0]: fan for fan in self._fans() if len(fan) > 1}
        apart = {leaf for fan in fans.values() for leaf in fan[1:]}
        for first, leaves in fans.items():
            far = [(edge, 1 - index) for leaf in leaves for edge, index in self.ends[leaf]]
            if len(leaves) > MANY and not any(
                labels_of(self.picture.edges[edge]) for edge, _ in far
            ):
                self.bundled |= dict.fromkeys(far, first)
        for number, thing in enumerate(self.picture.things):
            machine = thing.machine if thing.machine in names else ""
            if number not in apart and self.bands[number] == band:
                fan = fans.get(number)
                node = self._node(number) if fan is None else self._block(fan)
                inside.setdefault(machine, []).append(node)
        frames: list[dict[str, Any]] = [
            {
                "id": f"f{number}",
                "children": inside[frame.name],
                "layoutOptions": {
                    **SPACING,
                    "elk.padding": f"[top={TITLE},left={PAD},bottom={PAD},right={PAD}]",
                    "elk.nodeSize.constraints": "[MINIMUM_SIZE]",
                    "elk.nodeSize.minimum": f"({frame_title_width(frame) + 2 * PAD},50)",
                },
            }
            for number, frame in enumerate(self.picture.frames)
        ]
        single = {edge for edge, _ in self.bundled}
        bundles = {first: end for end, first in self.bundled.items() if self.bands[first] == band}
        edges = [
            edge
            for number in range(len(self.picture.edges))
            if number not in single
            for edge in self._edges(number, band)
        ]
        edges += [self._bundle(first, end) for first, end in bundles.items()]
        children = [*inside.get("", ()), *frames, *self._gates(band, order)]
        return {
            "id": "all",
            "layoutOptions": OPTIONS | self._options(),
            "children": children,
            "edges": edges,
        }

    def _options(self) -> dict[str, str]:
        """Return the options that depend on the size of the picture."""
        largest = max(Counter(self.bundled.values()).values(), default=0)
        options = {_BETWEEN: f"{min(max(BETWEEN, 1.2 * largest), 5 * BETWEEN)}"}
        if any(self.bands) or self.heights:
            options["elk.layered.crossingMinimization.semiInteractive"] = "true"
        if len(self.picture.edges) > MANY_EDGES:
            options["elk.layered.thoroughness"] = "3"
        return options

    def _fans(self) -> Iterator[list[int]]:
        """Yield the things that have only one edge, by the side of the thing to which it leads.

        They are placed as one block, because then they stay together, and because the engine
        needs long for many things.
        """
        fans: dict[tuple[int, bool, str], list[int]] = {}
        for number, ends in enumerate(self.ends):
            if len(ends) == 1:
                edge, index = ends[0]
                hub = self.numbers[self.picture.edges[edge].ends[1 - index].thing]
                side = self.rights[edge][index]
                machine = self.picture.things[number].machine
                fans.setdefault((hub, side, machine), []).append(number)
        yield from fans.values()

    def _block(self, fan: list[int]) -> dict[str, Any]:
        """Return one node for the things of a fan, one below the other."""
        nodes = [self._node(number) for number in fan]
        width = max(node["width"] for node in nodes)
        top = BLOCK_GAP
        ports = []
        right = False
        for node in nodes:
            (port,) = node["ports"]
            right = port["layoutOptions"]["elk.port.side"] == "EAST"
            node["x"], node["y"] = width - node["width"] if right else 0.0, top
            port |= {"x": width if right else 0.0, "height": 0}
            port["y"] = top + node["height"] / 2
            ports.append(port)
            top += node["height"] + GAP
        self.blocks[fan[0]] = nodes
        height = top - GAP + BLOCK_GAP
        if fan[0] in self.bundled.values():
            side = "EAST" if right else "WEST"
            ports = [
                {
                    "id": f"q{fan[0]}",
                    "x": width if right else 0.0,
                    "y": height / 2,
                    "layoutOptions": {"elk.port.side": side},
                }
            ]
        return {
            "id": f"b{fan[0]}",
            "width": width,
            "height": height,
            "ports": ports,
            "layoutOptions": {"elk.portConstraints": "FIXED_POS", **self._position(fan[0])},
        }

    def _node(self, number: int) -> dict[str, Any]:
        thing = self.picture.things[number]
        width, height = middle(thing, len(self.ends[number]))
        ports: list[dict[str, Any]] = []
        bundles: dict[int, dict[str, Any]] = {}
        for edge, index in self.ends[number]:
            right = self.rights[edge][index]
            size = end_size(self.picture.edges[edge].ends[index])[1]
            if (fan := self.bundled.get((edge, index))) is not None:
                if fan not in bundles:
                    bundles[fan] = {
                        "id": f"h{fan}",
                        "width": 0,
                        "height": -PITCH,
                        "layoutOptions": {"elk.port.side": "EAST" if right else "WEST"},
                    }
                    ports.append(bundles[fan])
                self.offsets[edge, index] = bundles[fan]["height"] + PITCH + size / 2
                bundles[fan]["height"] += PITCH + size
                continue
            ports.append(
                {
                    "id": f"p{edge}.{index}",
                    "width": 0,
                    "height": size,
                    "layoutOptions": {"elk.port.side": "EAST" if right else "WEST"},
                }
            )
        left, right_side = self._sides(number)
        width += left + right_side
        for right in (False, True):
            heights = [
                port["height"] + PITCH
                for port in ports
                if (port["layoutOptions"]["elk.port.side"] == "EAST") is right
            ]
            # no line may begin where the corners are rounded off
            height = max(height, sum(heights) + 2 * corner(thing.kind, 99) - PITCH)
        return {
            "id": f"n{number}",
            "width": width,
            "height": height,
            "ports": ports,
            "layoutOptions": {
                "elk.portConstraints": "FIXED_SIDE",
                "elk.portAlignment.default": "CENTER",
                "elk.nodeSize.constraints": "[PORTS, MINIMUM_SIZE]",
                "elk.nodeSize.minimum": f"({width},{height})",
                **self._position(number),
            },
        }

    def _position(self, number: int) -> dict[str, str]:
        """Return the option that gives a thing its place among those in its column."""
        height = self.heights[number] if self.heights else None
        return {} if height is None else {"elk.position": f"(0,{height})"}

    def _sides(self, number: int) -> tuple[float, float]:
        """Return the width of the texts at the left side of a thing, and at its right side."""
        sides = []
        for right in (False, True):
            ends = [
                self.picture.edges[edge].ends[index]
                for edge, index in self.ends[number]
                if self.rights[edge][index] is right
            ]
            sides.append(side_width(ends))
        return sides[0], sides[1]

    def _span(self, number: int) -> tuple[int, int]:
        """Return the first and the last band of an edge."""
        one, other = (
            self.bands[self.numbers[end.thing]] for end in self.picture.edges[number].ends
        )
        return min(one, other), max(one, other)

    def _gates(self, band: int, order: Sequence[int]) -> list[dict[str, Any]]:
        """Return the nodes without a size through which edges come from and lead to other bands."""
        spans = [self._span(number) for number in range(len(self.picture.edges))]
        leaving = [number for number, (first, last) in enumerate(spans) if first <= band < last]
        gates = []
        for name, numbers in (("i", order), ("o", leaving)):
            right = (name == "o") is (band % 2 == 0)
            for place, number in enumerate(numbers):
                options = {
                    "elk.portConstraints": "FIXED_SIDE",
                    "elk.layered.layering.layerConstraint": "LAST_SEPARATE"
                    if right
                    else "FIRST_SEPARATE",
                }
                if name == "i":
                    options["elk.position"] = f"(0,{place})"
                side = {"elk.port.side": "WEST" if right else "EAST"}
                port = {"id": f"{name}{number}", "layoutOptions": side}
                gates.append(
                    {
                        "id": f"{name}n{number}",
                        "width": 1,
                        "height": 1,
                        "ports": [port],
                        "layoutOptions": options,
                    }
                )
        return gates

    def _edges(self, number: int, band: int) -> Iterator[dict[str, Any]]:
        """Yield the part of an edge that is in a band."""
        edge = self.picture.edges[number]
        first, last = self._span(number)
        if not first <= band <= last:
            return
        ways = [
            f"p{number}.{index}"
            for index, end in enumerate(edge.ends)
            if self.bands[self.numbers[end.thing]] == band
        ]
        if first == last:
            is_reversed = not self.rights[number][0]
        else:
            # from the band before to the one after
            ways = [
                *([f"i{number}"] if band > first else []),
                *ways,
                *([f"o{number}"] if band < last else []),
            ]
            is_reversed = band % 2 == 1
        if is_reversed:
            ways.reverse()
        labels = []
        if band == first and labels_of(edge):
            labels = [_room(*label_size(edge))]
        elif number in self.with_room:
            labels = [_room(1, 1)]
        yield {"id": f"e{number}", "sources": ways[:1], "targets": ways[1:], "labels": labels}

    def _bundle(self, first: int, end: tuple[int, int]) -> dict[str, Any]:
        """Return one edge for all edges of a fan."""
        ways = [f"h{first}", f"q{first}"]
        if not self.rights[end[0]][end[1]]:
            ways.reverse()
        labels = [_room(1, 1)] if end[0] in self.with_room else []
        return {"id": f"g{first}", "sources": ways[:1], "targets": ways[1:], "labels": labels}

    def placed(self) -> Placed:
        """Run the engine and read the positions."""
        graphs = self._graphs()
        crossing = self._crossing(graphs)
        boxes = {box["id"]: box for graph in graphs for box in _boxes(graph)}
        for first, nodes in self.blocks.items():
            x, y = boxes[f"b{first}"]["x"], boxes[f"b{first}"]["y"]
            for node in nodes:
                node |= {"x": x + node["x"], "y": y + node["y"]}
                node["ports"][0]["y"] += y
                boxes[node["id"]] = node
        spots = tuple(self._spot(number, boxes[f"n{number}"]) for number in range(len(self.ends)))
        ways = {edge["id"]: edge for graph in graphs for edge in graph["edges"]}
        edges = [
            crossing[number]
            if number in crossing
            else self._placed_edge(number, ways[f"e{number}"])
            if f"e{number}" in ways
            else self._bundled_edge(number, spots, ways)
            for number in range(len(self.picture.edges))
        ]
        frames = [
            PlacedFrame(frame, *(boxes[f"f{number}"][key] for key in _BOX))
            for number, frame in enumerate(self.picture.frames)
        ]
        width = max(self.sides[0] + self.sides[1], 460.0)
        return Placed(
            self.picture,
            width,
            graphs[-1]["y"] + graphs[-1]["height"],
            spots,
            tuple(edges),
            tuple(frames),
        )

    def _graphs(self) -> list[dict[str, Any]]:
        """Run the engine for each band, and place the bands one below the other."""
        graphs: list[dict[str, Any]] = []
        order: list[int] = []
        for band in range(max(self.bands, default=0) + 1):
            graph = layout(self.graph(band, order))
            # from the lowest to the highest, because then no two lines cross between the bands
            gates = [box for box in graph.get("children", ()) if box["id"].startswith("on")]
            order = [int(gate["id"][2:]) for gate in sorted(gates, key=lambda gate: -gate["y"])]
            self.orders.append(order)
            graphs.append(graph)
        widest = max(graph["width"] for graph in graphs)
        lanes = LANE * max(map(len, self.orders))
        heights = sum(graph["height"] - 2 * MARGIN for graph in graphs) + 2 * MARGIN
        spare = ((widest + 2 * lanes) / BEST_RATIO - heights) / max(len(graphs) - 1, 1)
        gap = min(max(spare, BAND_GAP), MOST_GAP)
        top = 0.0
        for band, graph in enumerate(graphs):
            left = lanes + (widest - graph["width"] if band % 2 else 0.0)
            _shift(graph, left, top)
            top += graph["height"] - 2 * MARGIN + gap
        self.sides = lanes + MARGIN, lanes + widest - MARGIN
        return graphs

    def _crossing(self, graphs: Sequence[dict[str, Any]]) -> dict[int, PlacedEdge]:
        """Return the edges that lead from one band to another, by their numbers."""
        points: dict[int, list[Point]] = {}
        labels: dict[int, Point | None] = {}
        for band, graph in enumerate(graphs):
            for edge in graph["edges"]:
                number = int(edge["id"][1:])
                first, last = self._span(number)
                if edge["id"][0] == "g" or first == last:
                    continue
                part = _points(edge)[:: -1 if band % 2 else 1]
                if band > first:
                    place = self.orders[band - 1].index(number) + 1
                    x = self.sides[band % 2] + LANE * place * (1 if band % 2 else -1)
                    before = points[number]
                    before += [(x, before[-1][1]), (x, part[0][1])]
                    before.pop(-3)
                    del part[0]
                points.setdefault(number, []).extend(part)
                labels.setdefault(number, _label(edge))
        edges = {}
        for number, way in points.items():
            edge = self.picture.edges[number]
            if (
                self.bands[self.numbers[edge.ends[0].thing]]
                > self.bands[self.numbers[edge.ends[1].thing]]
            ):
                way.reverse()
            edges[number] = PlacedEdge(edge, tuple(way), labels[number])
        return edges

    def _spot(self, number: int, box: dict[str, Any]) -> Spot:
        x, y, width, height = (box[key] for key in _BOX)
        tops = {port["id"]: (port["y"], port["height"]) for port in box["ports"]}
        rows = []
        for edge, index in self.ends[number]:
            end = self.picture.edges[edge].ends[index]
            if (edge, index) in self.offsets:
                at = tops[f"h{self.bundled[edge, index]}"][0] + self.offsets[edge, index]
            else:
                top, size = tops[f"p{edge}.{index}"]
                at = top + size / 2
            rows.append(Row(edge, end, at, self.rights[edge][index]))
        left, right = self._sides(number)
        return Spot(
            self.picture.things[number],
            x + width / 2,
            y + height / 2,
            width,
            height,
            x + left + (width - left - right) / 2,
            tuple(rows),
        )

    def _bundled_edge(
        self, number: int, spots: Sequence[Spot], ways: dict[str, dict[str, Any]]
    ) -> PlacedEdge:
        """Place an edge of a bundle, whose corners are at the same x as those of the others."""
        edge = self.picture.edges[number]
        hub = 0 if (number, 0) in self.bundled else 1
        near, far = (
            _meeting(spots[self.numbers[edge.ends[index].thing]], number)
            for index in (hub, 1 - hub)
        )
        bends = _points(ways[f"g{self.bundled[number, hub]}"])[1:-1]
        if not self.rights[number][hub]:
            bends.reverse()
        corners = [(bends[0][0], near[1]), (bends[-1][0], far[1])] if bends else []
        points = [near, *corners, far]
        return PlacedEdge(edge, tuple(points if hub == 0 else reversed(points)))

    def _placed_edge(self, number: int, edge: dict[str, Any]) -> PlacedEdge:
        points = _points(edge)
        if not self.rights[number][0]:
            points.reverse()
        label = None if number in self.with_room else _label(edge)
        return PlacedEdge(self.picture.edges[number], tuple(points), label)


_BOX = ("x", "y", "width", "height")


def _meeting(spot: Spot, number: int) -> Point:
    """Return the point at which an edge meets the border of a thing."""
    row = next(row for row in spot.rows if row.edge == number)
    return spot.left + (spot.width if row.right else 0.0), row.y


def _room(width: float, height: float) -> dict[str, Any]:
    """Return a label for the ELK graph, so that the engine draws no line over the text."""
    inline = {"elk.edgeLabels.inline": "true", "elk.edgeLabels.placement": "CENTER"}
    return {"text": " ", "width": width, "height": height, "layoutOptions": inline}


def _label(edge: dict[str, Any]) -> Point | None:
    """Return the middle of the labels of an edge."""
    label = None
    for entry in edge["labels"]:
        label = entry["x"] + entry["width"] / 2, entry["y"] + entry["height"] / 2
    return label


def _shift(graph: dict[str, Any], x: float, y: float) -> None:
    """Move a graph that the engine has placed."""
    boxes = [graph, *_boxes(graph)]
    ports = [port for box in boxes for port in box.get("ports", ())]
    sections = [section for edge in graph["edges"] for section in edge["sections"]]
    points = [
        point
        for section in sections
        for point in (section["startPoint"], *section.get("bendPoints", ()), section["endPoint"])
    ]
    labels = [label for edge in graph["edges"] for label in edge.get("labels", ())]
    for place in (*boxes, *ports, *points, *labels):
        place["x"] += x
        place["y"] += y


def _points(edge: dict[str, Any]) -> list[Point]:
    """Return the corners of an edge, from its source to its target."""
    return [
        (point["x"], point["y"])
        for section in edge["sections"]
        for point in (section["startPoint"], *section.get("bendPoints", ()), section["endPoint"])
    ]


def _boxes(graph: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for box in graph.get("children", ()):
        yield box
        yield from _boxes(box)
