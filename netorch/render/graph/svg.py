"""Writes a picture with its layout as SVG, as a file or as part of a page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from math import atan2, degrees, hypot
from xml.etree import ElementTree as ET

from netorch.errors import printable
from netorch.render.graph.legend import HEIGHT, legend
from netorch.render.graph.picture import Edge, EdgeEnd, Status, Text, Thing
from netorch.render.graph.placement import Placed, PlacedEdge, PlacedFrame, Spot
from netorch.render.graph.shapes import number, rect, shape
from netorch.render.graph.sizes import (
    HEAD,
    LINE_HEIGHT,
    MAX_LETTERS,
    cut,
    end_length,
    end_lines,
    leaf_texts,
    lines_of,
    middle_width,
)

Point = tuple[float, float]


def document(placed: Placed) -> str:
    """Return a whole file, with its own styles for light and dark."""
    rows, used = legend(placed.picture, placed.width)
    height = placed.height + used
    root = _root(placed, height)
    style = ET.SubElement(root, "style")
    light, dark = light_and_dark(placed)
    style.text = f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
    ET.SubElement(
        root, "rect", {"class": "paper", "width": number(placed.width), "height": number(height)}
    )
    drawing(root, placed, numbered=False)
    below = ET.SubElement(
        root, "g", {"class": "legend", "transform": f"translate(40 {number(placed.height)})"}
    )
    ET.SubElement(below, "text", {"class": "name", "y": "0"}).text = clean(placed.picture.title)
    for x, row, entry in rows:
        at = ET.SubElement(
            below, "g", {"transform": f"translate({number(x)} {number(22 + row * HEIGHT)})"}
        )
        entry.draw(at)
    return ET.tostring(root, encoding="unicode")


def inline(placed: Placed) -> str:
    """Return the SVG for a page that has the styles.

    Its things can be reached by keyboard, and are numbered in the order of the picture.
    """
    root = _root(placed, placed.height)
    root.set("role", "group")
    drawing(root, placed, numbered=True)
    return ET.tostring(root, encoding="unicode")


def light_and_dark(placed: Placed) -> tuple[str, str]:
    """Return the styles that a picture needs, for light and for dark."""
    more = [("frames.css", "frames-dark.css")] if placed.frames else []
    every = [("picture.css", "dark.css"), *more]
    return "".join(styles(one) for one, _ in every), "".join(styles(two) for _, two in every)


def styles(name: str) -> str:
    return files("netorch.render.graph").joinpath(name).read_text(encoding="utf-8")


def clean(text: str) -> str:
    """Replace the characters that XML cannot express, except line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def drawing(root: ET.Element, placed: Placed, *, numbered: bool) -> None:
    """Draw the edges, then the things, which cover the ends of the edges."""
    view = ET.SubElement(root, "g", {"id": "view"})
    for frame in placed.frames:
        _frame(view, frame)
    numbers = {thing.id: index for index, thing in enumerate(placed.picture.things)}
    edges = ET.SubElement(view, "g", {"class": "edges"})
    words = ET.SubElement(view, "g", {"class": "words"})
    for placed_edge in placed.edges:
        ends = " ".join(str(numbers[end.thing]) for end in placed_edge.edge.ends)
        _edge(edges, words, placed_edge, {"data-ends": ends} if numbered else {})
    for frame in placed.frames:
        _frame_title(words, frame)
    things = ET.SubElement(view, "g", {"class": "things"})
    for spot in placed.spots:
        thing = spot.thing
        more: dict[str, str] = {}
        if numbered:
            drift = "" if thing.status is Status.OK else f", {thing.status.value}"
            label = clean(
                f"{thing.kind} {thing.name}{f', {thing.tag}' if thing.tag else ''}{drift}"
            )
            more = {
                "data-thing": str(numbers[thing.id]),
                "tabindex": "0",
                "role": "button",
                "aria-label": label,
            }
        _thing(things, spot, more)


def _root(placed: Placed, height: float) -> ET.Element:
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {number(placed.width)} {number(height)}",
        "width": number(placed.width),
        "height": number(height),
        "class": "netorch",
    }
    root = ET.Element("svg", attributes)
    ET.SubElement(root, "title").text = clean(placed.picture.title)
    return root


