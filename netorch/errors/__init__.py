"""Errors as values: a code, what is wrong, with which object, at which place, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Self

from netorch.immutable import Value

OWN_NETWORK = (
    "unshare -Urnm sh -c "
    "'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/netns && exec bash'"
)
"""A command that starts a shell in which an unprivileged user can run netorch, in a network
namespace of its own. The remedy if netorch does not run as root.
"""


class Position(NamedTuple):
    """A place in a topology file."""

    line: int
    """The number of the line, from 1."""
    column: int
    """The number of the column, from 1."""

    def text(self, file: str) -> str:
        """Return the text that precedes the sentence of an error."""
        return f"{file}:{self.line}:{self.column}: "

    def before_name(self, name: str) -> Position:
        """Return this place for an error whose sentence already begins with `name`."""
        return self


class InCode(Position):
    """The place of a value that a program passed. `line` is the line of the call in the program.

    `column` is the number of the value among all values of the call.
    """

    path: str
    """The keys that lead to the value, such as `nodes.r1.mtu`."""

    def __new__(cls, line: int, column: int, path: str) -> Self:
        place = super().__new__(cls, line, column)
        place.path = path
        return place

    def __getnewargs__(self) -> tuple[int, int, str]:
        return self.line, self.column, self.path

    def text(self, file: str) -> str:
        return f"{file}:{self.line}: " + (f"{self.path}: " if self.path else "")

    def before_name(self, name: str) -> Position:
        return InCode(self.line, self.column, "") if name == self.path else self


class Problem(Value):
    """One fault, described in one line."""

    code: str
    """The kind of fault, a key of the table in `netorch.errors.codes`. It stays the same when
    sentences change.
    """
    what: str
    """A sentence that tells what is wrong."""
    where: Position | None = None
    """The place in the file, None if there is none."""
    remedy: str = ""
    """A sentence that tells what to do, "" if there is none."""
    object: str = ""
    """The object with the fault: a node, an object of the kernel, a key of the file such as
    `nodes.r1.mtu`, or a path.
    """
    command: str = ""
    """The command in the remedy. It removes the fault, or shows more details."""
    end: Position | None = None
    """The place after the wrong word of the file, None if it is not known."""
    line: str = ""
    """The line of the file with the wrong word. It is "" if netorch does not know the line, or if
    the line may contain a secret.
    """

    def text(self, file: str = "") -> str:
        """Return the line that users read, with the place in `file`."""
        file = printable(file)
        place = self.where.text(file) if self.where else f"{file}: " if file else ""
        return place + printable(f"{self.what} {self.remedy}".rstrip())


class NetorchError(Exception):
    """The base class of all errors that netorch raises. It has one or more problems."""

    def __init__(self, problems: Problem | Iterable[Problem], file: str = "") -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        self.file = file
        """The file to which the positions of the problems refer, "" if there is none."""
        super().__init__("\n".join(self.lines()))

    def __reduce__(self) -> tuple[type[NetorchError], tuple[Any, ...]]:
        return type(self), (self.problems, self.file)

    def lines(self) -> list[str]:
        """Return one line for each problem."""
        return [problem.text(self.file) for problem in self.problems]


class FileError(NetorchError):
    """The topology file is wrong. netorch changed nothing."""


class ConflictError(NetorchError):
    """A foreign object has the place of one that the file asks for. netorch changed nothing."""


class LacksError(NetorchError):
    """The kernel or the machine lacks something that the file needs. netorch changed nothing."""


class KernelRefused(NetorchError):
    """Linux refused a step. netorch rolled the others back, unless a problem reports a failure."""


class CommandError(NetorchError):
    """A command cannot be run.

    `status` is the exit status that a shell would return: 127 if the command does not exist, 126
    if it cannot be run.
    """

    def __init__(self, problem: Problem, status: int) -> None:
        self.status = status
        super().__init__(problem)

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        return type(self), (self.problems[0], self.status)


class CommandFailed(CommandError):
    """A command ran and ended with a status other than 0.

    `status` is -N if signal N ended the command. `stdout` and `stderr` are the captured output.
    """

    def __init__(
        self, problem: Problem, status: int, stdout: Any = None, stderr: Any = None
    ) -> None:
        super().__init__(problem, status)
        self.stdout, self.stderr = stdout, stderr

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        return type(self), (self.problems[0], self.status, self.stdout, self.stderr)


class CommandTimeout(CommandFailed):
    """A command did not end in time and was killed. `stdout` and `stderr` are its output so far."""


class LockedError(NetorchError):
    """Another netorch is changing this topology."""


def printable(text: str) -> str:
    """Return a text from outside, such as a file name, without characters that cannot be printed.

    They are replaced by escapes, so that any terminal and UTF-8 stream can show the result.
    """
    visible = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return visible.encode("utf-8", "backslashreplace").decode()


def did_you_mean(word: str, known: Sequence[str] | Iterable[str]) -> str:
    """Return a question that suggests the most similar word, as `Did you mean 'mtu'?`, or ""."""
    close = most_similar(word, known)
    return f"Did you mean {close!r}?" if close else ""


def most_similar(word: str, known: Iterable[str]) -> str:
    """Return the known word for which `word` is most probably a mistake, "" if there is none.

    It is the word with the smallest distance of optimal string alignment, which counts letters
    that are added, left out, replaced, or exchanged with their neighbour. `h2` is not a mistake
    for `h1`: words that differ only in digits are two names.
    """
    from rapidfuzz.distance import OSA

    wrong, shape = _folded(word), word.translate(_NO_DIGITS)
    nearest, best = LARGEST_DISTANCE + 1, ""
    beginnings = []
    for name in known:
        right = _folded(name)
        if right == wrong:
            return name
        if name.translate(_NO_DIGITS) == shape:
            continue
        distance = OSA.distance(wrong, right, score_cutoff=nearest - 1)
        if distance < nearest and 1 - distance / max(len(wrong), len(right)) > SIMILARITY:
            nearest, best = distance, name
        elif len(wrong) > LARGEST_DISTANCE and right.startswith(wrong):
            beginnings.append(name)
    return best or (beginnings[0] if len(beginnings) == 1 else "")


LARGEST_DISTANCE = 3
"""The number of mistakes in a word from which on netorch does not guess what it means."""

SIMILARITY = 0.6
"""The part of a word that must be right, so that netorch guesses what it means."""

_NO_DIGITS = str.maketrans("", "", "0123456789")


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


COMPARISONS = 50_000
"""The number of names with which netorch compares the unknown names of one file, at most
a second."""


class Suggestions:
    """Suggests similar names for the unknown names of one file, as `did_you_mean` does.

    A suggestion takes a comparison with every known name. So in a file with thousands of unknown
    names and thousands of known ones, the first unknown names get suggestions and the others do
    not.
    """

    def __init__(self) -> None:
        self._left = COMPARISONS
        # The mapping is kept with its answers, so that its identity stays its own.
        self._answers: dict[tuple[str, int], tuple[object, str]] = {}

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """Return a question that suggests the most similar word, or "".

        `known` is a mapping if it is the same for several words.
        """
        place = word, id(known)
        if place in self._answers:
            return self._answers[place][1]
        if self._left <= 0:
            return ""
        names = list(islice(known, COMPARISONS))
        self._left -= len(names)
        answer = did_you_mean(word, names)
        if isinstance(known, Mapping):
            self._answers[place] = known, answer
        return answer


FEW = 12
"""The number of names that a message lists."""


def listing(names: Sequence[object]) -> str:
    """Return names for a message, separated by commas. Of many names it has only the first ones."""
    first = names if len(names) <= FEW + 1 else names[:FEW]
    more = len(names) - len(first)
    return ", ".join(map(str, first)) + (f" and {more} more" if more else "")


def which_node(word: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown node: a similar name, all names if they are few, or ""."""
    names = sorted(set(known))
    few = 0 < len(names) <= FEW
    return did_you_mean(word, names) or (f"There are {', '.join(names)}." if few else "")
