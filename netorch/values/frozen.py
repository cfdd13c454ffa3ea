"""Values: dataclasses with slots whose fields never change; and those whose fields do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Class decorator: `@dataclass(frozen=True, slots=True)`, with mypy as the one who keeps fields from being set.

    There are some two hundred such classes, and hundreds of thousands of their instances in a large topology. The standard library
    compiles six methods for each class, and sets each field of a frozen one by a call: this takes a third of the time at the start,
    and half of it for each instance. Here none is compiled but `__init__`, and that when the class is first used: most commands need
    few of them. It knows no `__post_init__`, and every field is given or has a default.
    """
    return _with_methods(cls, hashable=True)


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """Class decorator: `@dataclass(slots=True)`, made as `frozen` makes them."""
    return _with_methods(cls, hashable=False)


class Remembering:
    """Base of values with properties that are worked out once: beside its slots an instance has a `__dict__` for them."""


def _with_methods(cls: type[T], *, hashable: bool) -> type[T]:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else it would be made of the signature
    made = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    names = [entry.name for entry in fields(made) if entry.compare]  # type: ignore[arg-type]
    compared = attrgetter(*names) if names else _nothing

    def equal(self: object, other: object) -> bool:
        return (
            compared(self) == compared(other)
            if other.__class__ is self.__class__
            else NotImplemented
        )

    def hashed(self: object) -> int:
        return hash(compared(self))

    own = cls.__dict__
    methods = {
        "__init__": Unwritten(made),
        "__eq__": equal,
        "__hash__": hashed if hashable else None,
        "__repr__": _shown,
    }
    for name, method in methods.items():
        if own.get(name) is None:
            setattr(made, name, method)
    return made


class Unwritten:
    """`__init__` of a class until somebody looks for it."""

    __slots__ = ("_of",)

    def __init__(self, of: type) -> None:
        self._of = of

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., None]:
        written = initialiser(self._of)
        self._of.__init__ = written  # type: ignore[misc]
        return written.__get__(instance, owner)  # type: ignore[no-any-return]


def initialiser(cls: type) -> Any:
    """A dataclass's `__init__`, as the standard library writes it."""
    parameters, lines = ["self"], list[str]()
    known: dict[str, Any] = {"_NOTHING": MISSING}
    for entry in fields(cls):
        name = entry.name
        if entry.default_factory is not MISSING:
            known[f"_new_{name}"] = entry.default_factory
            parameters.append(f"{name}=_NOTHING")
            lines.append(f" self.{name} = _new_{name}() if {name} is _NOTHING else {name}")
            continue
        if entry.default is not MISSING:
            known[f"_default_{name}"] = entry.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f" self.{name} = {name}")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), known)
    written = known["__init__"]
    written.__qualname__ = f"{cls.__qualname__}.__init__"
    written.__annotations__ = {entry.name: entry.type for entry in fields(cls)} | {"return": None}
    return written


def _nothing(_: object) -> tuple[()]:
    return ()


def _shown(self: Any) -> str:
    said = ", ".join(
        f"{entry.name}={getattr(self, entry.name)!r}" for entry in fields(self) if entry.repr
    )
    return f"{type(self).__qualname__}({said})"
