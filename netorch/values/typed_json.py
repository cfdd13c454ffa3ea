"""Values as the text of a file and back: JSON by the standard library, types by msgspec.

The JSON of msgspec itself takes UTF-8 alone, and the path of a topology's file may hold any bytes.
"""

from __future__ import annotations

import json
from typing import TypeVar

from msgspec import convert, to_builtins

T = TypeVar("T")


def encode(value: object, indent: int | None = None) -> str:
    """Return a value as JSON."""
    return json.dumps(to_builtins(value), indent=indent)


def decode(text: str | bytes, form: type[T]) -> T:
    """Return what a text holds, in the form of a type. Raises ValueError if it has another form."""
    try:
        return convert(json.loads(text), form)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
