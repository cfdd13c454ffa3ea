"""The registries of kinds, and the view in which a kind recognises its objects.

A module of `netorch.kinds` registers its `Resource` classes with `@observed`. Planning, applying
and rendering take them from here and know no kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from netorch.immutable import Value, field
from netorch.netlink.constants import AF_BRIDGE
from netorch.state.key import HOST, Key
from netorch.state.resource import Resource
from netorch.values.marks import Mark, maker, read_alias
from netorch.values.ownership import ObjectName
from netorch.values.snapshot import LinkRecord, NeighbourRecord, NetnsSnapshot

if TYPE_CHECKING:
    from netorch.values.requests import RouteSpec
    from netorch.values.snapshot import AddressRecord


class View(Value, dict=True):
    """One namespace of a snapshot, as one topology sees it."""

    netns: NetnsSnapshot
    mark: Mark
    created: bool
    """Whether this topology made the namespace."""
    all: Mapping[str, View]
    """The views of all namespaces by their labels."""
    originals: Mapping[tuple[str, ...], tuple[str, ...] | None] = field(default_factory=dict)
    """The sysctls that the topology manages, with their values before the first apply.

    A setting is identified by all paths at which it may exist. The value is None where the
    original one is not known.
    """
    desired_keys: Container[Key] = ()
    """The keys that the file asks for."""
    asks_for_link_local: bool = True
    """Whether the file asks for any link-local address of IPv6."""
    on_record: frozenset[ObjectName] | None = None
    """The objects that the record names in a namespace that the topology did not make.

    None if there is no record.
    """
    links_on_record: frozenset[int] = frozenset()
    """The indices of the links that the record names in a namespace that the topology did not
    make.
    """
    trusts_numbers: bool = True
    """Whether a protocol number or a group proves who made an object where there is no record."""
    lent: Mapping[int, str] = field(default_factory=dict)
    """The lent NICs that are identified for certain: index of the link → its name on the host."""
    nics_on_record: frozenset[str] = frozenset()
    """The NICs for which a record says how to recognise them."""

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
        """The topology's links that netorch made, without lent NICs."""
        return tuple(link for link in self.our_links if not read_alias(link.alias).origin)

    @cached_property
    def our_names(self) -> frozenset[str]:
        return frozenset(link.name for link in self.our_links)

    @cached_property
    def addresses_by_ip(self) -> Mapping[bytes, Sequence[AddressRecord]]:
        """Packed address → its records, one for each link that has it."""
        records: dict[bytes, list[AddressRecord]] = {}
        for record in self.netns.addresses:
            records.setdefault(record.local, []).append(record)
        return records

    @cached_property
    def addresses_by_peer(self) -> Mapping[bytes, Sequence[AddressRecord]]:
        """Packed other end of an address → the records of the addresses with it."""
        records: dict[bytes, list[AddressRecord]] = {}
        for record in self.netns.addresses:
            if record.local != record.address:
                records.setdefault(record.address, []).append(record)
        return records

    @cached_property
    def addresses_by_link(self) -> Mapping[int, Sequence[AddressRecord]]:
        """Index of a link → the records of its addresses."""
        records: dict[int, list[AddressRecord]] = {}
        for record in self.netns.addresses:
            records.setdefault(record.index, []).append(record)
        return records

    @cached_property
    def routes_by_link(self) -> Mapping[str, Sequence[RouteSpec]]:
        """Link → the routes over it."""
        routes: dict[str, list[RouteSpec]] = {}
        for spec in self.netns.routes:
            for device in {hop.dev for hop in spec.hops if hop.dev is not None}:
                routes.setdefault(device, []).append(spec)
        return routes

    @cached_property
    def links_by_any_name(self) -> Mapping[str, LinkRecord]:
        """Name or alternative name → link."""
        links: dict[str, LinkRecord] = {}
        for link in self.netns.links:
            for name in (link.name, *link.altnames):
                links.setdefault(name, link)
        return links

    @cached_property
    def rule_families(self) -> frozenset[int]:
        """The address families that have policy rules."""
        return frozenset(spec.family for spec in self.netns.rules)

    @cached_property
    def labels_by_nsid(self) -> Mapping[int, Sequence[str]]:
        """Number of another namespace in this one → the labels that have it."""
        labels: dict[int, list[str]] = {}
        for label, number in self.netns.nsids.items():
            labels.setdefault(number, []).append(label)
        return labels

    @cached_property
    def forwarding(self) -> Mapping[int, list[NeighbourRecord]]:
        """The forwarding databases of tunnels, by the index of their link."""
        entries: dict[int, list[NeighbourRecord]] = {}
        for record in self.netns.neighbours:
            if record.family == AF_BRIDGE:
                entries.setdefault(record.index, []).append(record)
        return entries

    def owns(self, link: LinkRecord) -> bool:
        """Return whether the link belongs to this topology.

        Its alias says so or, before netorch has set the alias, its group. In a namespace that
        netorch made, the group also counts where somebody has written another alias.
        """
        if link.name == "lo" and link.kind == "":
            return self.created
        if self.mark.owns_alias(link.alias):
            if not read_alias(link.alias).origin:
                return self.label != HOST or self._is_made(link)
            # A NIC that is back on the host belongs to the host, whatever mark it still has.
            return self.created or (link.index in self.lent and self.label != HOST)
        if link.group != self.mark.group or read_alias(link.alias).topology:
            return False
        return self.created or (not link.alias and self.is_ours("link", link.name))

    def _is_made(self, link: LinkRecord) -> bool:
        """Return whether a link on the host that carries the mark belongs to this topology.

        A link may come from an attached namespace, with an alias that was written there. Linux
        moves hardware to the host when its namespace ends, and users can move any other link.
        """
        known = self.on_record is None or ("link", link.name) in self.on_record
        return bool(link.kind) and (known or link.index in self.links_on_record)

    def maker(self, link: LinkRecord) -> str:
        """Return who made a foreign link, as the end of a sentence about it."""
        if self.mark.owns_alias(link.alias):
            return f"says that {self.mark.topology} made it, and no record proves it"
        return maker(link.alias)

    def is_ours(self, *name: str) -> bool:
        """Return whether an object with this topology's protocol number belongs to it.

        `name` is the kind of the object's key, followed by the parts of the key. In a namespace
        that netorch made, the number is enough. Elsewhere other programs may use the same number,
        and the record decides.
        """
        if self.created:
            return True
        return self.trusts_numbers if self.on_record is None else name in self.on_record

    def is_in_doubt(self, number: int) -> bool:
        """Return whether an object has this topology's number, but no record says whose it is."""
        return number == self.mark.protocol and self.on_record is None and not self.created

    def doubt(self, what: str) -> str:
        """Return the sentence about an object for which `is_in_doubt` is true. `what` is the
        object.
        """
        return (
            f"{what} has the number of {self.mark.topology} ({self.mark.protocol}), which foreign "
            "objects may have too, and no record says whose it is: netorch leaves it alone"
        )


