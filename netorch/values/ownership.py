"""What is on record as a topology's own, where a mark in the kernel alone does not tell.

An address, a route, a rule and a neighbour have room for a number only, and a link without its alias
for a group. Numbers may agree by chance, so in namespaces of others a record says what is whose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netorch.immutable import Value, field

ObjectName = tuple[str, ...]
"""Kind and parts of a key, such as `("route", "10.0.0.0/8")`."""

RECORDED = frozenset(("address", "route", "rule", "neighbour", "link"))
"""The kinds whose mark in the kernel may be a number alone."""


def identity_text(identity: tuple[int, int]) -> str:
    """A namespace, given as `NetnsSnapshot.identity`, in the form of a record."""
    inode, cookie = identity
    return f"{inode} {cookie}"


class Ownership(Value):
    """The record of one topology."""

    number: int = 0
    """The protocol number of its objects; 0 for the one that is computed from its name."""
    namespaces: tuple[str, ...] = ()
    """The names in /run/netns that it makes, sorted."""
    objects: Mapping[str, tuple[ObjectName, ...]] = field(default_factory=dict)
    """Namespace that it did not make, as `identity_text` → its objects of the kinds `RECORDED` there."""

    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Namespace that it did not make → the indices of its links there, which nobody can give to another link that exists."""

    def links_in(self, identity: tuple[int, int]) -> frozenset[int]:
        """The indices of its own links in a namespace of others."""
        return frozenset(self.links.get(identity_text(identity), ()))

    def of(self, identity: tuple[int, int]) -> frozenset[ObjectName]:
        """What is its own in a namespace of others."""
        return frozenset(self.objects.get(identity_text(identity), ()))

    def also(self, other: Ownership | None) -> Ownership:
        """This record, with all that is in the other one too."""
        if other is None:
            return self
        objects = {
            place: tuple(sorted({*self.objects.get(place, ()), *other.objects.get(place, ())}))
            for place in sorted({*self.objects, *other.objects})
        }
        links = {
            place: tuple(sorted({*self.links.get(place, ()), *other.links.get(place, ())}))
            for place in sorted({*self.links, *other.links})
        }
        names = tuple(sorted({*self.namespaces, *other.namespaces}))
        return Ownership(self.number, names, objects, links)


def free_number(wanted: int, numbers: range, taken: Iterable[int]) -> int:
    """`wanted` if nobody has it, else the next one of `numbers` that is free, or `wanted` if none is."""
    used = set(taken)
    first = numbers.index(wanted)
    order = (*numbers[first:], *numbers[:first])
    return next((number for number in order if number not in used), wanted)
