"""The common part of links that are made alone: unlike a veth pair, each is one link.

Many of them have a parent. Such a kind is described by a table: for each key of the file, its
`ATTRIBUTES` say which attribute of IFLA_INFO_DATA holds the value, how the value is encoded, and
whether the kernel changes it in place.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Self

from netorch.errors import did_you_mean, listing
from netorch.immutable import Value, defaults, replace
from netorch.kinds.base.link import Link, common_fields, link_key
from netorch.kinds.netns import netns_key
from netorch.netlink.attribute_types import AttributeType
from netorch.netlink.codec import u32
from netorch.netlink.constants import IFLA_MTU
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View
from netorch.state.resource import Obstacle, Resource, State
from netorch.values.marks import read_alias
from netorch.values.requests import Attrs, Feature, LinkAdd, LinkSet, Request
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

ETHERNET_MTU = 1500

UNKNOWN = ("?", "?")
"""A parent in another namespace that the alias does not name or the kernel does not confirm."""

ParentPlace = tuple[str, str]
"""The label of a namespace and the name of an interface there."""


class Attribute(Value):
    """One key of a kind. The default of the resource's field is that of the kernel."""

    key: str
    """The name of the field in the resource."""
    number: int
    """The IFLA_… number in IFLA_INFO_DATA."""
    form: AttributeType
    """How the value is encoded."""
    live: bool = False
    """Whether the kernel changes it in place. If not, a change replaces the link."""
    number6: int = 0
    """The IFLA_… number for an IPv6 address, if it differs from that for an IPv4 one."""
    word: str = ""
    """The name of the key in the file, if it differs from the name of the field."""

    def number_of(self, value: object) -> int:
        return self.number6 if self.number6 and ":" in str(value) else self.number


