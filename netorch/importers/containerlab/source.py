"""The file of a lab: YAML with environment variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from netorch.errors import FileError, NetorchError, Position, Problem
from netorch.immutable import Value
from netorch.importers.items import documents
from netorch.language.yaml_tree import Map, Seq, parse

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_DEFAULT = re.compile(r"\$\{([A-Za-z_]\w*):?[=-]([^${}]*)\}")
"""A variable of the environment with a default, which it has here."""
_TEMPLATE = re.compile(r"^[^#\n]*\{\{(?!\s*\}\})", re.MULTILINE)


class Source(Value):
    path: str
    """The path that the user named."""
    tree: Map
    more: tuple[int, ...] = ()
    """The lines at which further documents begin, which containerlab does not read."""

    @property
    def file(self) -> str:
        """The name of the file, for places."""
        return PurePath(self.path).name

    def topology(self) -> Map:
        """Return what the lab consists of. Raise NetorchError if containerlab would refuse it."""
        topology = self.tree.get("topology")
        if not isinstance(topology, Map):
            raise bad_import(self.path, "the file has no `topology`.")
        faults = [*_misshapen(self.tree, ("mgmt",), ()), *_misshapen_parts(topology)]
        if faults:
            raise FileError(faults, self.path)
        return topology


def _misshapen_parts(topology: Map) -> Iterator[Problem]:
    yield from _misshapen(topology, ("nodes", "kinds", "groups", "defaults"), ("links",))
    for section in ("nodes", "kinds", "groups"):
        part = topology.get(section)
        if isinstance(part, Map):
            yield from _misshapen(part, tuple(part), ())
    links = topology.get("links")
    if isinstance(links, Seq):
        for link, where in zip(links, links.where, strict=True):
            if not isinstance(link, Map):
                yield _misshape("An entry of `links`", where, 'endpoints: ["a:eth1", "b:eth1"]')


def _misshapen(
    tree: Map, mappings: tuple[str, ...], sequences: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield an error for each value of a wrong shape. An empty value has any shape."""
    for key in mappings:
        if not isinstance(tree.get(key), (Map, type(None))):
            yield _misshape(f"`{key}`", tree.where[key], "KEY: VALUE")
    for key in sequences:
        if not isinstance(tree.get(key), (Seq, type(None))):
            what = f"`{key}` is not a list."
            yield Problem("bad-import", what, tree.where[key], "Begin each entry with `- `.", key)


def _misshape(name: str, where: Position, example: str) -> Problem:
    return Problem("bad-import", f"{name} is not a mapping.", where, f"Write `{example}` lines.")


def bad_import(path: str, what: str, remedy: str = "") -> NetorchError:
    return NetorchError(Problem("bad-import", f"{path}: {what}", None, remedy, path))


def read_source(files: SourceFiles) -> Source:
    """Return the file of a lab. Raise NetorchError if it cannot be read."""
    path = files.paths[0]
    text = files.read(path).decode("utf-8", "replace")
    if _TEMPLATE.search(text):
        raise bad_import(
            path,
            "the file is a Go template, and netorch does not evaluate `{{ }}`.",
            "Replace each `{{ }}` by its value.",
        )
    first, *more = documents(text)
    try:
        tree = parse(_DEFAULT.sub(r"\2", first).encode())
    except FileError as error:
        problem = error.problems[0]
        line = f" line {problem.where.line}:" if problem.where else ""
        raise bad_import(path, f"the file cannot be read:{line} {problem.what}") from None
    lines = tuple(len(one) - len(one.lstrip("\n")) + 1 for one in more)
    return Source(path, tree, lines)
