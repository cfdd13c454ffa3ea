"""Writes a picture with its layout as a file of draw.io, in which it can be edited.

No text of a topology becomes markup: ElementTree writes the XML, and the style of each cell says
that its text is not HTML.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from netorch.render.graph.picture import Status
from netorch.render.graph.placement import Placed, PlacedEdge, Row, Spot
from netorch.render.graph.shapes import number
from netorch.render.graph.sizes import (
    ASIDE,
    cut,
    end_lines,
    end_size,
    labels_of,
    lines_of,
    middle,
    name_size,
    tag_of,
)
from netorch.render.graph.svg import clean

_THINGS = {
    "node": ("#f6f7f9", "#6b7686"),
    "router": ("#eaf1fd", "#2f5fb3"),
    "host": ("#fdf4e3", "#a66a00"),
    "network": ("#e5f4ea", "#2f7d4f"),
    "machine": ("#faf8fd", "#7a4fb0"),
}
"""Kind of a thing → the colours of its area and of its border."""
_EDGES = {
    "cable": "strokeColor=#8a94a3",
    "owner": "strokeColor=#2f7d4f;strokeWidth=2.6",
    "tunnel": "strokeColor=#7a4fb0;strokeWidth=1.8;dashed=1;dashPattern=1 3",
    "parent": "strokeColor=#8a94a3;strokeWidth=1.6;dashed=1;dashPattern=1 2",
}
"""Kind of an edge → its style."""
_STATES = {
    Status.OK: "",
    Status.MISSING: "strokeColor=#cc1414;strokeWidth=2.4;dashed=1;dashPattern=6 4",
    Status.EXTRA: "strokeColor=#cc1414;strokeWidth=4;dashed=0",
    Status.CHANGED: "strokeColor=#cc1414;strokeWidth=2.4;dashed=1;dashPattern=14 4 2 4",
}
"""Status → what it adds to the style of a thing or edge."""
_TEXT = (
    "text;html=0;strokeColor=none;fillColor=none;fontColor=#1c2430;verticalAlign=middle;spacing=0;"
    "align={align}"
)


def document(placed: Placed) -> str:
    """Return a whole file."""
    file = ET.Element("mxfile", {"host": "netorch"})
    page = ET.SubElement(file, "diagram", {"id": "picture", "name": clean(placed.picture.title)})
    size = {"pageWidth": number(placed.width), "pageHeight": number(placed.height)}
    model = ET.SubElement(page, "mxGraphModel", {"page": "1", "grid": "0", **size})
    root = ET.SubElement(model, "root")
    ET.SubElement(root, "mxCell", {"id": "0"})
    ET.SubElement(root, "mxCell", {"id": "1", "parent": "0"})
    corners = {"": ("1", 0.0, 0.0)}
    for index, frame in enumerate(placed.frames):
        corners[frame.frame.name] = (f"f{index}", frame.x, frame.y)
        style = "rounded=1;absoluteArcSize=1;arcSize=24;container=1;collapsible=0;html=0"
        style += ";fillColor=#faf8fd;strokeColor=#7a4fb0;fontColor=#5b3590;fontStyle=1"
        style += ";verticalAlign=top;align=left;spacingLeft=10;spacingTop=4"
        text = f"{frame.frame.name}  {frame.frame.address}"
        box = (frame.x, frame.y, frame.width, frame.height)
        _cell(root, f"f{index}", "1", text, style, box)
    numbers = {thing.id: index for index, thing in enumerate(placed.picture.things)}
    for index, spot in enumerate(placed.spots):
        parent, x, y = corners.get(spot.thing.machine, corners[""])
        _thing(root, f"n{index}", parent, spot, (spot.left - x, spot.top - y))
    for index, edge in enumerate(placed.edges):
        ends = [numbers[end.thing] for end in edge.edge.ends]
        _edge(root, f"e{index}", edge, ends, [placed.spots[end] for end in ends])
    ET.indent(file)
    return ET.tostring(file, encoding="unicode")


def _cell(
    root: ET.Element,
    name: str,
    parent: str,
    text: str,
    style: str,
    box: tuple[float, float, float, float],
) -> None:
    """Add a box, whose position is relative to the upper left corner of its parent."""
    about = {"id": name, "parent": parent, "value": clean(text), "style": style, "vertex": "1"}
    keys = ("x", "y", "width", "height")
    place = {key: number(value) for key, value in zip(keys, box, strict=True)}
    cell = ET.SubElement(root, "mxCell", about)
    ET.SubElement(cell, "mxGeometry", {**place, "as": "geometry"})


def _thing(
    root: ET.Element, name: str, parent: str, spot: Spot, corner: tuple[float, float]
) -> None:
    """Add a thing. Its texts are boxes inside it, so that they move with it."""
    thing = spot.thing
    fill, line = _THINGS[thing.kind]
    radius = 28 if thing.kind == "network" else 10
    style = f"rounded=1;absoluteArcSize=1;arcSize={radius};container=1;collapsible=0;html=0"
    style += f";fillColor={fill};strokeColor={line};{_STATES[thing.status]}"
    if thing.kind == "router":
        style += ";strokeWidth=2.4" if thing.status is Status.OK else ""
    _cell(root, name, parent, "", style, (*corner, spot.width, spot.height))
    width, height = middle(thing, len(spot.rows))
    left, top = spot.middle - spot.left - width / 2, (spot.height - height) / 2
    size = name_size(len(spot.rows))
    style = f"{_TEXT.format(align='center')};fontSize={number(size)};fontStyle=1"
    first = size + 9 if lines_of(thing) else height
    head = "  ".join(filter(None, (cut(thing.name), tag_of(thing))))
    _cell(root, f"{name}t", name, head, style, (left, top, width, first))
    if lines := "\n".join(cut(line.with_status(thing.status)) for line in lines_of(thing)):
        style = f"{_TEXT.format(align='center')};fontSize=10"
        _cell(root, f"{name}l", name, lines, style, (left, top + first, width, height - first))
    for index, row in enumerate(spot.rows):
        _row(root, f"{name}r{index}", name, spot, row)


def _row(root: ET.Element, name: str, parent: str, spot: Spot, row: Row) -> None:
    lines = [
        " ".join(text.with_status(row.end.status) for text in line) for line in end_lines(row.end)
    ]
    if lines:
        width, height = end_size(row.end)
        left = spot.width - ASIDE - width if row.right else ASIDE
        box = (left, row.y - spot.top - height / 2, width, height)
        style = f"{_TEXT.format(align='right' if row.right else 'left')};fontSize=9"
        _cell(root, name, parent, "\n".join(map(cut, lines)), style, box)


def _edge(
    root: ET.Element, name: str, placed: PlacedEdge, ends: list[int], spots: list[Spot]
) -> None:
    edge = placed.edge
    style = "endArrow=none;html=0;fontSize=9;labelBackgroundColor=#fff7d6;rounded=0;"
    style += f"{_EDGES[edge.kind]};{_STATES[edge.status]};"
    style += _joint("exit", spots[0], placed.points[0])
    style += _joint("entry", spots[1], placed.points[-1])
    text = "\n".join(cut(label.with_status(edge.status)) for label in labels_of(edge))
    about = {"id": name, "parent": "1", "value": clean(text), "style": style, "edge": "1"}
    joins = {"source": f"n{ends[0]}", "target": f"n{ends[1]}"}
    cell = ET.SubElement(root, "mxCell", {**about, **joins})
    geometry = ET.SubElement(cell, "mxGeometry", {"relative": "1", "as": "geometry"})
    if len(placed.points) > 2:
        corners = ET.SubElement(geometry, "Array", {"as": "points"})
        for x, y in placed.points[1:-1]:
            ET.SubElement(corners, "mxPoint", {"x": number(x), "y": number(y)})


def _joint(word: str, spot: Spot, point: tuple[float, float]) -> str:
    """Return the style that attaches an edge to the border of a thing, at a part of its size."""
    x, y = (point[0] - spot.left) / spot.width, (point[1] - spot.top) / spot.height
    return f"{word}X={x:.4f};{word}Y={y:.4f};{word}Dx=0;{word}Dy=0;{word}Perimeter=0;"