def _frame(parent: ET.Element, frame: PlacedFrame) -> None:
    group = ET.SubElement(parent, "g", {"class": "frame"})
    ET.SubElement(group, "title").text = clean(f"machine {_title_of(frame)}")
    rect(group, "border", frame.x, frame.y, frame.width, frame.height, 12.0)


def _frame_title(parent: ET.Element, frame: PlacedFrame) -> None:
    x, y = frame.title
    group = ET.SubElement(parent, "g", {"class": "frame"})
    text = ET.SubElement(group, "text", {"class": "name", "x": number(x), "y": number(y)})
    text.text = clean(cut(frame.frame.name))
    ET.SubElement(text, "tspan", {"class": "tag", "dx": "6"}).text = clean(frame.frame.address)


def _title_of(frame: PlacedFrame) -> str:
    return f"{frame.frame.name} {frame.frame.address}"


def _thing(parent: ET.Element, spot: Spot, more: dict[str, str]) -> None:
    thing = spot.thing
    group = ET.SubElement(
        parent, "g", {"class": f"thing {thing.kind} {thing.status.value}", **more}
    )
    ET.SubElement(group, "title", {}).text = clean("\n".join(_thing_title(thing)))
    if spot.leaf is not None:
        _leaf(group, spot, spot.leaf)
        return
    left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
    shape(group, thing.kind, left, top, spot.width, spot.height)
    lines = lines_of(thing)
    # The text of a thing with many edges begins below its upper border, because such a thing is
    # higher than its text.
    top = max(top, spot.y - (HEAD + LINE_HEIGHT * len(lines) + (4 if lines else 0)) / 2)
    name = ET.SubElement(
        group,
        "text",
        {
            "class": "name",
            "x": number(spot.x),
            "y": number(top + HEAD / 2 + 5),
            "text-anchor": "middle",
        },
    )
    name.text = clean(cut(thing.name))
    if thing.tag:
        ET.SubElement(name, "tspan", {"class": "tag", "dx": "6"}).text = clean(cut(thing.tag))
    for index, line in enumerate(lines):
        y = top + HEAD + LINE_HEIGHT * (index + 0.5) + 2
        text = ET.SubElement(
            group,
            "text",
            {
                "class": f"line {line.status.value}",
                "x": number(spot.x),
                "y": number(y),
                "text-anchor": "middle",
            },
        )
        text.text = clean(cut(line.with_status(thing.status)))


def _leaf(group: ET.Element, spot: Spot, end: EdgeEnd) -> None:
    """Draw a leaf as one line. Its text reads from left to right, whatever the leaf's direction."""
    thing = spot.thing
    back = 90 < spot.angle % 360 < 270
    angle = number(spot.angle + (180 if back else 0))
    place = f"translate({number(spot.x)} {number(spot.y)}) rotate({angle})"
    inner = ET.SubElement(group, "g", {"transform": place})
    shape(inner, thing.kind, -spot.width / 2, -spot.height / 2, spot.width, spot.height)
    x = spot.width / 2 - 7 if back else 7 - spot.width / 2
    text = ET.SubElement(
        inner,
        "text",
        {"class": "leaf", "x": number(x), "y": "3.7", "text-anchor": "end" if back else "start"},
    )
    ET.SubElement(text, "tspan", {"class": "leafname"}).text = clean(cut(thing.name))
    _words(text, [Text(""), *leaf_texts(thing, end)], end.status, "5")


