"""Load a topology file: turn its text into the desired state, without reading the kernel.

If the file is wrong, netorch reports all errors at once. So it leaves the wrong parts out and
checks the rest, and drops those errors of the rest that the missing parts may have caused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError

from netorch.errors import FileError, NetorchError, Position, Problem, did_you_mean
from netorch.immutable import Value
from netorch.language.expand import expand
from netorch.language.names import topology_name
from netorch.language.spans import aim
from netorch.language.variables import names_in, refuse_unknown
from netorch.language.yaml_traps import without_space
from netorch.language.yaml_tree import Findings, Map, locate, parse, quote
from netorch.resolve.desired import Complaint, Desired, Machine
from netorch.resolve.loaded import Choose, Given, Loaded, Source
from netorch.resolve.partial import (
    Hole,
    TreePath,
    broken_constraints,
    has_constraints,
    hole,
    is_sure,
    unknown,
)
from netorch.resolve.topology import resolve
from netorch.topology import TopologyFile, by_kind, words_of
from netorch.topology.file import LateModel
from netorch.topology.links import EndpointModel
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import NodeModel

NAME = 60
"""The length in characters from which errors shorten a key."""

TEXT = "<text>"
"""The file name in errors of a topology that a program gives as text."""

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
        desired, more = _resolve(tree, rest, file, name, place, here)
        # Because of an error in the text, names and values may be missing anywhere. So netorch
        # reports only those further errors that no missing part can cause.
        sure = [
            _complaint(tree, entry, path) for entry, path in more if not early or is_sure(entry)
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
    warnings = _sorted([_complaint(tree, entry, entry.path) for entry in desired.warnings])
    source = Source(tree, rest.topology)
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
    return tree


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


class PrunedList(list[Any]):
    """A list from which wrong items may have been removed."""

    __slots__ = ("places",)
    places: list[int]
    """The original position of each item."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(map(_copy, items))
        self.places = [*items.places] if isinstance(items, PrunedList) else [*range(len(items))]


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
        except ValidationError as error:
            errors = error.errors(include_url=False)
        cuts: list[TreePath] = []
        names: set[TreePath] = set()
        mappings: dict[TreePath, TreePath] = {}
        for entry in errors:
            path = _path(entry["loc"])
            place = _whole(remaining, path)
            if "[key]" in entry["loc"]:
                names.add(path)
            if _is_of_a_mapping(entry, remaining, path):
                mappings[path] = place
            elif place not in damaged and (complete or not _has_variable(entry["input"])):
                # A part from which something was removed may be wrong because of that, so this
                # reports only parts that are still complete.
                problems.append(_problem(tree, entry, place))
                cuts.append(path)
            else:
                cuts.append(path)
        holes += [_hole(remaining, path) for path in cuts]
        damaged |= {hole.path[:length] for hole in holes for length in range(1, len(hole.path) + 1)}
        above = _keys_of_holes(holes)
        for path in dict.fromkeys([*mappings, *_mappings_above(remaining, cuts)]):
            problems += _broken(tree, remaining, path, above)
        for path in mappings:
            dropped = _keys_to_drop(remaining, path)
            cuts += dropped
            holes += [_hole(remaining, cut) for cut in dropped]
        remaining = _without(remaining, cuts, names)
    raise FileError(_sorted(problems))


def _has_variable(value: object) -> bool:
    return isinstance(value, str) and "$(" in value


def _is_of_a_mapping(entry: Any, tree: Any, path: TreePath) -> bool:
    """Whether an error concerns a mapping as a whole, because it breaks a constraint."""
    if entry["type"] not in {"wrong", "value_error"}:
        return False
    value = _value(tree, path)
    at = path if isinstance(value, dict) else path[:-1]
    return isinstance(_value(tree, at), dict) and any(
        error["loc"] == path[len(at) :] for error in _broken_in(tree, at, frozenset())
    )


