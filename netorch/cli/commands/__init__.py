"""The table of commands. Each command has a file of its name."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.command import Command

NAMES = (
    "apply",
    "confirm",
    "diff",
    "watch",
    "destroy",
    "list",
    "history",
    "show",
    "check",
    "explain",
    "graph",
    "link",
    "impair",
    "exec",
    "shell",
    "capture",
    "import",
    "validate",
    "doctor",
    "schema",
    "enable",
    "disable",
    "completion",
)
"""All commands, in the order in which the help lists them."""


def find(name: str) -> Command:
    """Import one command, and no other, because start-up time counts."""
    command: Command = import_module(f"{__name__}.{name}").COMMAND
    return command