class ObservedKind(Protocol):
    """How a kind finds its objects: the topology's own ones and foreign ones in their place."""

    FOREIGN_KIND: ClassVar[str]
    """The kind of the keys that `foreign_objects` yields; "" if it yields none."""

    @classmethod
    def links(cls) -> frozenset[str]:
        """Kinds of links without which a namespace cannot have such an object.

        Empty if the object needs no link.
        """
        ...

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        """Yield the objects in the view that belong to the topology."""
        ...

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        """Yield foreign objects as the key whose place they have and a clause that names them."""
        ...


OBSERVED: list[type[ObservedKind]] = []

R = TypeVar("R", bound=type)


def observed(cls: R) -> R:
    """Register a class for reading the kernel, with its `observe` and `foreign_objects`."""
    OBSERVED.append(cls)
    return cls


Reporter = Callable[[View], Iterator[tuple[Key, str]]]
UNPROVEN_REPORTERS: list[Reporter] = []


def reports_unproven(function: Reporter) -> Reporter:
    """Register a function that yields objects whose marks prove nothing.

    It yields each with a sentence that says so. netorch leaves such objects alone.
    """
    UNPROVEN_REPORTERS.append(function)
    return function


class NoForeignObjects:
    """Mixin for kinds in whose place there can be no foreign object."""

    __slots__ = ()
    FOREIGN_KIND: ClassVar[str] = ""

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        return iter(())
