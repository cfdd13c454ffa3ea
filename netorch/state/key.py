"""Keys, which identify resources by their kind, their namespace and the parts of their name."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

HOST = "host"
"""The label of the namespace that netorch runs in.

Other labels are names in /run/netns, or `@NODE` for an attached namespace.
"""
_ATTACHED = "@"
"""The first character of the label of an attached namespace.

netorch never makes a name in /run/netns that begins with it.
"""


def attached_label(name: object) -> str:
    """Return the label of an attached namespace.

    `name` is the name of its node or, where there is no node, what identifies the namespace.
    """
    return f"{_ATTACHED}{name}"


def is_attached(label: str) -> bool:
    return label.startswith(_ATTACHED)


def label_text(label: str) -> str:
    """Return a namespace's label as users see it: for an attached one, the name of its node."""
    return label.removeprefix(_ATTACHED)


class _Namespaced(NamedTuple):
    """The two parts that every key begins with."""

    kind: str
    netns: str


class Key(_Namespaced):
    """The identity of a resource. Two states are compared key by key.

    `parts` distinguish the resources of one kind in one namespace: for an address, they are the
    link and the address. Only the key function of a kind makes its keys. Code that needs one of
    the parts takes it from the resource.

    The parts follow kind and namespace in one flat tuple, because hashing a flat tuple takes only
    80 % of the time of a nested one and the planner spends most of its time looking up keys.
    """

    __slots__ = ()

    def __new__(cls, kind: str, netns: str, *parts: str) -> Self:
        return tuple.__new__(cls, (kind, netns, *parts))

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple.__getitem__(self, slice(2, None))

    @property
    def name(self) -> str:
        """The parts as users see them, such as `eth0 10.0.0.1/24`; "" for a key without parts."""
        return " ".join(self.parts)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.netns}/{self.name}" if self.parts else f"{self.kind} {self.netns}"
        )

    def __repr__(self) -> str:
        return f"Key{tuple(self)!r}"


cached_key = lru_cache(maxsize=1 << 16)
"""Decorator for functions that make keys.

It caches them, because making a key takes three times as long as a lookup in the cache and the
callers need the same few keys again and again.
"""
