"""How a value is made: `class Point(Value)`, with a line for each field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, dataclass_transform

from msgspec import Struct, field

if TYPE_CHECKING:
    # because mypy checks the names and types of what is replaced for this function alone
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["Value", "defaults", "field", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """Base of all values: fields cannot be set, and two values of one class are equal if their fields are.

    A class with cached properties says `dict=True`, because they need a `__dict__`.
    """


def defaults(value: Struct | type[Struct]) -> dict[str, Any]:
    """Return the fields of a value, or of a class of them, that have a default, each with that default."""
    names, found = value.__struct_fields__, value.__struct_defaults__
    return dict(zip(names[len(names) - len(found) :], found, strict=True))
