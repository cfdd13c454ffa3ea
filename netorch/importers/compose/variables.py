"""Variables of compose files: the file `.env`, and `${NAME}` in values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class VariableError(Exception):
    """A variable has no value, or its use is not valid. The argument is a sentence."""


def env_file(text: str, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a file such as `.env`. `known` are further ones that it may use."""
    values: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, rest = match[1], match[2].strip()
        if rest[:1] == "'":
            values[name] = rest[1:].partition("'")[0]
            continue
        if rest[:1] == '"':
            rest = re.match(r'"((?:[^"\\]|\\.)*)', rest)[1]  # type: ignore[index]
            rest = rest.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        else:
            rest = re.split(r"\s#|^#", rest, maxsplit=1)[0].rstrip()
        try:
            values[name] = interpolate(rest, {**(known or {}), **values}, lambda name: None)
        except VariableError:
            values[name] = rest
    return values


def interpolate(text: str, values: Mapping[str, str], unset: Callable[[str], object]) -> str:
    """Return a text in which each `$NAME` and `${NAME…}` has its value, and `$$` is a dollar sign.

    `unset` is called with each name that has neither a value nor a default. Raises VariableError.
    """
    result = ""
    rest = text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        result += before
        if rest[:1] == "$":
            result, rest = result + "$", rest[1:]
        elif rest[:1] == "{":
            inner, rest = _braces(rest)
            result += _value(inner, values, unset)
        elif match := _NAME.match(rest):
            result += _value(match[0], values, unset)
            rest = rest[match.end() :]
        else:
            result += "$"
    return result + rest


def _braces(rest: str) -> tuple[str, str]:
    """Return what the braces at the beginning of a text contain, and what follows them."""
    depth = 0
    for index, char in enumerate(rest):
        depth += (char == "{" and (index == 0 or rest[index - 1] == "$")) - (char == "}")
        if depth == 0:
            return rest[1:index], rest[index + 1 :]
    raise VariableError(f"`${rest}` has no closing brace.")


def _value(inner: str, values: Mapping[str, str], unset: Callable[[str], object]) -> str:
    """Return the value of `NAME`, `NAME:-default`, `NAME?error` and the like."""
    match = _NAME.match(inner)
    rest = inner[match.end() :] if match else ""
    operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
    if match is None or (rest and not operator):
        raise VariableError(f"`${{{inner}}}` is not a variable.")
    name, word = match[0], rest[len(operator) :]
    value = values.get(name)
    has_value = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return interpolate(word, values, unset) if has_value else ""
    if has_value:
        return value or ""
    if operator.endswith("-"):
        return interpolate(word, values, unset)
    if operator.endswith("?"):
        why = interpolate(word, values, lambda name: None)
        raise VariableError(f"The variable {name} has no value{f': {why}' if why else ''}.")
    unset(name)
    return ""
