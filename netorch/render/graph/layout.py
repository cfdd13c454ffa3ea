"""Gives the things of a picture their positions.

Things stand in columns, and edges lead from column to column. The texts of an edge are inside the
boxes at its ends, and its labels have room of their own, so that no line passes through a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from netorch.render.graph.directions import columns
from netorch.render.graph.engine import layout
from netorch.render.graph.picture import Picture
from netorch.render.graph.placement import Placed, PlacedEdge, PlacedFrame, Point, Row, Spot
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
LONG, THIN = 14, 4
"""A picture is wrapped if it has more columns than `LONG`, and on average fewer things in a column
than `THIN`.
"""
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
    return _Layout(picture).placed()


class _Layout:
    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.numbers = {thing.id: number for number, thing in enumerate(picture.things)}
        self.columns = columns(picture)
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
        for number, edge in enumerate(picture.edges):
            one, other = (self.numbers[end.thing] for end in edge.ends)
            forward = self.columns[one] <= self.columns[other]
            self.rights.append((forward, not forward if one != other else True))
            for index, thing in enumerate((one, other)):
                self.ends[thing].append((number, index))

    def graph(self) -> dict[str, Any]:
        """Return the picture as an ELK graph."""
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
            if number not in apart:
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
        numbers = [number for number in range(len(self.picture.edges)) if number not in single]
        bundles = {first: end for end, first in self.bundled.items()}
        edges = [self._edge(number) for number in numbers]
        edges += [self._bundle(first, end) for first, end in bundles.items()]
        children = [*inside.get("", ()), *frames]
        options = OPTIONS | self._options(len(children))
        return {"id": "all", "layoutOptions": options, "children": children, "edges": edges}

    def _options(self, count: int) -> dict[str, str]:
        """Return the options that depend on the size of a picture with so many nodes and frames."""
        largest = max(Counter(self.bundled.values()).values(), default=0)
        options = {_BETWEEN: f"{min(max(BETWEEN, 1.2 * largest), 5 * BETWEEN)}"}
        depths = [0] * len(self.ends)
        order = sorted(range(len(self.ends)), key=lambda number: self.columns[number])
        for number in order:
            for edge, index in self.ends[number]:
                other = self.numbers[self.picture.edges[edge].ends[1 - index].thing]
                if self.columns[other] > self.columns[number]:
                    depths[other] = max(depths[other], depths[number] + 1)
        layers = max(depths, default=0) + 1
        if not self.picture.frames and layers > LONG and count < THIN * layers:
            options |= {
                "elk.hierarchyHandling": "INHERIT",
                "elk.layered.wrapping.strategy": "MULTI_EDGE",
            }
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
            "layoutOptions": {"elk.portConstraints": "FIXED_POS"},
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
            },
        }

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

    def _edge(self, number: int) -> dict[str, Any]:
        edge = self.picture.edges[number]
        ways = [f"p{number}.0", f"p{number}.1"]
        if not self.rights[number][0]:
            ways.reverse()
        labels = []
        if labels_of(edge):
            width, height = label_size(edge)
            inline = {"elk.edgeLabels.inline": "true", "elk.edgeLabels.placement": "CENTER"}
            labels = [{"text": " ", "width": width, "height": height, "layoutOptions": inline}]
        return {"id": f"e{number}", "sources": ways[:1], "targets": ways[1:], "labels": labels}

    def _bundle(self, first: int, end: tuple[int, int]) -> dict[str, Any]:
        """Return one edge for all edges of a fan."""
        ways = [f"h{first}", f"q{first}"]
        if not self.rights[end[0]][end[1]]:
            ways.reverse()
        return {"id": f"g{first}", "sources": ways[:1], "targets": ways[1:]}

    def placed(self) -> Placed:
        """Run the engine and read the positions."""
        graph = layout(self.graph())
        boxes = {box["id"]: box for box in _boxes(graph)}
        for first, nodes in self.blocks.items():
            x, y = boxes[f"b{first}"]["x"], boxes[f"b{first}"]["y"]
            for node in nodes:
                node |= {"x": x + node["x"], "y": y + node["y"]}
                node["ports"][0]["y"] += y
                boxes[node["id"]] = node
        spots = tuple(self._spot(number, boxes[f"n{number}"]) for number in range(len(self.ends)))
        ways = {edge["id"]: edge for edge in graph["edges"]}
        edges = [
            self._placed_edge(number, ways[f"e{number}"])
            if f"e{number}" in ways
            else self._bundled_edge(number, spots, ways)
            for number in range(len(self.picture.edges))
        ]
        frames = [
            PlacedFrame(frame, *(boxes[f"f{number}"][key] for key in _BOX))
            for number, frame in enumerate(self.picture.frames)
        ]
        width = max(graph["width"], 460.0)
        return Placed(self.picture, width, graph["height"], spots, tuple(edges), tuple(frames))

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
        label = None
        for entry in edge["labels"]:
            label = entry["x"] + entry["width"] / 2, entry["y"] + entry["height"] / 2
        return PlacedEdge(self.picture.edges[number], tuple(points), label)


_BOX = ("x", "y", "width", "height")


def _meeting(spot: Spot, number: int) -> Point:
    """Return the point at which an edge meets the border of a thing."""
    row = next(row for row in spot.rows if row.edge == number)
    return spot.left + (spot.width if row.right else 0.0), row.y


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
