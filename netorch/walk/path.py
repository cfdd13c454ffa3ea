"""A packet from one node to another and the answer back, over a `World`: each hop, and where it ends and why."""

from __future__ import annotations

from ipaddress import ip_address

from netorch.firewall.evaluation import Packet
from netorch.immutable import replace
from netorch.walk.choices import WAYS, Choices, every
from netorch.walk.forwarding import Delivered, Forwarder
from netorch.walk.result import ARRIVES, FAILS, LEAVES, Leg, PacketStopped, PathQuery, Walk, Way
from netorch.walk.world import Place, World

SIZES = {4: 84, 6: 104}
"""Bytes of an echo as ping(8) sends it, by IP version."""


def walk(world: World, ask: PathQuery, source: str, target: str) -> Walk:
    """There and back, by every way that there is. `source` and `target` are what a person calls them.

    Where the ways end differently, the walk is the first one that does not arrive.
    """
    found: list[tuple[Walk, str]] = []
    choices = Choices()
    for choices in every():
        one = _one_way(world, ask, source, target, choices)
        found.append((one, choices.text))
    worst = next((one for one, _ in found if one.outcome == FAILS), None) or next(
        (one for one, _ in found if one.outcome == LEAVES), found[0][0]
    )
    doubts = dict.fromkeys(doubt for one, _ in found for doubt in one.doubts)
    if choices.following() is not None:
        doubts[f"there are more than {WAYS} ways, of which these were followed"] = None
    remarks = dict.fromkeys(remark for one, _ in found for remark in one.remarks)
    ways = tuple(Way(text, one.outcome, one.cause) for one, text in found) if len(found) > 1 else ()
    return replace(
        worst,
        doubts=tuple(doubts),
        remarks=tuple(remarks),
        ways=ways,
        certain=worst.certain if worst.outcome == FAILS else not doubts,
    )


def _one_way(world: World, ask: PathQuery, source: str, target: str, choices: Choices) -> Walk:
    courier = Forwarder(world, choices=choices)
    nobody = ip_address("0.0.0.0" if ask.destination.version == 4 else "::")
    icmp = "echo-request" if ask.protocol.startswith("icmp") else ""
    packet = Packet(
        ask.source or nobody,
        ask.destination,
        ask.protocol,
        dport=ask.port,
        icmp=icmp,
        sport=40000 if ask.port else 0,
        size=SIZES[ask.destination.version],
    )
    back: Leg | None = None
    asked = str(ask.source) if ask.source is not None else ""
    try:
        found = courier.send(ask.label, packet, ask.bound)
        asked = str(courier.connection.tracks[ask.label].before.source)
        _meant(world, ask, found)
        there = Leg(tuple(courier.steps), ARRIVES)
    except PacketStopped as ended:
        asked = (
            str(courier.connection.tracks[ask.label].before.source)
            if ask.label in courier.connection.tracks
            else asked
        )
        there = Leg(tuple(courier.steps), ended.outcome, ended.cause)
    else:
        back = _back(world, courier, ask, found)
    unseen = [
        sentence for label in _labels(world, there, back) for sentence in world.places[label].unseen
    ]
    doubts = courier.connection.doubts
    return Walk(
        source=source,
        target=target,
        protocol=ask.protocol,
        port=ask.port,
        source_address=asked,
        target_address=str(ask.destination),
        there=there,
        back=back,
        doubts=(*doubts, *dict.fromkeys(unseen)),
        remarks=(*courier.small(), *courier.remarks),
        certain=not any(doubts.values()),
    )


def _labels(world: World, *legs: Leg | None) -> list[str]:
    """The namespaces on the way."""
    nodes = {step.node for leg in legs if leg is not None for step in leg.steps}
    return [label for label, place in world.places.items() if place.name in nodes]


def _meant(world: World, ask: PathQuery, found: Delivered) -> None:
    """Whether the one who got it is the one that was meant, and takes it."""
    place = world.places[found.label]
    if ask.owner and found.label != ask.owner and found.packet.destination == ask.destination:
        owner = world.places[ask.owner].name
        raise PacketStopped(
            f"{place.name}: has the address {ask.destination} as well, and receives the packets for {owner}"
        )
    if ask.protocol == "tcp" and place.listening is not None and not _listens(place, found.packet):
        raise PacketStopped(
            f"{place.name}: no program listens on TCP port {found.packet.dport} of {found.packet.destination}: it refuses the connection"
        )


def _listens(place: Place, packet: Packet) -> bool:
    for protocol, address, port in place.listening or ():
        local = ip_address(address)
        mapped = getattr(local, "ipv4_mapped", None)
        if protocol == "tcp" and port == packet.dport:
            if local.is_unspecified and (local.version == 6 or packet.version == 4):
                return True
            if packet.destination in (local, mapped):
                return True
    return False


def _back(world: World, courier: Forwarder, ask: PathQuery, found: Delivered) -> Leg:
    there = len(courier.steps)
    courier.connection.first = False
    asked = found.packet
    icmp = "echo-reply" if ask.protocol.startswith("icmp") else ""
    place = world.place(found.label)
    bound = place.vrf_name(found.iif)
    answer = Packet(
        source=asked.destination,
        destination=asked.source,
        proto=asked.proto,
        sport=asked.dport,
        dport=asked.sport,
        icmp=icmp,
        state="established",
        size=SIZES[asked.version],
    )
    if answer.destination.is_link_local:
        bound = found.iif
    # the kernel answers an ICMPv6 echo by the interface that it came by, if that is as good as others
    prefers = found.iif if ask.protocol == "icmpv6" else ""
    try:
        came = courier.send(found.label, answer, bound, prefers)
        if came.label != ask.label:
            raise PacketStopped(
                f"{world.place(came.label).name}: receives the answer, although another node asked"
            )
        if came.packet.source != ask.destination:
            raise PacketStopped(
                f"the answer comes from {came.packet.source}, but {ask.destination} was asked: the sender does not accept it"
            )
    except PacketStopped as ended:
        return Leg(tuple(courier.steps[there:]), ended.outcome, ended.cause)
    return Leg(tuple(courier.steps[there:]), ARRIVES)
