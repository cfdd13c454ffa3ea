"""The keys that every interface has, and the base of the models of interfaces."""

from typing import Annotated, Literal, Self

from netorch.language.addresses import Address
from netorch.language.impair_model import ImpairModel
from netorch.language.model import Before, Field, Model, after
from netorch.language.scalars import (
    U32,
    Flag,
    InterfaceAddress,
    InterfaceName,
    IPAddress,
    Mac,
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
from netorch.topology.interfaces.port import PortModel


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

    @after
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


Addresses = Annotated[list[Annotated[AddressModel, Before(address_words)]], Before(one_or_many)]


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
    arp: Flag | None = Field(
        None,
        description="Ask for MAC addresses, and answer for the interface's own (true).",
    )
    multicast: Flag | None = Field(
        None, description="Take part in multicast, on which IPv6 depends (true)."
    )
    promisc: Flag | None = Field(
        None, description="Accept frames for other MAC addresses too (false)."
    )
    allmulti: Flag | None = Field(
        None, description="Accept all multicast frames, whatever groups it has joined (false)."
    )
    txqueuelen: U32 | None = Field(None, description="Length of the send queue, in packets (1000).")
    sysctls: dict[SettingName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Sysctls of the interface, such as `rp_filter`. Each is set for IPv4 and for"
        " IPv6, where it exists.",
    )
    neighbours: Annotated[list[NeighbourModel], Before(one_or_many)] = Field(
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
