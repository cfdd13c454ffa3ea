"""Convert any values of netorch to plain lists, mappings and scalars, and back.

msgspec decodes a struct only if each of its fields has a type that msgspec supports, and it does
not support `str | IPv4Network | IPv6Network`, for example. So here each value carries its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

_PLAIN = (str, int, float, bytes, bool, type(None))
_ADDRESSES = {
    cls.__name__: cls
    for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
}
_PACKAGE = "netorch."


def to_plain(value: Any) -> Any:
    """Return the plain form of a value.

    A tuple is a list. Any other list, mapping or object is a mapping with one key, its class.
    """
    if type(value) in _PLAIN:
        return value
    if type(value) is tuple:
        return [to_plain(item) for item in value]
    name = class_name(type(value))
    if isinstance(value, Struct):
        return {name: [to_plain(item) for item in astuple(value)]}
    if isinstance(value, Enum):
        return {name: to_plain(value.value)}
    if isinstance(value, tuple):
        return {name: [to_plain(item) for item in value]}
    if name in _ADDRESSES:
        return {name: str(value)}
    if isinstance(value, (list, frozenset)):
        return {type(value).__name__: [to_plain(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(plain: Any) -> Any:
    """Return the value of a plain form. Raise ValueError if it is not one."""
    if isinstance(plain, list):
        return tuple(map(from_plain, plain))
    if not isinstance(plain, dict):
        return plain
    try:
        ((name, content),) = plain.items()
        if name == "dict":
            return {from_plain(key): from_plain(item) for key, item in content}
        if name in ("list", "frozenset"):
            items = map(from_plain, content)
            return list(items) if name == "list" else frozenset(items)
        if name in _ADDRESSES:
            return _ADDRESSES[name](content)
        cls = class_of(name)
        if issubclass(cls, Enum):
            return cls(from_plain(content))
        return cls(*map(from_plain, content))
    except (TypeError, AttributeError, ImportError) as error:
        raise ValueError(f"not a value of netorch: {error}") from None


def class_name(cls: type) -> str:
    """Return `module:Class` for a class of netorch, without `netorch.`, else the class's name."""
    if not cls.__module__.startswith(_PACKAGE):
        return cls.__name__
    return f"{cls.__module__.removeprefix(_PACKAGE)}:{cls.__qualname__}"


@cache
def class_of(name: str) -> type:
    """Return the class of a name from `class_name`. Raise ValueError if there is none."""
    module, _, qualname = name.partition(":")
    try:
        cls = getattr(import_module(_PACKAGE + module), qualname)
    except (ImportError, AttributeError):
        cls = None
    if not (isinstance(cls, type) and issubclass(cls, (Struct, Enum, tuple))):
        raise ValueError(f"{name} is not a class of values")
    return cls
