"""What a kind of kernel object has to know to take part: the view it recognises itself in, and the registries.

A module of `netorch.kinds` registers its `Resource` classes with `@observed` and its YAML words with `@interface_words`;
parsing, planning, applying and rendering find them here and know no kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from functools import cached_property
from typing import ClassVar, Protocol, TypeVar

from netorch.immutable import Value, field
from netorch.netlink.constants import AF_BRIDGE
from netorch.state.key import HOST, Key
from netorch.state.resource import Resource
from netorch.values.marks import Mark, maker, read_alias
from netorch.values.ownership import ObjectName
from netorch.values.snapshot import LinkRecord, NeighbourRecord, NetnsSnapshot


class View(Value, dict=True):
    """One namespace of a snapshot, seen by one topology.

    `created`: this topology made the namespace. `all`: the other views, label → view. `originals`: the settings that are
    ours to look at, each as the places where it may stand → the values from before us, None where that is not known.
    `desired_keys`: the keys that the file asks for.
    """

    netns: NetnsSnapshot
    mark: Mark
    created: bool
    all: Mapping[str, View]
    originals: Mapping[tuple[str, ...], tuple[str, ...] | None] = field(default_factory=dict)
    desired_keys: Container[Key] = ()
    on_record: frozenset[ObjectName] | None = None
    """What the topology has on record in this namespace, if it did not make it; None without a record."""
    links_on_record: frozenset[int] = frozenset()
    """The indices of links that the topology has on record in this namespace, if it did not make it."""
    trusts_numbers: bool = True
    """Whether a protocol number or a group is enough where there is no record."""
    lent: Mapping[int, str] = field(default_factory=dict)
    """Index of a link → what the host calls the NIC that it lent, and that this is for sure."""
    nics_on_record: frozenset[str] = frozenset()
    """The NICs of which a record says how to tell them from others."""

    @property
    def label(self) -> str:
        return self.netns.label

    @cached_property
    def links(self) -> Mapping[int, LinkRecord]:
        return {link.index: link for link in self.netns.links}

    @cached_property
    def by_name(self) -> Mapping[str, LinkRecord]:
        return {link.name: link for link in self.netns.links}

    @cached_property
    def link_kinds(self) -> frozenset[str]:
        return frozenset([link.kind for link in self.netns.links])

    @cached_property
    def our_links(self) -> tuple[LinkRecord, ...]:
        return tuple(link for link in self.netns.links if self.owns(link))

    @cached_property
    def made_links(self) -> tuple[LinkRecord, ...]:
        """Those of our links that netorch made: not the NICs that it was lent."""
        return tuple(link for link in self.our_links if not read_alias(link.alias).origin)

    @cached_property
    def our_names(self) -> frozenset[str]:
        return frozenset(link.name for link in self.our_links)

    @cached_property
    def forwarding(self) -> Mapping[int, list[NeighbourRecord]]:
        """The forwarding databases of tunnels, by the index of their link."""
        found: dict[int, list[NeighbourRecord]] = {}
        for record in self.netns.neighbours:
            if record.family == AF_BRIDGE:
                found.setdefault(record.index, []).append(record)
        return found

    def owns(self, link: LinkRecord) -> bool:
        """By its alias; before that is set by its group, and in a namespace of ours also under somebody's alias."""
        if link.name == "lo" and link.kind == "":
            return self.created
        if self.mark.owns_alias(link.alias):
            if not read_alias(link.alias).origin:
                return self.label != HOST or self._is_made(link)
            # back on the host a NIC is the host's, whatever mark it still has
            return self.created or (link.index in self.lent and self.label != HOST)
        if link.group != self.mark.group or read_alias(link.alias).topology:
            return False
        return self.created or (not link.alias and self.is_ours("link", link.name))

    def _is_made(self, link: LinkRecord) -> bool:
        """Whether a link on the host that carries the mark is ours.

        It may have come out of a namespace of others, with an alias that was written there: hardware when that namespace
        ended, any other because somebody moved it.
        """
        known = self.on_record is None or ("link", link.name) in self.on_record
        return bool(link.kind) and (known or link.index in self.links_on_record)

    def maker(self, link: LinkRecord) -> str:
        """Who made a link that is not ours, in a person's words."""
        if self.mark.owns_alias(link.alias):
            return f"says that {self.mark.topology} made it, and no record proves it"
        return maker(link.alias)

    def is_ours(self, *name: str) -> bool:
        """Whether a number that agrees with this topology's is meant so. `name`: kind and parts of the object's key.

        In a namespace that netorch made it is. Elsewhere others may have the number too, and the record says whose the object is.
        """
        if self.created:
            return True
        return self.trusts_numbers if self.on_record is None else name in self.on_record

    def is_in_doubt(self, number: int) -> bool:
        """Whether an object that is not ours may be, for its number: no record says anything about it."""
        return number == self.mark.protocol and self.on_record is None and not self.created

    def doubt(self, what: str) -> str:
        """The sentence about such an object; `what` it is."""
        return (
            f"{what} has the number of {self.mark.topology} ({self.mark.protocol}), which others may have too,"
            " and no record says whose it is: it is left alone"
        )


class ObservedKind(Protocol):
    """How a kind finds its objects, ours and the ones that are in our way.

    `FOREIGN_KIND`: the kind of key that its strangers have, "" for one without.
    """

    FOREIGN_KIND: ClassVar[str]

    @classmethod
    def links(cls) -> frozenset[str]:
        """Kinds of links without which a namespace has none of it; empty if it takes none."""
        ...

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]: ...

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]: ...


OBSERVED: list[type[ObservedKind]] = []

R = TypeVar("R", bound=type)


def observed(cls: R) -> R:
    """Class decorator: `cls.observe` and `cls.strangers` take part in reading the kernel."""
    OBSERVED.append(cls)
    return cls


Reporter = Callable[[View], Iterator[tuple[Key, str]]]
UNPROVEN_REPORTERS: list[Reporter] = []


def reports_unproven(function: Reporter) -> Reporter:
    """Decorator: what carries marks that prove nothing, with a sentence that says so. It is left alone."""
    UNPROVEN_REPORTERS.append(function)
    return function


INTERFACE_WORDS: dict[str, type] = {}
"""`kind:` in the file → the model of its words."""


def interface_model(kind: str) -> Callable[[R], R]:
    """Class decorator: the words of `kind: KIND` under `interfaces`."""

    def register(cls: R) -> R:
        INTERFACE_WORDS[kind] = cls
        return cls

    return register


class NoForeignObjects:
    """Mixin for kinds that have no strangers to look out for."""

    __slots__ = ()
    FOREIGN_KIND: ClassVar[str] = ""

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        return iter(())
