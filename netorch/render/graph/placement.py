"""A picture with positions in pixels, from which svg and html are written. y points downwards."""

from __future__ import annotations

from netorch.immutable import Value, replace
from netorch.render.graph.picture import Edge, EdgeEnd, Frame, Picture, Thing


class Spot(Value):
    """The position and size of a thing."""

    thing: Thing
    x: float
    """The horizontal position of the middle of the thing; `y` is the vertical one."""
    y: float
    width: float
    height: float
    angle: float = 0.0
    """Degrees by which a leaf is rotated."""
    leaf: EdgeEnd | None = None
    """The leaf's end of its only edge, if the thing is drawn as one line. None if it is a box."""

    def moved(self, x: float, y: float) -> Spot:
        return replace(self, x=self.x + x, y=self.y + y)


class PlacedEdge(Value):
    """The position of an edge, from border to border."""

    edge: Edge
    start: tuple[float, float]
    stop: tuple[float, float]
    unlabelled: tuple[bool, bool] = (False, False)
    """Which ends get no text, because their leaf has it in its own line."""
    swapped: tuple[bool, bool] = (False, False)
    """Which ends have their text at the other end, because their own has too little room."""
    offsets: tuple[float, float] = (0.0, 0.0)
    """How far from each end its text begins."""
    labels_at: float | None = None
    """The part of the edge before its labels, None for the middle of what the texts leave free."""


class PlacedFrame(Value):
    """The position of a frame: its upper left corner, and its size."""

    frame: Frame
    x: float
    y: float
    width: float
    height: float
    title: tuple[float, float] = (0.0, 0.0)
    """The position at which its text begins."""


class Placed(Value):
    """A picture with the positions of its things and edges."""

    picture: Picture
    width: float
    height: float
    spots: tuple[Spot, ...]
    edges: tuple[PlacedEdge, ...]
    frames: tuple[PlacedFrame, ...] = ()
