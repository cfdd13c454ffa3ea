"""The record of a topology's own objects in attached namespaces, where marks are not enough.

The mark of an address, a route, a rule or a neighbour is only a number, and a link without its
alias has only a group. Other programs may use the same numbers by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netorch.immutable import Value, field

ObjectName = tuple[str, ...]
"""The kind and the name in a resource's key, such as `("route", "10.0.0.0/8")`."""

RECORDED = frozenset(("address", "route", "rule", "neighbour", "link"))
"""The kinds whose mark in the kernel may be only a number."""


def identity_text(identity: tuple[int, int]) -> str:
    """Return `NetnsSnapshot.identity` of a namespace as the text that a record contains."""
    inode, cookie = identity
    return f"{inode} {cookie}"


class Ownership(Value):
    """The record of one topology."""

    number: int = 0
    """The protocol number of its objects; 0 if it is computed from the topology's name."""
    namespaces: tuple[str, ...] = ()
    """The names in /run/netns that it makes, sorted."""
    objects: Mapping[str, tuple[ObjectName, ...]] = field(default_factory=dict)
    """Attached namespace, as `identity_text` → the topology's objects in it, if their kind is in
    `RECORDED`.
    """
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Attached namespace, as `identity_text` → the indices of the topology's links in it. No other
    link can get such an index while the link exists.
    """
    second_names: tuple[str, ...] = ()
    """Those of `namespaces` that are second names of namespaces, sorted."""

    def links_in(self, identity: tuple[int, int]) -> frozenset[int]:
        """Return the indices of the topology's links in an attached namespace."""
        return frozenset(self.links.get(identity_text(identity), ()))

    def of(self, identity: tuple[int, int]) -> frozenset[ObjectName]:
        """Return the topology's recorded objects in an attached namespace."""
        return frozenset(self.objects.get(identity_text(identity), ()))

    def also(self, other: Ownership | None) -> Ownership:
        """Return this record with the namespaces, objects and links of another record added."""
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
        second = tuple(sorted({*self.second_names, *other.second_names}))
        return Ownership(
            number=self.number,
            namespaces=names,
            second_names=second,
            objects=objects,
            links=links,
        )


def free_number(preferred: int, numbers: range, taken: Iterable[int]) -> int:
    """Return `preferred` if it is not taken, else the next free number of `numbers`.

    If no number is free, return `preferred`.
    """
    used = set(taken)
    first = numbers.index(preferred)
    order = (*numbers[first:], *numbers[:first])
    return next((number for number in order if number not in used), preferred)
