"""What identifies a resource: its kind, its namespace, and the parts of its name."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

HOST = "host"
"""The label of the namespace that netorch runs in.

Other labels are names in /run/netns, or `@NODE` for an attached namespace.
"""
_ATTACHED = "@"
"""Before the label of a namespace that others made. No name in /run/netns that netorch makes begins so."""


def attached_label(name: object) -> str:
    """The label of a namespace that others made: by its node's name, or by what it is."""
    return f"{_ATTACHED}{name}"


def is_attached(label: str) -> bool:
    return label.startswith(_ATTACHED)


def label_text(label: str) -> str:
    """A namespace's label as a person reads it: an attached one by its node's name."""
    return label.removeprefix(_ATTACHED)


class _Namespaced(NamedTuple):
    """What every key begins with."""

    kind: str
    netns: str


class Key(_Namespaced):
    """Identity of a resource: what two states are compared by.

    `parts` tell resources of one kind in one namespace apart, such as a link and an address. Each
    kind has a function that makes its keys; nothing else does. Code that needs one of the parts
    asks the resource.

    The parts follow kind and namespace in one flat tuple, because that is hashed in four fifths of
    the time that a tuple inside a tuple takes, and planning is mostly looking up keys.
    """

    __slots__ = ()

    def __new__(cls, kind: str, netns: str, *parts: str) -> Self:
        return tuple.__new__(cls, (kind, netns, *parts))

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple.__getitem__(self, slice(2, None))

    @property
    def name(self) -> str:
        """The parts as a person reads them, such as `eth0 10.0.0.1/24`; "" of a key without parts."""
        return " ".join(self.parts)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.netns}/{self.name}" if self.parts else f"{self.kind} {self.netns}"
        )

    def __repr__(self) -> str:
        return f"Key{tuple(self)!r}"


cached_key = lru_cache(maxsize=1 << 16)
"""Decorator of functions that make keys.

Making a key takes three times as long as finding it in the cache, and the same few keys are asked
for again and again.
"""
