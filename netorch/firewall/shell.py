"""Shell commands, as plain data."""

from __future__ import annotations

from typing import NamedTuple


class ShellCommand(NamedTuple):
    """A command as a user would type it."""

    line: str
    stdin: str = ""
    """The text for its standard input."""
