"""What the shapes and lines of a picture mean: of those that it has."""

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
    "parent": "rides on an interface there",
}
_DRIFT = {
    Status.MISSING: "missing: in the file, not in the kernel",
    Status.EXTRA: "extra: in the kernel, not in the file",
    Status.CHANGED: "changed: not as in the file",
}


class Entry(Value):
    """A sample and what it means. `element`, `kind` and `status`: of what it is a sample of."""

    element: Literal["thing", "edge"]
    kind: str
    status: Status
    text: str

    @property
    def width(self) -> float:
        return 48 + 6.5 * len(self.text)

    def draw(self, parent: ET.Element) -> None:
        """Its sample and words, from the point (0, 0) on."""
        self.sample(parent)
        ET.SubElement(parent, "text", {"class": "line", "x": "32", "y": "4"}).text = self.text

    def sample(self, parent: ET.Element) -> None:
        """A small one of its kind."""
        group = ET.SubElement(
            parent, "g", {"class": f"{self.element} {self.kind} {self.status.value}"}
        )
        if self.element == "edge":
            ET.SubElement(group, "line", {"x1": "0", "y1": "0", "x2": "24", "y2": "0"})
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
    if picture.compared:
        yield from (Entry("thing", "node", status, text) for status, text in _DRIFT.items())


def legend(picture: Picture, width: float) -> tuple[list[tuple[float, int, Entry]], float]:
    """Entries with their x and row within `width`, and the height that all of it takes."""
    found: list[tuple[float, int, Entry]] = []
    x, row = 0.0, 0
    for entry in entries(picture):
        if x and x + entry.width > width - 80:
            x, row = 0.0, row + 1
        found.append((x, row, entry))
        x += entry.width
    return found, 40 + HEIGHT * (row + 1)
