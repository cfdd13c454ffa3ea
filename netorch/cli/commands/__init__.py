"""The commands, one a file that is named as the command, and the table of them."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.cli.command import Command

NAMES = (
    "apply",
    "confirm",
    "diff",
    "destroy",
    "list",
    "show",
    "check",
    "explain",
    "graph",
    "exec",
    "shell",
    "validate",
    "doctor",
    "schema",
    "completion",
)
"""All commands, in the order of the help."""


def find(name: str) -> Command:
    """Import one command. The files of the others stay unread, because start-up time counts."""
    command: Command = import_module(f"{__name__}.{name}").COMMAND
    return command
