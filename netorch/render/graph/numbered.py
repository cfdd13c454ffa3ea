"""A picture as a graph of numbers, which the layouts work on."""

from __future__ import annotations

from collections.abc import Sequence

from netorch.render.graph.leaf_fans import Leaf
from netorch.render.graph.picture import Edge, Picture
from netorch.render.graph.sizes import box, end_length, leaf_length, required_length

MANY = 8
"""The most leaves of a thing that are not arranged around it."""
ABREAST = 30.0
"""The distance between edges of the same two things."""
GAP = 28.0
"""The least distance between two things."""


class Graph:
    """The things of a picture by their numbers, and the edges between them."""

    def __init__(self, picture: Picture) -> None:
        self.things, self.edges = picture.things, picture.edges
        self.numbers = {thing.id: index for index, thing in enumerate(picture.things)}
        self.between: dict[tuple[int, int], list[Edge]] = {}
        """A pair of things, the lower number first → the edges that join it."""
        self.near: list[dict[int, None]] = [{} for _ in self.things]
        """Thing → its neighbours, in the order of the edges."""
        for edge in picture.edges:
            one, other = (self.numbers[end.thing] for end in edge.ends)
            self.between.setdefault((min(one, other), max(one, other)), []).append(edge)
            self.near[one][other] = self.near[other][one] = None
        self.sizes = [box(thing) for thing in self.things]
        for (one, other), edges in self.between.items():
            # Both things are made larger, because edges side by side need room on their borders.
            for end in (one, other):
                width, height = self.sizes[end]
                self.sizes[end] = (
                    max(width, ABREAST * len(edges) + 12),
                    max(height, ABREAST * len(edges)),
                )

    def edges_between(self, one: int, other: int) -> list[Edge]:
        """Return the edges between two things."""
        return self.between.get((min(one, other), max(one, other)), [])

    def leaf_edge(self, leaf: int) -> Edge | None:
        """Return the only edge of a leaf, None if the thing is not a leaf.

        The thing at the other end, the hub, has further neighbours.
        """
        if len(self.near[leaf]) != 1:
            return None
        hub = next(iter(self.near[leaf]))
        edges = self.between[min(leaf, hub), max(leaf, hub)]
        return edges[0] if len(edges) == 1 and len(self.near[hub]) > 1 else None


def leaves_of(graph: Graph, members: Sequence[int]) -> list[Leaf]:
    leaves: list[Leaf] = []
    for member in members:
        edge = graph.leaf_edge(member)
        assert edge is not None
        thing = graph.things[member]
        far, near = edge.ends if edge.ends[1].thing == thing.id else edge.ends[::-1]
        leaves.append(
            Leaf(
                thing=thing,
                end=near,
                length=leaf_length(thing, near),
                size=graph.sizes[member],
                hub_label=end_length(far),
                edge_length=required_length(edge),
            )
        )
    return leaves
