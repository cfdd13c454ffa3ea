"""How a value is made: `class Point(Value)`, with a line for each field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, dataclass_transform

from msgspec import NODEFAULT, Struct, field

if TYPE_CHECKING:
    # because mypy checks the names and types of what is replaced for this function alone
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["NODEFAULT", "Value", "defaults", "field", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """Base of values: fields cannot be set, and values of one class are equal if their fields are.

    A class with cached properties says `dict=True`, because they need a `__dict__`.
    """


def defaults(value: Struct | type[Struct]) -> dict[str, Any]:
    """Return name → default of each field; `NODEFAULT` for a field that must be given."""
    names, last = value.__struct_fields__, value.__struct_defaults__
    return dict(zip(names, (NODEFAULT,) * (len(names) - len(last)) + last, strict=True))
