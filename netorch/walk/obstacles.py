"""What stops a packet in a namespace, apart from packet filters: routes, sources, sysctls."""

from __future__ import annotations

from netorch.firewall.evaluation import Packet
from netorch.netlink.constants import RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST
from netorch.walk.result import LEAVES, PacketStopped
from netorch.walk.routing import NO_ROUTE, Flow, RouteChoice, leads_to, lookup, route_text
from netorch.walk.world import Address, Place, World

LEAST_IPV6 = 1280
"""The smallest MTU that a link needs for IPv6 (RFC 8200)."""


def refuse(
    world: World, place: Place, way: RouteChoice, destination: Address, *, back: bool
) -> None:
    """Raise PacketStopped if a lookup found no usable route. `back` is true for the answer."""
    if way.why == NO_ROUTE and place.partial:
        raise PacketStopped(
            f"{place.name}: the file does not say where it sends packets for {destination}",
            LEAVES,
        )
    if way.why == NO_ROUTE:
        there = f"no route {'back ' if back else ''}to {network_of(world, destination)}"
        raise PacketStopped(f"{place.name}: {there}{_lost_route(world, place, destination)}")
    if way.why:
        raise PacketStopped(f"{place.name}: packets for {destination} match {way.why}")


def _lost_route(world: World, place: Place, destination: Address) -> str:
    """Say what would lead to a destination: an interface that is down, or a route of the file."""
    down = [
        held
        for held in place.addresses
        if destination in held.network and not place.ifaces[held.iface].up
    ]
    if down:
        return f" ({down[0].iface}, which is on that network, is down)"
    asked = world.asked.places.get(place.label) if world.asked is not None else None
    way = lookup(asked, Flow(destination)) if asked is not None else None
    if asked is None or way is None or way.route is None:
        return ""
    dev = way.dev(asked)
    iface = place.ifaces.get(dev)
    if iface is not None and iface.up:
        return f" (its route {route_text(way.route)} is gone)"
    state = "does not exist" if iface is None else "is down"
    return f" (its route {route_text(way.route)} is by {dev}, which {state})"


def network_of(world: World, destination: Address) -> str:
    """Return the subnet of an address on the interface that has it, or else the address itself."""
    for there in (world, world.asked):
        for label, iface in there.owners.get(destination, []) if there is not None else []:
            for held in there.places[label].addresses if there is not None else ():
                if held.iface == iface and held.address.ip == destination:
                    return str(held.network)
    return str(destination)


def check_source(world: World, place: Place, packet: Packet, iif: str) -> None:
    """Raise PacketStopped if the kernel drops an IPv4 packet because of its source.

    The kernel does that in fib_validate_source, as rp_filter and accept_local tell it.
    """
    if packet.version != 4:
        return
    flow = Flow(
        packet.source,
        packet.destination,
        oif=place.vrf_name(iif),
        prefers="",
        proto=packet.proto,
        sport=packet.dport,
        dport=packet.sport,
    )
    way = lookup(place, flow)
    kind = way.route.type if way.route is not None else RTN_UNICAST
    mode = place.settings.most(4, "rp_filter", iif)
    accepts = place.settings.most(4, "accept_local", iif) > 0
    if kind == RTN_LOCAL and not accepts and not packet.source.is_loopback:
        raise PacketStopped(
            f"{place.name}: {iif} drops packets from {packet.source}, "
            f"which is an address of {place.name} itself (accept_local is off)"
        )
    if kind == RTN_BROADCAST and mode:
        raise PacketStopped(
            f"{place.name}: {iif} drops packets from {packet.source}, "
            "which is a broadcast address there (rp_filter is on)"
        )
    if not mode:
        return
    if way.route is None or way.why:
        raise PacketStopped(
            f"{place.name}: rp_filter of {iif} is on, "
            f"and there is no route back to {network_of(world, packet.source)}"
        )
    if kind == RTN_LOCAL or leads_to(way.route, iif):
        return
    devs = " or ".join(hop.dev for hop in way.route.hops if hop.dev)
    if mode == 1:
        raise PacketStopped(
            f"{place.name}: rp_filter of {iif} is strict, "
            f"and the route back to {packet.source} is by {devs}, not by {iif}"
        )
    if not any(held.iface == iif and held.address.version == 4 for held in place.addresses):
        raise PacketStopped(
            f"{place.name}: rp_filter of {iif} is on, {iif} has no IPv4 address, "
            f"and the route back to {packet.source} is by {devs}"
        )


