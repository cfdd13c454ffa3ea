"""A picture by numbers, as layout works on it: who is next to whom, by which edges, and how large each thing is."""

from __future__ import annotations

from collections.abc import Sequence

from netorch.render.graph.leaf_fans import Leaf
from netorch.render.graph.picture import Edge, Picture
from netorch.render.graph.sizes import box, end_length, pill, wanted_length

MANY = 8
"""Leaves that a thing may have before they are arranged around it."""
ABREAST = 30.0
"""Between edges of the same two things."""
GAP = 28.0
"""Between two things, at least."""


class Graph:
    """`between`: a pair of things, the lower number first → the edges that join it. `near`: thing → its neighbours, in order."""

    def __init__(self, picture: Picture) -> None:
        self.things, self.edges = picture.things, picture.edges
        numbers = {thing.id: index for index, thing in enumerate(picture.things)}
        self.between: dict[tuple[int, int], list[Edge]] = {}
        self.near: list[dict[int, None]] = [{} for _ in self.things]
        for edge in picture.edges:
            one, other = (numbers[end.thing] for end in edge.ends)
            self.between.setdefault((min(one, other), max(one, other)), []).append(edge)
            self.near[one][other] = self.near[other][one] = None
        self.sizes = [box(thing) for thing in self.things]
        for (one, other), edges in self.between.items():
            # edges side by side need as much of a border
            for end in (one, other):
                width, height = self.sizes[end]
                self.sizes[end] = (
                    max(width, ABREAST * len(edges) + 12),
                    max(height, ABREAST * len(edges)),
                )

    def leaf_edge(self, leaf: int) -> Edge | None:
        """The one edge of what hangs on one thing alone."""
        if len(self.near[leaf]) != 1:
            return None
        hub = next(iter(self.near[leaf]))
        found = self.between[min(leaf, hub), max(leaf, hub)]
        return found[0] if len(found) == 1 and len(self.near[hub]) > 1 else None


def leaves_of(graph: Graph, members: Sequence[int]) -> list[Leaf]:
    found: list[Leaf] = []
    for member in members:
        edge = graph.leaf_edge(member)
        assert edge is not None
        thing = graph.things[member]
        far, near = edge.ends if edge.ends[1].thing == thing.id else edge.ends[::-1]
        found.append(
            Leaf(
                thing=thing,
                end=near,
                length=pill(thing, near),
                size=graph.sizes[member],
                label=end_length(far),
                way=wanted_length(edge),
            )
        )
    return found
