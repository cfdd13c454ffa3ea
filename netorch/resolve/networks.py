"""Networks: a bridge in its place, a cable to each member, addresses given out, who leads out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from netorch.immutable import field, replace
from netorch.language.scalars import Address, Network
from netorch.resolve import overlay, stacked
from netorch.resolve.draft import BRIDGE_PORTS, Draft, Given, Iface, Path, Site, cable
from netorch.resolve.interfaces import type_of
from netorch.resolve.masters import join, vrf_of
from netorch.resolve.roles import LOOPBACK, REFUSED, BridgeRole, UnmadeRole
from netorch.state.key import HOST
from netorch.topology import Membership, NetworkWords

ROOT_MEMBERS = 960
"""Members that plug into the first bridge. Its other ports are for further bridges, so that a network can grow in place."""
LEAF_MEMBERS = BRIDGE_PORTS - 1
LEADING_OUT = {"nat", "routed"}
"""Modes in which the owner forwards."""


class Member(Struct):
    """A node's interface in a network, with what it is told and what it got."""

    iface: Iface
    words: Membership
    path: Path


class Segment(Struct):
    """A network on its way: bridges (the root first), members in the order of the file, gateways by IP version.

    `ends`: of an overlay, endpoint node → what is there of it, with members of its own.
    """

    name: str
    words: NetworkWords
    path: Path
    owner: Site
    bridges: list[Iface] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    gateways: dict[int, Address] = field(default_factory=dict)
    gateway_node: str | None = None
    ends: dict[str, Segment] = field(default_factory=dict)
    _of_node: dict[str, Member] = field(default_factory=dict)

    def plug(self, member: Member) -> None:
        self.members.append(member)
        self._of_node[member.iface.site.name] = member

    def member(self, node: str) -> Member | None:
        """What a node has in it."""
        return self._of_node.get(node)

    @property
    def root(self) -> Iface:
        return self.bridges[0]

    def pools(self, subnet: Network) -> list[Network]:
        """The parts of a subnet that automatic addresses come from, if the file names any."""
        return [
            pool
            for pool in self.words.ip_range
            if pool.version == subnet.version and pool.subnet_of(subnet)  # type: ignore[arg-type]
        ]

    def subnet_of(self, version: int) -> list[Network]:
        return [subnet for subnet in self.words.subnet if subnet.version == version]

    def opens_to(self, other: Segment) -> bool:
        """Whether one of the two lists the other in `allow`."""
        return other.name in self.words.allow or self.name in other.words.allow


def closed(one: Segment, other: Segment) -> bool:
    """Whether members of two networks of one owner are kept apart."""
    return not one.opens_to(other) and (one.words.is_isolated or other.words.is_isolated)


def build(draft: Draft) -> dict[str, Segment]:
    """All networks with their members plugged in, addresses not given out yet."""
    segments = {
        name: segment
        for name, words in draft.topology.networks.items()
        if (segment := _segment(draft, name, words))
    }
    for site in list(draft.sites.values()):
        _plug_in(draft, site, segments)
    stacked.make_links(draft, segments)
    for segment in segments.values():
        _check_subnets(draft, segment)
    _check_allowed(draft, segments)
    return segments


def number(draft: Draft, segment: Segment) -> None:
    """Gateways first, then what members say, then automatic addresses in the order of the file."""
    taken: dict[Address, str] = {}
    _bridge_gateways(draft, segment, taken)
    for member in segment.members:
        _explicit(draft, segment, member, taken)
    told = [
        {entry.interface.version for entry in member.iface.addresses} for member in segment.members
    ]
    for subnet in segment.words.subnet:
        if segment.words.is_bridged and not segment.pools(subnet):
            continue  # who has which address on a segment of others is not for us to say
        pool = _pool(draft, segment, subnet, taken)
        for member, versions in zip(segment.members, told, strict=True):
            if member.words.addresses is False or subnet.version in versions:
                continue
            free = next(pool, None)
            if free is None:
                draft.complain(
                    "subnet-full",
                    segment.path,
                    f"network {segment.name}: no address of {subnet} is left for {member.iface.display}.",
                    "Take a larger subnet or ip_range.",
                )
                break
            member.iface.addresses.append(
                Given(type_of(subnet)((free, subnet.prefixlen)), member.path)
            )
    _node_gateway(draft, segment)


