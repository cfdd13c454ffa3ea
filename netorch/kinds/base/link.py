"""The common part of all links, and the models of the keys that every interface has."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, NotRequired, Self, TypedDict

from pydantic import BeforeValidator, Field, model_validator

from netorch.immutable import replace
from netorch.kinds.base.port_models import PortModel
from netorch.kinds.netns import netns_key
from netorch.language.impairment import ImpairModel
from netorch.language.scalars import (
    U32,
    Address,
    Flag,
    InterfaceAddress,
    InterfaceName,
    IPAddress,
    Mac,
    Model,
    Mtu,
    SettingName,
    SysctlValue,
    Text,
    empty_dict,
    empty_list,
    interface_address,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import accepts, of, or_scalar
from netorch.netlink.codec import cstring, u32
from netorch.netlink.constants import IFLA_ADDRESS, IFLA_GROUP, IFLA_IFALIAS, IFLA_MTU, IFLA_TXQLEN
from netorch.state.key import HOST, Key, cached_key, label_text
from netorch.state.registry import View, reports_unproven
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import Mark, read_alias
from netorch.values.requests import AltnameAdd, AltnameDel, Attrs, LinkDel, LinkSet, Request
from netorch.values.snapshot import LinkRecord

TXQUEUELEN = 1000
"""The queue length that the kernel gives to a new Ethernet-like link."""


@cached_key
def link_key(netns: str, name: str) -> Key:
    return Key("link", netns, name)


def link_of(key: Key) -> str:
    """Return the name of the link in the key of a link or of a part of one, such as an address."""
    return key.parts[0]


class AddressModel(Model):
    """An address of an interface; the short form is the address alone."""

    address: InterfaceAddress = Field(description="The interface's own address.")
    peer: IPAddress | None = Field(
        None, description="Address of the other end of a point-to-point link."
    )
    scope: Literal["global", "link", "host"] | None = Field(
        None,
        description="Scope in which an IPv4 address is valid (`host` for 127.0.0.0/8, else"
        " `global`).",
    )

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        if self.peer is None:
            return self
        if self.peer.version != self.address.version:
            wrong(f"{self.address} and its `peer` {self.peer} mix IPv4 and IPv6", "mixed-families")
        if self.peer.is_unspecified:
            wrong(f"`peer` {self.peer} is not the address of a host", "not-a-host-address")
        return self

    @property
    def other_end(self) -> Address | None:
        """The `peer`, or None if it is the address itself, which Linux takes for no peer."""
        return None if self.peer == self.address.ip else self.peer


class NeighbourModel(Model):
    """A neighbour on the interface's segment whose MAC address Linux does not have to ask for."""

    address: IPAddress = Field(description="IP address of the neighbour.")
    mac: Mac = Field(description="MAC address of the neighbour.")


@accepts(or_scalar(of(interface_address)))
def address_words(value: object) -> object:
    return value if isinstance(value, dict) else {"address": value}


Addresses = Annotated[
    list[Annotated[AddressModel, BeforeValidator(address_words)]], BeforeValidator(one_or_many)
]


class CommonModel(Model):
    """The keys that every interface has, wherever it is declared."""

    addresses: Addresses = Field(
        default_factory=empty_list,
        description="IPv4 and IPv6 addresses, added in this order. The first one in an IPv4 subnet"
        " is its primary address.",
    )
    mtu: Mtu | None = Field(
        None,
        description="MTU in bytes. If only one end of a cable sets it, it holds for both ends"
        " (1500).",
    )
    mac: Mac | None = Field(
        None, description="MAC address of the interface (derived from the names)."
    )
    state: Literal["up", "down"] | None = Field(None, description="Administrative state (up).")
    txqueuelen: U32 | None = Field(None, description="Length of the send queue, in packets (1000).")
    sysctls: dict[SettingName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Sysctls of the interface, such as `rp_filter`. Each is set for IPv4 and for"
        " IPv6, where it exists.",
    )
    neighbours: Annotated[list[NeighbourModel], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Permanent neighbour entries (ARP, NDP): `{address, mac}` each.",
    )
    description: Text | None = Field(
        None, description="One line of text, stored in the interface's alias."
    )
    impair: ImpairModel | None = Field(
        None, description="Impairment of the packets that it sends: delay, loss, a rate."
    )


class InterfaceModel(CommonModel):
    """An entry of `interfaces`. Its `kind` decides which further keys it takes."""

    kind: str | None = Field(
        None,
        description="Kind of interface to make. Leave it out if a link or a network makes the"
        " interface.",
    )
    master: InterfaceName | None = Field(
        None, description="Bridge, bond or VRF of this node that the interface is a port of."
    )
    port: PortModel | None = Field(
        None,
        description="Settings of the interface as a port of a bridge. For a bridge itself: the"
        " VLANs in which the bridge interface sends and receives.",
    )

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the links whose master this one is."""
        return ()


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

    def delete(self) -> Iterator[Request]:
        yield LinkDel(self.netns, self.name)

    def common(self) -> dict[str, str]:
        """Return the attributes that all links have, with the names of the topology file."""
        attributes = {"mtu": str(self.mtu), **({"mac": self.mac} if self.mac else {})}
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
        default = getattr(self, name, None)
        return str(default).lower() if isinstance(default, int) else None

    def title(self) -> str:
        return f"{self.KIND} {label_text(self.netns)}/{self.name}"


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


__all__ = [
    "Addresses",
    "CommonModel",
    "Flag",
    "InterfaceModel",
    "Link",
    "common_fields",
    "foreign_links",
    "link_key",
]