def _mappings_above(tree: Any, paths: Iterable[TreePath]) -> list[TreePath]:
    """Return the paths of the mappings that contain the paths."""
    above = {path[:length]: None for path in paths for length in range(len(path))}
    return [path for path in above if isinstance(_value(tree, path), dict)]


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
    if not isinstance(_value(remaining, path), dict):
        path = path[:-1]
    whole = _whole(remaining, path)
    return [
        _problem(tree, entry, (*whole, *entry["loc"]))
        for entry in _broken_in(remaining, path, lacking.get(whole, frozenset()))
    ]


def _broken_in(tree: Any, path: TreePath, unknown: frozenset[str]) -> list[dict[str, Any]]:
    model = _model((*path, ""), tree)
    if model is None or not has_constraints(model):
        return []
    return broken_constraints(model, _value(tree, path), unknown)


def _keys_to_drop(tree: Any, path: TreePath) -> list[TreePath]:
    """Return the paths of one or two keys without which a mapping breaks no constraint.

    Return the path of the mapping if more than two keys would have to be left out.
    """
    if not isinstance(_value(tree, path), dict):
        path = path[:-1]
    value, model = _value(tree, path), _model((*path, ""), tree)
    keys = [key for key in value if key != "kind"]
    for number in (1, 2):
        for few in combinations(keys, number):
            rest = {key: item for key, item in value.items() if key not in few}
            try:
                assert model is not None
                model.model_validate(rest)
            except ValidationError:
                continue
            return [(*path, key) for key in few]
    return [path]


def _hole(tree: Any, path: TreePath) -> Hole:
    """Return the hole of a path. If nothing is at the path, its value is the mapping above it."""
    known = _keys(_model(path, tree))
    value = _value(tree, path)
    if value is None and path and isinstance(above := _value(tree, path[:-1]), dict):
        value = {} if path[-1] in above else above
    return hole(_whole(tree, path), value, known)


def _value(tree: Any, path: TreePath) -> Any:
    """Return the value at a path, or None if there is none."""
    for part in path:
        if not _has(tree, part):
            return None
        tree = tree[part]
    return tree


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
) -> tuple[Desired | None, list[tuple[Complaint, TreePath]]]:
    """Resolve the rest of a file.

    Return the desired state, or None if the topology has no valid name, and the complaints with
    their places in the whole file.
    """
    topology = rest.topology
    chosen = _name(file, name, topology, rest.problems)
    prefix = f"{name}-" if name else (topology.prefix or "")
    desired = resolve(
        topology, chosen or UNNAMED, prefix, folder, here.find(topology, chosen or UNNAMED)
    )
    # If all nodes or all networks were left out, any name could be one of theirs.
    left_out = any(
        section in tree and section not in rest.tree for section in ("nodes", "networks")
    )
    # a machine whose entry is wrong was left out, but exists
    machines = tree["hosts"] if isinstance(tree.get("hosts"), dict) else {}
    lacking = unknown(rest.holes)
    complaints = [
        (entry, _whole(rest.tree, entry.path))
        for entry in desired.complaints
        if not rest.holes
        or (lacking.stands(entry) and not (entry.naming and (left_out or entry.about in machines)))
    ]
    return desired if chosen else None, complaints


def _name(
    file: str, name: str | None, topology: TopologyFile, problems: list[Problem]
) -> str | None:
    """Return the topology's name. If it is missing or wrong, add a problem and return None."""
    stem = PurePath(file).stem if file not in {"-", TEXT} else ""
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


def _complaint(tree: Map, complaint: Complaint, path: Sequence[str | int]) -> Problem:
    where = locate(tree, path)
    return Problem(complaint.code, complaint.what, where, complaint.remedy, _dotted(tree, path))


