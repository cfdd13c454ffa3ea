"""Writes a picture with its layout as SVG, as a file or as part of a page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from xml.etree import ElementTree as ET

from netorch.errors import printable
from netorch.render.graph.legend import HEIGHT, legend
from netorch.render.graph.picture import Edge, EdgeEnd, Status, Text, Thing
from netorch.render.graph.placement import Placed, PlacedEdge, PlacedFrame, Row, Spot
from netorch.render.graph.shapes import number, rect, shape
from netorch.render.graph.sizes import (
    ASIDE,
    END_HEIGHT,
    HEAD,
    LINE_HEIGHT,
    MAX_LETTERS,
    cut,
    end_lines,
    label_size,
    labels_of,
    lines_of,
    name_size,
    tag_of,
    text_height,
)


def document(placed: Placed, *, both: bool = True) -> str:
    """Return a whole file, with its own styles for light and dark, or for light alone."""
    rows, used = legend(placed.picture, placed.width)
    height = placed.height + used
    root = _root(placed, height)
    style = ET.SubElement(root, "style")
    light, dark = light_and_dark(placed)
    style.text = light + (f"@media (prefers-color-scheme: dark) {{\n{dark}}}\n" if both else "")
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
    """Draw the frames, then the things and the edges, in the order of the keyboard."""
    view = ET.SubElement(root, "g", {"id": "view"})
    for frame in placed.frames:
        _frame(view, frame)
    numbers = {thing.id: index for index, thing in enumerate(placed.picture.things)}
    things = ET.SubElement(view, "g", {"class": "things"})
    for spot in placed.spots:
        thing = spot.thing
        words = f"{thing.kind} {thing.name}{f', {thing.tag}' if thing.tag else ''}"
        more = {"data-thing": str(numbers[thing.id])}
        _thing(things, spot, more | _button(words, thing.status) if numbered else {})
    edges = ET.SubElement(view, "g", {"class": "edges"})
    for index, edge in enumerate(placed.edges):
        ends = [str(numbers[end.thing]) for end in edge.edge.ends]
        more = {"data-edge": str(index), "data-ends": " ".join(ends)}
        words = f"{edge.edge.kind} {' to '.join(map(end_words, edge.edge.ends))}"
        _edge(edges, edge, more | _button(words, edge.edge.status) if numbered else {})


def _button(words: str, status: Status) -> dict[str, str]:
    """Return the attributes of what can be clicked, and reached by keyboard."""
    drift = "" if status is Status.OK else f", {status.value}"
    return {"tabindex": "0", "role": "button", "aria-label": clean(words + drift)}


def end_words(end: EdgeEnd) -> str:
    """Return the thing, the interface and the addresses of an end of an edge."""
    return " ".join((end.thing.name, *(text.with_status() for text in end.texts())))


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
    title = f"machine {frame.frame.name} {frame.frame.address}"
    ET.SubElement(group, "title").text = clean(title)
    rect(group, "border", frame.x, frame.y, frame.width, frame.height, 12.0)
    at = {"class": "name", "x": number(frame.x + 14), "y": number(frame.y + 22)}
    text = ET.SubElement(group, "text", at)
    text.text = clean(cut(frame.frame.name))
    ET.SubElement(text, "tspan", {"class": "tag", "dx": "6"}).text = clean(frame.frame.address)


def _thing(parent: ET.Element, spot: Spot, more: dict[str, str]) -> None:
    thing = spot.thing
    group = ET.SubElement(
        parent, "g", {"class": f"thing {thing.kind} {thing.status.value}", **more}
    )
    ET.SubElement(group, "title", {}).text = clean("\n".join(_thing_title(thing)))
    shape(group, thing.kind, spot.left, spot.top, spot.width, spot.height)
    size, height = name_size(len(spot.rows)), text_height(thing, len(spot.rows))
    top = spot.y - height / 2 + (3 if lines_of(thing) else 0)
    _centred(group, "name", spot.middle, top + 9 + size / 2, cut(thing.name))
    if size > 13:
        group[-1].set("font-size", number(size))
    if tag := tag_of(thing):
        ET.SubElement(group[-1], "tspan", {"class": "tag", "dx": "6"}).text = clean(tag)
    for index, line in enumerate(lines_of(thing)):
        y = top + HEAD + size - 13 + LINE_HEIGHT * (index + 0.5) + 2
        text = cut(line.with_status(thing.status))
        _centred(group, f"line {line.status.value}", spot.middle, y, text)
    for row in spot.rows:
        _row(group, spot, row)


def _centred(group: ET.Element, name: str, x: float, y: float, text: str) -> None:
    at = {"class": name, "x": number(x), "y": number(y), "text-anchor": "middle"}
    ET.SubElement(group, "text", at).text = clean(text)


def _row(group: ET.Element, spot: Spot, row: Row) -> None:
    """Draw the texts of an end of an edge, inside the box at the side that the edge meets."""
    lines = end_lines(row.end)
    x = spot.left + spot.width - ASIDE if row.right else spot.left + ASIDE
    for index, texts in enumerate(lines):
        y = row.y + (index - (len(lines) - 1) / 2) * END_HEIGHT + 3.5
        anchor = "end" if row.right else "start"
        at = {"class": "end", "x": number(x), "y": number(y), "text-anchor": anchor}
        _words(ET.SubElement(group, "text", at), texts, row.end.status)


def _words(line: ET.Element, texts: Sequence[Text], within: Status) -> None:
    """Draw texts one after the other, each in the colour of its status, up to `MAX_LETTERS`."""
    left = MAX_LETTERS
    for text in texts:
        if left > 0:
            if len(line):
                line[-1].tail = " "
            word = ET.SubElement(line, "tspan", {"class": text.status.value})
            label = text.with_status(within)
            word.text = clean(label if len(label) <= left else label[:left] + "…")
            left -= len(label) + 1


def _edge(parent: ET.Element, placed: PlacedEdge, more: dict[str, str]) -> None:
    edge = placed.edge
    group = ET.SubElement(parent, "g", {"class": f"edge {edge.kind} {edge.status.value}", **more})
    ET.SubElement(group, "title", {}).text = clean("\n".join(_edge_title(edge)))
    way = " L".join(f"{number(x)} {number(y)}" for x, y in placed.points)
    ET.SubElement(group, "path", {"class": "wire", "d": f"M{way}"})
    if placed.label is not None:
        _labels(group, edge, *placed.label)


def _labels(group: ET.Element, edge: Edge, x: float, y: float) -> None:
    width, height = label_size(edge)
    rect(group, "label", x - width / 2, y - height / 2, width, height, 7.0)
    for index, label in enumerate(labels_of(edge)):
        down = y - height / 2 + 14 * index + 11.5
        text = cut(label.with_status(edge.status))
        _centred(group, f"middle {label.status.value}", x, down, text)


def _thing_title(thing: Thing) -> list[str]:
    return [
        _head(f"{thing.kind} {thing.name}{f' ({thing.tag})' if thing.tag else ''}", thing.status),
        *(line.with_status() for line in thing.lines),
    ]


def _edge_title(edge: Edge) -> list[str]:
    labels = (label.with_status() for label in edge.labels)
    return [_head(edge.kind, edge.status), *map(end_words, edge.ends), *labels]


def _head(text: str, status: Status) -> str:
    return text if status is Status.OK else f"{text}: {status.value}"
