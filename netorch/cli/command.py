"""The description of one command of the command line."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from netorch.cli.options import Options
    from netorch.cli.output import Output

    Values = TypeVar("Values", bound=Options)


ALL_VALUES = (
    "print more: every value, its line in the file, and the shell commands that would make the "
    "same changes"
)
"""The help of -v for commands that compare a file with the kernel."""
CHANGE, LOOK, NODES, FILES = GROUPS = (
    "Change a topology",
    "See what there is",
    "Work in nodes",
    "Files and this machine",
)
"""The groups of commands, in the order in which the help lists them."""


class Command:
    """One command, made by its file in `netorch.cli.commands`.

    That file imports nothing large at its top, because help and completion load all commands.
    """

    def __init__(
        self,
        *,
        name: str,
        summary: str,
        group: str = "",
        examples: tuple[tuple[str, str], ...] = (),
        page: str = "",
        status_2: str = "",
        verbose: str = "",
        options: type[Values],
        add_options: Callable[[argparse.ArgumentParser], None],
        run: Callable[[Values, Output], int],
        preload: tuple[str, ...] = (),
        shortcut: Callable[[Values], Exception | int | None] | None = None,
    ) -> None:
        self.name = name
        """The name of the command, and of its file."""
        self.summary = summary
        """One sentence about the command, for the list of commands."""
        self.group = group
        """The group of the command in `netorch --help`, one of `GROUPS`."""
        self.examples = examples
        """Two command lines, each without `netorch`, with what it does."""
        self.page = page
        """The page of the documentation that describes the command."""
        self.status_2 = status_2
        """When the command ends with status 2, "" if it never does."""
        self.verbose = verbose
        """The help of -v, "" if the command accepts it without having more to print."""
        self.options: type[Options] = options
        """The class of the option values that `run` receives."""
        self.add_options = add_options
        """Adds the command's own options to its parser."""
        self.run: Callable[[Any, Output], int] = run
        """Runs the command and returns the exit status."""
        self.preload = preload
        """Modules to import before `signals.trap`; see `signals.let_interrupts_end`."""
        self.shortcut: Callable[[Any], Exception | int | None] | None = shortcut
        """Runs the command in the usual case, before anything large is imported.

        It returns the exit status if it has done everything. Otherwise `run` has to do the work, or
        to report the error that it returned.
        """
