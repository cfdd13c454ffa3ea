"""Decides which way each edge of a picture leads: to the right, or to the left.

The thing in the middle is drawn in the middle, and its neighbours fan outwards. A leaf-spine or a
fat tree is drawn from its top row at the left to its hosts at the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netorch.render.graph.picture import Picture

Near = Sequence[Mapping[int, None]]
"""Thing → its neighbours, in the order of the edges."""


def neighbours(picture: Picture) -> list[dict[int, None]]:
    """Return the neighbours of each thing, by their numbers."""
    numbers = {thing.id: number for number, thing in enumerate(picture.things)}
    near: list[dict[int, None]] = [{} for _ in picture.things]
    for edge in picture.edges:
        one, other = (numbers[end.thing] for end in edge.ends)
        if one != other:
            near[one][other] = near[other][one] = None
    return near


def columns(picture: Picture) -> list[int]:
    """Return a number for each thing: an edge leads to the right from the lower to the higher one.

    The numbers of two things are equal only if no edge joins them.
    """
    near = neighbours(picture)
    preferred = [thing.kind != "network" for thing in picture.things]
    if not picture.frames:
        return _columns(near, preferred)
    return _columns_of_frames(picture, near)


def _columns(near: Near, preferred: Sequence[bool]) -> list[int]:
    """Return the numbers of things that are in no frame.

    Of two things in the middle, a `preferred` one is drawn there.
    """
    order = [0] * len(near)
    for part in parts(near, range(len(near))):
        roots = _top_row(near, part) or [_middle(near, part, preferred)]
        left = _left_half(near, part, roots[0]) if len(roots) == 1 else set[int]()
        distances = _distances(near, roots)
        for rank, member in enumerate(sorted(part, key=lambda one: (distances[one], one)), 1):
            order[member] = -rank if member in left else rank
    return order


def _columns_of_frames(picture: Picture, near: Near) -> list[int]:
    """Return the numbers of things of which some are in frames.

    The frames and the things outside of them come first. Then each frame places its things
    between those outside to which they lead.
    """
    names = {frame.name: number for number, frame in enumerate(picture.frames)}
    units: list[int] = []
    """Thing → the number of its frame, or a number of its own."""
    count = len(names)
    for thing in picture.things:
        units.append(names.get(thing.machine, count))
        count += units[-1] == count
    outer: list[dict[int, None]] = [{} for _ in range(count)]
    for member, others in enumerate(near):
        for other in others:
            if units[member] != units[other]:
                outer[units[member]][units[other]] = None
    order = _columns(outer, [unit < len(names) for unit in range(count)])
    ranks = [0] * len(near)
    for unit in range(len(names)):
        members = [member for member in range(len(near)) if units[member] == unit]
        inner = [
            {other: None for other in near[member] if units[other] == unit}
            for member in range(len(near))
        ]
        for part in parts(inner, members):
            left, right = (
                [
                    member
                    for member in part
                    if any(
                        units[other] != unit and (order[units[other]] < order[unit]) is leftwards
                        for other in near[member]
                    )
                ]
                for leftwards in (True, False)
            )
            distances = _distances(inner, left or right or [_middle(inner, part)])
            sign = 1 if left or not right else -1
            ordered = sorted(part, key=lambda one: (sign * distances[one], one))
            for rank, member in enumerate(ordered):
                ranks[member] = rank
    whole = len(near) + 1
    return [order[units[member]] * whole + ranks[member] for member in range(len(near))]


def parts(near: Near, members: Sequence[int], without: int = -1) -> Iterator[list[int]]:
    """Yield the connected parts, each in the order of the things. `without` is left out."""
    seen = {without}
    for start in members:
        if start not in seen:
            part = list(_distances(near, [start], without))
            seen.update(part)
            yield sorted(part)


def _distances(near: Near, roots: Sequence[int], without: int = -1) -> dict[int, int]:
    """Return how many edges are between each reachable thing and the nearest root."""
    distances = dict.fromkeys(roots, 0)
    queue = list(roots)
    for member in queue:
        for other in near[member]:
            if other not in distances and other != without:
                distances[other] = distances[member] + 1
                queue.append(other)
    return distances


def _top_row(near: Near, part: Sequence[int]) -> list[int]:
    """Return the top row of a leaf-spine or a fat tree, or nothing if the part is not one.

    In such a graph, every edge leads from one row to the next, and there is more than one path
    between two things. The bottom row is the one that has the hosts, or else the one whose things
    have the fewest neighbours.
    """
    core = [member for member in part if len(near[member]) > 1]
    inner = set(core)
    bottom = [member for member in core if any(len(near[other]) == 1 for other in near[member])]
    edges = sum(len(inner & near[member].keys()) for member in core) // 2
    if len(core) < 4 or edges < len(core):
        return []
    if pair := _pair_of_rows(near, core):
        return min(pair, key=lambda row: (not set(bottom).isdisjoint(row), len(row)))
    leaves = bool(bottom)
    if not bottom:
        least = min(len(near[member]) for member in core)
        bottom = [member for member in core if len(near[member]) == least]
    if len(bottom) < 2:
        return []
    rows = {member: row for member, row in _distances(near, bottom).items() if member in inner}
    if any(
        abs(rows[member] - rows[other]) != 1
        for member in core
        for other in near[member]
        if other in inner
    ):
        return []
    row = [member for member in core if rows[member] == max(rows.values())]
    is_regular = len({len(near[member]) for member in row}) == 1 and len(row) > 1
    return row if is_regular or leaves else []


def _pair_of_rows(near: Near, core: Sequence[int]) -> list[list[int]]:
    """Return the two rows of a graph in which an edge joins each thing with each of the other row.

    Return nothing for another graph, and for a ring of four things.
    """
    inner = set(core)
    other = [member for member in core if member in near[core[0]]]
    one = [member for member in core if member not in near[core[0]]]
    if len(core) == 4 or len(one) < 2 or len(other) < 2:
        return []
    is_whole = all(inner & near[member].keys() == set(other) for member in one) and all(
        inner & near[member].keys() == set(one) for member in other
    )
    return [one, other] if is_whole else []


def _middle(near: Near, part: Sequence[int], preferred: Sequence[bool] = ()) -> int:
    """Return the thing in the middle of a longest way through the part.

    Of two such things, return a `preferred` one, or else the one with more neighbours.
    """
    start = next(reversed(_distances(near, [part[0]])))
    distances = _distances(near, [start])
    stop = next(reversed(distances))
    way = [stop]
    while way[-1] != start:
        way.append(
            next(other for other in near[way[-1]] if distances[other] == distances[way[-1]] - 1)
        )
    middles = {way[len(way) // 2], way[(len(way) - 1) // 2]}
    return min(
        middles,
        key=lambda member: (not (preferred and preferred[member]), -len(near[member]), member),
    )


def _left_half(near: Near, part: Sequence[int], root: int) -> set[int]:
    """Return the things that are at the left of the root.

    Without the root, they have no connection to those at the right.
    """
    branches = list(parts(near, part, root))
    if len(branches) < 2:
        return set()
    if len(branches) == 2:
        return set(sorted(branches, key=len)[0])
    sizes = [sum(len(near[member]) == 1 for member in branch) or 1 for branch in branches]
    whole, half, count = sum(sizes), 0, 0
    while count < len(branches) - 1 and 2 * half + sizes[count] <= whole:
        half += sizes[count]
        count += 1
    return {member for branch in branches[: max(count, 1)] for member in branch}