def check_link(world: World, place: Place, packet: Packet, iif: str) -> None:
    """Raise PacketStopped if an interface does not accept IPv6."""
    iface = place.ifaces.get(iif)
    if packet.version != 6 or iface is None:
        return
    if place.settings.own(6, "disable_ipv6", iif) > 0:
        raise PacketStopped(f"{place.name}: IPv6 is off on {iif} (disable_ipv6)")
    if 0 < iface.mtu < LEAST_IPV6:
        raise PacketStopped(
            f"{place.name}: IPv6 is off on {iif}: "
            f"its mtu is {iface.mtu}, but IPv6 needs {LEAST_IPV6}"
        )


def check_out(place: Place, packet: Packet, dev: str) -> None:
    """Raise PacketStopped if an interface does not send IPv6."""
    if packet.version == 6 and place.settings.own(6, "disable_ipv6", dev) > 0:
        raise PacketStopped(f"{place.name}: IPv6 is off on {dev} (disable_ipv6)")


def check_lo(place: Place, packet: Packet) -> None:
    """Raise PacketStopped if lo, by which a node reaches its own addresses, is down."""
    lo = place.ifaces.get("lo")
    if lo is not None and not lo.up:
        raise PacketStopped(
            f"{place.name}: lo is down: its own address {packet.destination} is reached through lo"
        )
    check_out(place, packet, "lo")


def check_scope(place: Place, packet: Packet, iif: str, oif: str) -> None:
    """Raise PacketStopped if a packet from a link-local source would be forwarded (ip6_forward)."""
    if packet.version == 6 and packet.source.is_link_local and iif != oif:
        raise PacketStopped(
            f"{place.name}: the source {packet.source} is a link-local address: "
            "packets from it are not forwarded to another link"
        )


def check_ttl(place: Place, packet: Packet) -> None:
    if packet.ttl <= 1:
        raise PacketStopped(
            f"{place.name}: the TTL of the packet is used up here "
            "(ip_default_ttl or hop_limit of its sender)"
        )


def check_loopback(place: Place, packet: Packet, iif: str) -> None:
    """Raise PacketStopped for a packet to 127.0.0.0/8 from outside, unless route_localnet is on."""
    if (
        packet.version == 4
        and packet.destination.is_loopback
        and iif != "lo"
        and not place.settings.most(4, "route_localnet", iif)
    ):
        raise PacketStopped(
            f"{place.name}: {iif} drops packets for {packet.destination} (route_localnet is off)"
        )


def check_echo(place: Place, packet: Packet) -> None:
    if packet.icmp == "echo-request" and place.settings.is_mute(packet.version):
        raise PacketStopped(
            f"{place.name}: ICMP echo requests are not answered (icmp_echo_ignore_all)"
        )


def check_forwarding(place: Place, packet: Packet, iif: str) -> None:
    """Raise PacketStopped if forwarding is off.

    For IPv4 the value of the incoming interface or of its VRF decides, for IPv6 the one of `all`.
    """
    everywhere = place.forwards[packet.version == 6]
    if packet.version == 6:
        if everywhere or place.settings.own(6, "force_forwarding", iif) > 0:
            return
    else:
        dev = place.vrf_name(iif) or iif
        if place.settings.own(4, "forwarding", dev, int(everywhere)) > 0:
            return
        if everywhere:
            setting = f"net.ipv4.conf.{dev}.forwarding"
            raise PacketStopped(
                f"{place.name}: forwarding is off on {dev} ({setting}): "
                f"packets for {packet.destination} are not forwarded"
            )
    raise PacketStopped(
        f"{place.name}: IPv{packet.version} forwarding is off: "
        f"packets for {packet.destination} are not forwarded"
    )