class StandaloneLink(NoForeignObjects, Link):
    """A link that the table of its kind describes.

    With an MTU of 0 the kernel chooses the MTU, and netorch leaves it alone.
    """

    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = ()
    HAS_MAC: ClassVar[bool] = True
    """Whether the link has a MAC address that can be set."""
    FITS_PARENT: ClassVar[bool] = False
    """Whether its MTU cannot be larger than that of its parent."""
    REPEATS_ALL: ClassVar[bool] = False
    """Whether a change in place has to repeat all attributes."""
    CONFIG: ClassVar[tuple[str, str]] = ("", "")
    """The CONFIG_ option and the module that a kernel with this kind has."""
    PARENT_IN: ClassVar[int] = 0
    """The IFLA_… number in IFLA_INFO_DATA that names the parent, if that is not IFLA_LINK."""
    UNIQUE: ClassVar[tuple[str, ...]] = ()
    """Fields that cannot all be equal for two links of the kind in one network namespace."""
    RESERVED: ClassVar[frozenset[str]] = frozenset()
    """Names that Linux uses itself."""
    REBINDS: ClassVar[bool] = False
    """Whether the kernel changes the parent in place."""
    RECHOOSES_MTU: ClassVar[bool] = False
    """Whether the kernel chooses the MTU again when an attribute changes in place."""
    parent: ParentPlace | None = None

    @property
    def dies_with(self) -> tuple[Key, ...]:
        """The namespace and the parent of the link: the kernel removes the link with either of
        them.
        """
        parent = (link_key(*self.parent),) if self.parent is not None else ()
        return (netns_key(self.netns), *parent)

    @classmethod
    def kernel_features(cls) -> tuple[Feature, ...]:
        """Return the kernel features that every link of the kind needs."""
        return (link_feature(cls.KIND, *cls.CONFIG),)

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.kernel_features()

    @property
    def birthplace(self) -> str:
        """The namespace in which the link is made, "" for that of its parent or its own."""
        return ""

    @property
    def _stack(self) -> str:
        """The namespace in which the outer packets are sent and received."""
        return self.parent[0] if self.parent is not None else self.birthplace or self.netns

    @property
    def claim(self) -> tuple[object, ...] | None:
        return (
            (self.KIND, self._stack, *(getattr(self, key) for key in self.UNIQUE))
            if self.UNIQUE
            else None
        )

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        # The kernel deletes a namespace in the background. Until then the claim of its link would
        # be taken in another namespace, where the next link may need it.
        if not self.UNIQUE or self._stack == self.netns:
            return ()
        return (netns_key(self.netns),)

    def pairs(self, attribute: Attribute) -> Attrs:
        """Return an attribute encoded for IFLA_INFO_DATA, or nothing if it can be left out."""
        value = getattr(self, attribute.key)
        payload = attribute.form.encode(value)
        return () if payload is None else ((attribute.number_of(value), payload),)

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        if self.parent is None or link_key(*self.parent) in desired:
            return
        netns, below = find_link(snapshot, self.parent)
        label, name = label_text(self.parent[0]), self.parent[1]
        if netns is None:
            return
        if below is None:
            first, dot, number = name.rpartition(".")
            if (
                dot
                and number.isdigit()
                and find_link(snapshot, (self.parent[0], first))[1] is not None
            ):
                remedy = (
                    f"{first} exists: write `kind: vlan` with `parent: {first}` and"
                    f" `id: {number}`, or in a network `vlan: {number}`."
                )
            else:
                others = [link.name for link in netns.links if link.name != "lo"]
                has = f"It has {listing(others)}." if others else "It has only lo."
                remedy = did_you_mean(name, others) or has
            what = f"there is no interface {name} in {label} that could be its parent"
            yield Obstacle("no-parent", what, remedy)
        elif self.FITS_PARENT and self.mtu > below.mtu:
            what = (
                f"its MTU of {self.mtu} is more than the {below.mtu} of {label}:{name}, its parent"
            )
            yield Obstacle("mtu-too-large", what)

    def data(self) -> Attrs:
        """Return the attributes in IFLA_INFO_DATA of a new link."""
        return tuple(pair for attribute in self.ATTRIBUTES for pair in self.pairs(attribute))

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        """Return the encoded attributes that change one attribute from `before` in place.

        Return None if the kernel cannot change it.
        """
        if not attribute.live:
            return None
        if pairs := self.pairs(attribute):
            return pairs
        value = getattr(before, attribute.key)
        blank = attribute.form.blank(value)
        return (
            ()
            if self.REPEATS_ALL
            else None
            if blank is None
            else ((attribute.number_of(value), blank),)
        )

    @classmethod
    def recognises(cls, link: LinkRecord) -> bool:
        return link.kind == cls.KIND

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        """Return the fields that only the kind has, from a record of the kernel."""
        return decoded(cls, link)

    @classmethod
    def read_parent(cls, view: View, link: LinkRecord) -> ParentPlace | None:
        """Return the parent from a record of the kernel."""
        return parent_of(view, link, link.link)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.made_links:
            if cls.recognises(link):
                fields = common_fields(view, link)
                if not cls.HAS_MAC:
                    fields["mac"] = ""
                yield cls(**fields, parent=cls.read_parent(view, link), **cls.read(view, link))

    def basic_attrs(self) -> Attrs:
        return tuple(pair for pair in Link.basic_attrs(self) if pair != (IFLA_MTU, u32(0)))

    def differs(self, before: Resource) -> bool:
        if isinstance(before, type(self)) and not self.mtu:
            return Link.differs(self, replace(before, mtu=0))
        return Link.differs(self, before)

    def create(self) -> Iterator[Request]:
        yield LinkAdd(
            self.netns,
            self.name,
            self.KIND,
            self.before_joining().basic_attrs(),
            self.data(),
            parent=self.parent,
            parent_in=self.PARENT_IN,
            birthplace=self.birthplace,
        )
        yield from self.naming()

    def update(self, before: Self) -> Sequence[Request] | None:
        changed = [
            attribute
            for attribute in self.ATTRIBUTES
            if getattr(self, attribute.key) != getattr(before, attribute.key)
        ]
        changes = [self.change(attribute, before) for attribute in changed]
        moved = self.parent != before.parent
        if (moved and not self.REBINDS) or None in changes:
            return None
        requests = self.changed(before)
        if changed or moved:
            data = (
                self.data()
                if self.REPEATS_ALL
                else tuple(pair for pairs in changes for pair in pairs or ())
            )
            mtu = ((IFLA_MTU, u32(self.mtu)),) if self.mtu and self.RECHOOSES_MTU else ()
            links = (
                ((self.PARENT_IN, self.parent[1]),)
                if self.REBINDS and self.parent is not None
                else ()
            )
            requests.append(
                LinkSet(self.netns, self.name, mtu, kind=self.KIND, data=data, links=links)
            )
        return requests

    def own(self) -> Mapping[str, str]:
        """Return the attributes of the kind that differ from their defaults, as in the file."""
        plain = defaults(self)
        values = ((attribute, getattr(self, attribute.key)) for attribute in self.ATTRIBUTES)
        return {
            attribute.word or attribute.key: value_text(value)
            for attribute, value in values
            if value != plain.get(attribute.key)
        }

    def default_text(self, name: str) -> str | None:
        keys = {attribute.word or attribute.key: attribute.key for attribute in self.ATTRIBUTES}
        if name not in keys:
            return Link.default_text(self, name)
        value = getattr(self, keys[name])
        return value_text(value) if isinstance(value, int) else None

    def attributes(self) -> Mapping[str, str]:
        attributes: dict[str, str] = {}
        if self.parent is not None:
            netns, name = self.parent
            attributes["parent"] = (
                "unknown"
                if self.parent == UNKNOWN
                else name
                if netns == self.netns
                else f"{netns}:{name}"
            )
        common = {
            name: text
            for name, text in self.common().items()
            if (name, text) not in {("mac", ""), ("mtu", "0")}
        }
        return attributes | dict(self.own()) | common


