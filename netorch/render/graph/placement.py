"""A picture with places: the one value from which both svg and html are written. Pixels, y downwards."""

from __future__ import annotations

from netorch.immutable import Value, replace
from netorch.render.graph.picture import Edge, EdgeEnd, Picture, Thing


class Spot(Value):
    """Where a thing is: its middle and its size. With `leaf`, its end of its only edge, it is one line, turned by `angle` degrees."""

    thing: Thing
    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0
    leaf: EdgeEnd | None = None

    def moved(self, x: float, y: float) -> Spot:
        return replace(self, x=self.x + x, y=self.y + y)


class PlacedEdge(Value):
    """Where an edge is, border to border. `silent`: ends whose words stand elsewhere; `far`: ends whose words stand next to the other one,
    since it is too narrow at their own. `clear`: how far from each end its words can begin.
    """

    edge: Edge
    start: tuple[float, float]
    stop: tuple[float, float]
    silent: tuple[bool, bool] = (False, False)
    far: tuple[bool, bool] = (False, False)
    clear: tuple[float, float] = (0.0, 0.0)


class Placed(Value):
    picture: Picture
    width: float
    height: float
    spots: tuple[Spot, ...]
    wires: tuple[PlacedEdge, ...]
