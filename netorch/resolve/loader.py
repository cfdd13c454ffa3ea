"""Load a topology file: turn its text into the desired state, without reading the kernel.

If the file is wrong, netorch reports all errors at once. So it leaves the wrong parts out and
checks the rest, and drops those errors of the rest that the missing parts may have caused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import Any

from netorch.errors import FileError, NetorchError, Position, Problem
from netorch.immutable import Value, replace
from netorch.language.expand import expand
from netorch.language.names import topology_name
from netorch.language.spans import aim
from netorch.language.variables import names_in, refuse_unknown
from netorch.language.yaml_tree import Findings, Map, parse
from netorch.resolve.chosen_ports import choose_ports
from netorch.resolve.chosen_subnets import choose_subnets
from netorch.resolve.desired import Complaint, Desired, Machine
from netorch.resolve.loaded import Choose, Given, Loaded, Source
from netorch.resolve.model_at import keys_of_model, model_at
from netorch.resolve.partial import (
    Hole,
    TreePath,
    broken_constraints,
    has_constraints,
    hole,
    is_sure,
    unknown,
)
from netorch.resolve.pruned_tree import has, value_at, whole_path, without
from netorch.resolve.rate_units import warn_of_units
from netorch.resolve.topology import resolve
from netorch.resolve.wrong_parts import meant_by, problem_of_complaint, problem_of_entry
from netorch.topology import TopologyFile, words_of
from netorch.version import LANGUAGE, __version__

TEXT = "<text>"
"""The file name in errors of a topology that a program gives as text."""

ENDING = ".netorch"
"""The end of file names by which editors recognise topology files, before `.yaml`."""

UNNAMED = "unnamed"
"""The name of a topology whose own name is wrong, so that netorch can check the rest of it."""

PRUNINGS = 20
"""The number of times that netorch leaves out the wrong parts of a file and checks the rest."""


def load(
    data: bytes,
    file: str,
    variables: Mapping[str, str] | None = None,
    name: str | None = None,
    folder: str | None = None,
    given: Given | None = None,
    choose: Choose | None = None,
) -> Loaded:
    """Load the text of a topology file. Raise FileError with every error.

    `variables` override those of the file. `name` makes another instance of the topology. `folder`
    holds the files that the topology file names; by default it is the file's own folder. `given`
    names variables that the file must have. `choose` finds the machine whose part of a file with
    `hosts` is loaded; by default it is the whole.
    """
    return _load(
        lambda findings: parse(data, findings),
        file,
        variables or {},
        name,
        folder,
        given,
        choose,
        data,
    )


def load_tree(
    tree: Map, file: str, variables: Mapping[str, str], name: str | None, folder: str
) -> Loaded:
    """Load a topology from a tree instead of a text, as `load` does."""
    return _load(lambda _: tree, file, variables, name, folder)


def _load(
    read: Callable[[Findings], Map],
    file: str,
    variables: Mapping[str, str],
    name: str | None,
    folder: str | None,
    given: Given | None = None,
    choose: Choose | None = None,
    data: bytes | None = None,
) -> Loaded:
    here = _Here(choose)
    try:
        text = Findings()
        raw = _topology(read, text, data)
        if given is not None and given.names:
            known = names_in(raw) | given.elsewhere
            refuse_unknown(given.names - known, known, text)
        tree = expand(raw, variables, text)
        early = text.problems
        rest = _validate(tree, complete=not early)
        place = str(PurePath(file).parent) if folder is None else folder
        desired, topology, more = _resolve(tree, rest, file, name, place, here)
        # Because of an error in the text, names and values may be missing anywhere. So netorch
        # reports only those further errors that no missing part can cause.
        sure = [
            problem_of_complaint(tree, entry, path)
            for entry, path in more
            if not early or is_sure(entry)
        ]
        problems = [*early, *_independent([*rest.problems, *sure], early)]
    except NetorchError as error:
        raise FileError(aim(error.problems, data), file) from None
    if problems:
        raise FileError(aim(_sorted(problems), data), file)
    if here.error is not None:
        raise here.error
    assert desired is not None
    if here.name:
        from netorch.resolve.machines import partition

        desired = partition(desired, here.name)
    cautions = (*desired.warnings, *warn_of_units(tree, data))
    warnings = _sorted([problem_of_complaint(tree, entry, entry.path) for entry in cautions])
    source = Source(tree, topology, data)
    names = given.names if given is not None else frozenset[str]()
    return Loaded(file, desired, tuple(warnings), source, names)


_OF_OTHERS = frozenset(("services", "topology", "network", "apiVersion"))
"""Keys at the top of files of other tools."""


def _topology(read: Callable[[Findings], Map], text: Findings, data: bytes | None) -> Map:
    """Read the tree of a file. Raise FileError if it is the file of another tool."""
    try:
        tree = read(text)
    except FileError:
        from netorch.language import other_formats

        if data is not None and (problem := other_formats.of_text(data)):
            raise FileError(problem) from None
        raise
    if not _OF_OTHERS.isdisjoint(tree):
        from netorch.language import other_formats

        if problem := other_formats.of_tree(tree, tree.where):
            raise FileError(problem)
    if (problem := _newer(tree)) is not None:
        raise FileError(problem)
    return tree


def _newer(tree: Map) -> Problem | None:
    """Return the problem of a file in a newer version of the language, None for any other file.

    Its other errors are not of interest, because the newer version may allow them.
    """
    version = str(tree.get("version", ""))
    if not re.fullmatch("[1-9][0-9]{0,8}", version) or int(version) <= LANGUAGE:
        return None
    what = (
        f"the file is in version {version} of the topology language, and netorch {__version__}"
        f" reads version {LANGUAGE}."
    )
    remedy = "Upgrade netorch (docs/install.md)."
    return Problem("newer-language", what, tree.where["version"], remedy, "version")


def _independent(problems: Sequence[Problem], early: Sequence[Problem]) -> list[Problem]:
    """Return the problems that are not in a line with an error of the text.

    The error of the text may have caused the others.
    """
    if not early:
        return [*problems]
    lines = {problem.where.line for problem in early if problem.where is not None}
    return [
        problem
        for problem in problems
        if problem.where is not None and problem.where.line not in lines
    ]


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


def _validate(tree: Map, complete: bool) -> Remainder:
    """Validate a tree. Leave out the parts that are wrong, and return the model of the rest.

    `complete` says that no text contains a wrong variable.
    """
    problems: list[Problem] = []
    holes: list[Hole] = []
    remaining: Any = tree
    damaged: set[TreePath] = set()
    for _ in range(PRUNINGS):
        try:
            return Remainder(TopologyFile.model_validate(remaining), remaining, problems, holes)
        except ValueError as error:
            from netorch.language.validation import errors_of

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
    raise FileError(_sorted(problems))


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


class _Here:
    """The machine whose part of a file is loaded."""

    def __init__(self, choose: Choose | None) -> None:
        self._choose = choose
        self.name = ""
        self.error: NetorchError | None = None
        """Why the machine is not known. Errors of the file are more important."""

    def find(self, topology: TopologyFile, name: str) -> str:
        """Return the machine, "" if all of them are loaded or it is not known."""
        if self._choose is not None and topology.hosts:
            machines = {
                host: Machine(host, words.address, words.mtu)
                for host, words in topology.hosts.items()
            }
            try:
                self.name = self._choose(name, machines)
            except NetorchError as error:
                self.error = error
        return self.name


def _resolve(
    tree: Map, rest: Remainder, file: str, name: str | None, folder: str, here: _Here
) -> tuple[Desired | None, TopologyFile, list[tuple[Complaint, TreePath]]]:
    """Resolve the rest of a file.

    Return the desired state, or None if the topology has no valid name, its model with all
    subnets and ports, and the complaints with their places in the whole file.
    """
    topology = rest.topology
    chosen = _name(file, name, topology, rest.problems)
    prefix = f"{name}-" if name else (topology.prefix or "")
    subnets = choose_subnets(topology, chosen or UNNAMED)
    ports = choose_ports(subnets.topology)
    desired = resolve(
        ports.topology, chosen or UNNAMED, prefix, folder, here.find(topology, chosen or UNNAMED)
    )
    # A published port for which none is free has a port that is published twice.
    reported = {complaint.path for complaint in ports.complaints}
    others = (one for one in desired.complaints if one.path not in reported)
    desired = replace(
        desired,
        complaints=(*subnets.complaints, *ports.complaints, *others),
        chosen=subnets.chosen,
        chosen_ports=ports.chosen,
    )
    # If all nodes or all networks were left out, any name could be one of theirs.
    left_out = any(
        section in tree and section not in rest.tree for section in ("nodes", "networks")
    )
    # a machine whose entry is wrong was left out, but exists
    machines = tree["hosts"] if isinstance(tree.get("hosts"), dict) else {}
    lacking = unknown(rest.holes)
    complaints = [
        (entry, whole_path(rest.tree, entry.path))
        for entry in desired.complaints
        if not rest.holes
        or (lacking.stands(entry) and not (entry.naming and (left_out or entry.about in machines)))
    ]
    return desired if chosen else None, ports.topology, complaints


def _name(
    file: str, name: str | None, topology: TopologyFile, problems: list[Problem]
) -> str | None:
    """Return the topology's name. If it is missing or wrong, add a problem and return None."""
    stem = PurePath(file).stem if file not in {"-", TEXT} else ""
    stem = stem.removesuffix(ENDING) or stem
    chosen = name or topology.name or stem
    if not chosen:
        source, way = ("a text", "") if file == TEXT else ("standard input", ", or use --name")
        unnamed = (
            f"the topology comes from {source}, so it has no file name that could be its name."
        )
        problems.append(Problem("no-name", unnamed, None, f"Give it a `name:`{way}."))
        return None
    try:
        topology_name(chosen)
    except ValueError as error:
        what, remedy = str(error), ""
        if stem and topology.name is None and name is None:
            what = f"the file's name {stem!r} cannot be the topology's name."
            remedy = "Give it a `name:`, or use --name."
        problems.append(Problem("bad-topology-name", what, None, remedy, object=chosen))
        return None
    return chosen


def _path(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the location of a pydantic error as a path, without the markers of keys."""
    return tuple(part for part in location if part != "[key]")


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems by place. Drop repetitions, which ranges and profiles cause."""
    first: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        first.setdefault((problem.what, problem.where, problem.remedy), problem)
    return sorted(first.values(), key=lambda problem: problem.where or Position(0, 0))
