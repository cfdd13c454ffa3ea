"""Explains the shapes and lines that a picture has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree as ET

from netorch.immutable import Value
from netorch.render.graph.picture import Picture, Status
from netorch.render.graph.shapes import shape

HEIGHT = 20.0
_THINGS = {
    "node": "node",
    "router": "node that forwards",
    "host": "the machine itself",
    "network": "network",
}
_EDGES = {
    "cable": "cable",
    "owner": "the network's bridge or device in a node",
    "tunnel": "tunnel",
    "parent": "parent interface in another node",
}
_DRIFT = {
    Status.MISSING: "missing: in the file, not in the kernel",
    Status.EXTRA: "extra: in the kernel, not in the file",
    Status.CHANGED: "changed: not as in the file",
}


class Entry(Value):
    """A sample and its meaning."""

    element: Literal["thing", "edge"]
    """Whether the sample is a thing or an edge."""
    kind: str
    """The kind of the thing or edge."""
    status: Status
    text: str
    """What the sample means."""

    @property
    def width(self) -> float:
        return 48 + 6.5 * len(self.text)

    def draw(self, parent: ET.Element) -> None:
        """Draw the sample and the text at the point (0, 0)."""
        self.sample(parent)
        ET.SubElement(parent, "text", {"class": "line", "x": "32", "y": "4"}).text = self.text

    def sample(self, parent: ET.Element) -> None:
        """Draw a small thing or edge of this kind."""
        group = ET.SubElement(
            parent, "g", {"class": f"{self.element} {self.kind} {self.status.value}"}
        )
        if self.element == "edge":
            ET.SubElement(group, "path", {"class": "wire", "d": "M0 0 L24 0"})
        else:
            shape(group, self.kind, 0.0, -7.0, 24.0, 14.0)


def entries(picture: Picture) -> Iterator[Entry]:
    kinds = {thing.kind for thing in picture.things}
    yield from (
        Entry("thing", kind, Status.OK, text) for kind, text in _THINGS.items() if kind in kinds
    )
    lines = {edge.kind for edge in picture.edges}
    yield from (
        Entry("edge", kind, Status.OK, text) for kind, text in _EDGES.items() if kind in lines
    )
    if picture.frames:
        yield Entry("thing", "machine", Status.OK, "machine")
    if picture.compared:
        yield from (Entry("thing", "node", status, text) for status, text in _DRIFT.items())


def legend(picture: Picture, width: float) -> tuple[list[tuple[float, int, Entry]], float]:
    """Return the entries with their x and row within `width`, and the height of the legend."""
    placed: list[tuple[float, int, Entry]] = []
    x, row = 0.0, 0
    for entry in entries(picture):
        if x and x + entry.width > width - 80:
            x, row = 0.0, row + 1
        placed.append((x, row, entry))
        x += entry.width
    return placed, 40 + HEIGHT * (row + 1)
