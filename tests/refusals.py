"""The problems of a file, for unit tests."""

from __future__ import annotations

from netorch.errors import FileError
from netorch.resolve.loader import load


def codes_of(text: str) -> list[str]:
    """Return the codes of the problems for which netorch refuses the file; none if it is valid."""
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return [problem.code for problem in error.problems]
    return []
