"""Commands of a shell, as plain data."""

from __future__ import annotations

from typing import NamedTuple


class ShellCommand(NamedTuple):
    """A command as a person would type it, and what it reads from its standard input."""

    line: str
    stdin: str = ""
