"""A picture with positions in pixels, from which svg, html, png and drawio are written.

y points downwards.
"""

from __future__ import annotations

from netorch.immutable import Value
from netorch.render.graph.picture import Edge, EdgeEnd, Frame, Picture, Thing

Point = tuple[float, float]


class Row(Value):
    """The end of an edge, with its texts inside the box of its thing."""

    edge: int
    """The number of the edge in the picture."""
    end: EdgeEnd
    y: float
    """The height at which the edge meets the border of the box."""
    right: bool
    """Whether it is at the right side of the box."""


class Spot(Value):
    """The position and size of a thing."""

    thing: Thing
    x: float
    """The horizontal position of the middle of the thing; `y` is the vertical one."""
    y: float
    width: float
    height: float
    middle: float
    """The horizontal position of the middle of its name, which the rows leave free."""
    rows: tuple[Row, ...] = ()

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2


class PlacedEdge(Value):
    """The position of an edge."""

    edge: Edge
    points: tuple[Point, ...]
    """The corners of its line, from the first end to the second."""
    label: Point | None = None
    """The middle of its labels, None if it has none."""


class PlacedFrame(Value):
    """The position of a frame: its upper left corner, and its size."""

    frame: Frame
    x: float
    y: float
    width: float
    height: float


class Placed(Value):
    """A picture with the positions of its things and edges."""

    picture: Picture
    width: float
    height: float
    spots: tuple[Spot, ...]
    """The things, in the order of the picture."""
    edges: tuple[PlacedEdge, ...]
    """The edges, in the order of the picture."""
    frames: tuple[PlacedFrame, ...] = ()
