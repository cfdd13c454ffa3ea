"""What can go wrong, as values a person can act on: what, where, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a topology file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, in one line: `where` is the place in the file if there is one, `remedy` what would be right."""

    what: str
    where: Position | None = None
    remedy: str = ""

    def text(self, file: str = "") -> str:
        file = printable(file)
        place = f"{file}:{self.where.line}:{self.where.column}: " if self.where else f"{file}: " if file else ""
        return place + printable(f"{self.what} {self.remedy}".rstrip())


class NetorchError(Exception):
    """Anything that netorch refuses or fails at; `problems` holds one or more, `file` what their positions are in."""

    def __init__(self, problems: Problem | str | Iterable[Problem], file: str = "") -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.file = file
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        return [problem.text(self.file) for problem in self.problems]


class FileError(NetorchError):
    """The topology file is wrong; nothing was touched."""


class ConflictError(NetorchError):
    """Something that netorch did not make stands where the file wants an object; nothing was touched."""


class LacksError(NetorchError):
    """This kernel, or this machine, lacks something that the file needs; nothing was touched."""


class KernelRefused(NetorchError):
    """Linux refused a step; the state is the one from before, unless a problem says otherwise."""


class LockedError(NetorchError):
    """Another netorch changes this topology right now."""


def printable(text: str) -> str:
    """Text from outside, such as a file's name, as a terminal and a UTF-8 stream take it."""
    visible = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return visible.encode("utf-8", "backslashreplace").decode()


def did_you_mean(word: str, known: Sequence[str] | Iterable[str]) -> str:
    """A question to put behind an error, or nothing: `Did you mean 'mtu'?`"""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else ""
