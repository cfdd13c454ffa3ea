"""JSON Schemas of scalar values. The decorator `accepts` adds one to the function that checks it.

The regular expressions mean the same in ECMA 262 and in Python. They check everything about a value
that needs no arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

Shape = dict[str, Any]
F = TypeVar("F", bound=Callable[..., object])


def accepts(shape: Shape | Callable[[Shape], Shape]) -> Callable[[F], F]:
    """Return a decorator that records the schema of a function's argument.

    `shape` is the schema of a scalar, or a function that makes the schema from the schema of the
    function's result.
    """

    def mark(check: F) -> F:
        check.written = shape  # type: ignore[attr-defined]
        return check

    return mark


def of(check: Callable[..., object]) -> Shape:
    """Return the schema of a function that is decorated with `accepts`."""
    shape: Shape = check.written  # type: ignore[attr-defined]
    return shape


def text(pattern: str, what: str = "", *examples: object, numbers: bool = False) -> Shape:
    """Return the schema of a string that matches a pattern as a whole.

    `what` is a name of the value for error messages. If `numbers` is true, the value may also be a
    number.
    """
    shape: Shape = {
        "type": ["string", "number"] if numbers else "string",
        "pattern": f"^(?:{pattern})$",
    }
    if numbers:
        shape["minimum"] = 0
    if what:
        shape["errorMessage"] = f"This is not a {what}."
    return shape | ({"examples": list(examples)} if examples else {})


def whole_number(low: int, high: int, or_text: str = "", what: str = "") -> Shape:
    """Return the schema of a whole number, which may also be text.

    `or_text` is the pattern of texts that are accepted as well.
    """
    numerals = numeral(low, high) + (f"|{or_text}" if or_text else "")
    what = what or f"whole number, {low} to {high}"
    return text(numerals, what) | {"type": ["integer", "string"], "minimum": low, "maximum": high}


def numeral(low: int, high: int) -> str:
    """Return a pattern of whole numbers: decimal with any leading zeros, or hexadecimal."""
    return (
        f"-?0{{1,19}}|{_decimal(low, high)}|0x[0-9a-fA-F]{{1,16}}"
        if low <= 0
        else f"{_decimal(low, high)}|0x[0-9a-fA-F]{{1,16}}"
    )


@cache
def decimal(low: int, high: int) -> str:
    """Return a pattern of the decimal numbers from `low` to `high`, without leading zeros."""
    pieces = []
    while low <= high:
        last = min(high, 10 ** len(str(low)) - 1)
        pieces.append(_of_one_length(str(low), str(last)))
        low = last + 1
    return f"(?:{'|'.join(pieces)})"


def _decimal(low: int, high: int) -> str:
    return f"0{{0,18}}{decimal(low, high)}"


def _of_one_length(low: str, high: str) -> str:
    rest = len(low) - 1
    if not low:
        return ""
    if low[0] == high[0]:
        return low[0] + _of_one_length(low[1:], high[1:])
    first, last, pieces = int(low[0]), int(high[0]), []
    if low[1:] != "0" * rest:
        pieces.append(f"{first}{_of_one_length(low[1:], '9' * rest)}")
        first += 1
    if high[1:] != "9" * rest:
        pieces.append(f"{last}{_of_one_length('0' * rest, high[1:])}")
        last -= 1
    if first <= last:
        digit = f"[{first}-{last}]" if first < last else str(first)
        pieces.append(digit + (f"[0-9]{{{rest}}}" if rest > 1 else "[0-9]" * rest))
    return pieces[0] if len(pieces) == 1 else f"(?:{'|'.join(pieces)})"


def anycase(word: str) -> str:
    """Return a pattern for a word that ignores case, because JSON Schema has no flag for that."""
    return "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in word
    )


def _ipv6() -> str:
    group = "[0-9A-Fa-f]{1,4}"
    forms = [
        f"(?:{group}:){{7}}{group}",
        f"(?:{group}:){{6}}{IPV4}",
        f"(?:{group}:){{1,7}}:",
        f":(?:(?::{group}){{1,7}}|:)",
    ]
    forms += [f"(?:{group}:){{{before}}}(?::{group}){{1,{7 - before}}}" for before in range(1, 7)]
    forms += [
        f"(?:{group}:){{{before}}}(?::{group}){{0,{5 - before}}}:{IPV4}" for before in range(1, 6)
    ]
    return f"(?:{'|'.join([*forms, f'::(?:{group}:){{0,5}}{IPV4}'])})"


_OCTET = decimal(0, 255)
IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
IPV6 = _ipv6()
IP = f"(?:{IPV4}|{IPV6})"
LENGTH4 = f"/(?:0*{decimal(0, 32)}|{IPV4})"
"""A prefix length, or a netmask, which means a prefix length."""
LENGTH6 = f"/0*{decimal(0, 128)}"
PREFIX = f"(?:{IPV4}{LENGTH4}|{IPV6}{LENGTH6})"
"""An address with a prefix length."""
SUBNET = f"(?:{IPV4}(?:{LENGTH4})?|{IPV6}(?:{LENGTH6})?)"
PORT = _decimal(1, 65535)
PORTS = f"{PORT}(?:-{PORT})?"
ENTRY = r"\$\((?:[0-9A-Za-z_\s+*%/(-]+\)|\s*[A-Za-z_][0-9A-Za-z_]*\s*:-[^)]*\))"
SUBSTITUTION = rf"^(?:[^$]|\$\$)*(?:{ENTRY}(?:[^$]|\$\$)*)+$"
"""A text that contains `$(…)`, which may become any value."""
FREE = rf"(?:[^$]|\$\$|{ENTRY})*"
"""Any text. A dollar sign in it is written twice, unless it begins `$(…)`."""
_BOUND = r"(?:[0-9]{1,18}|[A-Za-z])"
RANGE = rf"^[^\s/:%\[\]$]*\[{_BOUND}-{_BOUND}\][^\s/:%\[\]$]*$"
"""A name with a range, which expands to several names."""
_NAMES = rf"[^\s/:%\[\]$]*(?:\[{_BOUND}-{_BOUND}\][^\s/:%\[\]$]*)*"
END_RANGES = rf"(?=.*\[){_NAMES}:{_NAMES}"
"""An endpoint of a link with at least one range, so that the text expands to several endpoints."""

OPEN: Shape = {"type": "string", "pattern": SUBSTITUTION}


def substituted(shape: Shape) -> Shape:
    """Return a scalar's schema that also accepts texts with `$(…)`."""
    if "enum" in shape or "const" in shape:
        return {"anyOf": [shape, {"$word": "substitution"}]}
    types = [shape["type"]] if isinstance(shape["type"], str) else [*shape["type"]]
    if "string" not in types:
        return shape | {"type": [*types, "string"], "pattern": SUBSTITUTION}
    return (
        shape | {"pattern": f"{shape['pattern']}|{SUBSTITUTION}"} if "pattern" in shape else shape
    )


def or_scalar(short: Shape) -> Callable[[Shape], Shape]:
    """Return a function for `accepts`: a scalar is a short form of the function's result."""
    return lambda inner: {"anyOf": [substituted(short), inner]}


def each_of(shape: Shape) -> Shape:
    """Return the schema of a list that also accepts a single item, and null if the list does."""
    parts = shape.get("anyOf", [shape])
    return {"anyOf": [*(part["items"] for part in parts if "items" in part), *parts]}
