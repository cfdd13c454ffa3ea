"""What can go wrong, as values: a code, what is wrong, with which object, where, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from netorch.immutable import Value

OWN_NETWORK = "unshare -Urnm sh -c 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/netns && exec bash'"
"""What gives a plain user a network of his own to run netorch in: the remedy where root is missing."""


class Position(NamedTuple):
    """A place in a topology file; both count from 1."""

    line: int
    column: int

    def text(self, file: str) -> str:
        """What stands before the sentence of an error."""
        return f"{file}:{self.line}:{self.column}: "

    def before_name(self, name: str) -> Position:
        """The same place, before a sentence that begins with `name`."""
        return self


class InCode(Position):
    """A value that a program gave: `line` is that of the call, `column` counts the values, and `path` leads to this one."""

    path: str

    def __new__(cls, line: int, column: int, path: str) -> Self:
        made = super().__new__(cls, line, column)
        made.path = path
        return made

    def __getnewargs__(self) -> tuple[int, int, str]:
        return self.line, self.column, self.path

    def text(self, file: str) -> str:
        return f"{file}:{self.line}: " + (f"{self.path}: " if self.path else "")

    def before_name(self, name: str) -> Position:
        return InCode(self.line, self.column, "") if name == self.path else self


class Problem(Value):
    """One thing that is wrong, in one line."""

    code: str
    """The kind of fault, a key of the table in `netorch.errors.codes`. It stays the same when sentences change."""
    what: str
    """What is wrong, as a sentence."""
    where: Position | None = None
    """The place in the file, where there is one."""
    remedy: str = ""
    """What would be right, as a sentence."""
    object: str = ""
    """What it is about: a node, an object of the kernel, a key of the file as `nodes.r1.mtu`, or a path."""
    command: str = ""
    """The command of the remedy: it cures the fault, or shows more of it."""

    def text(self, file: str = "") -> str:
        file = printable(file)
        place = self.where.text(file) if self.where else f"{file}: " if file else ""
        return place + printable(f"{self.what} {self.remedy}".rstrip())


class NetorchError(Exception):
    """Anything that netorch refuses or fails at.

    problems: what is wrong, one or more
    file: what their positions are in
    """

    def __init__(self, problems: Problem | Iterable[Problem], file: str = "") -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        self.file = file
        super().__init__("\n".join(self.lines()))

    def __reduce__(self) -> tuple[type[NetorchError], tuple[Any, ...]]:
        return type(self), (self.problems, self.file)

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


class CommandError(NetorchError):
    """The command cannot be run; `status` is what a shell would exit with: 127 not found, 126 not runnable."""

    def __init__(self, problem: Problem, status: int) -> None:
        self.status = status
        super().__init__(problem)

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        return type(self), (self.problems[0], self.status)


class CommandFailed(CommandError):
    """A command ran and ended with another status than 0 (`status`; -N: by signal N). `stdout` and `stderr` are what was captured."""

    def __init__(
        self, problem: Problem, status: int, stdout: Any = None, stderr: Any = None
    ) -> None:
        super().__init__(problem, status)
        self.stdout, self.stderr = stdout, stderr

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        return type(self), (self.problems[0], self.status, self.stdout, self.stderr)


class CommandTimeout(CommandFailed):
    """A command did not end in time and was killed; what it wrote until then is in `stdout` and `stderr`."""


class LockedError(NetorchError):
    """Another netorch changes this topology right now."""


def printable(text: str) -> str:
    """Text from outside, such as a file's name, as a terminal and a UTF-8 stream take it."""
    visible = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return visible.encode("utf-8", "backslashreplace").decode()


def did_you_mean(word: str, known: Sequence[str] | Iterable[str]) -> str:
    """A question to put behind an error, or nothing: `Did you mean 'mtu'?`"""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else ""


def which_node(word: str, known: Iterable[str]) -> str:
    """What to put behind an error about a node that is not there: the nearest name, else the names if they are few, else nothing."""
    names = sorted(set(known))
    few = 0 < len(names) <= 12
    return did_you_mean(word, names) or (f"There are {', '.join(names)}." if few else "")
