"""What all links share: name, MTU, MAC, queue length, marks, alternative name; and the words for them."""

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
"""What the kernel gives to a new Ethernet-like link."""


@cached_key
def link_key(netns: str, name: str) -> Key:
    return Key("link", netns, name)


def link_of(key: Key) -> str:
    """The link's name in the key of a link, or of what is a part of one such as its address: the first part of either."""
    return key.parts[0]


class AddressModel(Model):
    """An address of an interface; the short form is the address alone."""

    address: InterfaceAddress = Field(description="The interface's own address.")
    peer: IPAddress | None = Field(
        None, description="The other end's address, on a point-to-point link."
    )
    scope: Literal["global", "link", "host"] | None = Field(
        None, description="How far it is valid, IPv4 only (`host` for 127.0.0.0/8, else `global`)."
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
        """The `peer`; to Linux an address that is its own peer has none."""
        return None if self.peer == self.address.ip else self.peer


class NeighbourModel(Model):
    """Somebody on the interface's segment, with a MAC that nobody has to ask for."""

    address: IPAddress = Field(description="The neighbour's address.")
    mac: Mac = Field(description="Its MAC address.")


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
        description="IPv4 and IPv6 addresses in order; the first of an IPv4 subnet is its primary one.",
    )
    mtu: Mtu | None = Field(
        None, description="Bytes; where only one end of a cable says it, both get it (1500)."
    )
    mac: Mac | None = Field(None, description="Hardware address (derived from the names).")
    state: Literal["up", "down"] | None = Field(None, description="Administrative state (up).")
    txqueuelen: U32 | None = Field(None, description="Length of the send queue, in packets (1000).")
    sysctls: dict[SettingName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Settings of the interface, such as `rp_filter`, for IPv4 and IPv6 where they exist.",
    )
    neighbours: Annotated[list[NeighbourModel], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Permanent neighbours (ARP, NDP): `{address, mac}` each.",
    )
    description: Text | None = Field(None, description="One line, kept in the interface's alias.")
    impair: ImpairModel | None = Field(
        None, description="What happens to what it sends: delay, loss, a rate."
    )


class InterfaceModel(CommonModel):
    """An entry of `interfaces`; `kind` says which further keys it takes."""

    kind: str | None = Field(
        None, description="What netorch is to make; left out where a link makes it."
    )
    master: InterfaceName | None = Field(
        None, description="The bridge, bond or VRF of this node that it is a port of."
    )
    port: PortModel | None = Field(
        None,
        description="How the bridge treats it whose port it is; of a bridge, its own port's VLANs.",
    )

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the links that this one is the master of."""
        return ()


class Link(Resource):
    """A link of ours. `group` and `alias` are its marks, `altname` the long form of a name that did not fit.

    A `mac` of "" is left alone. `own_mac`: what it is made with where `mac` is what its bond makes of that.
    """

    KIND: ClassVar[str] = "link"
    MTUS: ClassVar[tuple[int, int]] = (68, 65535)
    """The least and the largest MTU that Linux gives it, whatever it rides on."""
    QUEUE: ClassVar[int] = TXQUEUELEN
    """The length of the send queue that goes without saying."""
    LENT: ClassVar[bool] = False
    """Whether it was there before, with values of its own that are left alone."""
    HINTS: ClassVar[tuple[str, ...]] = ("own_mac",)
    netns: str
    name: str
    mtu: int
    mac: str
    group: int
    alias: str
    txqueuelen: int = TXQUEUELEN
    altname: str = ""
    own_mac: str = ""

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
        """As it is before it joins a bond."""
        return replace(self, mac=self.own_mac) if self.own_mac else self

    def differs(self, before: Resource) -> bool:
        if not self.mac and isinstance(before, type(self)):
            return self != replace(before, mac="")
        return self != before

    def naming(self) -> Iterator[Request]:
        """The marks that cannot be set at creation."""
        yield LinkSet(self.netns, self.name, ((IFLA_IFALIAS, cstring(self.alias)),))
        if self.altname:
            yield AltnameAdd(self.netns, self.name, self.altname)

    def changed(self, before: Self) -> list[Request]:
        """Requests for the common attributes that differ, all of which the kernel changes in place."""
        had = set(before.basic_attrs())
        attrs = [attr for attr in self.basic_attrs() if attr not in had]
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
        # what is on its way to the MAC that it had is lost
        return Disruption.UPDATE if self.mac in {"", before.mac} else Disruption.FLAP

    def delete(self) -> Iterator[Request]:
        yield LinkDel(self.netns, self.name)

    def common(self) -> dict[str, str]:
        """Attributes in the words of the file."""
        said = {"mtu": str(self.mtu), **({"mac": self.mac} if self.mac else {})}
        if self.txqueuelen != self.QUEUE:
            said["txqueuelen"] = str(self.txqueuelen)
        if description := read_alias(self.alias).description:
            said["description"] = description
        topology = read_alias(self.alias).topology
        if not topology:
            said["mark"] = repr(self.alias) if self.alias else "missing"
        elif self.group != Mark(topology).group:
            said["group"] = str(self.group)
        if self.altname:
            said["altname"] = self.altname
        return said

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
    """The kind of a link in a person's words, who calls lo by what it is."""
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
    """The fields of `Link` as a dump shows them."""
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
    """Links that are not ours by each of their names, with who made them: the kernel gives a name to one link only."""
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
    """Links on the host that carry our mark, and of which the record says nothing."""
    for link in view.netns.links if view.label == HOST else ():
        if (
            view.mark.owns_alias(link.alias)
            and not read_alias(link.alias).origin
            and not view.owns(link)
        ):
            what = (
                f"host/{link.name} says that {view.mark.topology} made it, and no record proves it"
            )
            yield link_key(HOST, link.name), f"{what}: it is left alone"


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
