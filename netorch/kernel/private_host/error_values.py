"""Translates exceptions to plain values and back, so that another process can raise them."""

from __future__ import annotations

import socket

import msgspec

from netorch.errors import (
    CommandError,
    ConflictError,
    FileError,
    InCode,
    KernelRefused,
    LacksError,
    LockedError,
    NetorchError,
    Position,
    Problem,
)

_NETORCH_ERRORS = {
    kind.__name__: kind
    for kind in (NetorchError, FileError, ConflictError, LacksError, KernelRefused, LockedError)
}
_OS_ERRORS = {kind.__name__: kind for kind in (OSError, socket.gaierror)}
_OTHER_ERRORS = {
    kind.__name__: kind
    for kind in (OSError, TimeoutError, TypeError, ValueError, OverflowError, MemoryError)
}


class PlaceValue(msgspec.Struct, frozen=True):
    """The value of a Position, or of an InCode if it has a `path`."""

    line: int
    column: int
    path: str | None = None


class ProblemValue(msgspec.Struct, frozen=True):
    """The value of a Problem."""

    code: str
    what: str
    where: PlaceValue | None
    remedy: str
    object: str
    command: str


class NetorchErrorValue(msgspec.Struct, frozen=True, tag="netorch"):
    """The value of a NetorchError or one of its subclasses."""

    kind: str
    problems: tuple[ProblemValue, ...]
    file: str


class CommandErrorValue(msgspec.Struct, frozen=True, tag="command"):
    """The value of a CommandError."""

    problem: ProblemValue
    status: int


class OSErrorValue(msgspec.Struct, frozen=True, tag="os"):
    """The value of an OSError with an errno."""

    kind: str
    errno: int
    strerror: str
    filename: str | None


class OtherErrorValue(msgspec.Struct, frozen=True, tag="other"):
    """The value of any other exception."""

    kind: str
    text: str


ErrorValue = NetorchErrorValue | CommandErrorValue | OSErrorValue | OtherErrorValue


def place_value(where: Position | None) -> PlaceValue | None:
    """Return the value of a position."""
    if where is None:
        return None
    return PlaceValue(where.line, where.column, where.path if isinstance(where, InCode) else None)


def position_of(value: PlaceValue | None) -> Position | None:
    """Return the position of a value."""
    if value is None:
        return None
    return (
        Position(value.line, value.column)
        if value.path is None
        else InCode(value.line, value.column, value.path)
    )


def error_value(error: BaseException) -> ErrorValue:
    """Return the value of an exception."""
    if type(error) is CommandError:
        return CommandErrorValue(_problem_value(error.problems[0]), error.status)
    if isinstance(error, NetorchError):
        kind = next(
            kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _NETORCH_ERRORS
        )
        problems = tuple(_problem_value(problem) for problem in error.problems)
        return NetorchErrorValue(kind, problems, error.file)
    if isinstance(error, OSError) and error.errno is not None:
        kind = type(error).__name__ if type(error).__name__ in _OS_ERRORS else "OSError"
        return OSErrorValue(
            kind,
            error.errno,
            error.strerror or "",
            None if error.filename is None else str(error.filename),
        )
    return OtherErrorValue(type(error).__name__, str(error))


def _problem_value(problem: Problem) -> ProblemValue:
    return ProblemValue(
        code=problem.code,
        what=problem.what,
        where=place_value(problem.where),
        remedy=problem.remedy,
        object=problem.object,
        command=problem.command,
    )


def _problem(value: ProblemValue) -> Problem:
    return Problem(
        code=value.code,
        what=value.what,
        where=position_of(value.where),
        remedy=value.remedy,
        object=value.object,
        command=value.command,
    )


def error_of(value: ErrorValue) -> Exception:
    """Return the exception of a value.

    An exception of an unknown type becomes a NetorchError that names the type.
    """
    match value:
        case CommandErrorValue(problem, status):
            return CommandError(_problem(problem), status)
        case NetorchErrorValue(kind, problems, file):
            return _NETORCH_ERRORS[kind]([_problem(entry) for entry in problems], file)
        case OSErrorValue(kind, errno, strerror, filename):
            # OSError chooses the subclass by the errno
            return _OS_ERRORS[kind](errno, strerror, filename)
        case OtherErrorValue(kind, text):
            if kind in _OTHER_ERRORS:
                return _OTHER_ERRORS[kind](text)
            return NetorchError(Problem("internal-error", f"{kind}: {text}"))
