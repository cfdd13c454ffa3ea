"""Load a topology file: turn its text into the desired state, without reading the kernel.

If the file is wrong, netorch reports all errors at once. So it leaves the wrong parts out and
checks the rest, and drops those errors of the rest that the missing parts may have caused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from netorch.errors import FileError, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.language.expand import expand
from netorch.language.names import topology_name
from netorch.language.variables import names_in, refuse_unknown
from netorch.language.yaml_tree import Findings, Map, parse
from netorch.resolve.chosen_ports import choose_ports
from netorch.resolve.chosen_subnets import choose_subnets
from netorch.resolve.desired import Complaint, Desired, Machine
from netorch.resolve.loaded import Choose, Given, Loaded, Source
from netorch.resolve.problems import TreePath, in_order, problems_of
from netorch.resolve.rate_units import warn_of_units
from netorch.resolve.topology import resolve
from netorch.topology import TopologyFile
from netorch.version import LANGUAGE, __version__

if TYPE_CHECKING:
    from netorch.resolve.wrong_file import Remainder

TEXT = "<text>"
"""The file name in errors of a topology that a program gives as text."""

ENDING = ".netorch"
"""The end of file names by which editors recognise topology files, before `.yaml`."""

UNNAMED = "unnamed"
"""The name of a topology whose own name is wrong, so that netorch can check the rest of it."""


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
        place = (file.rpartition("/")[0] or ".") if folder is None else folder
        desired, topology, more = _resolve(tree, rest, file, name, place, here)
        # Because of an error in the text, names and values may be missing anywhere. So netorch
        # reports only those further errors that no missing part can cause.
        sure = problems_of(tree, more, only_sure=bool(early))
        problems = [*early, *_independent([*rest.problems, *sure], early)]
    except NetorchError as error:
        problems = [*error.problems]
    if problems:
        from netorch.language.spans import aim

        raise FileError(aim(in_order(problems), data), file)
    if here.error is not None:
        raise here.error
    assert desired is not None
    if here.name:
        from netorch.resolve.machines import partition

        desired = partition(desired, here.name)
    cautions = (*desired.warnings, *warn_of_units(tree, data))
    warnings = in_order(problems_of(tree, [(entry, entry.path) for entry in cautions]))
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


class _Whole(Value):
    """A file whose mappings are all right."""

    topology: TopologyFile
    problems: list[Problem]
    """Further errors."""

    def complaints(self, desired: Desired, tree: Map) -> list[tuple[Complaint, TreePath]]:
        """Return all complaints with their places, as `Remainder` does."""
        return [(entry, entry.path) for entry in desired.complaints]


def _validate(tree: Map, complete: bool) -> _Whole | Remainder:
    """Validate a tree. `complete` says that no text contains a wrong variable."""
    try:
        return _Whole(TopologyFile.model_validate(tree), [])
    except ValueError as error:
        from netorch.resolve.wrong_file import remainder

        return remainder(tree, error, complete)


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
    tree: Map, rest: _Whole | Remainder, file: str, name: str | None, folder: str, here: _Here
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
    return desired if chosen else None, ports.topology, rest.complaints(desired, tree)


def _name(
    file: str, name: str | None, topology: TopologyFile, problems: list[Problem]
) -> str | None:
    """Return the topology's name. If it is missing or wrong, add a problem and return None."""
    stem = _stem(file) if file not in {"-", TEXT} else ""
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


def _stem(file: str) -> str:
    """Return the name of a file without its last ending."""
    name = file.rpartition("/")[2]
    stem, _, ending = name.rpartition(".")
    return stem if stem and ending else name
