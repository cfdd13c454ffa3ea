"""Everything that decides about packets, as plain values: the namespaces of a `World`.

Each has its interfaces, addresses, routes, rules and packet filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from netorch.firewall.chains import ListedChain
from netorch.firewall.evaluation import Filters
from netorch.immutable import Value, field
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    NUD_DELAY,
    NUD_NOARP,
    NUD_PERMANENT,
    NUD_PROBE,
    NUD_REACHABLE,
    NUD_STALE,
)
from netorch.state.key import label_text
from netorch.values.policy import KernelRoute, KernelRule
from netorch.walk.settings import Settings

Address = IPv4Address | IPv6Address
End = tuple[str, str]
"""The label of a namespace and the name of an interface in it."""

FORWARDING = 3
"""The state of a bridge port in which frames pass (BR_STATE_FORWARDING)."""
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
FAMILIES = {4: AF_INET, 6: AF_INET6}
_VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP


class WireguardPeer(Value):
    """A peer of a WireGuard interface."""

    endpoint: tuple[Address, int] | None
    """The address and port to send to; None if they are not known."""
    allowed: tuple[IPv4Interface | IPv6Interface, ...]
    """The networks that the peer may have (allowed_ips)."""


class Tunnel(Value):
    """A tunnel, which carries packets or frames in other packets."""

    ident: tuple[object, ...]
    """What both ends must have in common, such as a VNI and a port, or a key."""
    local: Address | None
    """The source address of the encapsulating packets; None if the kernel chooses it."""
    ends: tuple[Address, ...]
    """The remote end; for a VXLAN, the addresses that get frames for unknown MACs."""
    peers: tuple[WireguardPeer, ...] = ()
    """The peers of a WireGuard interface."""
    port: int = 0
    """The UDP port, 0 for none."""
    vni: int = 0
    """The network identifier of a VXLAN."""
    macs: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """MAC in the forwarding database of a VXLAN → the ends that get the frames for it."""
    underlay: str = ""
    """The label of the namespace of the encapsulating packets, "" for that of the interface or of
    its parent."""

    external: bool = False
    """Whether routes or programs choose the other end of each packet."""
    bound: tuple[Address, ...] = ()
    """The ends to which the encapsulating packets leave by the parent, if there is one."""

    def ends_for(self, mac: str) -> tuple[Address, ...]:
        """Return the ends that get the frames for a MAC; "" is that of a broadcast."""
        return self.macs.get(mac, self.ends)


class WorldInterface(Value):
    """An interface, with all that decides about its packets and frames."""

    name: str
    kind: str
    """The kind, as `ip link` writes it; "" for hardware."""
    up: bool = True
    carrier: bool | None = None
    """Whether it has a carrier; None if that depends on the other end."""
    mtu: int = 1500
    mac: str = ""
    master: str = ""
    """The bridge, bond or VRF that it belongs to, "" for none."""
    peer: End | None = None
    """The other end of a veth; None if it is not known."""
    parent: End | None = None
    """The interface that an upper link is on."""
    vlan: int = 0
    """The number of a VLAN device."""
    mode: str = ""
    """The mode of a macvlan or ipvlan."""
    table: int = 0
    """The routing table of a VRF."""
    filtering: bool = False
    """Whether a bridge filters VLANs."""
    pvid: int = 0
    """The VLAN of frames that come by a bridge port without a tag, 0 for none."""
    vlans: Mapping[int, bool] = field(default_factory=dict)
    """VLAN of a bridge port → whether its frames leave without a tag."""
    isolated: bool = False
    """Whether a bridge port cannot reach other isolated ports."""
    hairpin: bool = False
    """Whether a bridge port also gets the frames that came by it."""
    state: int = FORWARDING
    """The state of a bridge port, an index of PORT_STATES."""
    tunnel: Tunnel | None = None
    impair: str = ""
    """The impairments in words, or "" if there are none."""
    lost: bool = False
    """Whether it loses every packet that it sends."""
    arp: bool = True
    """Whether it asks for MACs (IFF_NOARP is not set)."""
    group: int = 0
    learning: bool = True
    """Whether the bridge learns which MACs are behind the port."""
    flood: bool = True
    """Whether a bridge port gets frames for MACs that the bridge does not know."""
    mcast_flood: bool = True
    """Whether a bridge port gets multicasts."""
    bcast_flood: bool = True
    """Whether a bridge port gets broadcasts."""
    locked: bool = False
    """Whether a bridge port accepts only frames from MACs that the bridge has behind it."""
    filters: frozenset[int] = frozenset()
    """The IP versions whose frames a bridge filters by its own setting (nf_call_iptables)."""


class InterfaceAddress(Value):
    """An address of an interface."""

    iface: str
    address: IPv4Interface | IPv6Interface
    scope: int = 0
    peer: IPv4Network | IPv6Network | None = None
    """The network of the other end of a point-to-point link."""
    ready: bool = True
    """False if duplicate address detection is not done or has failed."""

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The network that is on the link."""
        return self.peer if self.peer is not None else self.address.network


