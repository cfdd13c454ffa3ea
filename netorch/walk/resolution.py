"""Decide which interface answers for an address on a link, or why it does not answer.

IPv4 asks by ARP (RFC 826), IPv6 by neighbour discovery (RFC 4861).
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from netorch.firewall.evaluation import Packet
from netorch.netlink.constants import RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_UNICAST, RTPROT_KERNEL
from netorch.walk import obstacles
from netorch.walk.result import PacketStopped
from netorch.walk.routing import Flow, address_on, lookup
from netorch.walk.world import Address, End, Place, World, WorldInterface

ASKED = {4: "ARP", 6: "NDP"}
_NOBODY = ip_address("0.0.0.0")


def solicited_node(address: Address) -> Address:
    """Return the multicast address to which the neighbour solicitation for an address is sent."""
    return IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF)


def asks_as(place: Place, iface: WorldInterface, via: Address, source: Address) -> Address | None:
    """Return the source address of a question; None if the namespace has none and does not ask."""
    if via.version == 6:
        return _solicits_as(place, iface, source)
    mode = place.settings.most(4, "arp_announce", iface.name)
    held = [entry for entry in place.addresses if entry.address.version == 4]
    near = [entry for entry in held if entry.iface == iface.name and via in entry.network]
    if mode == 0 and any(entry.address.ip == source for entry in held):
        return source
    if mode == 1 and any(entry.address.ip == source and source in entry.network for entry in near):
        return source
    return address_on(place, iface.name, via, via) or _NOBODY


def _solicits_as(place: Place, iface: WorldInterface, source: Address) -> Address | None:
    """Return the packet's source, or the interface's link-local address (ndisc_solicit)."""
    held = [
        entry.address.ip
        for entry in place.addresses
        if entry.address.version == 6 and entry.iface == iface.name and entry.ready
    ]
    if source in held:
        return source
    return next((address for address in held if address.is_link_local), None)


def refusal(world: World, end: End, via: Address, asker: Address) -> str | None:
    """Return why an interface does not answer for an address.

    None means that it answers, "" that it is not concerned.
    """
    place = world.place(end[0])
    iface = place.ifaces[end[1]]
    if not _claims(place, end[1], via):
        return ""
    name = world.name_of(end)
    if not iface.arp:
        return f"{name} has ARP off: it neither asks for MACs nor answers"
    return (_refusal4 if via.version == 4 else _refusal6)(world, place, iface, via, asker)


def _claims(place: Place, iface: str, via: Address) -> bool:
    """Whether an interface could answer at all. This is a cheap test before the exact ones."""
    if via.version == 6:
        return any(held.address.ip == via and held.iface == iface for held in place.addresses)
    local = any(
        route.type != RTN_UNICAST and route.protocol != RTPROT_KERNEL for route in place.routes
    )
    return place.has(via) or local or _stands_in(place, iface)


def _stands_in(place: Place, iface: str) -> bool:
    """Whether an interface answers ARP for addresses behind another interface (proxy_arp)."""
    return place.settings.most(4, "proxy_arp", iface) > 0


def _refusal6(
    world: World, place: Place, iface: WorldInterface, via: Address, asker: Address
) -> str | None:
    if not any(
        held.address.ip == via and held.iface == iface.name and held.ready
        for held in place.addresses
    ):
        return f"{place.name}: {via} on {iface.name} is not ready (duplicate address detection)"
    return None


def _refusal4(
    world: World, place: Place, iface: WorldInterface, via: Address, asker: Address
) -> str | None:
    """Return the refusal of IPv4, as in arp_process.

    The kernel looks up a route to the address, as if the question were a packet from the asker.
    """
    name = iface.name
    known = asker != _NOBODY
    if known:
        try:
            question = Packet(asker, via, "arp")
            obstacles.check_source(world, place, question, name)
        except PacketStopped as stopped:
            return f"{stopped.cause}, so it does not answer ARP"
    flow = Flow(via, asker if known else None, iif=name, proto="arp")
    way = lookup(place, flow)
    if way.is_local:
        return _ignored(place, name, via, asker) or _filtered(place, name, via, asker)
    if way.why and place.has(via):
        return (
            f"{place.name} does not treat {via} as its own address: "
            f"packets for {via} match {way.why}"
        )
    forwards = place.settings.own(4, "forwarding", name, int(place.forwards[0]))
    if way.why or not forwards or not _stands_in(place, name):
        return f"{place.name} does not treat {via} as its own address" if place.has(via) else ""
    return None if way.dev(place) not in {"", name} else ""


def _ignored(place: Place, iface: str, via: Address, asker: Address) -> str | None:
    """Return the refusal by arp_ignore: for addresses of other interfaces, or for all."""
    mode = place.settings.most(4, "arp_ignore", iface)
    here = [
        held
        for held in place.addresses
        if held.address.ip == via and held.iface == iface and held.scope <= RT_SCOPE_HOST
    ]
    text = f"{place.name}:{iface} does not answer ARP for {via} (arp_ignore is {mode})"
    match mode:
        case 1:
            return None if here else text
        case 2:
            near = [held for held in here if asker == _NOBODY or asker in held.network]
            return None if near else text
        case 3:
            anywhere = (held for held in place.addresses if held.address.ip == via)
            return None if any(held.scope <= RT_SCOPE_LINK for held in anywhere) else text
        case 8:
            return text
    return None


def _filtered(place: Place, iface: str, via: Address, asker: Address) -> str | None:
    """Return the refusal by arp_filter: if the answer would not leave by the same interface."""
    if asker == _NOBODY or place.settings.most(4, "arp_filter", iface) == 0:
        return None
    way = lookup(place, Flow(asker, via, proto="arp"))
    if not way.why and way.dev(place) == iface:
        return None
    return (
        f"{place.name}:{iface} does not answer ARP for {via} "
        f"(arp_filter: its route to {asker} is not by {iface})"
    )
