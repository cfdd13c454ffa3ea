"""Leave out of a draft what a topology file refuses, although the machine has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netorch.errors import FileError
from netorch.importers.draft import Draft, Path
from netorch.render import yaml_text
from netorch.render.applied_file import escaped
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load

_ELSEWHERE = "?:?"
"""The parent of a link in a namespace that is not imported."""
_ROUNDS = 8
"""The number of times that entries are left out, because an entry may need another one."""


def load_without_errors(draft: Draft) -> tuple[Loaded | None, frozenset[str]]:
    """Resolve a draft, and record each entry as lost that a file cannot have.

    Return the resolved file, None if errors remain that are not about one entry, and the names and
    values that are left out.
    """
    texts: set[str] = set()
    for _ in range(_ROUNDS):
        tree = {key: escaped(value) for key, value in draft.tree.items() if value or value is False}
        try:
            text = yaml_text.document(tree)
            return load(text.encode(), "topology.yaml", folder="/"), frozenset(texts)
        except FileError as error:
            places = _places(draft, error)
        if not places:
            break
        for place in sorted(places, key=_order, reverse=True):
            texts |= _leave_out(draft, place, places[place])
    return None, frozenset(texts)


def _order(path: Path) -> tuple[tuple[bool, int, str], ...]:
    return tuple(
        (isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in path
    )


def _places(draft: Draft, error: FileError) -> dict[Path, str]:
    """Return the path of each entry with an error → what is wrong with it."""
    paths = {".".join(map(str, path)): path for path in _paths(draft.tree, ())}
    places: dict[Path, str] = {}
    for problem in error.problems:
        path = _entry(paths.get(problem.object.replace("$$", "$"), ()))
        if len(path) > 2 or path[:1] == ("links",):
            places.setdefault(path, problem.what.removeprefix(f"{problem.object}: "))
    return {
        path: what
        for path, what in places.items()
        if not any(path[:length] in places for length in range(1, len(path)))
    }


def _entry(path: Path) -> Path:
    """Return the smallest entry around a path that means the same without its other parts.

    A route without its interface would be another route, and a tunnel without its parent another
    tunnel.
    """
    match path:
        case ("links", place, *_):
            return ("links", place)
        case ("nodes", node, str(key), int(place), *_):
            return ("nodes", node, key, place)
        case ("nodes", node, "interfaces", name, "parent" | "kind" | "peer"):
            return ("nodes", node, "interfaces", name)
        case ("nodes", node, "interfaces", name, str(key), int(place), *_):
            return ("nodes", node, "interfaces", name, key, place)
    return path


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


def _leave_out(draft: Draft, path: Path, why: str) -> set[str]:
    """Leave out an entry, and return the names and values that are gone with it."""
    parents: list[Any] = [draft.tree]
    for part in path[:-1]:
        parents.append(parents[-1][part])
    key, parent = path[-1], parents[-1]
    value = parent.pop(key)
    if isinstance(value, dict) and value.get("parent") == _ELSEWHERE:
        why = "its parent is in a namespace that is not imported"
    if not parent and isinstance(key, int) and len(parents) > 2:
        del parents[-2][path[-2]]
    if isinstance(key, int):
        text = yaml_text.flow(value)
        key_of_list = str(path[-2])
        place = path[:-1] if key_of_list in ("routes", "rules") else path[:-2]
        draft.lose(place, f"{key_of_list}: {text}", why, matters=True)
    else:
        text = str(key)
        words = text if isinstance(value, dict) else f"{text}: {yaml_text.flow(value)}"
        if not any(remark.matters for remark in draft.remarks.get(path, ())):
            draft.lose(path[:-1], words, why, matters=True)
    return {text, *(map(str, value.values()) if isinstance(value, dict) else (str(value),))}
