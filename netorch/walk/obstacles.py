"""What stops a packet in a namespace beside its filter: no route, a route that rejects, a source that is not believed."""

from __future__ import annotations

from netorch.firewall.evaluation import Packet
from netorch.netlink.constants import RTN_LOCAL
from netorch.walk.result import LEAVES, PacketStopped
from netorch.walk.routing import NO_ROUTE, RouteChoice, leads_to, lookup, route_text
from netorch.walk.world import Address, Place, World


def refuse(
    world: World, place: Place, way: RouteChoice, destination: Address, *, back: bool
) -> None:
    """Ended where a lookup found no way. `back`: it is the answer's."""
    if way.why == NO_ROUTE and place.partial:
        raise PacketStopped(
            f"{place.name} gets what is for {destination}: the file does not say where it sends that",
            LEAVES,
        )
    if way.why == NO_ROUTE:
        there = f"no route {'back ' if back else ''}to {network_of(world, destination)}"
        raise PacketStopped(f"{place.name}: {there}{_lost_route(world, place, destination)}")
    if way.why:
        raise PacketStopped(f"{place.name}: {destination} falls under {way.why}")


def _lost_route(world: World, place: Place, destination: Address) -> str:
    """What would lead there: an interface that is down, or a route of the file's."""
    down = [
        held
        for held in place.addresses
        if destination in held.network and not place.ifaces[held.iface].up
    ]
    if down:
        return f" ({down[0].iface}, which is on that network, is down)"
    asked = world.asked.places.get(place.label) if world.asked is not None else None
    way = lookup(asked, destination, None) if asked is not None else None
    if asked is None or way is None or way.route is None:
        return ""
    dev = way.dev(asked)
    iface = place.ifaces.get(dev)
    if iface is not None and iface.up:
        return f" (its route {route_text(way.route)} is gone)"
    return f" (its route {route_text(way.route)} is by {dev}, which is {'not there' if iface is None else 'down'})"


def network_of(world: World, destination: Address) -> str:
    """The network of an address, as whoever has it knows it; the address itself if nobody has."""
    for there in (world, world.asked):
        for label, iface in there.owners.get(destination, []) if there is not None else []:
            for held in there.places[label].addresses if there is not None else ():
                if held.iface == iface and held.address.ip == destination:
                    return str(held.network)
    return str(destination)


def check_source(world: World, place: Place, packet: Packet, iif: str) -> None:
    """What the kernel makes sure of where a packet comes from (fib_validate_source, rp_filter); IPv4 alone."""
    if packet.version != 4:
        return
    vrf = next(
        (
            iface.name
            for iface in place.ifaces.values()
            if iface.kind == "vrf" and iface.table == place.vrf_of(iif)
        ),
        "",
    )
    way = lookup(place, packet.source, packet.destination, oif=vrf)
    if way.route is not None and way.route.type == RTN_LOCAL and not packet.source.is_loopback:
        raise PacketStopped(
            f"{place.name}: {packet.source} is its own address, so that it takes nothing from it by {iif}"
        )
    mode = place.rp_filter.get(iif, 0)
    if not mode:
        return
    if way.route is None or way.why:
        raise PacketStopped(
            f"{place.name}: rp_filter of {iif} is on, and there is no route back to {network_of(world, packet.source)}"
        )
    if mode == 1 and not leads_to(way.route, iif):
        devs = " or ".join(hop.dev for hop in way.route.hops if hop.dev)
        raise PacketStopped(
            f"{place.name}: rp_filter of {iif} is strict, and the route back to {packet.source} is by {devs}, not by {iif}"
        )


def check_loopback(place: Place, packet: Packet, iif: str) -> None:
    """127.0.0.0/8 is nothing that comes by a cable, unless it may."""
    if (
        packet.version == 4
        and packet.destination.is_loopback
        and iif != "lo"
        and iif not in place.localnet
    ):
        raise PacketStopped(
            f"{place.name}: what is for {packet.destination} may not come by {iif} (route_localnet is off)"
        )


def check_echo(place: Place, packet: Packet) -> None:
    if packet.icmp == "echo-request" and packet.version in place.mute:
        raise PacketStopped(f"{place.name}: no ICMP echo is answered (icmp_echo_ignore_all)")


def check_forwarding(place: Place, packet: Packet, iif: str) -> None:
    if not place.forwards[packet.version == 6]:
        raise PacketStopped(
            f"{place.name}: forwarding is off (IPv{packet.version}), so that it does not pass on what is for {packet.destination}"
        )
    # in a VRF the value of its own link counts
    if packet.version == 4 and iif in place.still and not place.vrf_of(iif):
        setting = f"net.ipv4.conf.{iif}.forwarding"
        raise PacketStopped(
            f"{place.name}: forwarding is off for what comes in by {iif} ({setting}), as what is for {packet.destination}"
        )
