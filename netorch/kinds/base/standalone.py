"""What links have in common that are made alone: nothing is made along with them, though many ride on a parent.

A kind of them is a table: its `ATTRIBUTES` say for each key of the file which attribute of IFLA_INFO_DATA holds it, how it is
written, and whether the kernel changes it in place.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import WithJsonSchema

from netorch.errors import did_you_mean
from netorch.immutable import Value, defaults, replace
from netorch.kinds.base.link import InterfaceModel, Link, LinkFields, common_fields, link_key
from netorch.kinds.netns import netns_key
from netorch.language.schema_shapes import substituted, text
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
"""A parent in another namespace that the alias does not name, or names without the kernel confirming it."""

ParentPlace = tuple[str, str]
"""Namespace label, interface name."""


class Attribute(Value):
    """One key of a kind: a field of the resource and of its words, the IFLA_… number in IFLA_INFO_DATA, how it is written there.

    `live`: the kernel changes it in place; of the others a change is a new link. The field's default is the kernel's own.
    `number6`: the IFLA_… number of an address where it is an IPv6 one, if that is another. `word`: the file's name of the key, if
    the resource has another one for it.
    """

    key: str
    number: int
    form: AttributeType
    live: bool = False
    number6: int = 0
    word: str = ""

    def number_of(self, value: object) -> int:
        return self.number6 if self.number6 and ":" in str(value) else self.number


PlaceName = Annotated[
    str,
    WithJsonSchema(
        substituted(
            text(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}:)?[^\s/:]+", "interface: IF or NODE:IF")
        )
    ),
]
"""A parent, `IF` or `NODE:IF`; it may be an interface of the host, under any of its names."""


class StandaloneLink(NoForeignObjects, Link):
    """A link that its kind's table says everything about. An MTU of 0 is the kernel's choice and left alone.

    Kinds without `HAS_MAC` have none to set. `WHOLE`: a change in place has to say all attributes again. `CONFIG`: what the kernel
    is built with to have the kind, as (CONFIG_ option, module). `PARENT_IN`: the IFLA_… number in IFLA_INFO_DATA that names the
    parent, where it is not IFLA_LINK. `UNIQUE`: fields in which no two links of the kind on one network stack may all agree.
    `RESERVED`: names that Linux takes for itself. `REMEASURES`: with a change in place the kernel chooses the MTU again.
    `FITS_PARENT`: its MTU is its parent's at most.
    """

    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = ()
    HAS_MAC: ClassVar[bool] = True
    FITS_PARENT: ClassVar[bool] = False
    WHOLE: ClassVar[bool] = False
    CONFIG: ClassVar[tuple[str, str]] = ("", "")
    PARENT_IN: ClassVar[int] = 0
    UNIQUE: ClassVar[tuple[str, ...]] = ()
    RESERVED: ClassVar[frozenset[str]] = frozenset()
    REMEASURES: ClassVar[bool] = False
    parent: ParentPlace | None = None

    @property
    def dies_with(self) -> tuple[Key, ...]:
        """The kernel removes it with its parent."""
        above = (link_key(*self.parent),) if self.parent is not None else ()
        return (netns_key(self.netns), *above)

    @classmethod
    def kernel_features(cls) -> tuple[Feature, ...]:
        """What every link of the kind needs."""
        return (link_feature(cls.KIND, *cls.CONFIG),)

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.kernel_features()

    @property
    def claim(self) -> tuple[object, ...] | None:
        # its packets come and go where its parent is
        stack = self.netns if self.parent is None else self.parent[0]
        return (
            (self.KIND, stack, *(getattr(self, key) for key in self.UNIQUE))
            if self.UNIQUE
            else None
        )

    def pairs(self, attribute: Attribute) -> Attrs:
        """An attribute as IFLA_INFO_DATA says it; nothing where leaving it out does."""
        value = getattr(self, attribute.key)
        payload = attribute.form.encode(value)
        return () if payload is None else ((attribute.number_of(value), payload),)

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        if self.parent is None or link_key(*self.parent) in desired:
            return
        netns, below = find(snapshot, self.parent)
        label, name = label_text(self.parent[0]), self.parent[1]
        if netns is None:
            return
        if below is None:
            first, dot, number = name.rpartition(".")
            if dot and number.isdigit() and find(snapshot, (self.parent[0], first))[1] is not None:
                remedy = f"{first} is there: say `kind: vlan` with `parent: {first}` and `id: {number}`, in a network `vlan: {number}`."
            else:
                remedy = did_you_mean(
                    name, [link.name for link in netns.links if link.name != "lo"]
                )
            what = f"there is no interface {name} in {label} that it could be on"
            yield Obstacle("no-parent", what, remedy)
        elif self.FITS_PARENT and self.mtu > below.mtu:
            what = f"its MTU of {self.mtu} is more than the {below.mtu} of {label}:{name}, which it is on"
            yield Obstacle("mtu-too-large", what)

    def data(self) -> Attrs:
        """IFLA_INFO_DATA of a new one."""
        return tuple(pair for attribute in self.ATTRIBUTES for pair in self.pairs(attribute))

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        """What turns one attribute into this link's in place; None where nothing does."""
        if not attribute.live:
            return None
        if pairs := self.pairs(attribute):
            return pairs
        value = getattr(before, attribute.key)
        blank = attribute.form.blank(value)
        return (
            () if self.WHOLE else None if blank is None else ((attribute.number_of(value), blank),)
        )

    @classmethod
    def recognises(cls, link: LinkRecord) -> bool:
        return link.kind == cls.KIND

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        """Its own fields as a dump shows them."""
        return decoded(cls, link)

    @classmethod
    def read_parent(cls, view: View, link: LinkRecord) -> ParentPlace | None:
        """What it rides on, as a dump shows it."""
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
        )
        yield from self.naming()

    def update(self, before: Self) -> Sequence[Request] | None:
        changed = [
            attribute
            for attribute in self.ATTRIBUTES
            if getattr(self, attribute.key) != getattr(before, attribute.key)
        ]
        changes = [self.change(attribute, before) for attribute in changed]
        if self.parent != before.parent or None in changes:
            return None
        requests = self.changed(before)
        if changed:
            data = (
                self.data()
                if self.WHOLE
                else tuple(pair for pairs in changes for pair in pairs or ())
            )
            mtu = ((IFLA_MTU, u32(self.mtu)),) if self.mtu and self.REMEASURES else ()
            requests.append(LinkSet(self.netns, self.name, mtu, kind=self.KIND, data=data))
        return requests

    def own(self) -> Mapping[str, str]:
        """Its own attributes in the words of the file, those that differ from the default."""
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
        told: dict[str, str] = {}
        if self.parent is not None:
            netns, name = self.parent
            told["parent"] = (
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
        return told | dict(self.own()) | common


def parse_place(name: str) -> tuple[str | None, str]:
    """The node and the interface of a `PlaceName`; None where it names no node."""
    node, colon, interface = name.rpartition(":")
    return node if colon else None, interface


class StandaloneModel(InterfaceModel):
    """The words of a kind that is made alone. `MAKES`: its resource. `FAR_PARENT`: its parent may be in another namespace.
    `TAKES_PORTS`: it is a master.
    """

    MAKES: ClassVar[type[StandaloneLink]]
    FAR_PARENT: ClassVar[bool] = False
    TAKES_PORTS: ClassVar[bool] = False

    def taken_from(self, name: str) -> str:
        """What the host calls the NIC that is to be it, under the `name` here; "" for a link that is made."""
        return ""

    @property
    def parent_name(self) -> str | None:
        """The parent as the file names it, `IF` or `NODE:IF`; None without one."""
        return getattr(self, "parent", None)

    def default_mtu(self, parent: int | None) -> int:
        """What the kernel gives a new one, 0 where that is not known; `parent` is its parent's MTU, None without one, 0 if unknown."""
        return ETHERNET_MTU if parent is None else parent

    @property
    def sends_from(self) -> str | None:
        """The address of its node that its packets leave with: without a parent, the MTU there is what it has to fit into."""
        return None

    def largest_mtu(self, parent: int) -> int | None:
        """What the kernel grants at most over a parent with this MTU; None without a limit."""
        return parent if self.MAKES.FITS_PARENT else None

    def child_resources(
        self, link: StandaloneLink
    ) -> Iterator[tuple[Resource, tuple[str | int, ...]]]:
        """What hangs on the link by its own words, each with its place in them."""
        return iter(())

    def values(self) -> dict[str, Any]:
        """Its own fields as the words say them; a kind whose words and fields differ says how."""
        return {
            attribute.key: getattr(self, attribute.word or attribute.key)
            for attribute in self.MAKES.ATTRIBUTES
        }

    def link(self, fields: LinkFields, parent: ParentPlace | None) -> StandaloneLink:
        """The resource."""
        return self.MAKES(**fields, parent=parent, **self.values())


def decoded(kind: type[StandaloneLink], link: LinkRecord) -> dict[str, Any]:
    """The fields of a kind's table as a dump shows them."""
    return {
        attribute.key: attribute.form.decode(link.data[number])
        for attribute in kind.ATTRIBUTES
        for number in (attribute.number6, attribute.number)
        if number and number in link.data
    }


def value_text(value: object) -> str:
    """A value in the words of the file."""
    return (
        str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)
    )


@cache
def link_feature(kind: str, config: str, module: str) -> Feature:
    """That a kernel has links of a kind: without any attribute it says of an unknown kind just that, and of others something else."""
    return Feature(f"{kind} links", config, module, (LinkAdd("", "probe0", kind),))


def find(snapshot: Snapshot, place: ParentPlace) -> tuple[NetnsSnapshot | None, LinkRecord | None]:
    """A namespace that was looked into, and the link there that has the name."""
    netns = snapshot.namespaces.get(place[0])
    links = netns.links if netns is not None else ()
    return netns, next(
        (link for link in links if place[1] == link.name or place[1] in link.altnames), None
    )


def parent_of(view: View, link: LinkRecord, index: int) -> ParentPlace | None:
    """What it rides on: in its own namespace by the index; in another one as the alias says, where the index there agrees."""
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
