"""Puts the things and edges of a live topology in the order of its file.

The kernel lists its objects in another order than the file, and the layout depends on the order.
"""

from __future__ import annotations

from netorch.immutable import replace
from netorch.render.graph.picture import Edge, Picture

_EdgeKey = tuple[tuple[object, ...], ...]


def in_file_order(live: Picture, file: Picture) -> Picture:
    """Return the picture of a live topology, in the order of `file`. What is extra comes last."""
    things = {thing.id: number for number, thing in enumerate(file.things)}
    edges: dict[_EdgeKey, int] = {}
    for number, edge in enumerate(file.edges):
        edges.setdefault(_key(edge), number)
    return replace(
        live,
        things=tuple(sorted(live.things, key=lambda thing: things.get(thing.id, len(things)))),
        edges=tuple(
            _turned(edge, file.edges[edges[_key(edge)]]) if _key(edge) in edges else edge
            for edge in sorted(live.edges, key=lambda edge: edges.get(_key(edge), len(edges)))
        ),
        file=file,
    )


def _key(edge: Edge) -> _EdgeKey:
    """Return what identifies an edge: its kind, and the things and interfaces at its ends."""
    return (edge.kind,), *sorted((*end.thing, end.interface) for end in edge.ends)


def _turned(edge: Edge, like: Edge) -> Edge:
    """Return an edge with its ends in the order of another one between the same things."""
    one, other = edge.ends
    is_same = (one.thing, one.interface) == (like.ends[0].thing, like.ends[0].interface)
    return edge if is_same else replace(edge, ends=(other, one))
