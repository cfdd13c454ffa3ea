"""The record of a topology's own objects in attached namespaces, where marks are not enough.

The mark of an address, a route, a rule or a neighbour is only a number, and a link without its
alias has only a group. Other programs may use the same numbers by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netorch.immutable import Value, field, replace

ObjectName = tuple[str, ...]
"""The kind and the name in a resource's key, such as `("route", "10.0.0.0/8")`."""

RECORDED = frozenset(("address", "route", "rule", "neighbour", "link"))
"""The kinds whose mark in the kernel may be only a number."""


def identity_text(identity: tuple[int, int]) -> str:
    """Return `NetnsSnapshot.identity` of a namespace as the text that a record contains."""
    inode, cookie = identity
    return f"{inode} {cookie}"


class Original(Value):
    """The marks that an object had before a topology took it over."""

    alias: str = ""
    """The alias of a link, or that of `lo` of a namespace."""
    group: int = 0
    """The group of a link."""
    protocol: int = 0
    """The protocol number of an address, a route, a rule or a neighbour."""
    detection: bool = False
    """Whether Linux may look for duplicates of an IPv6 address (IFA_F_NODAD is not set)."""


class Adopted(Value):
    """An object that a topology has taken over."""

    name: ObjectName
    """The kind and the name in its key."""
    original: Original


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
    adopted: Mapping[str, tuple[Adopted, ...]] = field(default_factory=dict)
    """Any namespace, as `identity_text` → the objects in it that the topology has taken over."""

    def links_in(self, identity: tuple[int, int]) -> frozenset[int]:
        """Return the indices of the topology's links in an attached namespace."""
        return frozenset(self.links.get(identity_text(identity), ()))

    def of(self, identity: tuple[int, int]) -> frozenset[ObjectName]:
        """Return the topology's recorded objects in an attached namespace."""
        return frozenset(self.objects.get(identity_text(identity), ()))

    def original(self, name: ObjectName, identity: tuple[int, int]) -> Original | None:
        """Return the marks that an object had before, None if the topology has made it."""
        there = self.adopted.get(identity_text(identity), ())
        return next((one.original for one in there if one.name == name), None)

    def adopting(self, adopted: Mapping[str, Iterable[Adopted]]) -> Ownership:
        """Return this record with further objects that the topology has taken over."""
        both = {
            place: tuple(
                {
                    one.name: one for one in (*adopted.get(place, ()), *self.adopted.get(place, ()))
                }.values()
            )
            for place in sorted({*self.adopted, *adopted})
        }
        return replace(self, adopted={place: there for place, there in both.items() if there})

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
            adopted=self.adopted,
        ).adopting(other.adopted)


def free_number(preferred: int, numbers: range, taken: Iterable[int]) -> int:
    """Return `preferred` if it is not taken, else the next free number of `numbers`.

    If no number is free, return `preferred`.
    """
    used = set(taken)
    first = numbers.index(preferred)
    order = (*numbers[first:], *numbers[:first])
    return next((number for number in order if number not in used), preferred)
