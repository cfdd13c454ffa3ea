"""Packets in packets: which interface is at a tunnel's other end, and whether what carries it gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from netorch.walk.frames import Arrival, Fault
from netorch.walk.world import Address, End, WireguardPeer, World, WorldInterface

PROTOCOLS = {
    "vxlan": "udp",
    "geneve": "udp",
    "wireguard": "udp",
    "gre": "gre",
    "gretap": "gre",
    "ip6gre": "gre",
    "ip6gretap": "gre",
}
CARRIERS = frozenset(("gre", "ipip", "sit", "ip6gre", "ip6tnl", "wireguard"))
"""Tunnels of packets: nobody is asked for a MAC there."""

Nested = Callable[[str, Address | None, Address, str, int], tuple[str | None, str, bool]]
"""Send a packet that carries others: label, source, destination, protocol, port → the label that gets it, or None, why not, and whether it
only leaves what is known.
"""


class Crossing(NamedTuple):
    """An interface at the other end, what keeps it away, and in words how it is reached; `outside`: what is known ends at this one."""

    end: End
    faults: tuple[Fault, ...]
    what: str
    outside: bool = False


def far_ends(
    world: World,
    end: End,
    iface: WorldInterface,
    nested: Nested,
    hear: Callable[[End], Iterable[Arrival]],
) -> list[Crossing]:
    """Where a tunnel's packets and frames come out."""
    tunnel = iface.tunnel
    if tunnel is None:
        return []
    below = _below(end, iface)
    found: list[Crossing] = []
    for far in tunnel.ends:
        if far.is_multicast:
            found += _by_group(world, end, iface, hear)
            continue
        label, why, leaves = nested(
            below, tunnel.local, far, PROTOCOLS.get(iface.kind, iface.kind), tunnel.port
        )
        if label is not None:
            found += [
                Crossing(other, (), f"{iface.kind} to")
                for other in _there(world, label, end, iface)
            ]
            if not _there(world, label, end, iface):
                name = world.places[label].name
                faults = (
                    Fault(
                        f"{name} has no {iface.kind} that fits {world.name_of(end)} ({_ident(iface)})",
                        end,
                    ),
                )
                found += [
                    Crossing(other, faults, f"{iface.kind} to")
                    for other in _unfitting(world, label, iface)
                ]
            continue
        if leaves:
            found.append(Crossing(end, (), f"{iface.kind} to {far}", outside=True))
            continue
        faults = (Fault(f"{world.name_of(end)}, which goes over {far}: {why}", end),)
        found += [
            Crossing(other, faults, f"{iface.kind} to") for other in _meant(world, far, end, iface)
        ]
    return found


def _ident(iface: WorldInterface) -> str:
    return " ".join(str(part) for part in iface.tunnel.ident) if iface.tunnel is not None else ""


def _below(end: End, iface: WorldInterface) -> str:
    """The namespace whose packets it sends."""
    return iface.parent[0] if iface.parent is not None else end[0]


def _alike(world: World, kind: str) -> Iterator[tuple[End, WorldInterface]]:
    for label, place in world.places.items():
        for iface in place.ifaces.values():
            if iface.kind == kind and iface.tunnel is not None:
                yield (label, iface.name), iface


def _there(world: World, label: str, end: End, iface: WorldInterface) -> list[End]:
    mine = iface.tunnel
    assert mine is not None
    found = []
    for other, far in _alike(world, iface.kind):
        theirs = far.tunnel
        if (
            other == end
            or theirs is None
            or _below(other, far) != label
            or theirs.ident != mine.ident
        ):
            continue
        strict = iface.kind not in {"vxlan", "geneve"}
        if theirs.local is not None and theirs.local not in mine.ends:
            continue
        if strict and theirs.ends and mine.local is not None and mine.local not in theirs.ends:
            continue
        found.append(other)
    return found


def _unfitting(world: World, label: str, iface: WorldInterface) -> list[End]:
    return [other for other, far in _alike(world, iface.kind) if _below(other, far) == label][:1]


def _meant(world: World, far: Address, end: End, iface: WorldInterface) -> list[End]:
    """Who would have been reached."""
    labels = {label for label, _ in world.owners.get(far, [])}
    return [
        other
        for other, there in _alike(world, iface.kind)
        if other != end and _below(other, there) in labels
    ]


def _by_group(
    world: World, end: End, iface: WorldInterface, hear: Callable[[End], Iterable[Arrival]]
) -> Iterator[Crossing]:
    if iface.parent is None or iface.tunnel is None:
        return
    heard = {arrival.end: arrival.faults for arrival in hear(iface.parent) if not arrival.outside}
    for other, far in _alike(world, iface.kind):
        if (
            far.parent in heard
            and other != end
            and far.tunnel is not None
            and far.tunnel.ident == iface.tunnel.ident
        ):
            yield Crossing(other, heard[far.parent], f"{iface.kind} to")


def pick_peer(
    world: World,
    end: End,
    iface: WorldInterface,
    destination: Address,
    nested: Nested,
    met: End | None,
) -> tuple[str, list[Crossing]]:
    """The peer that a WireGuard interface sends a packet to; why there is none, or the interfaces that get it.

    `met`: the interface that spoke to it before, where no endpoint is given.
    """
    said = world.name_of(end)
    peers = [
        (network.network.prefixlen, peer)
        for peer in _peers(iface)
        for network in peer.allowed
        if _within(destination, network.network)
    ]
    if not peers:
        return f"{said} has no peer with {destination} in its allowed_ips", []
    peer = max(peers, key=lambda entry: entry[0])[1]
    if peer.endpoint is None:
        if met is not None:
            return "", [Crossing(met, (), "wireguard")]
        return (
            f"{said} knows no endpoint of the peer for {destination}: that one has to speak first",
            [],
        )
    address, port = peer.endpoint
    label, why, leaves = nested(end[0], None, address, "udp", port)
    if leaves:
        return "", [Crossing(end, (), "wireguard", outside=True)]
    if label is None:
        return f"{said}, which goes over {address}: {why}", []
    far = [
        other
        for other, there in _alike(world, "wireguard")
        if other[0] == label and there.tunnel is not None and there.tunnel.port == port
    ]
    if not far:
        return f"{said}: no WireGuard listens on port {port} of {world.places[label].name}", []
    return "", [Crossing(other, (), "wireguard") for other in far]


def _peers(iface: WorldInterface) -> tuple[WireguardPeer, ...]:
    return iface.tunnel.peers if iface.tunnel is not None else ()


def _within(address: Address, network: object) -> bool:
    return getattr(network, "version", 0) == address.version and address in network  # type: ignore[operator]


def takes(iface: WorldInterface, source: Address) -> bool:
    """Whether a WireGuard interface takes a packet with this source from any of its peers."""
    return any(
        _within(source, network.network) for peer in _peers(iface) for network in peer.allowed
    )