def _edge(edges: ET.Element, words: ET.Element, placed: PlacedEdge, more: dict[str, str]) -> None:
    edge = placed.edge
    group = ET.SubElement(edges, "g", {"class": f"edge {edge.kind} {edge.status.value}", **more})
    ET.SubElement(group, "title", {}).text = clean("\n".join(_edge_title(edge)))
    (x1, y1), (x2, y2) = placed.start, placed.stop
    ET.SubElement(
        group, "line", {"x1": number(x1), "y1": number(y1), "x2": number(x2), "y2": number(y2)}
    )
    texts = ET.SubElement(words, "g", {"class": f"edge {edge.kind} {edge.status.value}", **more})
    for index, end in enumerate(edge.ends):
        if not placed.unlabelled[index]:
            near, far = placed.start, placed.stop
            if index == 1:
                near, far = far, near
            if placed.swapped[index]:
                _draw_over(texts, end, far, near)
            else:
                _draw_along(texts, end, near, far, placed.offsets[index])
    # the leaf has the labels in its own line if it is in a frame
    if edge.labels and not (placed.labels_at is not None and any(placed.unlabelled)):
        # The labels are in the middle of the part of the edge that the texts at its ends leave
        # free.
        before, after = (
            0.0 if placed.unlabelled[index] else end_length(end) + placed.offsets[index]
            for index, end in enumerate(edge.ends)
        )
        length = hypot(x2 - x1, y2 - y1) or 1.0
        share = min(0.8, max(0.2, 0.5 + (before - after) / 2 / length))
        if placed.labels_at is not None:
            share = placed.labels_at
        _middle(texts, edge, x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)


def _draw_along(group: ET.Element, end: EdgeEnd, near: Point, far: Point, offset: float) -> None:
    """Draw the texts of an end along its edge, from `near` on.

    The interface and its first address are above the edge, its further addresses are below.
    """
    for texts, down in zip(end_lines(end), ("-4", "11"), strict=True):
        _line(group, texts, end.status, near, far, 7 + offset, down)


def _draw_over(group: ET.Element, end: EdgeEnd, near: Point, far: Point) -> None:
    """Draw the texts of an end over its edge, if there is no room above and below."""
    _line(group, end.texts(), end.status, near, far, 5, "3.5")


def _line(
    group: ET.Element,
    texts: Sequence[Text],
    within: Status,
    near: Point,
    far: Point,
    way: float,
    down: str,
) -> None:
    if not texts:
        return
    dx, dy = far[0] - near[0], far[1] - near[1]
    length = hypot(dx, dy) or 1.0
    angle = degrees(atan2(dy, dx))
    back = not -90 < angle <= 90
    x, y = near[0] + dx / length * way, near[1] + dy / length * way
    place = f"translate({number(x)} {number(y)}) rotate({number(angle + 180 if back else angle)})"
    line = ET.SubElement(
        group,
        "text",
        {"class": "end", "transform": place, "text-anchor": "end" if back else "start", "y": down},
    )
    _words(line, texts, within, "4")


def _words(line: ET.Element, texts: Sequence[Text], within: Status, space: str) -> None:
    """Draw texts one after the other, each in the colour of its status, up to `MAX_LETTERS`."""
    left = MAX_LETTERS
    for index, text in enumerate(texts):
        if left > 0:
            word = ET.SubElement(
                line, "tspan", {"class": text.status.value, **({"dx": space} if index else {})}
            )
            label = text.with_status(within)
            word.text = clean(label if len(label) <= left else label[:left] + "…")
            left -= len(label) + 1


def _middle(group: ET.Element, edge: Edge, x: float, y: float) -> None:
    height = 14.0 * len(edge.labels) + 2
    width = middle_width(edge)
    rect(group, "label", x - width / 2, y - height / 2, width, height, 7.0)
    for index, label in enumerate(edge.labels):
        at = {
            "x": number(x),
            "y": number(y - height / 2 + 14 * index + 11.5),
            "text-anchor": "middle",
        }
        ET.SubElement(group, "text", {"class": f"middle {label.status.value}", **at}).text = clean(
            cut(label.with_status(edge.status))
        )


def _thing_title(thing: Thing) -> list[str]:
    return [
        _head(f"{thing.kind} {thing.name}{f' ({thing.tag})' if thing.tag else ''}", thing.status),
        *(line.with_status() for line in thing.lines),
    ]


def _edge_title(edge: Edge) -> list[str]:
    ends = [
        " ".join((end.thing.name, *(text.with_status() for text in end.texts())))
        for end in edge.ends
    ]
    return [_head(edge.kind, edge.status), *ends, *(label.with_status() for label in edge.labels)]


def _head(text: str, status: Status) -> str:
    return text if status is Status.OK else f"{text}: {status.value}"
