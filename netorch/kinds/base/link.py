"""The common part of all links."""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, NotRequired, Self, TypedDict

from netorch.immutable import replace
from netorch.kinds.netns import netns_key
from netorch.netlink.codec import cstring, u32
from netorch.netlink.constants import IFLA_ADDRESS, IFLA_GROUP, IFLA_IFALIAS, IFLA_MTU, IFLA_TXQLEN
from netorch.state.key import HOST, Key, cached_key, label_text
from netorch.state.registry import View, reports_unproven
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import ALIAS, Mark, read_alias
from netorch.values.ownership import Original
from netorch.values.requests import AltnameAdd, AltnameDel, Attrs, LinkDel, LinkSet, Request
from netorch.values.snapshot import Adoption, LinkRecord, NetnsSnapshot

TXQUEUELEN = 1000
"""The queue length that the kernel gives to a new Ethernet-like link."""


@cached_key
def link_key(netns: str, name: str) -> Key:
    return Key("link", netns, name)


IFLA_VXLAN_COLLECT_METADATA = 25


def is_external(link: LinkRecord) -> bool:
    """Return whether routes or programs choose the other end of this tunnel for each packet."""
    return link.kind == "vxlan" and any(link.data.get(IFLA_VXLAN_COLLECT_METADATA, b""))


def link_of(key: Key) -> str:
    """Return the name of the link in the key of a link or of a part of one, such as an address."""
    return key.parts[0]