def uplinks(draft: Draft, segments: dict[str, Segment]) -> None:
    """Bridged networks' NICs; what the file says of a NIC's addresses holds for the bridge then."""
    users: dict[tuple[str, str], str] = {}
    for segment in segments.values():
        name, owner, path = segment.words.uplink, segment.owner, (*segment.path, "uplink")
        if name is None:
            continue
        nic = owner.ifaces.get(name)
        first = users.setdefault((owner.name, name), segment.name)
        problem = _why_not(segment, nic) if nic is not None else ""
        if name == "lo":
            draft.complain("loopback", path, "lo is the loopback interface: it cannot be an uplink")
        elif nic is None and owner.created:
            known = [
                other.name
                for other in owner.ifaces.values()
                if not other.made_up and other.name != "lo"
            ]
            draft.unknown(
                "unknown-interface",
                path,
                f"interface {owner.name}:",
                name,
                known,
                f"Declare it in `links`, or under nodes.{owner.name}.",
            )
        elif first != segment.name:
            draft.complain(
                "nic-twice",
                path,
                f"{owner.name}:{name} is the uplink of network {first} already, and cannot be that of {segment.name} too",
            )
        elif problem:
            draft.complain("bad-uplink", path, problem)
        else:
            root = segment.root
            assert isinstance(root.role, BridgeRole)
            root.role = replace(root.role, uplink=name)
            if nic is not None:
                nic.front = root
                root.addresses += nic.addresses
                nic.addresses = []


def _why_not(segment: Segment, nic: Iface) -> str:
    """What keeps an interface of the file from being the uplink."""
    if isinstance(nic.role, BridgeRole):
        return f"{nic.display} is a bridge: it cannot be a port of the bridge of network {segment.name}"
    if nic.made_up or any(member.iface is nic for member in segment.members):
        return f"{nic.display} is there to plug a node into a network: an uplink is an interface that leads elsewhere"
    if nic.master is not None:
        return f"{nic.display} is a port of {nic.master.name} already, and cannot be one of {segment.root.name} too"
    return ""


def _segment(draft: Draft, name: str, words: NetworkWords) -> Segment | None:
    path: Path = ("networks", name)
    if words.driver in stacked.DRIVERS:
        place = stacked.owner_of(draft, words, path)
        return None if place is None else Segment(name, words, path, place)
    if words.node is not None and words.node != HOST and words.node not in draft.topology.nodes:
        draft.unknown("unknown-node", (*path, "node"), "node", words.node, draft.topology.nodes)
        return None
    if words.node is not None:
        owner = draft.host if words.node == HOST else draft.sites[words.node]
    else:
        owner = draft.fabric if words.is_segment and words.driver == "bridge" else draft.host
    segment = Segment(name, words, path, owner)
    if words.driver == "vxlan":
        overlay.add_endpoints(draft, segment)
        return segment if segment.ends else None
    segment.bridges.append(bridge_of(draft, segment, words.bridge or name))
    owner.forwards |= {
        version
        for version in (4, 6)
        if words.mode_of(version) in LEADING_OUT and segment.subnet_of(version)
    }
    return segment


def bridge_of(draft: Draft, segment: Segment, name: str) -> Iface:
    owner, words = segment.owner, segment.words
    if name == "lo":
        draft.complain(
            "loopback",
            segment.path,
            f"network {segment.name}: its bridge cannot be called lo, as the loopback interface is.",
            "Say `bridge: NAME`.",
        )
    elif name in owner.ifaces:
        draft.complain(
            "name-twice",
            segment.path,
            f"the bridge of network {segment.name} and the interface {owner.name}:{name} have one name",
        )
    long = draft.prefix + name if owner.label == HOST else name
    dev, altname = owner.short(long)
    bridge = Iface(
        owner,
        name,
        segment.path,
        dev,
        altname,
        role=BridgeRole(words),
        made_up=True,
        mtu_hint=words.mtu,
    )
    owner.ifaces[name] = bridge
    return bridge


