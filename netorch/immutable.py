"""The base class of values: `class Point(Value)`, with one line for each field."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, dataclass_transform

# msgspec takes a few functions from typing_extensions if that is installed, and otherwise from
# typing, where every supported Python has them. Importing typing_extensions takes as long as all
# the rest of msgspec, so it is hidden for a moment.
_HIDDEN = "typing_extensions" not in sys.modules
if _HIDDEN:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
try:
    from msgspec import NODEFAULT, Struct, field
finally:
    if _HIDDEN:
        del sys.modules["typing_extensions"]

if TYPE_CHECKING:
    # mypy checks the names and types of the arguments only for the `replace` of dataclasses.
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["NODEFAULT", "Value", "defaults", "field", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """Base class of values. Their fields cannot be set. Values of one class are equal if all their
    fields are equal.

    A class with cached properties passes `dict=True`, because these need a `__dict__`.
    """


def defaults(value: Struct | type[Struct]) -> dict[str, Any]:
    """Return name → default of each field. A field without a default has `NODEFAULT`."""
    names, last = value.__struct_fields__, value.__struct_defaults__
    return dict(zip(names, (NODEFAULT,) * (len(names) - len(last)) + last, strict=True))
