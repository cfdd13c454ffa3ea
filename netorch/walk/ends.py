"""Turn what a user writes (a node, an address or NODE:IF) into the sender and the destination."""

from __future__ import annotations

from ipaddress import ip_address

from netorch.errors import NetorchError, Problem, did_you_mean, which_node
from netorch.state.key import HOST
from netorch.walk.path import walk
from netorch.walk.result import FAILS, Leg, PathQuery, Walk
from netorch.walk.world import Address, End, InterfaceAddress, Place, World

_FROM = (
    "A packet has to start at a node. To try what is reachable from outside, such as a published "
    "port, let it start at `host`, or add a node to the file that stands for the outside."
)


class UnknownEnd(Exception):
    """Raised if there is no packet to follow, because one of the two ends is missing."""


def explain(world: World, source: str, target: str, tcp: int | None = None) -> Walk:
    """Walk from `source` to `target`, each a node, an address or NODE:IF.

    Raises NetorchError for a name or an address that nothing has.
    """
    try:
        return walk(world, ask(world, source, target, tcp), source, target)
    except UnknownEnd as missing:
        return Walk(
            source=source,
            target=target,
            protocol="icmp" if tcp is None else "tcp",
            port=tcp or 0,
            source_address="",
            target_address="",
            there=Leg((), FAILS, str(missing)),
            back=None,
        )


def ask(world: World, source: str, target: str, tcp: int | None = None) -> PathQuery:
    """Return the query for a walk. Raise NetorchError for a name that nothing has."""
    for text in (source, target):
        if _address(text) is None:
            _label(world, text)
    label, iface, own = _source(world, source)
    place = world.places[label]
    owner, address = _target(world, place, target, own, iface)
    version = address.version
    if own is None and iface:
        held = _usable(place, iface, version)
        if not held:
            raise UnknownEnd(f"{place.name}:{iface} has no IPv{version} address to send from")
        own = held[0].address.ip
    if own is not None and own.version != version:
        raise NetorchError(
            Problem(
                "mixed-families",
                f"{source} and {target} are of different IP versions: {own} and {address}",
            )
        )
    vrf = place.vrf_of(iface) if iface else 0
    bound = next(
        (
            entry.name
            for entry in place.ifaces.values()
            if vrf and entry.kind == "vrf" and entry.table == vrf
        ),
        "",
    )
    if address.is_link_local:
        bound = iface or next(
            (
                held.iface
                for held in place.addresses
                if held.address.version == 6 and held.address.is_link_local
            ),
            "",
        )
    if tcp is not None:
        return PathQuery(
            label=label,
            source=own,
            destination=address,
            protocol="tcp",
            port=tcp,
            bound=bound,
            owner=owner,
        )
    return PathQuery(
        label=label,
        source=own,
        destination=address,
        protocol="icmp" if version == 4 else "icmpv6",
        port=0,
        bound=bound,
        owner=owner,
    )


def _source(world: World, text: str) -> tuple[str, str, Address | None]:
    """Return the sender's label, interface ("" for any) and address (None for any)."""
    if (address := _address(text)) is not None:
        owners = world.owners.get(address, [])
        if not owners:
            raise NetorchError(
                Problem("unknown-address", f"no node has the address {text}.", None, _FROM, text)
            )
        # the sender is bound to the address, not to the interface
        return owners[0][0], owners[0][1], address
    return (*_node(world, text), None)


def _target(
    world: World, place: Place, text: str, own: Address | None, iface: str
) -> tuple[str, Address]:
    """Return the label of the target node, "" if only an address is given, and the address."""
    if (address := _address(text)) is not None:
        if address.is_multicast or address.is_unspecified:
            raise NetorchError(
                Problem(
                    "unknown-address",
                    f"{address} is not a unicast address, so no single interface has it",
                    object=str(address),
                )
            )
        return "", address
    label, named = _node(world, text)
    there = world.places[label]
    meant = (
        []
        if named
        else [
            address
            for address in world.preferred.get(label, ())
            if own is None or address.version == own.version
        ]
    )
    held = [entry.address.ip for entry in _usable(there, named)]
    # take the addresses of the file even if they are gone, because the walk then says so
    addresses = meant or [
        address for address in held if own is None or address.version == own.version
    ]
    if not addresses and named and world.asked is not None and label in world.asked.places:
        addresses = [entry.address.ip for entry in _usable(world.asked.places[label], named)]
    if not addresses:
        raise UnknownEnd(
            f"{text} has no {f'IPv{own.version} ' if own is not None and held else ''}address"
        )
    mine = {entry.address.version for entry in _usable(place, iface)}
    spoken = [address for address in addresses if address.version in mine] or addresses
    return label, _nearest(place, sorted(spoken, key=lambda address: address.version))


def _usable(place: Place, iface: str, version: int = 0) -> list[InterfaceAddress]:
    """Return the addresses that other nodes can reach, all or those of one interface.

    The ones on lo come first.
    """
    usable = [
        held
        for held in place.addresses
        if version in {0, held.address.version}
        and not held.address.ip.is_loopback
        and not held.address.ip.is_link_local
        and iface in {"", held.iface}
    ]
    return sorted(usable, key=lambda held: held.iface != "lo")


def _nearest(place: Place, addresses: list[Address]) -> Address:
    """Return the address in a subnet of the sender, or else the first one."""
    networks = [entry.network for entry in place.addresses if not entry.address.ip.is_loopback]
    return next(
        (
            address
            for address in addresses
            if any(address in network for network in networks if network.version == address.version)
        ),
        addresses[0],
    )


def _node(world: World, text: str) -> End:
    """Return the label of a node and an interface of it, "" for any."""
    node, _, iface = text.partition(":")
    label = _label(world, text)
    place = world.places.get(label)
    if place is None:
        raise UnknownEnd(
            f"{node} does not exist: it has no namespace "
            "(apply the topology first, or use --offline)"
        )
    if iface and iface not in place.ifaces:
        if (
            world.asked is not None
            and label in world.asked.places
            and iface in world.asked.places[label].ifaces
        ):
            raise UnknownEnd(f"{node}:{iface} does not exist, although the file has it")
        what = f"{node} has no interface {iface!r}."
        remedy = _port_option(iface) or did_you_mean(iface, place.ifaces)
        raise NetorchError(Problem("unknown-interface", what, remedy=remedy, object=text))
    if ":" in text and not iface:
        raise NetorchError(
            Problem(
                "bad-end",
                f"{text!r} has no interface after the colon: write NODE, NODE:IF or an address",
                object=text,
            )
        )
    return label, iface


def _label(world: World, text: str) -> str:
    node = text.partition(":")[0]
    label = world.names.get(node)
    if label is None and node == HOST and HOST in world.places:
        return HOST
    if label is None:
        what, remedy = f"there is no node {node!r}.", which_node(node, world.names)
        if _address(node) is not None:
            remedy = _port_option(text.partition(":")[2])
        if node == HOST and world.machines:
            what = f"there are several machines, so {node!r} could be the host of each."
            remedy = f"Write {next(iter(world.machines_by_host))}."
        raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))
    return label


def _port_option(word: str) -> str:
    """Return how to write a port, "" if the word is not one."""
    is_port = word.isascii() and word.isdecimal()
    return f"If {word} is a port, write --tcp {word} instead." if is_port else ""


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
