"""A topology file that has been loaded, from its text or from the record of an apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Position, Problem
from netorch.immutable import Value
from netorch.resolve.desired import Desired, Machine

if TYPE_CHECKING:
    from netorch.language.yaml_tree import Map
    from netorch.topology import TopologyFile


Choose = Callable[[str, "Mapping[str, Machine]"], str]
"""A function from the name of a topology and its machines to the name of this machine. It raises
NetorchError if it does not know.
"""


class Given(Value):
    """Variables that the user set by name, so that one which the file does not have is an error."""

    names: frozenset[str]
    """The names that the user set."""
    elsewhere: frozenset[str] = frozenset()
    """The variables of the command's other files."""


class Source(Value):
    """The parts of a topology file from which the desired state was resolved."""

    tree: Map
    """The file after expansion, with the position of each part."""
    topology: TopologyFile
    """The model of the file."""
    data: bytes | None = None
    """The text of the file, None if a program passed its values."""


class Loaded(Value, dict=True):
    """A topology file without errors."""

    file: str
    """The name of the file in errors."""
    desired: Desired
    """The desired state."""
    warnings: tuple[Problem, ...]
    """The warnings, in the order of the file."""
    source_or_reader: Source | Callable[[], Source]
    """The source, or a function that loads the file if the state comes from a record.
    """
    given: frozenset[str] = frozenset()
    """The variables that the user set by name. The file has all of them."""

    @cached_property
    def source(self) -> Source:
        """The parts of the file. Only pictures and positions need them."""
        source = self.source_or_reader
        return source if isinstance(source, Source) else source()

    @property
    def tree(self) -> Map:
        """The file after expansion, with the position of each part."""
        return self.source.tree

    @property
    def topology(self) -> TopologyFile:
        """The model of the file."""
        return self.source.topology

    @property
    def warning_lines(self) -> tuple[str, ...]:
        """The warnings as text."""
        return tuple(problem.text(self.file) for problem in self.warnings)

    def where(self, path: Sequence[str | int]) -> Position | None:
        """Return the position of a path in the file."""
        from netorch.language.yaml_tree import locate

        return locate(self.tree, path)

    def add_lines(self, error: NetorchError) -> None:
        """Add the lines of this file to the problems of an error that are about it."""
        if error.file != self.file or not any(problem.where for problem in error.problems):
            return
        from netorch.language.spans import with_lines

        error.problems = tuple(with_lines(error.problems, self.source.data))