def _problem(tree: Map, entry: Any, path: tuple[str | int, ...]) -> Problem:
    last = path[-1] if path else ""
    parent, here = _dotted(tree, path[:-1]), _dotted(tree, path)
    kind, context = entry["type"], entry.get("ctx", {})
    where = locate(tree, path)
    named = where.before_name(here) if where is not None else None
    model = _model(entry["loc"], tree) if kind in {"extra_forbidden", "missing"} else None
    if model is EndpointModel and _is_end_with_space(model, end := _value(tree, path[:-1])):
        [(node, iface)] = end.items()
        where, what = locate(tree, path[:-1]), f"{parent}: '{node}: {iface}' is a mapping."
        remedy = f"Write {node}:{iface}, without a space after the colon."
        return Problem("bad-end", what, where, remedy, parent)
    if kind == "extra_forbidden":
        from netorch.topology.other_words import sentence, similar

        known = [*_keys(model), *_expanded_keys(path[:-1])]
        remedy = (
            _indented_wrong(tree, path)
            or without_space(str(last))
            or _here(sentence, model, str(last), entry["input"])
            or did_you_mean(str(last), known)
            or _further_in(model, str(last))
            or _here(similar, model, str(last), entry["input"])
            or _listing(model, known, path, tree)
        )
        what = f"unknown key {last!r}{f' in {parent}' if parent else ''}."
        return Problem("unknown-key", what, where, remedy, here)
    if kind == "missing":
        what = f"{parent or 'the file'} lacks the key {last!r}."
        before = where.before_name(parent) if where is not None and parent else where
        remedy = (
            "Write `endpoints: [NODE:INTERFACE, NODE:INTERFACE]`." if last == "endpoints" else ""
        )
        return Problem("missing-key", what, before, remedy, here)
    if kind in {"wrong", "value_error"}:
        code, text = _code_and_text(kind, context)
        if not path:
            return Problem(code, text, where, object=here)
        return Problem(code, f"{here}: {text}", named, object=here)
    code, text, remedy = "bad-value", "", ""
    if kind == "literal_error":
        code, text = "not-one-of", f"{entry['input']!r} is not one of {context['expected']}"
        choices = re.findall(r"'([^']+)'", context["expected"])
        remedy = did_you_mean(str(entry["input"]), choices)
        text += "." if remedy else ""
    elif kind in {"model_type", "dict_type", "model_attributes_type"}:
        remedy = _as_mapping(tree, entry["input"], path)
        text = _instead("a mapping", entry["input"], remedy)
        code = "not-a-mapping"
    elif kind == "list_type":
        remedy = "Write [a, b], or leave out the key." if entry["input"] is None else ""
        remedy = _AS_WRITTEN.get((str(path[0]), len(path)), remedy)
        if isinstance(entry["input"], str):
            remedy = without_space(entry["input"])
        code, text = "not-a-list", _instead("a list", entry["input"], remedy)
    elif kind in {"too_short", "too_long"} and last == "endpoints":
        count = context.get("actual_length", "that many")
        code, text = "not-two-ends", f"a link must have two ends, not {count}"
    else:
        message = str(entry["msg"])
        text = f"{message[:1].lower()}{message[1:]}"
    return Problem(code, f"{here}: {text}", named, remedy, here)


def _instead(shape: str, value: object, remedy: str) -> str:
    """Return the sentence about a value of the wrong shape."""
    what = "this is empty" if value is None else f"this must be {shape}, not {_shape(value)}"
    return f"{what}{'.' if remedy else ''}"


def _as_mapping(tree: Map, value: object, path: TreePath) -> str:
    """Return what to write in place of a value that is not a mapping."""
    section, depth = str(path[0]) if path else "", len(path)
    is_row = section in ("links", "checks")
    if isinstance(value, str) and not is_row and (remedy := without_space(value)):
        return remedy
    if section in ("nodes", "networks") and depth == 2 and not isinstance(tree[section], list):
        model = NodeModel if section == "nodes" else NetworkModel
        if path[1] in _keys(model):
            one = section.removesuffix("s")
            return f"`{path[1]}` is a key of a {one}: indent it further than the {one}'s name."
    if remedy := _AS_WRITTEN.get((section, depth), ""):
        return remedy
    return "Write `KEY: VALUE` lines below it, or leave out the key." if value is None else ""


