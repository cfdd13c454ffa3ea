"""Values: dataclasses with slots whose fields never change."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Class decorator: `@dataclass(frozen=True, slots=True)`, with mypy as the one who keeps fields from being set.

    There are some two hundred such classes, and hundreds of thousands of their instances in a large topology. The standard library
    compiles six methods for each class, and sets each field of a frozen one by a call: this takes a third of the time at the start,
    and half of it for each instance.
    """
    made = dataclass(repr=False, eq=False, slots=True)(cls)
    names = [entry.name for entry in fields(made) if entry.compare]  # type: ignore[arg-type]
    compared = attrgetter(*names) if names else _nothing

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(compared(self))

    own = cls.__dict__
    for name, method in (("__eq__", equal), ("__hash__", hashed), ("__repr__", _shown)):
        if own.get(name) is None:
            setattr(made, name, method)
    return made


def _nothing(_: object) -> tuple[()]:
    return ()


def _shown(self: Any) -> str:
    said = ", ".join(f"{entry.name}={getattr(self, entry.name)!r}" for entry in fields(self) if entry.repr)
    return f"{type(self).__qualname__}({said})"
