"""Find the interface at a tunnel's other end, and whether the encapsulating packets get there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from netorch.kinds.vxlan import HEADROOM
from netorch.walk.frames import Arrival, Crossing, Fault, MachineCrossing
from netorch.walk.world import Address, End, WireguardPeer, World, WorldInterface

PROTOCOLS = {
    "vxlan": "udp",
    "geneve": "udp",
    "wireguard": "udp",
    "gre": "gre",
    "gretap": "gre",
    "erspan": "gre",
    "ip6gre": "gre",
    "ip6gretap": "gre",
}
CARRIERS = frozenset(("gre", "ipip", "sit", "ip6gre", "ip6tnl", "wireguard"))
"""The kinds of tunnels that carry packets without frames, and so need no MACs."""


class Outer(NamedTuple):
    """What becomes of a packet that encapsulates another packet."""

    label: str | None
    """The label of the namespace that receives it, or None."""
    why: str
    """The cause if none does."""
    leaves: bool
    """Whether it only leaves what netorch can see."""
    mtu: int = 0
    """The smallest MTU on its way, 0 if none is known."""
    iif: str = ""
    """The interface by which it is received."""


Nested = Callable[[str, Address | None, Address, str, int, str], Outer]
"""A function that sends a packet which encapsulates another packet.

Its arguments are the label of the sending namespace, the source, destination, protocol and port of
the packet, and the interface that it leaves by, "" for that of the route.
"""

Incoming = Callable[[str, Address, Address, int], str]
"""A function that tells why a host does not take a packet of UDP from another machine, or "".

