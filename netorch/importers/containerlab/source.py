"""The file of a lab: YAML with environment variables."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from netorch.errors import FileError, NetorchError, Problem
from netorch.immutable import Value
from netorch.importers.items import documents
from netorch.language.yaml_tree import Map, parse

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
        topology = self.tree.get("topology")
        if isinstance(topology, Map):
            return topology
        raise bad_import(self.path, "the file has no `topology`.")


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