def _plug_in(draft: Draft, site: Site, segments: dict[str, Segment]) -> None:
    taken = set(site.ifaces) | {words.name for words in site.words.networks.values() if words.name}
    automatic = (
        name
        for count in range(len(site.words.networks) + len(taken))
        if (name := f"eth{count}") not in taken
    )
    for network, words in site.words.networks.items():
        path = (*site.path, "networks", network)
        name = words.name or next(automatic)
        if network not in segments:
            if network not in draft.topology.networks:
                draft.unknown(
                    "unknown-network",
                    path,
                    "network",
                    network,
                    draft.topology.networks,
                    "Declare it under networks.",
                )
            continue
        segment = segments[network]
        iface = site.interface(name, path, draft.prefix)
        if iface.name == "lo":
            draft.complain(
                "loopback",
                path,
                f"{iface.display} is the loopback interface: it cannot be in network {network}",
            )
            iface.role = LOOPBACK
            continue
        if not isinstance(iface.role, UnmadeRole):
            draft.complain(
                "already-wired",
                path,
                f"{iface.display} is wired already: network {network} cannot make it",
            )
            continue
        place = segment
        if words.at is not None and not segment.words.endpoints:
            draft.complain(
                "not-an-overlay",
                (*path, "at"),
                f"network {network} has no endpoints: `at` is for networks of driver vxlan",
            )
        elif segment.words.endpoints:
            end = overlay.end_for(draft, segment, words, path)
            if end is None:
                iface.role = REFUSED
                continue
            place = end
        iface.layers.append(words)
        iface.impair(words.impair, path)
        _cable(draft, place, iface, path)
        if iface.peer is not None:
            # the one cable that is the member's alone carries both directions
            iface.peer.impair(words.impair, path)
        member = Member(iface, words, path)
        segment.plug(member)
        if place is not segment:
            place.plug(member)


def _cable(draft: Draft, segment: Segment, iface: Iface, path: Path) -> None:
    """A veth from the right bridge of the segment to a member; without a bridge a link of its own."""
    if segment.words.driver in stacked.DRIVERS:
        stacked.add_member(segment, iface)
        return
    port = make_interface(draft, segment, f"{iface.site.name}-{iface.name}", path)
    cable(port, iface)
    port.mtu_hint = iface.mtu_hint = segment.words.mtu
    port.port.isolated = segment.words.port_isolation
    if isinstance(words := iface.layers[-1], Membership):
        port.port.words, port.port.path = words.port, (*path, "port")
    join(draft, port, _bridge_for(draft, segment, len(segment.members)), path)


def _bridge_for(draft: Draft, segment: Segment, index: int) -> Iface:
    """Where member number `index` plugs in; a bridge takes 1,023 ports, so further ones hang on the first."""
    leaf = 0 if index < ROOT_MEMBERS else 1 + (index - ROOT_MEMBERS) // LEAF_MEMBERS
    while len(segment.bridges) <= leaf:
        count = len(segment.bridges)
        bridge = bridge_of(draft, segment, f"{segment.root.name}-{count}")
        down = make_interface(draft, segment, f"{bridge.name}-down", segment.path)
        up = make_interface(draft, segment, f"{bridge.name}-up", segment.path)
        cable(down, up)
        down.mtu_hint = up.mtu_hint = segment.words.mtu
        down.port.trunk = up.port.trunk = True
        # members behind it are as apart from those on the first bridge as these are from one another
        down.port.isolated = segment.words.port_isolation
        join(draft, down, segment.root, segment.path)
        join(draft, up, bridge, segment.path)
        segment.bridges.append(bridge)
    return segment.bridges[leaf]


def make_interface(draft: Draft, segment: Segment, long: str, path: Path) -> Iface:
    owner = segment.owner
    dev, altname = owner.short(draft.prefix + long if owner.label == HOST else long)
    if long in owner.ifaces:
        draft.complain(
            "name-twice",
            path,
            f"{owner.name} has an interface {long!r}, which is the name of a port of network {segment.name}",
        )
    owner.ifaces[long] = Iface(owner, long, path, dev, altname, made_up=True)
    return owner.ifaces[long]


def _check_subnets(draft: Draft, segment: Segment) -> None:
    words, path = segment.words, segment.path
    for index, subnet in enumerate(words.subnet):
        for earlier in words.subnet[:index]:
            if subnet.version == earlier.version and subnet.overlaps(earlier):
                draft.complain(
                    "subnets-overlap",
                    (*path, "subnet", index),
                    f"network {segment.name}: the subnets {earlier} and {subnet} overlap",
                )
    for index, pool in enumerate(words.ip_range):
        if not any(
            pool.version == subnet.version and pool.subnet_of(subnet)  # type: ignore[arg-type]
            for subnet in words.subnet
        ):
            draft.complain(
                "outside-subnet",
                (*path, "ip_range", index),
                f"ip_range {pool} is in no subnet of network {segment.name}",
            )
    if not words.is_segment and not words.is_bridged and not words.subnet:
        what = " and ".join(sorted(words.modes))
        draft.complain(
            "needs-subnet",
            path,
            f"network {segment.name}: mode {what} needs a `subnet`, since the bridge gets an address of it",
        )
    if words.is_segment and (words.isolated is not None or words.allow):
        key = "allow" if words.allow else "isolated"
        draft.complain(
            "nothing-to-isolate",
            (*path, key),
            f"network {segment.name}: a segment leads nowhere, so there is nothing to isolate",
        )
    for index, other in enumerate(words.allow):
        if other not in draft.topology.networks:
            draft.unknown(
                "unknown-network",
                (*path, "allow", index),
                "network",
                other,
                draft.topology.networks,
            )


