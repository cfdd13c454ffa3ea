"""Lays out leaf-spines and fat trees in rows, one above the other, with the leaves below."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import groupby

import igraph

from netorch.render.graph import leaf_fans
from netorch.render.graph.numbered import GAP, MANY, Graph, leaves_of
from netorch.render.graph.placement import Spot
from netorch.render.graph.sizes import required_length


def layers_of(graph: Graph, members: Sequence[int]) -> dict[int, int] | None:
    """Return the layer of each thing, if the graph is a leaf-spine or a fat tree, else None.

    The layer of a thing is its distance from the things that have leaves. In such a graph, every
    edge leads from one layer to the next, and there is more than one path between two things.
    """
    core = [member for member in members if len(graph.near[member]) > 1]
    inner = set(core)
    edges = [pair for pair in graph.between if pair[0] in inner and pair[1] in inner]
    bottom = [
        member
        for member in core
        if any(graph.leaf_edge(near) is not None for near in graph.near[member])
    ]
    if len(bottom) < 2 or len(edges) < len(core) or len(core) < 4:
        return None
    layers = dict.fromkeys(bottom, 0)
    queue = list(bottom)
    for member in queue:
        for near in graph.near[member]:
            if near not in layers and len(graph.near[near]) > 1:
                layers[near] = layers[member] + 1
                queue.append(near)
    return layers if all(abs(layers[one] - layers[other]) == 1 for one, other in edges) else None


def arrange(graph: Graph, layers: dict[int, int]) -> list[Spot]:
    core = list(layers)
    numbers = {member: index for index, member in enumerate(core)}
    pairs = [pair for pair in graph.between if pair[0] in numbers and pair[1] in numbers]
    top = max(layers.values())
    combs = {
        hub: [near for near in graph.near[hub] if graph.leaf_edge(near) is not None] for hub in core
    }
    vertical = sum(map(len, combs.values())) > 3 * MANY
    widths = [leaf_fans.comb_width(leaves_of(graph, combs[hub]), vertical) for hub in core]
    column_width = max(*(graph.sizes[hub][0] for hub in core), *widths) + GAP
    row_height = 90 + max(max(map(required_length, graph.between[pair])) for pair in pairs) * 0.8
    core_graph = igraph.Graph(
        n=len(core), edges=[(numbers[one], numbers[other]) for one, other in pairs]
    )
    coordinates = core_graph.layout_sugiyama(
        layers=[top - layers[member] for member in core], maxiter=200
    ).coords[: len(core)]
    sugiyama = [member for _, member in sorted(zip(coordinates, core, strict=True))]
    order = fewest_crossings(pairs, layers, [core, sugiyama])
    rows: list[list[int]] = [[] for _ in range(top + 1)]
    for member in order:
        rows[layers[member]].append(member)
    longest = max(map(len, rows)) * column_width
    places = {
        member: ((index + 0.5) * longest / len(row), (top - layer) * row_height)
        for layer, row in enumerate(rows)
        for index, member in enumerate(row)
    }
    points = [places[member] for member in core]
    spots: list[Spot] = []
    for hub, (x, y) in zip(core, points, strict=True):
        spots.append(Spot(graph.things[hub], x, y, *graph.sizes[hub]))
        spots += leaf_fans.comb(spots[-1], leaves_of(graph, combs[hub]), vertical)
    return spots


def fewest_crossings(
    pairs: Sequence[tuple[int, int]], layers: Mapping[int, int], orders: Sequence[Sequence[int]]
) -> Sequence[int]:
    """Return the order with the fewest crossings of edges.

    Of equal orders, return the first, which is the file's, because users choose it on purpose.
    """

    def crossings(order: Sequence[int]) -> int:
        at = {member: index for index, member in enumerate(order)}
        by_layer: dict[int, list[tuple[int, int]]] = {}
        for pair in pairs:
            below, above = sorted(pair, key=lambda member: layers[member])
            by_layer.setdefault(layers[below], []).append((at[below], at[above]))
        count = 0
        for edges in by_layer.values():
            seen: list[int] = []
            for _, group in groupby(sorted(edges), key=lambda edge: edge[0]):
                ends = [above for _, above in group]
                count += sum(len(seen) - bisect_right(seen, above) for above in ends)
                for above in ends:
                    insort(seen, above)
        return count

    return min(orders, key=crossings)
