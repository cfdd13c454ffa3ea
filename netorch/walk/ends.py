"""From the words of a person, a node, an address or NODE:IF, to who sends and what to."""

from __future__ import annotations

from ipaddress import ip_address

from netorch.core import HOST
from netorch.errors import NetorchError, did_you_mean
from netorch.walk.path import Ask
from netorch.walk.world import Address, End, Held, Place, World


def ask(world: World, source: str, target: str, tcp: int | None = None) -> Ask:
    """What is to be walked; NetorchError for a name that is nobody's."""
    label, iface, own = _source(world, source)
    place = world.places[label]
    owner, address = _target(world, place, target, own, iface)
    version = address.version
    if own is None and iface:
        held = _usable(place, iface, version)
        if not held:
            raise NetorchError(f"{place.name}:{iface} has no IPv{version} address to send from")
        own = held[0].address.ip
    if own is not None and own.version != version:
        raise NetorchError(f"{source} and {target} are of different IP versions: {own} and {address}")
    vrf = place.vrf_of(iface) if iface else 0
    bound = next((entry.name for entry in place.ifaces.values() if vrf and entry.kind == "vrf" and entry.table == vrf), "")
    if address.is_link_local:
        bound = iface or next((held.iface for held in place.addresses if held.address.version == 6 and held.address.is_link_local), "")
    if tcp is not None:
        return Ask(label, own, address, "tcp", tcp, bound, owner)
    return Ask(label, own, address, "icmp" if version == 4 else "icmpv6", 0, bound, owner)


def _source(world: World, text: str) -> tuple[str, str, Address | None]:
    """Label, interface ("" for any), address (None for any)."""
    if (address := _address(text)) is not None:
        owners = world.owners.get(address, [])
        if not owners:
            raise NetorchError(f"nobody here has the address {text}")
        return (*owners[0], address)
    return (*_node(world, text), None)


def _target(world: World, place: Place, text: str, own: Address | None, iface: str) -> tuple[str, Address]:
    """The label of the node that is meant, "" for an address of anybody, and the address."""
    if (address := _address(text)) is not None:
        if address.is_multicast or address.is_unspecified:
            raise NetorchError(f"{address} is no address of one interface, which a packet could be sent to")
        return "", address
    label, named = _node(world, text)
    there = world.places[label]
    versions = [own.version] if own is not None else [4, 6]
    for version in versions:
        held = _usable(there, named, version)
        if held and (own is not None or _usable(place, iface, version) or version == versions[-1]):
            return label, _nearest(place, held).address.ip
    held = [entry for version in (4, 6) for entry in _usable(there, named, version)]
    if held:
        return label, held[0].address.ip
    raise NetorchError(f"{text} has no address that could be reached")


def _usable(place: Place, iface: str, version: int) -> list[Held]:
    """Addresses others can speak to, all or those of one interface; the primary ones of a node come first."""
    found = [
        held
        for held in place.addresses
        if held.address.version == version
        and not held.address.ip.is_loopback
        and (not held.address.ip.is_link_local)
        and iface in {"", held.iface}
    ]
    return sorted(found, key=lambda held: held.iface != "lo")


def _nearest(place: Place, held: list[Held]) -> Held:
    """The one that is on a network of the sender's own; else the first."""
    networks = [entry.network for entry in place.addresses if not entry.address.ip.is_loopback]
    return next(
        (entry for entry in held if any(entry.address.ip in network for network in networks if network.version == entry.address.version)),
        held[0],
    )


def _node(world: World, text: str) -> End:
    """Label and interface."""
    node, _, iface = text.partition(":")
    label = world.names.get(node)
    if label is None and node == HOST and HOST in world.places:
        label = HOST
    if label is None:
        raise NetorchError(f"there is no node {node!r}. {did_you_mean(node, world.names)}".rstrip())
    place = world.places.get(label)
    if place is None:
        raise NetorchError(f"node {node} is not here: there is no namespace for it. Apply the topology first, or ask with --offline.")
    if iface and iface not in place.ifaces:
        raise NetorchError(f"{node} has no interface {iface!r}. {did_you_mean(iface, place.ifaces)}".rstrip())
    if ":" in text and not iface:
        raise NetorchError(f"{text!r} names no interface: write NODE, NODE:IF or an address")
    return label, iface


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
