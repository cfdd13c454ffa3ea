"""What a command of the command line declares of itself."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from netorch.cli.options import Options
    from netorch.cli.output import Output

    Values = TypeVar("Values", bound=Options)


class Command:
    """One command. Its file in `netorch.cli.commands` makes it.

    That file imports nothing heavy at its top, because help and completion load all commands.
    """

    def __init__(
        self,
        *,
        name: str,
        summary: str,
        options: type[Values],
        add_options: Callable[[argparse.ArgumentParser], None],
        run: Callable[[Values, Output], int],
        preload: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        """The name of its file, too."""
        self.summary = summary
        """What it does, as the list of commands says it."""
        self.options: type[Options] = options
        """The class of its option values: what `run` gets."""
        self.add_options = add_options
        """Adds its own options to its parser, beside those of every command."""
        self.run: Callable[[Any, Output], int] = run
        """Does it, and returns the exit status."""
        self.preload = preload
        """Modules to import before signals are trapped: see `signals.let_interrupts_end`."""