def decoded(kind: type[StandaloneLink], link: LinkRecord) -> dict[str, Any]:
    """Return the fields in a kind's table from a record of the kernel."""
    return {
        attribute.key: attribute.form.decode(link.data[number])
        for attribute in kind.ATTRIBUTES
        for number in (attribute.number6, attribute.number)
        if number and number in link.data
    }


def value_text(value: object) -> str:
    """Return a value as a topology file contains it."""
    return (
        str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)
    )


@cache
def link_feature(kind: str, config: str, module: str) -> Feature:
    """Return the feature that a kernel has links of a kind.

    The probe asks for a link without attributes. The kernel reports an unknown kind with an error
    of its own.
    """
    return Feature(f"{kind} links", config, module, (LinkAdd("", "probe0", kind),))


def find_link(
    snapshot: Snapshot, place: ParentPlace
) -> tuple[NetnsSnapshot | None, LinkRecord | None]:
    """Return the snapshot of the namespace and the link with the name; None for what is missing."""
    netns = snapshot.namespaces.get(place[0])
    links = netns.links if netns is not None else ()
    return netns, next(
        (link for link in links if place[1] == link.name or place[1] in link.altnames), None
    )


def parent_of(view: View, link: LinkRecord, index: int) -> ParentPlace | None:
    """Return the parent of a link. `index` is the index of the parent, 0 if there is none.

    In the link's own namespace the index identifies the parent. A parent in another namespace is
    the one that the alias names, if its index there is the same.
    """
    if not index:
        return None
    if link.link_netnsid is None:
        here = view.links.get(index)
        return None if here is None or here is link else (view.label, here.name)
    named = read_alias(link.alias).peer
    if named is None or named[0] not in view.all:
        return UNKNOWN
    there = view.all[named[0]].by_name.get(named[1])
    return named if there is not None and there.index == index else UNKNOWN
