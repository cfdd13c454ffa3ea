"""The tree of a file, and what remains of it without its wrong parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from netorch.resolve.problems import TreePath


class PrunedList(list[Any]):
    """A list from which wrong items may have been removed."""

    __slots__ = ("places",)
    places: list[int]
    """The original position of each item."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(map(copy_of, items))
        self.places = [*items.places] if isinstance(items, PrunedList) else [*range(len(items))]


def value_at(tree: Any, path: TreePath) -> Any:
    """Return the value at a path, or None if there is none."""
    for part in path:
        if not has(tree, part):
            return None
        tree = tree[part]
    return tree


def within(value: Any, part: str | int) -> Any:
    """Return a part of a value, or None if it has no such part."""
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def whole_path(tree: Any, path: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the path in the whole file of a part of `tree`, the rest of the file.

    The positions in a list differ between the two if items before the part were left out.
    """
    whole: list[str | int] = []
    for part in path:
        inside = has(tree, part)
        whole.append(
            tree.places[part]
            if inside and isinstance(tree, PrunedList) and isinstance(part, int)
            else part
        )
        tree = tree[part] if inside else tree
    return tuple(whole)


def has(tree: Any, part: str | int) -> bool:
    """Whether a mapping has a key, or a list a position."""
    return (
        part in tree
        if isinstance(tree, dict)
        else isinstance(tree, list) and isinstance(part, int) and part < len(tree)
    )


def without(
    tree: Any, paths: Sequence[Sequence[str | int]], names: Collection[Sequence[str | int]] = ()
) -> Any:
    """Return a copy of the tree without the entries at the paths.

    If a path does not exist, its nearest enclosing entry is removed. An entry with a name, such as
    a node, stays as an empty entry, because other parts of the file may refer to it. An entry at a
    path in `names` is removed, because its name itself is wrong.
    """
    result = copy_of(tree)
    wrong: dict[tuple[int, str | int], Any] = {}
    for path in paths:
        here, last, depth = result, None, 0
        for part in path:
            if not has(here, part):
                break
            last, here = (here, part), here[part]
            depth += 1
        if last is None:
            continue
        if tuple(path) not in names and (empty := _empty(path[:depth], here)) != here:
            last[0][last[1]] = empty
            continue
        wrong[id(last[0]), last[1]] = last[0]
        if _is_member(path[: depth - 1]) and path[depth - 1] == "address":
            # An automatic address could be the address of another member.
            last[0]["addresses"] = False
    # Remove the last item of a list first, so that the others keep their positions.
    for (_, part), container in sorted(
        wrong.items(),
        key=lambda entry: entry[0][1] if isinstance(entry[0][1], int) else -1,
        reverse=True,
    ):
        del container[part]
        if isinstance(container, PrunedList) and isinstance(part, int):
            del container.places[part]
    return result


def _empty(path: Sequence[str | int], value: Any) -> Any:
    """Return the empty entry that replaces a wrong one with a name, or else the value itself."""
    if _is_member(path):
        return {"addresses": False}
    sections = {2: ("nodes", "networks"), 4: ("interfaces",)}
    named = len(path) in sections and path[-2] in sections[len(path)]
    return {} if named else value


def _is_member(path: Sequence[str | int]) -> bool:
    is_below = len(path) > 3 and path[0] == "nodes" and path[2] == "networks" and path[3] != 0
    return is_below and (len(path) == 4 or (len(path) == 5 and isinstance(path[4], int)))


def copy_of(tree: Any) -> Any:
    """Return a copy of a tree, whose lists remember the original positions of their items."""
    if isinstance(tree, dict):
        return {key: copy_of(value) for key, value in tree.items()}
    return PrunedList(tree) if isinstance(tree, list) else tree
