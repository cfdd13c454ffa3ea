"""Entries of `networks`, which nodes join."""

from typing import Annotated, Any, Literal, Self

from netorch.kinds import ipvlan, macvlan
from netorch.language import schema_shapes
from netorch.language.addresses import Address, Network
from netorch.language.constraints import constraints
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.scalars import (
    U32,
    Flag,
    InterfaceName,
    IPAddress,
    Line,
    MachineName,
    Mtu,
    NodeName,
    Subnet,
    address,
    empty_dict,
    empty_list,
    integer,
    interface_name,
    network,
    node_name,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import accepts
from netorch.topology.interfaces.bridge_settings import BridgeSettings
from netorch.topology.interfaces.standalone import PlaceName, parse_place
from netorch.topology.interfaces.udp_tunnel import Port, Vni
from netorch.topology.modes import (
    AUTO_SUBNET,
    BRIDGED,
    BRIDGED_SUBNET,
    EXISTING_BRIDGE,
    IPVLAN_GATEWAY,
    OVERLAY,
    STACKED,
    FamilyModes,
    modes_by_family,
)
from netorch.topology.pools import AUTO, Pools, SubnetOrAuto


@accepts(
    schema_shapes.text(
        rf"{schema_shapes.IP}|(?![0-9.]+$)[A-Za-z0-9_][A-Za-z0-9_.-]{{0,62}}",
        "IP address or node",
        "10.0.0.1",
        "r1",
    )
)
def _gateway(value: object) -> object:
    if isinstance(value, str) and not value.replace(".", "").isdigit() and ":" not in value:
        return node_name(value)
    return address(value)


@accepts(schema_shapes.text(schema_shapes.SUBNET, "subnet or address", "10.9.0.0/16"))
def member_destination(value: object) -> Network:
    """Parse the destination of a network's route, which is not the default route."""
    if value == "default" or (subnet := network(value)).prefixlen == 0:
        wrong("the default route of members is `gateway`: write that in place of the route")
    return subnet


class NetworkRouteModel(Model):
    """A route that a network gives to its members."""

    to: Annotated[Network, Plain(member_destination)] = Field(
        description="Destination; an address without prefix length is one host."
    )
    via: Annotated[Any, Before(_gateway)] = Field(
        description="Gateway: a member of the network, or an address in it."
    )
    metric: U32 | None = Field(
        None, description="Metric; the lowest one wins (0 for IPv4, 1024 for IPv6)."
    )

    @after
    def _one_ip_version(self) -> Self:
        if not isinstance(self.via, str) and self.via.version != self.to.version:
            wrong(f"the route to {self.to} via {self.via} mixes IPv4 and IPv6", "mixed-families")
        return self


class NetworkModel(BridgeSettings):
    """A network that nodes join."""

    mode: Annotated[FamilyModes, Before(modes_by_family)] = Field(
        default_factory=lambda: "segment",
        validate_default=True,
        description="How the network is connected to its owner and to the outside, or"
        " `{v4: …, v6: …}` if that differs between IPv4 and IPv6 (segment).",
    )
    driver: Literal["bridge", "macvlan", "ipvlan", "vxlan"] = Field(
        "bridge", description="Kind of links that join the members (bridge)."
    )
    subnet: Annotated[list[SubnetOrAuto], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Subnets of the network, IPv4 and IPv6; `auto` and `auto6` are subnets that"
        " netorch chooses from `pool` (nat, routed, host-only: auto; others: none).",
    )
    pool: Pools = Field(
        default_factory=empty_list,
        description="Where the subnets come from that netorch chooses, IPv4 and IPv6"
        " (10.210.0.0/16, and a part of fd00::/8 that depends on the topology's name).",
    )
    ip_range: Annotated[list[Subnet], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Ranges from which members get automatic addresses (the whole subnet).",
    )
    gateway: Annotated[list[Annotated[Any, Before(_gateway)]], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="segment: the member that routes for the others, or its address; other modes:"
        " the address of the bridge, or with bridged of a router on the uplink's segment"
        " (segment and bridged: none; others: the subnet's first host).",
    )
    metric: U32 | None = Field(
        None,
        description="Metric of the default route that the network gives to its members (0 for IPv4,"
        " 1024 for IPv6).",
    )
    routes: list[NetworkRouteModel] = Field(
        default_factory=empty_list,
        description="Further routes that the network gives to its members.",
    )
    label: Line | None = Field(
        None, description="One line of text about the network, for pictures and for `netorch show`."
    )
    node: NodeName | None = Field(
        None,
        description="Node that has the bridge or the `parent`"
        " (segment: the fabric; other modes, or with a `parent`: `host`).",
    )
    on: MachineName | None = Field(
        None,
        description="Machine in `hosts` whose `host` has the bridge or the `parent`"
        " (the machine of `node`, or of all members).",
    )
    bridge: InterfaceName | None = Field(
        None, description="Name of the bridge (the network's name)."
    )
    existing: Flag = Field(
        False,
        description="The bridge exists already, and stays: the members join it, and other ports of"
        " it are left alone (false).",
    )
    mtu: Mtu | None = Field(
        None, description="MTU of the bridge and of the members' interfaces (1500)."
    )
    isolated: Flag | None = Field(
        None,
        description="Drop packets between its members and those of the owner's other networks"
        " (true for nat and host-only, else false).",
    )
    allow: Annotated[list[NodeName], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Networks of the same owner whose members reach this network's members, and"
        " the reverse, although one of the two is isolated.",
    )
    port_isolation: Flag = Field(
        False, description="Let members reach the gateway, but not one another (false)."
    )
    egress: Annotated[list[IPAddress], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="nat: source address of the packets that leave the network, one for each IP"
        " version (that of the outgoing interface).",
    )
    uplink: InterfaceName | None = Field(
        None,
        description="bridged: the interface of `node` that becomes a port of the bridge; the bridge"
        " takes over its addresses and routes.",
    )
    parent: PlaceName | None = Field(
        None,
        description="macvlan, ipvlan: the interface whose segment the members join, `IF` of `node`"
        " or `NODE:IF` (a closed network).",
    )
    vlan: Annotated[int, Before(integer(0, 4094))] | None = Field(
        None,
        description="macvlan, ipvlan: VLAN of the parent that the members join, 0 to 4094; netorch"
        " makes a VLAN device PARENT.VLAN if the file does not declare it.",
    )
    driver_mode: Literal[macvlan.MacvlanMode, ipvlan.IpvlanMode] | None = Field(
        None,
        description="macvlan: `bridge`, `private`, `vepa` or `passthru`; ipvlan: `l2`, `l3` or"
        " `l3s` (macvlan: bridge; ipvlan: l2).",
    )
    vni: Vni | None = Field(
        None, description="vxlan: the network identifier, 0 to 16777215; required."
    )
    port: Port | None = Field(None, description="vxlan: UDP port (4789).")
    endpoints: dict[NodeName, IPAddress] = Field(
        default_factory=empty_dict,
        description="vxlan: the nodes that have a bridge of the network, each with the address from"
        " which its tunnel starts: `{NODE: ADDRESS}`.",
    )

    @after
    def _one_egress(self) -> Self:
        if len({address.version for address in self.egress}) < len(self.egress):
            wrong("`egress` takes one address for each IP version")
        if any(self.mode_of(address.version) != "nat" for address in self.egress):
            wrong("`egress` needs mode nat for the IP version of the address")
        return self

    _overlay = constraints(*OVERLAY)

    @after
    def _endpoint_addresses(self) -> Self:
        ends = list(self.endpoints.values())
        if len({end.version for end in ends}) > 1:
            wrong(
                "the endpoints mix IPv4 and IPv6: a tunnel uses one IP version",
                "mixed-families",
            )
        for node, end in self.endpoints.items():
            if end.is_multicast or end.is_unspecified:
                wrong(f"endpoint {node}: {end} is not the address of a host")
            if ends.count(end) > 1:
                wrong(f"two endpoints have the address {end}")
        return self

    _stacked = constraints(*STACKED)

    @after
    def _parent_place(self) -> Self:
        if self.parent is None:
            return self
        node, interface = parse_place(self.parent)
        interface_name(interface)
        if node is not None and self.node not in {None, node_name(node)}:
            wrong(f"the parent {self.parent} is not in `node: {self.node}`: remove `node`")
        return self

    _bridged = constraints(*IPVLAN_GATEWAY, *BRIDGED)

    @after
    def _bridged_gateway(self) -> Self:
        if self.is_bridged and any(isinstance(gateway, str) for gateway in self.gateway):
            router = "the address of a router on the uplink's segment"
            wrong(f"in mode bridged `gateway` is {router}, not a node")
        return self

    _existing = constraints(*EXISTING_BRIDGE)

    _bridged_subnet = constraints(BRIDGED_SUBNET, *AUTO_SUBNET)

    @after
    def _one_choice(self) -> Self:
        for word in AUTO.values():
            if self.subnet.count(word) > 1:
                wrong(f"`subnet` has `{word}` twice: netorch chooses one subnet of an IP version")
        return self

    def mode_of(self, version: int) -> str:
        """Return the mode of one IP version."""
        if self.existing:
            return "bridged"
        return self.mode.v4 if version == 4 else self.mode.v6

    @property
    def subnets(self) -> list[Network]:
        """The entries of `subnet` without those that netorch has yet to choose."""
        return [subnet for subnet in self.subnet if not isinstance(subnet, str)]

    @property
    def modes(self) -> set[str]:
        return {self.mode_of(4), self.mode_of(6)}

    @property
    def is_segment(self) -> bool:
        """Whether the network is a plain Ethernet whose bridge has no address."""
        return self.modes == {"segment"}

    @property
    def is_bridged(self) -> bool:
        """Whether the bridge joins a segment that exists already."""
        return "bridged" in self.modes

    @property
    def is_isolated(self) -> bool:
        return (
            self.isolated if self.isolated is not None else bool(self.modes & {"nat", "host-only"})
        )

    def egress_of(self, version: int) -> Address | None:
        return next((address for address in self.egress if address.version == version), None)