class Neighbour(Value):
    """An entry of a neighbour table: the MAC of an address."""

    mac: str
    state: int
    """The state (NUD_*)."""

    @property
    def is_fixed(self) -> bool:
        """Whether the entry stays until somebody deletes it."""
        return bool(self.state & (NUD_PERMANENT | NUD_NOARP))

    @property
    def is_valid(self) -> bool:
        """Whether the kernel sends frames to the MAC without asking for it again first."""
        return bool(self.mac and self.state & _VALID)


class BridgeRoute(Value):
    """Where a bridge sends the frames for a MAC."""

    port: str
    local: bool = False
    """Whether the bridge takes the frames itself."""
    sticky: bool = False
    """Whether the entry stays, whatever the bridge learns."""


class Place(Value, dict=True):
    """A namespace, with all that decides about packets in it."""

    label: str
    name: str
    """The name of the node."""
    ifaces: Mapping[str, WorldInterface]
    addresses: tuple[InterfaceAddress, ...] = ()
    routes: tuple[KernelRoute, ...] = ()
    rules: tuple[KernelRule, ...] = ()
    plain_ipv6: bool = False
    """Whether IPv6 uses the tables local and main, whatever its rules are."""
    forwards: tuple[bool, bool] = (False, False)
    """Whether IPv4 and IPv6 are forwarded."""
    settings: Settings = field(default_factory=Settings)
    neighbours: Mapping[tuple[str, Address], Neighbour] = field(default_factory=dict)
    """(Interface, address) → the entry of the neighbour table."""
    macs: Mapping[tuple[str, str, int], BridgeRoute] = field(default_factory=dict)
    """(Bridge, MAC, VLAN or 0) → where the bridge sends frames for the MAC."""
    chains: tuple[ListedChain, ...] = ()
    listening: frozenset[tuple[str, bytes, int]] | None = None
    """(Protocol, packed address, port) of listening sockets; None if they were not read."""
    unseen: tuple[str, ...] = ()
    """Sentences about what could not be read or evaluated."""
    partial: bool = False
    """Whether a file, which has only a part of the namespace, is the source."""

    @cached_property
    def filters(self) -> Filters:
        """The chains, for their evaluation."""
        return Filters(self.chains)

    def vrf_of(self, iface: str) -> int:
        """Return the routing table of the VRF that an interface is or belongs to, or 0."""
        interface = self.ifaces.get(iface)
        if interface is not None and interface.kind != "vrf" and interface.master:
            interface = self.ifaces.get(interface.master)
        return interface.table if interface is not None and interface.kind == "vrf" else 0

    def vrf_name(self, iface: str) -> str:
        """Return the VRF that an interface is or belongs to, or ""."""
        table = self.vrf_of(iface)
        return next(
            (
                entry.name
                for entry in self.ifaces.values()
                if table and entry.kind == "vrf" and entry.table == table
            ),
            "",
        )

    def is_dead(self, version: int, iface: str | None) -> bool:
        """Whether routes over an interface are ignored (ignore_routes_with_linkdown)."""
        interface = self.ifaces.get(iface or "")
        return (
            interface is not None
            and interface.carrier is False
            and self.settings.most(version, "ignore_routes_with_linkdown", interface.name) > 0
        )

    def has(self, address: Address) -> bool:
        return any(held.address.ip == address for held in self.addresses)