def _check_allowed(draft: Draft, segments: dict[str, Segment]) -> None:
    """Who may reach a host-only network needs the owner to forward, which it would not do for that network itself."""
    for segment in segments.values():
        for index, name in enumerate(segment.words.allow):
            other = segments.get(name)
            if other is None or segment.words.is_segment:
                continue
            path = (*segment.path, "allow", index)
            if other.words.is_segment or other.words.is_bridged:
                mode = other.words.mode_of(4)
                draft.complain(
                    "no-way-between",
                    path,
                    f"network {name} is of mode {mode}: {segment.owner.name} has no way from {segment.name} to it",
                )
            elif other.owner is not segment.owner:
                draft.complain(
                    "no-way-between",
                    path,
                    f"network {name} is on {other.owner.name}, {segment.name} on {segment.owner.name}: routes lead there",
                )
            else:
                segment.owner.forwards |= {
                    version
                    for version in (4, 6)
                    if segment.subnet_of(version) and other.subnet_of(version)
                }


def check_overlaps(draft: Draft, segments: dict[str, Segment]) -> None:
    """Networks whose subnets overlap cannot both have an address in one node, or in one VRF of it."""
    places: dict[str, dict[str, Segment]] = {}

    def put(iface: Iface, node: str, segment: Segment) -> None:
        vrf = vrf_of(iface)
        places.setdefault(node if vrf is None else f"{vrf.name} of {node}", {})[segment.name] = (
            segment
        )

    for segment in segments.values():
        for member in segment.members:
            put(member.iface, member.iface.site.name, segment)
        if not segment.words.is_segment:
            put(segment.root, segment.owner.name, segment)
    told: set[tuple[str, str]] = set()
    for node, here in places.items():
        subnets = sorted(
            ((subnet, segment) for segment in here.values() for subnet in segment.words.subnet),
            key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen),
        )
        for (one, first), (other, second) in pairwise(subnets):
            if (
                first is second
                or one.version != other.version
                or not one.overlaps(other)
                or (first.name, second.name) in told
            ):
                continue
            told.add((first.name, second.name))
            draft.complain(
                "subnets-overlap",
                (*second.path, "subnet"),
                f"the subnets of the networks {first.name} ({one}) and {second.name} ({other}) overlap, and {node} is in both",
            )


def _bridge_gateways(draft: Draft, segment: Segment, taken: dict[Address, str]) -> None:
    words, path = segment.words, segment.path
    given: dict[int, Address] = {}
    for index, gateway in enumerate(words.gateway):
        place = (*path, "gateway", index)
        if isinstance(gateway, str):
            _gateway_name(draft, segment, gateway, place)
        elif not any(gateway in subnet for subnet in words.subnet):
            draft.complain(
                "outside-subnet",
                place,
                f"gateway {gateway} is outside the subnet of network {segment.name}",
            )
        elif gateway.version in given:
            draft.complain(
                "two-gateways",
                place,
                f"network {segment.name} has two gateways for IPv{gateway.version}",
            )
        else:
            given[gateway.version] = gateway
    segment.gateways = given
    if words.is_bridged:
        taken.update(dict.fromkeys(given.values(), f"the gateway of network {segment.name}"))
    if words.is_segment or words.is_bridged:
        return
    for subnet in words.subnet:
        address = given.get(subnet.version)
        if address is None or address not in subnet:
            if (
                address is not None
                and subnet.version in segment.gateways
                and address in segment.gateways.values()
            ):
                continue
            address = (
                subnet[1] if subnet.num_addresses > (2 if subnet.version == 4 else 1) else subnet[0]
            )
            segment.gateways.setdefault(subnet.version, address)
        if (
            subnet.version == 4
            and subnet.num_addresses > 2
            and address in {subnet.network_address, subnet.broadcast_address}
        ):
            draft.complain(
                "not-a-host-address",
                path,
                f"gateway {address} is the network or broadcast address of {subnet}",
            )
        taken[address] = f"the gateway of network {segment.name}"
        segment.root.addresses.append(Given(type_of(subnet)((address, subnet.prefixlen)), path))


