"""What a packet meets, as plain values: the namespaces of a `World` with their interfaces, addresses, routes, rules and filters."""

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
"""A namespace's label and the name of an interface in it."""

FORWARDING = 3
"""A bridge port's state in which frames pass (BR_STATE_FORWARDING)."""
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
FAMILIES = {4: AF_INET, 6: AF_INET6}
_VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP


class WireguardPeer(Value):
    """Whom a WireGuard interface speaks with. `endpoint`: address and port, None where that is not known. `allowed` are networks."""

    endpoint: tuple[Address, int] | None
    allowed: tuple[IPv4Interface | IPv6Interface, ...]


class Tunnel(Value):
    """Packets or frames in other packets. `ident`: what both ends agree in (a VNI and a port, a key). `ends`: where frames go that are
    for nobody known, of a VXLAN; else the one remote end.
    """

    ident: tuple[object, ...]
    local: Address | None
    ends: tuple[Address, ...]
    peers: tuple[WireguardPeer, ...] = ()
    port: int = 0


class WorldInterface(Value):
    """A link. `carrier` None: it follows from the other end. `peer`: a veth's other end; None where it is not known.

    `parent`: what it rides on; `vlan`: of a VLAN device its number. `filtering`: a bridge that knows VLANs. `pvid`, `vlans` (VLAN → whether
    its frames leave without a tag), `isolated`, `state`, `hairpin`: as a bridge's port. `table`: a VRF's. `impair`: in words; `lost`: all
    that it sends is.
    """

    name: str
    kind: str
    up: bool = True
    carrier: bool | None = None
    mtu: int = 1500
    mac: str = ""
    master: str = ""
    peer: End | None = None
    parent: End | None = None
    vlan: int = 0
    mode: str = ""
    table: int = 0
    filtering: bool = False
    pvid: int = 0
    vlans: Mapping[int, bool] = field(default_factory=dict)
    isolated: bool = False
    hairpin: bool = False
    state: int = FORWARDING
    tunnel: Tunnel | None = None
    impair: str = ""
    lost: bool = False
    arp: bool = True
    """Whether it asks for MACs (IFF_NOARP is not set)."""
    group: int = 0
    learning: bool = True
    """As a bridge's port, like the next four: it learns which MACs are behind it."""
    flood: bool = True
    """It gets frames for a MAC that the bridge does not know."""
    mcast_flood: bool = True
    bcast_flood: bool = True
    locked: bool = False
    """It takes frames only from MACs that the bridge has behind it."""
    filters: frozenset[int] = frozenset()
    """Of a bridge: IP versions whose frames it gives to the packet filter by its own setting (nf_call_iptables)."""


class InterfaceAddress(Value):
    """An address of an interface. `peer`: the other end's network, on a point-to-point link."""

    iface: str
    address: IPv4Interface | IPv6Interface
    scope: int = 0
    peer: IPv4Network | IPv6Network | None = None
    ready: bool = True
    """False while, or because, duplicate address detection keeps it from being used."""

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """What is on the link."""
        return self.peer if self.peer is not None else self.address.network


class Neighbour(Value):
    """Who has an address, as the kernel believes. `state`: NUD_…"""

    mac: str
    state: int

    @property
    def is_fixed(self) -> bool:
        """Whether it stays until somebody takes it away."""
        return bool(self.state & (NUD_PERMANENT | NUD_NOARP))

    @property
    def is_valid(self) -> bool:
        """Whether the kernel sends frames to this MAC without asking for it again first."""
        return bool(self.mac and self.state & _VALID)


class BridgeRoute(Value):
    """Where a bridge sends the frames for a MAC. `local`: to itself. `sticky`: whatever it learns."""

    port: str
    local: bool = False
    sticky: bool = False


class Place(Value):
    """A namespace, with all that decides about packets in it."""

    label: str
    name: str
    ifaces: Mapping[str, WorldInterface]
    addresses: tuple[InterfaceAddress, ...] = ()
    routes: tuple[KernelRoute, ...] = ()
    rules: tuple[KernelRule, ...] = ()
    plain_ipv6: bool = False
    """IPv6 looks in the tables local and main, whatever its rules say."""
    forwards: tuple[bool, bool] = (False, False)
    """IPv4, IPv6."""
    settings: Settings = field(default_factory=Settings)
    neighbours: Mapping[tuple[str, Address], Neighbour] = field(default_factory=dict)
    """(Interface, address) → who has it."""
    macs: Mapping[tuple[str, str, int], BridgeRoute] = field(default_factory=dict)
    """(Bridge, MAC, VLAN or 0) → where it sends frames for it."""
    chains: tuple[ListedChain, ...] = ()
    listening: frozenset[tuple[str, bytes, int]] | None = None
    """(Protocol, packed address, port); None where that was not looked at."""
    unseen: tuple[str, ...] = ()
    """Sentences about what was not looked into."""
    partial: bool = False
    """A file says only some of it."""

    def vrf_of(self, iface: str) -> int:
        """The routing table of the VRF that an interface is in, or is; 0 without one."""
        found = self.ifaces.get(iface)
        if found is not None and found.kind != "vrf" and found.master:
            found = self.ifaces.get(found.master)
        return found.table if found is not None and found.kind == "vrf" else 0

    def vrf_name(self, iface: str) -> str:
        """The VRF that an interface is in, or is; "" without one."""
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
        """Whether routes over an interface do not count now (ignore_routes_with_linkdown)."""
        found = self.ifaces.get(iface or "")
        return (
            found is not None
            and found.carrier is False
            and self.settings.most(version, "ignore_routes_with_linkdown", found.name) > 0
        )

    def has(self, address: Address) -> bool:
        return any(held.address.ip == address for held in self.addresses)


class World(Value, dict=True):
    """`names`: a node's name → its label. `asked`: of what was read of the kernel, what the file asks for; None of what a file asks
    for. `preferred`: label → its addresses as its names mean them.
    """

    places: Mapping[str, Place]
    names: Mapping[str, str]
    asked: World | None = None
    preferred: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        return self.asked is not None

    @cached_property
    def owners(self) -> Mapping[Address, list[End]]:
        """Who has an address."""
        found: dict[Address, list[End]] = {}
        for label, place in self.places.items():
            for held in place.addresses:
                found.setdefault(held.address.ip, []).append((label, held.iface))
        return found

    @cached_property
    def upper_links(self) -> Mapping[End, list[End]]:
        """What rides on an interface: VLANs, macvlans."""
        found: dict[End, list[End]] = {}
        for label, place in self.places.items():
            for iface in place.ifaces.values():
                if iface.parent is not None:
                    found.setdefault(iface.parent, []).append((label, iface.name))
        return found

    @cached_property
    def ports(self) -> Mapping[End, list[WorldInterface]]:
        """The ports of a master."""
        found: dict[End, list[WorldInterface]] = {}
        for label, place in self.places.items():
            for iface in place.ifaces.values():
                if iface.master:
                    found.setdefault((label, iface.master), []).append(iface)
        return found

    def place(self, label: str) -> Place:
        return self.places[label]

    def iface(self, end: End) -> WorldInterface | None:
        place = self.places.get(end[0])
        return place.ifaces.get(end[1]) if place is not None else None

    def name_of(self, end: End) -> str:
        """`r1:eth0`."""
        place = self.places.get(end[0])
        return f"{place.name if place is not None else label_text(end[0])}:{end[1]}"