class Link(Resource):
    """A link of the topology."""

    KIND: ClassVar[str] = "link"
    MTUS: ClassVar[tuple[int, int]] = (68, 65535)
    """The smallest and the largest MTU that Linux allows, apart from the limit of a parent."""
    QUEUE: ClassVar[int] = TXQUEUELEN
    """The default length of the send queue, which `attributes` leaves out."""
    LENT: ClassVar[bool] = False
    """Whether the link exists before the topology and keeps the values that the file omits."""
    HINTS: ClassVar[tuple[str, ...]] = ("own_mac",)
    netns: str
    name: str
    mtu: int
    mac: str
    """The MAC address; netorch leaves it alone if it is ""."""
    group: int
    """The link group, a mark."""
    alias: str
    """The alias, a mark."""
    txqueuelen: int = TXQUEUELEN
    altname: str = ""
    """An alternative name: the long form of a name that is too long for the kernel."""
    own_mac: str = ""
    """The MAC address with which a port of a bond is made. The bond changes it to `mac`."""

    @property
    def key(self) -> Key:
        return link_key(self.netns, self.name)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset((cls.KIND,))

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        return iter(())

    def basic_attrs(self) -> Attrs:
        """Attributes that the kernel takes at creation."""
        return (
            (IFLA_MTU, u32(self.mtu)),
            *(((IFLA_ADDRESS, bytes.fromhex(self.mac.replace(":", ""))),) if self.mac else ()),
            (IFLA_GROUP, u32(self.group)),
            (IFLA_TXQLEN, u32(self.txqueuelen)),
        )

    def before_joining(self) -> Self:
        """Return the link as it is made, before it joins a bond."""
        return replace(self, mac=self.own_mac) if self.own_mac else self

    def differs(self, before: Resource) -> bool:
        if not self.mac and isinstance(before, type(self)):
            return self != replace(before, mac="")
        return self != before

    def naming(self) -> Iterator[Request]:
        """Yield the requests for marks that the kernel does not take at creation."""
        yield LinkSet(self.netns, self.name, ((IFLA_IFALIAS, cstring(self.alias)),))
        if self.altname:
            yield AltnameAdd(self.netns, self.name, self.altname)

    def changed(self, before: Self) -> list[Request]:
        """Return the requests that change the common attributes, all of them in place."""
        previous = set(before.basic_attrs())
        attrs = [attr for attr in self.basic_attrs() if attr not in previous]
        if self.alias != before.alias:
            attrs.append((IFLA_IFALIAS, cstring(self.alias)))
        requests: list[Request] = [LinkSet(self.netns, self.name, tuple(attrs))] if attrs else []
        if self.altname != before.altname:
            if before.altname:
                requests.append(AltnameDel(self.netns, self.name, before.altname))
            if self.altname:
                requests.append(AltnameAdd(self.netns, self.name, self.altname))
        return requests

    def disruption(self, before: Self) -> Disruption:
        # A new MAC interrupts traffic, because frames that are on their way to the previous MAC are
        # lost.
        return Disruption.UPDATE if self.mac in {"", before.mac} else Disruption.FLAP

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        from netorch.kinds.base.managers import manager_of

        link = next((link for link in netns.links if link.name == self.name), None)
        if link is None:
            return "the name is an alternative name of another link"
        if not link.kind:
            return "it is a NIC, and `kind: physical` moves one into a node"
        if link.alias.startswith(ALIAS):
            return "it has the mark of a topology"
        if netns.label == HOST and (who := manager_of(link.name)):
            return f"its name is one that {who} gives, which manages it"
        marked = replace(link, alias=self.alias, group=self.group)
        links = tuple(marked if other is link else other for other in netns.links)
        return Adoption(
            replace(netns, links=links),
            (_marks(self.netns, self.name, self.alias, self.group),),
            (_marks(self.netns, self.name, link.alias, link.group),),
            Original(alias=link.alias, group=link.group),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        before = original or Original()
        description = read_alias(self.alias).description
        return (_marks(self.netns, self.name, description or before.alias, before.group),)

    def delete(self) -> Iterator[Request]:
        yield LinkDel(self.netns, self.name)

    def common(self) -> dict[str, str]:
        """Return the attributes that all links have, with the names of the topology file."""
        attributes = {"mtu": str(self.mtu)} if self.mtu else {}
        if self.mac:
            attributes["mac"] = self.mac
        if self.txqueuelen != self.QUEUE:
            attributes["txqueuelen"] = str(self.txqueuelen)
        if description := read_alias(self.alias).description:
            attributes["description"] = description
        topology = read_alias(self.alias).topology
        if not topology:
            attributes["mark"] = repr(self.alias) if self.alias else "missing"
        elif self.group != Mark(topology).group:
            attributes["group"] = str(self.group)
        if self.altname:
            attributes["altname"] = self.altname
        return attributes

    def attributes(self) -> Mapping[str, str]:
        return self.common()

    def resets_others(self, before: Resource) -> bool:
        return isinstance(before, Link) and self.mtu != before.mtu

    def default_text(self, name: str) -> str | None:
        if name == "mtu":
            return str(self.mtu) if self.mtu else "the choice of Linux"
        default = getattr(self, name, None)
        return str(default).lower() if isinstance(default, int) else None

    def title(self) -> str:
        return f"{self.KIND} {label_text(self.netns)}/{self.name}"


def _marks(netns: str, name: str, alias: str, group: int) -> LinkSet:
    """Return the request that sets the alias and the group of a link."""
    text = cstring(alias) if alias else b""
    return LinkSet(netns, name, ((IFLA_IFALIAS, text), (IFLA_GROUP, u32(group))))


def kind_of(link: Resource) -> str:
    """Return the kind of a link for messages, which call lo `loopback`."""
    return "loopback" if link.key == link_key(link.key.netns, "lo") else link.KIND


class LinkFields(TypedDict):
    """The fields of `Link`, for the constructors of its kinds."""

    netns: str
    name: str
    mtu: int
    mac: str
    group: int
    alias: str
    txqueuelen: NotRequired[int]
    altname: NotRequired[str]
    own_mac: NotRequired[str]


def common_fields(view: View, link: LinkRecord) -> LinkFields:
    """Return the fields of `Link` from a record of the kernel."""
    return {
        "netns": view.label,
        "name": link.name,
        "mtu": link.mtu,
        "mac": link.mac.hex(":"),
        "group": link.group,
        "alias": link.alias,
        "txqueuelen": link.txqueuelen,
        "altname": " ".join(link.altnames),
    }


def foreign_links(view: View) -> Iterator[tuple[Key, str]]:
    """Yield foreign links, under each of their names, with a clause about who made them.

    Alternative names count, because the kernel gives each name to one link only.
    """
    for link in view.netns.links:
        if not view.owns(link):
            what = f"{link.kind or 'device'} {label_text(view.label)}/{link.name}"
            yield link_key(view.label, link.name), f"{what} exists and {view.maker(link)}"
            for name in link.altnames:
                yield (
                    link_key(view.label, name),
                    f"{what} has the alternative name {name} and {view.maker(link)}",
                )


@reports_unproven
def _unproven(view: View) -> Iterator[tuple[Key, str]]:
    """Yield links on the host that have the topology's mark but are not on record."""
    for link in view.netns.links if view.label == HOST else ():
        if (
            view.mark.owns_alias(link.alias)
            and not read_alias(link.alias).origin
            and not view.owns(link)
        ):
            what = (
                f"host/{link.name} says that {view.mark.topology} made it, and no record proves it"
            )
            yield link_key(HOST, link.name), f"{what}: netorch leaves it alone"
