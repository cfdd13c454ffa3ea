"""Evaluates the expansions of a shell whose values do not depend on a machine.

They are arithmetic, `$((i + 1))`, sequences, `$(seq 1 3)`, and braces, `{1..3}` (POSIX.1, Shell
Command Language, 2.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Variables = Mapping[str, str | None]

MOST = 1000
"""The most words of a sequence, because a file of somebody else may have any."""
_MOST_DIGITS = 15
_NAME = re.compile(r"\$?\{?([A-Za-z_]\w*)\}?")
_TOKEN = re.compile(r"\s*(\d+|[-+*/%()])")
_SEQUENCE = re.compile(r"\{(-?\d{1,9})\.\.(-?\d{1,9})\}")
_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "*": lambda one, other: one * other,
    "/": lambda one, other: int(one / other),
    "%": lambda one, other: one - other * int(one / other),
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
}


class _UnknownError(Exception):
    """Raised if an expansion has no value that is known."""


def expansion(text: str, variables: Variables) -> str | None:
    """Return the value of an expansion such as `$((i + 1))`, None if it is not known."""
    try:
        if text.startswith("$((") and text.endswith("))"):
            return str(_Arithmetic(text[3:-2], variables).value())
        inner = text[2:-1] if text.startswith("$(") else text.strip("`")
        program, *words = inner.split()
        if program == "seq":
            return " ".join(_sequence([_number(word, variables) for word in words]))
    except (_UnknownError, ValueError, ZeroDivisionError):
        pass
    return None


def braces(text: str) -> list[str]:
    """Return the words of a text with a sequence in braces: `h{1..3}` is h1, h2 and h3."""
    match = _SEQUENCE.search(text)
    if match is None:
        return [text]
    first, last = int(match[1]), int(match[2])
    if abs(last - first) >= MOST:
        return [text]
    step = 1 if last >= first else -1
    return [
        text[: match.start()] + str(number) + text[match.end() :]
        for number in range(first, last + step, step)
    ]


def _sequence(numbers: list[int]) -> list[str]:
    match numbers:
        case [last]:
            first, step = 1, 1
        case [first, last]:
            step = 1
        case [first, step, last] if step:
            pass
        case _:
            raise _UnknownError
    steps = range(first, last + (1 if step > 0 else -1), step)
    if len(steps) > MOST:
        raise _UnknownError
    return [str(number) for number in steps]


def _number(word: str, variables: Variables) -> int:
    return _Arithmetic(word.strip("\"'"), variables).value()


class _Arithmetic:
    """Evaluates whole numbers with `+ - * / %` and parentheses."""

    def __init__(self, text: str, variables: Variables) -> None:
        def value(match: re.Match[str]) -> str:
            number = variables.get(match[1])
            if number is None or not re.fullmatch(r"-?\d+", number):
                raise _UnknownError
            return f"({number})"

        text = _NAME.sub(value, text).strip()
        self._tokens: list[str] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or len(match[1]) > _MOST_DIGITS or len(self._tokens) >= MOST:
                raise _UnknownError
            self._tokens.append(match[1])
            at = match.end()

    def value(self) -> int:
        result = self._operations(
            ("+", "-"), lambda: self._operations(("*", "/", "%"), self._unary)
        )
        if self._tokens:
            raise _UnknownError
        return result

    def _operations(self, names: tuple[str, ...], operand: Callable[[], int]) -> int:
        result = operand()
        while self._tokens and self._tokens[0] in names:
            result = _OPERATIONS[self._tokens.pop(0)](result, operand())
        return result

    def _unary(self) -> int:
        token = self._tokens.pop(0) if self._tokens else ""
        if token == "-":
            return -self._unary()
        if token == "(":
            result = self._operations(
                ("+", "-"), lambda: self._operations(("*", "/", "%"), self._unary)
            )
            if not self._tokens or self._tokens.pop(0) != ")":
                raise _UnknownError
            return result
        if not token.isdecimal():
            raise _UnknownError
        return int(token)