def _gateway_name(draft: Draft, segment: Segment, name: str, path: Path) -> None:
    if not segment.words.is_segment:
        mode = segment.words.mode_of(4)
        draft.complain(
            "gateway-is-bridge",
            path,
            f"network {segment.name}: in mode {mode} the gateway is the bridge's own address, not a node",
        )
    elif name not in draft.sites:
        draft.unknown(
            "unknown-node", path, "node", name, draft.topology.nodes, "Declare it under nodes."
        )
    elif segment.member(name) is None:
        nodes = [member.iface.site.name for member in segment.members]
        draft.unknown(
            "unknown-node",
            path,
            f"among the members of network {segment.name}, node",
            name,
            nodes,
            f"Add {segment.name} to its networks.",
        )
    else:
        segment.gateway_node = name


def _explicit(draft: Draft, segment: Segment, member: Member, taken: dict[Address, str]) -> None:
    for index, (interface, has_prefix) in enumerate(member.words.address or []):
        path = (
            (*member.path, "address")
            if len(member.words.address or []) == 1
            else (*member.path, "address", index)
        )
        ip, subnets = interface.ip, segment.subnet_of(interface.version)
        subnet = next((subnet for subnet in subnets if ip in subnet), None)
        if subnet is None and segment.words.subnet:
            shown = ", ".join(map(str, segment.words.subnet))
            draft.complain(
                "outside-subnet",
                path,
                f"{ip} is outside the subnet of network {segment.name} ({shown})",
            )
            continue
        if not has_prefix:
            if subnet is None:
                draft.complain(
                    "needs-prefix-length",
                    path,
                    f"{ip} needs a prefix length, since network {segment.name} has no subnet",
                )
                continue
            edges = (
                {subnet.network_address, subnet.broadcast_address}
                if subnet.version == 4 and subnet.num_addresses > 2
                else set()
            )
            if ip in edges:
                draft.complain(
                    "not-a-host-address",
                    path,
                    f"{ip} is the network or broadcast address of {subnet}",
                )
                continue
            interface = type_of(subnet)((ip, subnet.prefixlen))  # noqa: PLW2901
        if (owner := taken.get(ip)) is not None:
            draft.complain(
                "address-twice",
                path,
                f"{ip} is given to {member.iface.display}, but it is {owner} already",
            )
            continue
        taken[ip] = f"that of {member.iface.display}"
        member.iface.addresses.append(Given(interface, path))
    for entry in member.iface.addresses:
        taken.setdefault(entry.ip, f"that of {member.iface.display}")


def _pool(
    draft: Draft, segment: Segment, subnet: Network, taken: dict[Address, str]
) -> Iterator[Address]:
    """Free addresses of a subnet in order: not its first and (IPv4) last one, no gateway, none that is given explicitly."""
    ranges = segment.pools(subnet)
    whole = subnet.num_addresses <= 2
    reserved = set(taken) | set(segment.gateways.values())
    if not whole:
        reserved.add(subnet.network_address)
        if subnet.version == 4:
            reserved.add(subnet.broadcast_address)
    for pool in ranges or [subnet]:
        for value in range(int(pool.network_address), int(pool.broadcast_address) + 1):
            candidate = pool.network_address.__class__(value)
            if candidate not in reserved:
                yield candidate


def _node_gateway(draft: Draft, segment: Segment) -> None:
    """In a segment a member leads out: by name, or by an address that it has."""
    if not segment.words.is_segment:
        return
    addresses = {entry.ip: member for member in segment.members for entry in member.iface.addresses}
    for index, gateway in enumerate(segment.words.gateway):
        if segment.words.parent is not None:
            continue  # it may be a router on the parent's segment that the file knows nothing of
        if (
            not isinstance(gateway, str)
            and gateway in segment.gateways.values()
            and gateway not in addresses
        ):
            draft.complain(
                "unknown-gateway",
                (*segment.path, "gateway", index),
                f"gateway {gateway}: no member of network {segment.name} has this address.",
                "A segment's bridge has none itself: name the member, or take mode host-only.",
            )
    if segment.gateway_node is not None:
        member = next(
            member for member in segment.members if member.iface.site.name == segment.gateway_node
        )
        for entry in member.iface.addresses:
            segment.gateways.setdefault(entry.interface.version, entry.ip)


__all__ = [
    "Member",
    "Segment",
    "bridge_of",
    "build",
    "check_overlaps",
    "make_interface",
    "number",
    "uplinks",
]