def _is_end_with_space(model: type[BaseModel] | None, value: object) -> bool:
    """Whether an end of a link is `a: eth0`, which is a mapping because of the space."""
    return (
        model is EndpointModel
        and isinstance(value, dict)
        and len(value) == 1
        and not any(key in _keys(model) for key in value)
        and all(isinstance(name, (str, int)) for name in value.values())
    )


def _code_and_text(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the sentence of an error from one of netorch's own validators.

    The validators of scalars raise it with `netorch.language.scalars.wrong`, which sets both. Other
    validators raise a ValueError, which may have a `code`.
    """
    if kind == "wrong":
        return str(context["code"]), str(context["text"])
    error = context["error"]
    return getattr(error, "code", None) or "bad-value", str(error)


def _path(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the location of a pydantic error as a path, without the markers of keys."""
    return tuple(part for part in location if part != "[key]")


def _whole(tree: Any, path: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the path in the whole file of a part of `tree`, the rest of the file.

    The positions in a list differ between the two if items before the part were left out.
    """
    whole: list[str | int] = []
    for part in path:
        inside = _has(tree, part)
        whole.append(
            tree.places[part]
            if inside and isinstance(tree, PrunedList) and isinstance(part, int)
            else part
        )
        tree = tree[part] if inside else tree
    return tuple(whole)


def _has(tree: Any, part: str | int) -> bool:
    return (
        part in tree
        if isinstance(tree, dict)
        else isinstance(tree, list) and isinstance(part, int) and part < len(tree)
    )


_AS_WRITTEN = {
    ("nodes", 1): "Write `NAME: {}` for each node.",
    ("networks", 1): "Write `NAME: {subnet: 10.0.0.0/24}` for each network.",
    ("links", 1): "Write `- [NODE:INTERFACE, NODE:INTERFACE]` lines below it, or leave it out.",
    ("checks", 1): "Write `- {from: NODE, to: NODE}` lines below it, or leave it out.",
    ("links", 2): "Write [NODE:INTERFACE, NODE:INTERFACE], or a mapping with `endpoints`.",
    ("checks", 2): "Write {from: NODE, to: NODE}.",
}
"""Top key and depth of a mapping → the remedy if the file has something else there."""


def _model(location: Sequence[str | int], tree: Any) -> type[BaseModel] | None:
    """Return the model of the mapping that contains an unknown key, or None if it has none."""
    model: type[BaseModel] = TopologyFile
    chooser, skip, value = None, 0, tree
    for part in location[:-1]:
        value = _within(value, part)
        if skip:
            skip -= 1
        else:
            field = next(
                (
                    field
                    for name, field in model.model_fields.items()
                    if part in {name, field.alias}
                ),
                None,
            )
            chooser, skip = _inside(field.annotation) if field is not None else (None, 0)
            if chooser is None:
                return None
        if chooser is not None and not skip:
            model = chooser(value)
    return model


def _within(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _keys(model: type[BaseModel] | None) -> list[str]:
    return (
        [field.serialization_alias or name for name, field in model.model_fields.items()]
        if model
        else []
    )


def _indented_wrong(tree: Map, path: TreePath) -> str:
    """Return the remedy for a key at the top of a file whose `nodes` or `networks` is empty."""
    if len(path) != 1 or not isinstance(tree.get(str(path[0])), (dict, type(None))):
        return ""
    section = next((name for name in ("nodes", "networks") if tree.get(name, ...) is None), "")
    return f"Indent it, to make it an entry of `{section}`, which is empty." if section else ""


def _here(
    find: Callable[[tuple[str, ...], str, object], str],
    model: type[BaseModel] | None,
    word: str,
    value: object,
) -> str:
    """Return what a key of another tool is here, or ""."""
    if model is None:
        return ""
    return find(tuple(base.__name__ for base in model.__mro__), word, value)


def _further_in(model: type[BaseModel] | None, word: str) -> str:
    """Return a remedy for a key that belongs one level deeper, such as `delay` into `impair`."""
    for key, field in zip(_keys(model), model.model_fields.values() if model else (), strict=True):
        chooser, depth = _inside(field.annotation)
        if chooser is not None and depth == 0 and word in _keys(chooser(None)):
            return f"Write {key}: {{{word}: …}}."
    return ""


def _expanded_keys(path: Sequence[str | int]) -> Sequence[str]:
    """Return the keys of a mapping that expansion removes before validation."""
    if not path:
        return ("vars", "profiles")
    if path[0] == "defaults" and len(path) == 1:
        return ("node", "link", "network")
    return ("profile",) if path[0] == "nodes" and len(path) == 2 else ()


def _inside(annotation: Any) -> tuple[Callable[[Any], type[BaseModel]] | None, int]:
    """Return how to choose the model inside an annotation, and at which depth it is.

    The first is a function from a value to its model, or None if there is no model. The second is
    the number of keys or positions that lead to it.
    """
    if any(
        getattr(extra, "func", None) is by_kind for extra in getattr(annotation, "__metadata__", ())
    ):
        return lambda value: words_of(_within(value, "kind")), 0
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(late := getattr(extra, "func", None), LateModel):
            return lambda _, late=late: late.model(), 0
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return lambda _: annotation, 0
    inner = [_inside(part) for part in getattr(annotation, "__args__", ())]
    chooser = next((choose for choose, _ in reversed(inner) if choose is not None), None)
    depth = max((depth for _, depth in inner), default=0)
    return chooser, depth + (getattr(annotation, "__origin__", None) in {dict, list})


def _without(
    tree: Any, paths: Sequence[Sequence[str | int]], names: Collection[Sequence[str | int]] = ()
) -> Any:
    """Return a copy of the tree without the entries at the paths.

    If a path does not exist, its nearest enclosing entry is removed. An entry with a name, such as
    a node, stays as an empty entry, because other parts of the file may refer to it. An entry at a
    path in `names` is removed, because its name itself is wrong.
    """
    result = _copy(tree)
    wrong: dict[tuple[int, str | int], Any] = {}
    for path in paths:
        here, last, depth = result, None, 0
        for part in path:
            if not _has(here, part):
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
    return len(path) == 4 and path[0] == "nodes" and path[2] == "networks" and path[3] != 0


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return PrunedList(tree) if isinstance(tree, list) else tree


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems by place. Drop repetitions, which ranges and profiles cause."""
    first: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        first.setdefault((problem.what, problem.where, problem.remedy), problem)
    return sorted(first.values(), key=lambda problem: problem.where or Position(0, 0))


def _dotted(tree: Any, path: Sequence[str | int]) -> str:
    """Return a path as text, without the steps that only a long form has."""
    parts: list[str] = []
    for part in path:
        if _has(tree, part):
            parts.append(
                text if len(text := str(part)) <= NAME and text.isprintable() else quote(text)
            )
            tree = tree[part]
    return ".".join(parts)


def _listing(model: type[BaseModel] | None, known: Sequence[str], path: TreePath, tree: Any) -> str:
    """Return the keys of a mapping with an unknown key."""
    from netorch.topology.key_lists import keys_of

    if model is None:
        return ""
    kind = ""
    if len(path) > 4 and path[0] == "nodes" and path[2] == "interfaces":
        value = _value(tree, path[:-1]).get("kind") if len(path) == 5 else None
        kind = value if isinstance(value, str) else ""
    return keys_of(tuple(base.__name__ for base in model.__mro__), known, kind)


def _shape(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "an empty value" if value is None else repr(value)