Its arguments are the label of the host, and the source, destination and port of the packet.
"""


def far_ends(
    world: World,
    end: End,
    iface: WorldInterface,
    nested: Nested,
    incoming: Incoming,
    receivers: Callable[[End], Iterable[Arrival]],
) -> list[Crossing]:
    """Return the interfaces at the other ends of a tunnel."""
    tunnel = iface.tunnel
    if tunnel is None:
        return []
    if tunnel.external:
        return [Crossing(end, (), iface.kind, outside=True)]
    below = _below(end, iface)
    crossings: list[Crossing] = []
    for far in dict.fromkeys(chain(tunnel.ends, *tunnel.macs.values())):
        if far.is_multicast:
            crossings += _by_group(world, end, iface, receivers)
            continue
        between = _between_machines(world, end, iface, far, nested, incoming)
        if between is not None:
            crossings += between
            continue
        bound = iface.parent[1] if iface.parent is not None and far in tunnel.bound else ""
        label, why, leaves, _, iif = nested(
            below, tunnel.local, far, PROTOCOLS.get(iface.kind, iface.kind), tunnel.port, bound
        )
        if label is not None:
            there = _there(world, label, end, iface)
            crossings += [
                _into(world, other, iif, Crossing(other, (), f"{iface.kind} to", far, outside))
                for other, outside in ((other, _is_external(world, other)) for other in there)
            ]
            if not there:
                name = world.places[label].name
                faults = (
                    Fault(
                        f"{name} has no {iface.kind} interface that matches "
                        f"{world.name_of(end)} ({_ident(iface)})",
                        end,
                    ),
                )
                crossings += [
                    Crossing(other, faults, f"{iface.kind} to", far)
                    for other in _unfitting(world, label, iface)
                ]
            continue
        if leaves:
            crossings.append(Crossing(end, (), f"{iface.kind} to {far}", far, outside=True))
            continue
        faults = (Fault(f"{world.name_of(end)}, whose packets go to {far}: {why}", end),)
        crossings += [
            Crossing(other, faults, f"{iface.kind} to", far)
            for other in _intended(world, far, end, iface)
        ]
    return crossings


def _into(world: World, end: End, iif: str, crossing: Crossing) -> Crossing:
    """Return a crossing with a fault if its end does not take packets that arrive by `iif`.

    Only sit compares the interface with its parent (ipip6_tunnel_lookup in net/ipv6/sit.c).
    """
    far = world.iface(end)
    if far is None or far.kind != "sit" or far.parent is None or far.parent[1] == iif:
        return crossing
    place = world.places.get(far.parent[0])
    came = place.ifaces.get(iif) if place is not None else None
    if came is None or came.master == far.parent[1]:
        return crossing
    text = (
        f"{world.name_of(end)} takes packets that arrive by its parent {far.parent[1]},"
        f" and these arrive by {iif}"
    )
    return crossing._replace(faults=(*crossing.faults, Fault(text, end)))


def _between_machines(
    world: World,
    end: End,
    iface: WorldInterface,
    far: Address,
    nested: Nested,
    incoming: Incoming,
) -> list[Crossing] | None:
    """Return the interfaces of another machine at the other end, None if it leads to no machine.

    Of the outer packets, netorch follows only what its own machine does with them.
    """
    tunnel = iface.tunnel
    near = world.machines_by_host.get(_below(end, iface))
    there = world.machines_by_address.get(far)
    if iface.kind != "vxlan" or tunnel is None or near is None or there in {None, near}:
        return None
    assert there is not None
    mtu, causes = min(near.mtu, there.mtu) - near.headers, []
    if world.live and near.name == world.here:
        outer = nested(near.label, tunnel.local, far, "udp", tunnel.port, "")
        if outer.label is not None:
            return None
        room = outer.mtu - HEADROOM[far.version]
        if near.port and outer.leaves:
            # its packets are not those that leave the machine
            below = nested(near.label, None, there.address, "udp", there.port, "")
            room = min(room, below.mtu - near.headers) if below.mtu else room
        mtu = min(mtu, room) if outer.mtu else mtu
        causes += [] if outer.leaves else [f"{far}: {outer.why}"]
    if world.live and there.name == world.here:
        local = tunnel.local or near.tunnel_address
        why = incoming(there.label, near.address, there.address, there.port) if there.port else ""
        why = why or incoming(there.label, local, far, tunnel.port)
        causes += [f"{there.name} ({there.address}): {why}"] if why else []
    machines = MachineCrossing(
        near.name,
        there.name,
        near.address,
        there.address,
        tunnel.vni,
        tunnel.port,
        bool(near.port),
        mtu,
    )
    what = f"{machines.text} into"
    faults = tuple(Fault(f"{world.name_of(end)}, whose packets go to {why}", end) for why in causes)
    others = _there(world, there.label, end, iface)
    if others:
        return [Crossing(other, faults, what, far, machines=machines) for other in others]
    missing = Fault(
        f"{there.name} has no {iface.kind} interface that matches"
        f" {world.name_of(end)} ({_ident(iface)})",
        end,
    )
    faults = (*faults, missing)
    if not (others := _unfitting(world, there.label, iface)):
        return [Crossing(end, faults, what, far, outside=True, machines=machines)]
    return [Crossing(other, faults, what, far, machines=machines) for other in others]


def _ident(iface: WorldInterface) -> str:
    return " ".join(str(part) for part in iface.tunnel.ident) if iface.tunnel is not None else ""


def _below(end: End, iface: WorldInterface) -> str:
    """Return the label of the namespace that sends the encapsulating packets."""
    if iface.parent is not None:
        return iface.parent[0]
    return (iface.tunnel.underlay if iface.tunnel is not None else "") or end[0]


def _alike(world: World, kind: str) -> Iterator[tuple[End, WorldInterface]]:
    for label, place in world.places.items():
        for iface in place.ifaces.values():
            if iface.kind == kind and iface.tunnel is not None:
                yield (label, iface.name), iface


def _is_external(world: World, end: End) -> bool:
    iface = world.iface(end)
    return iface is not None and iface.tunnel is not None and iface.tunnel.external


def _there(world: World, label: str, end: End, iface: WorldInterface) -> list[End]:
    mine = iface.tunnel
    assert mine is not None
    reached = {*mine.ends, *chain.from_iterable(mine.macs.values())}
    ends = []
    for other, far in _alike(world, iface.kind):
        theirs = far.tunnel
        if (
            other == end
            or theirs is None
            or _below(other, far) != label
            or not (theirs.port == mine.port if theirs.external else theirs.ident == mine.ident)
        ):
            continue
        strict = iface.kind not in {"vxlan", "geneve"}
        if theirs.local is not None and theirs.local not in reached:
            continue
        if strict and theirs.ends and mine.local is not None and mine.local not in theirs.ends:
            continue
        ends.append(other)
    return ends


def _unfitting(world: World, label: str, iface: WorldInterface) -> list[End]:
    return [other for other, far in _alike(world, iface.kind) if _below(other, far) == label][:1]


def _intended(world: World, far: Address, end: End, iface: WorldInterface) -> list[End]:
    """Return the interfaces that the tunnel would reach if its packets got through."""
    labels = {label for label, _ in world.owners.get(far, [])}
    return [
        other
        for other, there in _alike(world, iface.kind)
        if other != end and _below(other, there) in labels
    ]


def _by_group(
    world: World, end: End, iface: WorldInterface, receivers: Callable[[End], Iterable[Arrival]]
) -> Iterator[Crossing]:
    if iface.parent is None or iface.tunnel is None:
        return
    reached = {
        arrival.end: arrival.faults for arrival in receivers(iface.parent) if not arrival.outside
    }
    for other, far in _alike(world, iface.kind):
        if (
            far.parent in reached
            and other != end
            and far.tunnel is not None
            and far.tunnel.ident == iface.tunnel.ident
        ):
            yield Crossing(other, reached[far.parent], f"{iface.kind} to")


def pick_peer(
    world: World,
    end: End,
    iface: WorldInterface,
    destination: Address,
    nested: Nested,
    met: End | None,
) -> tuple[str, list[Crossing]]:
    """Return why a WireGuard interface cannot send a packet, or the interfaces that receive it.

    `met` is the interface that sent to it last; the kernel sends there if no endpoint is given.
    """
    name = world.name_of(end)
    peers = [
        (network.network.prefixlen, peer)
        for peer in _peers(iface)
        for network in peer.allowed
        if _within(destination, network.network)
    ]
    if not peers:
        return f"{name} has no peer with {destination} in its allowed_ips", []
    peer = max(peers, key=lambda entry: entry[0])[1]
    if peer.endpoint is None:
        if met is not None:
            return "", [Crossing(met, (), "wireguard")]
        return (
            f"{name} does not know the endpoint of the peer for {destination}: "
            "that peer has to send first",
            [],
        )
    address, port = peer.endpoint
    label, why, leaves, *_ = nested(end[0], None, address, "udp", port, "")
    if leaves:
        return "", [Crossing(end, (), "wireguard", outside=True)]
    if label is None:
        return f"{name}, whose packets go to {address}: {why}", []
    far = [
        other
        for other, there in _alike(world, "wireguard")
        if other[0] == label and there.tunnel is not None and there.tunnel.port == port
    ]
    if not far:
        return (
            f"{name}: no WireGuard interface of {world.places[label].name} listens on port {port}",
            [],
        )
    return "", [Crossing(other, (), "wireguard") for other in far]


def _peers(iface: WorldInterface) -> tuple[WireguardPeer, ...]:
    return iface.tunnel.peers if iface.tunnel is not None else ()


def _within(address: Address, network: object) -> bool:
    same_version = getattr(network, "version", 0) == address.version
    return same_version and address in network  # type: ignore[operator]


def takes(iface: WorldInterface, source: Address) -> bool:
    """Whether a WireGuard interface takes a packet with this source from any of its peers."""
    return any(
        _within(source, network.network) for peer in _peers(iface) for network in peer.allowed
    )
