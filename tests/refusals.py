"""What is wrong with a file, as unit tests ask for it."""

from __future__ import annotations

from netorch.errors import FileError
from netorch.resolve.loader import load


def codes_of(text: str) -> list[str]:
    """The codes of the problems with which the file is refused; none if it is right."""
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return [problem.code for problem in error.problems]
    return []