class WorldMachine(Value):
    """A machine over which the topology is spread."""

    name: str
    label: str
    """The label of its host."""
    address: Address
    """The address at which the other machines reach it."""
    mtu: int
    """The size in bytes of the largest packet that it can send to the others."""
    headers: int
    """The bytes of all headers around a packet that it sends through a tunnel."""
    tunnel_address: Address
    """The address at which its tunnels end. It differs from `address` if they are in WireGuard."""
    port: int = 0
    """The UDP port for WireGuard, 0 if the tunnels are not in WireGuard."""


class World(Value, dict=True):
    """All namespaces that a packet may pass."""

    places: Mapping[str, Place]
    """Label → namespace."""
    names: Mapping[str, str]
    """Name of a node → its label."""
    asked: World | None = None
    """The world of the file, if this one was read from the kernel, else None."""
    preferred: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """Label → the addresses that the name of the node stands for, the first one first."""
    machines: Mapping[str, WorldMachine] = field(default_factory=dict)
    """Name → machine; empty if the file has no `hosts`."""
    machine_of: Mapping[str, str] = field(default_factory=dict)
    """Label → the machine that has the namespace."""
    here: str = ""
    """The machine on which netorch runs, "" if that does not matter."""
    second_names: frozenset[str] = frozenset()
    """Those of `names` that share the namespace of another node."""

    @property
    def live(self) -> bool:
        return self.asked is not None

    @cached_property
    def owners(self) -> Mapping[Address, list[End]]:
        """Address → the interfaces that have it."""
        owners: dict[Address, list[End]] = {}
        for label, place in self.places.items():
            for held in place.addresses:
                owners.setdefault(held.address.ip, []).append((label, held.iface))
        return owners

    @cached_property
    def machines_by_address(self) -> Mapping[Address, WorldMachine]:
        """Address of the tunnels → machine."""
        return {machine.tunnel_address: machine for machine in self.machines.values()}

    @cached_property
    def machines_by_host(self) -> Mapping[str, WorldMachine]:
        """Label of a host → machine."""
        return {machine.label: machine for machine in self.machines.values()}

    def is_elsewhere(self, label: str) -> bool:
        """Whether a live world has a namespace from the file, because it is on another machine."""
        return self.live and self.machine_of.get(label, self.here) != self.here

    @cached_property
    def upper_links(self) -> Mapping[End, list[End]]:
        """Interface → its upper links."""
        upper_links: dict[End, list[End]] = {}
        for label, place in self.places.items():
            for iface in place.ifaces.values():
                if iface.parent is not None:
                    upper_links.setdefault(iface.parent, []).append((label, iface.name))
        return upper_links

    @cached_property
    def ports(self) -> Mapping[End, list[WorldInterface]]:
        """Master → its ports."""
        ports: dict[End, list[WorldInterface]] = {}
        for label, place in self.places.items():
            for iface in place.ifaces.values():
                if iface.master:
                    ports.setdefault((label, iface.master), []).append(iface)
        return ports

    def place(self, label: str) -> Place:
        return self.places[label]

    def iface(self, end: End) -> WorldInterface | None:
        place = self.places.get(end[0])
        return place.ifaces.get(end[1]) if place is not None else None

    def name_of(self, end: End) -> str:
        """Return the name of an interface for texts, as in `r1:eth0`."""
        place = self.places.get(end[0])
        return f"{place.name if place is not None else label_text(end[0])}:{end[1]}"
