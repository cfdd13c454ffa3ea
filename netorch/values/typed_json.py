"""Convert values to JSON and back, with the standard library's JSON and msgspec's types.

The JSON of msgspec itself supports only UTF-8, but the path of a topology file may contain any
bytes.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import convert, to_builtins

T = TypeVar("T")


def encode(value: object, indent: int | None = None) -> str:
    """Return a value as JSON."""
    import json  # here, because most commands on a new file read and write no JSON

    return json.dumps(to_builtins(value), indent=indent)


def decode(text: str | bytes, form: type[T]) -> T:
    """Return the content of a JSON text as a value of a type. Raises ValueError if not possible."""
    import json

    try:
        return convert(json.loads(text), form)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
