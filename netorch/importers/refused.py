"""Leaves out of a draft what a topology file refuses, although the source has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from netorch.errors import FileError, Problem
from netorch.importers.draft import Draft, Path, SourceLine
from netorch.language.expand import NAME_LISTS
from netorch.language.ranges import split
from netorch.language.variables import Wrong
from netorch.render import yaml_text
from netorch.render.applied_file import escaped
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load

_ELSEWHERE = "?:?"
"""The parent of a link in a namespace that is not imported."""
_ROUNDS = 8
"""The number of times that entries are left out, because an entry may need another one."""
_LISTS = frozenset(("links", "checks"))
"""Keys at the top with entries that have no names."""
_CABLE = frozenset(("endpoints", "node", "interface"))
"""Keys without which a link is not the link of the source."""
_SHORT = frozenset(("address", "egress", "gateway", "ip_range", "subnet"))
"""Keys whose list of one value is the value."""
_MAY_BE_EMPTY = frozenset(("dns", "extra_hosts", "impair", "port", "sysctls"))
"""Mappings that say nothing without keys."""
_QUOTED_KEY = re.compile(r"`(\w+)[`:]")
_MERE = frozenset(("description", "label", "mac", "mtu", "txqueuelen"))
"""Keys that do not decide which nodes reach each other."""
_RANGE = "a topology file would read it as a range of names"
_NAME_LISTS = frozenset(NAME_LISTS)
_WORD = re.compile(r"[^\s=,;'\"]+")


def load_without_errors(draft: Draft) -> tuple[Loaded | None, frozenset[str]]:
    """Resolve a draft, and record each entry as lost that a file cannot have.

    Return the resolved file, None if errors remain that are not about one entry, and the names and
    values that are left out.
    """
    texts: set[str] = set()
    for _ in range(_ROUNDS):
        places = dict.fromkeys(_ranges(draft.tree), _RANGE)
        if not places:
            try:
                text = yaml_text.document(_tree(draft))
                return load(text.encode(), "topology.yaml", folder="/"), frozenset(texts)
            except FileError as error:
                places = _places(draft, error)
        if not places:
            break
        for place in sorted(places, key=_order, reverse=True):
            texts |= _leave_out(draft, place, places[place])
    return None, frozenset(texts)


def has_ranges(tree: Mapping[str, Any]) -> bool:
    """Return whether a file would read a name or text of a tree as a range."""
    return bool(_ranges(tree))


def refusals(
    entries: Sequence[Mapping[str, Any]], document: Callable[[list[Any]], dict[str, Any]]
) -> dict[int, str]:
    """Return index → reason of the entries of a list that a topology file refuses.

    `document` returns a node with entries in its list.
    """
    reasons: dict[int, str] = {}
    for _ in range(_ROUNDS if entries else 0):
        rest = [place for place in range(len(entries)) if place not in reasons]
        node = document([dict(entries[place]) for place in rest])
        tree = {"name": "t", "nodes": {"n": escaped(node)}}
        try:
            load(yaml_text.document(tree).encode(), "topology.yaml", folder="/")
        except FileError as error:
            errors = [
                (rest[int(place[0])], _reason(problem))
                for problem in error.problems
                if (place := re.findall(r"(?<=\.)\d+(?=\.|$)", problem.object))
            ]
        else:
            break
        if not errors:
            break
        reasons |= dict(reversed(errors))
    return reasons


def _tree(draft: Draft) -> dict[str, Any]:
    """Return the tree as a file has it."""
    for node in draft.nodes.values():
        networks = node.get("networks")
        for name, membership in networks.items() if isinstance(networks, dict) else ():
            if membership is None:
                networks[name] = {}
    tree = {key: escaped(value) for key, value in draft.tree.items() if value or value is False}
    tree.setdefault("nodes", {})
    return tree


def _order(path: Path) -> tuple[tuple[bool, int, str], ...]:
    return tuple(
        (isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in path
    )


def _places(draft: Draft, error: FileError) -> dict[Path, str]:
    """Return the path of each entry with an error → what is wrong with it."""
    paths = {".".join(map(str, path)): path for path in _paths(draft.tree, ())}
    places: dict[Path, str] = {}
    for problem in error.problems:
        path = _entry(_key_of(draft, _nearest(paths, _object(problem, paths)), problem))
        if len(path) > 2 or (path and path[0] in _LISTS):
            places.setdefault(path, _reason(problem))
    return _outermost(places)


def _outermost(places: Mapping[Path, str]) -> dict[Path, str]:
    return {
        path: what
        for path, what in places.items()
        if not any(path[:length] in places for length in range(1, len(path)))
    }


def _ranges(tree: Mapping[str, Any]) -> list[Path]:
    """Return the paths of the entries with a text that a file would read as a range."""
    places: dict[Path, str] = {}
    for path in _paths(tree, ()):
        value = _at(tree, path)
        is_name = path[:1] in (("links",), ("checks",)) or not _NAME_LISTS.isdisjoint(path[-2:])
        if any(_is_range(str(part)) for part in path[-1:]):
            places[path] = ""
        elif is_name and isinstance(value, str) and _is_range(value):
            places[_entry(path)] = ""
    return [*_outermost(places)]


def _is_range(text: str) -> bool:
    try:
        return len(split(text)) > 1
    except Wrong:
        return True


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _object(problem: Problem, paths: dict[str, Path]) -> str:
    """Return the dotted path of the key with an error, which may be at the start of its text."""
    above = problem.object.replace("$$", "$")
    key, colon, _ = problem.what.removeprefix(f"{problem.object}: ").partition(": ")
    inner = f"{above}.{key}"
    return inner if colon and inner in paths else above


def _nearest(paths: dict[str, Path], text: str) -> Path:
    """Return the path of an entry, or of the nearest one around it if a key of it is missing."""
    while text and text not in paths:
        text = text.rpartition(".")[0]
    return paths.get(text, ())


def _key_of(draft: Draft, path: Path, problem: Problem) -> Path:
    """Return the path of a key of a node or network with an error, if its text names one.

    `gateway` is such a key in "driver ipvlan does not support `gateway` with `driver_mode: l3`".
    """
    if len(path) == 2 and path[0] in ("nodes", "networks"):
        entry = draft.tree[path[0]][path[1]]
        text = problem.what.partition("does not support")[2] or problem.what
        keys = _QUOTED_KEY.findall(text)
        keys += [key for key, value in entry.items() if f"'{value}'" in text]
        keys += ["bridge"] if "have the same name" in text else []
        for key in keys:
            if key in entry:
                return (*path, key)
    return path


def _reason(problem: Problem) -> str:
    """Return why an entry is left out, without its place and without a full stop."""
    return problem.what.removeprefix(f"{problem.object}: ").rstrip(".")


def _entry(path: Path) -> Path:
    """Return the smallest entry around a path that means the same without its other parts.

    A route without its interface would be another route, and a tunnel without its parent another
    tunnel.
    """
    match path:
        case ("links", _, *keys) if _CABLE.issuperset(one for one in keys if isinstance(one, str)):
            return path[:2]
        case ("links", _, str()) | ("links", _, "endpoints", int(), str()):
            return path
        case ("links", _, "endpoints", int(), str(), int(), *_):
            return path[:6]
        case ("links" | "checks", _, *_):
            return path[:2]
        case ("nodes" | "networks", name, str(key), int(place), *_):
            return (path[0], name, key, place)
        case ("nodes", node, "interfaces", name, "parent" | "kind" | "peer"):
            return ("nodes", node, "interfaces", name)
        case ("nodes", node, "interfaces" | "networks" as section, name, str(key), int(place), *_):
            return ("nodes", node, section, name, key, place)
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
    where, line = draft.place_of(path), _line_of(draft, path)
    why = why.removeprefix(f"{path[-1]}: ")
    parents: list[Any] = [draft.tree]
    for part in path[:-1]:
        parents.append(parents[-1][part])
    key, parent = path[-1], parents[-1]
    value = parent.pop(key)
    if isinstance(value, dict) and value.get("parent") == _ELSEWHERE:
        why = "its parent is in a namespace that is not imported"
    if isinstance(key, int):
        draft.close_gap(path)
        if not parent and len(parents) > 2:
            del parents[-2][path[-2]]
            if not parents[-2] and path[-3] in _MAY_BE_EMPTY:
                del parents[-3][path[-3]]
        elif len(parent) == 1 and path[-2] in _SHORT:
            parents[-2][path[-2]] = parent[0]
        text = yaml_text.flow(value)
        key_of_list = str(path[-2])
        place = path[:-1] if key_of_list in ("routes", "rules") else path[:-2]
        place, words, matters = place or ("links",), f"{key_of_list}: {text}", True
        has_remark = False
    else:
        if not parent and path[-2] in _MAY_BE_EMPTY:
            del parents[-2][path[-2]]
        text, place = str(key), path[:-1]
        words = text if isinstance(value, dict) else f"{text}: {yaml_text.flow(value)}"
        matters = text not in _MERE
        # such as `veth eth0`, with a reason of its own
        has_remark = any(
            remark.matters and text in remark.text.split() for remark in draft.remarks.get(path, ())
        )
    if line is not None:
        draft.lose(place, line.text, f"{words}: {why}", line.where, matters=matters)
    elif not has_remark:
        draft.lose(place, words, why, where, matters=matters)
    return {text, *(map(str, value.values()) if isinstance(value, dict) else (str(value),))}


def _line_of(draft: Draft, path: Path) -> SourceLine | None:
    """Return the last line of the source of a node that has the most values of an entry."""
    words = {*_scalars(_at(draft.tree, path))}
    names = {str(part).lower() for part in path[2:]}
    node = path[1] if path[0] == "nodes" else None
    if path[0] == "links" and len(path) > 3:
        node = _at(draft.tree, path[:4])["node"]
    best: tuple[int, SourceLine | None] = (0, None)
    for line in draft.lines.get(str(node), ()):
        there = {word.lower() for part in line.words for word in (part, *_WORD.findall(part))}
        count = len(words & there)
        weight = (len(names) + 1) * count + len(names & there)
        if count and weight >= best[0]:
            best = weight, line
    return best[1]


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    else:
        yield str(value).lower()
