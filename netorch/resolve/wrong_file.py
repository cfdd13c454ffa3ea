"""Find everything that is wrong in the mappings of a file, and what is right in the rest of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from netorch.errors import FileError, Problem
from netorch.immutable import Value
from netorch.language.validation import errors_of
from netorch.language.yaml_tree import Map
from netorch.resolve.desired import Complaint, Desired
from netorch.resolve.model_at import keys_of_model, model_at
from netorch.resolve.partial import Hole, broken_constraints, has_constraints, hole, unknown
from netorch.resolve.problems import TreePath, in_order
from netorch.resolve.pruned_tree import has, value_at, whole_path, without
from netorch.resolve.wrong_parts import meant_by, problem_of_entry
from netorch.topology import TopologyFile, words_of

PRUNINGS = 20
"""The number of times that netorch leaves out the wrong parts of a file and checks the rest."""


class Remainder(Value):
    """The rest of a wrong file after netorch left out the wrong parts."""

    topology: TopologyFile
    """The model of the rest."""
    tree: Any
    """The tree of the rest."""
    problems: list[Problem]
    """The errors of the parts that were left out."""
    holes: list[Hole]
    """The parts that were left out."""

    def complaints(self, desired: Desired, tree: Map) -> list[tuple[Complaint, TreePath]]:
        """Return the complaints that are true of the whole file, with their places in it.

        `tree` is that of the whole file.
        """
        # If all nodes or all networks were left out, any name could be one of theirs.
        left_out = any(
            section in tree and section not in self.tree for section in ("nodes", "networks")
        )
        # a machine whose entry is wrong was left out, but exists
        machines = tree["hosts"] if isinstance(tree.get("hosts"), dict) else {}
        lacking = unknown(self.holes)
        return [
            (entry, whole_path(self.tree, entry.path))
            for entry in desired.complaints
            if not self.holes
            or (
                lacking.stands(entry)
                and not (entry.naming and (left_out or entry.about in machines))
            )
        ]


def remainder(tree: Map, error: ValueError, complete: bool) -> Remainder:
    """Leave out the parts of a tree that are wrong, and return the model of the rest.

    `error` is that of the whole tree. `complete` says that no text contains a wrong variable.
    """
    problems: list[Problem] = []
    holes: list[Hole] = []
    remaining: Any = tree
    damaged: set[TreePath] = set()
    for _ in range(PRUNINGS):
        errors = errors_of(error)
        cuts: list[TreePath] = []
        names: set[TreePath] = set()
        mappings: dict[TreePath, TreePath] = {}
        meant = _meant(remaining, errors)
        for entry in errors:
            path = _path(entry["loc"])
            place = whole_path(remaining, path)
            if "[key]" in entry["loc"]:
                names.add(path)
            if _is_of_a_mapping(entry, remaining, path):
                mappings[path] = place
                continue
            # A part from which something was removed may be wrong because of that, so this reports
            # only parts that are still complete.
            if (
                place not in damaged
                and (complete or not _has_variable(entry["input"]))
                and not (entry["type"] in ("missing", "extra_forbidden") and path in meant)
            ):
                problems.append(problem_of_entry(tree, entry, place))
            cuts.append(path)
        holes += [_hole(remaining, path) for path in cuts]
        holes += [
            Hole(whole_path(remaining, path), frozenset(map(str, path[-1:]))) for path in meant
        ]
        damaged |= {hole.path[:length] for hole in holes for length in range(1, len(hole.path) + 1)}
        above = _keys_of_holes(holes)
        for path in dict.fromkeys([*mappings, *_mappings_above(remaining, cuts)]):
            problems += _broken(tree, remaining, path, above)
        for path in mappings:
            dropped = _keys_to_drop(remaining, path)
            cuts += dropped
            holes += [_hole(remaining, cut) for cut in dropped]
        remaining = without(remaining, cuts, names)
        try:
            return Remainder(TopologyFile.model_validate(remaining), remaining, problems, holes)
        except ValueError as further:
            error = further
    raise FileError(in_order(problems))


def _meant(tree: Any, errors: Iterable[Any]) -> set[TreePath]:
    """Return the paths of keys that unknown keys stand for.

    Keys that only a kind has are among them, where an unknown key stands for that `kind`.
    """
    meant: set[TreePath] = set()
    for entry in errors:
        if entry["type"] != "extra_forbidden":
            continue
        *above, word = path = _path(entry["loc"])
        key = meant_by(model_at(path, tree), str(word), entry["input"])
        if not key or has(value_at(tree, tuple(above)), key):
            continue
        meant.add((*above, key))
        if key == "kind" and above[-2:-1] == ["interfaces"]:
            meant |= {(*above, one) for one in keys_of_model(words_of(entry["input"]))}
    return meant


def _has_variable(value: object) -> bool:
    return isinstance(value, str) and "$(" in value


def _is_of_a_mapping(entry: Any, tree: Any, path: TreePath) -> bool:
    """Whether an error concerns a mapping as a whole, because it breaks a constraint."""
    if entry["type"] not in {"wrong", "value_error"}:
        return False
    value = value_at(tree, path)
    at = path if isinstance(value, dict) else path[:-1]
    return isinstance(value_at(tree, at), dict) and any(
        error["loc"] == path[len(at) :] for error in _broken_in(tree, at, frozenset())
    )


def _mappings_above(tree: Any, paths: Iterable[TreePath]) -> list[TreePath]:
    """Return the paths of the mappings that contain the paths."""
    above = {path[:length]: None for path in paths for length in range(len(path))}
    return [path for path in above if isinstance(value_at(tree, path), dict)]


def _keys_of_holes(holes: Iterable[Hole]) -> Mapping[TreePath, frozenset[str]]:
    """Return for each mapping above a hole the keys at or below which there is a hole."""
    above: dict[TreePath, set[str]] = {}
    for each in holes:
        for length, part in enumerate(each.path):
            above.setdefault(each.path[:length], set()).add(str(part))
    return {path: frozenset(keys) for path, keys in above.items()}


def _broken(
    tree: Any, remaining: Any, path: TreePath, lacking: Mapping[TreePath, frozenset[str]]
) -> list[Problem]:
    """Return the constraints that a mapping breaks, whatever values its holes had."""
    if not isinstance(value_at(remaining, path), dict):
        path = path[:-1]
    whole = whole_path(remaining, path)
    return [
        problem_of_entry(tree, entry, (*whole, *entry["loc"]))
        for entry in _broken_in(remaining, path, lacking.get(whole, frozenset()))
    ]


def _broken_in(tree: Any, path: TreePath, unknown: frozenset[str]) -> list[dict[str, Any]]:
    model = model_at((*path, ""), tree)
    if model is None or not has_constraints(model):
        return []
    return broken_constraints(model, value_at(tree, path), unknown)


def _keys_to_drop(tree: Any, path: TreePath) -> list[TreePath]:
    """Return the paths of one or two keys without which a mapping breaks no constraint.

    Return the path of the mapping if more than two keys would have to be left out.
    """
    if not isinstance(value_at(tree, path), dict):
        path = path[:-1]
    value, model = value_at(tree, path), model_at((*path, ""), tree)
    keys = [key for key in value if key != "kind"]
    for number in (1, 2):
        for few in combinations(keys, number):
            rest = {key: item for key, item in value.items() if key not in few}
            try:
                assert model is not None
                model.model_validate(rest)
            except ValueError:
                continue
            return [(*path, key) for key in few]
    return [path]


def _hole(tree: Any, path: TreePath) -> Hole:
    """Return the hole of a path. If nothing is at the path, its value is the mapping above it."""
    known = keys_of_model(model_at(path, tree))
    value = value_at(tree, path)
    if value is None and path and isinstance(above := value_at(tree, path[:-1]), dict):
        value = {} if path[-1] in above else above
    return hole(whole_path(tree, path), value, known)


def _path(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the location of a pydantic error as a path, without the markers of keys."""
    return tuple(part for part in location if part != "[key]")
