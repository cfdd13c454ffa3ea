"""Follow a packet from one node to another, and the answer back, over a `World`."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from netorch.firewall.evaluation import Packet
from netorch.immutable import replace
from netorch.walk.choices import MAX_WAYS, Choices, every
from netorch.walk.forwarding import Delivered, Forwarder
from netorch.walk.result import (
    ARRIVES,
    FAILS,
    LEAVES,
    Leg,
    PacketStopped,
    PathQuery,
    Walk,
    WalkStep,
    Way,
)
from netorch.walk.world import Place, World

SIZES = {4: 84, 6: 104}
"""The bytes of an echo request of ping(8), by IP version."""


def walk(world: World, ask: PathQuery, source: str, target: str) -> Walk:
    """Follow a packet there and back, by every way that it may take.

    `source` and `target` are what the user calls the two ends. If the ways end differently, the
    result is the first one that does not arrive.
    """
    walks: list[tuple[Walk, str]] = []
    choices = Choices()
    for choices in every():
        one = _one_way(world, ask, source, target, choices)
        walks.append((one, choices.text))
    worst = next((one for one, _ in walks if one.outcome == FAILS), None) or next(
        (one for one, _ in walks if one.outcome == LEAVES), walks[0][0]
    )
    doubts = dict.fromkeys(doubt for one, _ in walks for doubt in one.doubts)
    if choices.following() is not None:
        doubts[
            f"there are more than {MAX_WAYS} ways, and netorch followed only the first {MAX_WAYS}"
        ] = None
    remarks = dict.fromkeys(remark for one, _ in walks for remark in one.remarks)
    ways = tuple(Way(text, one.outcome, one.cause) for one, text in walks) if len(walks) > 1 else ()
    return replace(
        worst,
        doubts=tuple(doubts),
        remarks=tuple(remarks),
        ways=ways,
        certain=worst.certain if worst.outcome == FAILS else not doubts,
    )


def _one_way(world: World, ask: PathQuery, source: str, target: str, choices: Choices) -> Walk:
    forwarder = Forwarder(world, choices=choices)
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
        delivered = forwarder.send(ask.label, packet, ask.bound)
        asked = str(forwarder.connection.tracks[ask.label].before.source)
        _check_receiver(world, ask, delivered)
        there = Leg(_placed(world, forwarder.steps), ARRIVES)
    except PacketStopped as ended:
        asked = (
            str(forwarder.connection.tracks[ask.label].before.source)
            if ask.label in forwarder.connection.tracks
            else asked
        )
        there = Leg(_placed(world, forwarder.steps), ended.outcome, ended.cause)
    else:
        back = _back(world, forwarder, ask, delivered)
        if ask.protocol == "tcp" and back.outcome == ARRIVES:
            there = _again(forwarder, ask, packet, there)
    labels = _labels(world, there, back)
    unseen = [sentence for label in labels for sentence in world.places[label].unseen]
    others = dict.fromkeys(world.machine_of[label] for label in labels if world.is_elsewhere(label))
    unseen += [
        f"netorch sees the kernel of {world.here} alone: what is on {name} is as in the file"
        for name in others
    ]
    doubts = forwarder.connection.doubts
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
        remarks=(*forwarder.small(), *forwarder.remarks),
        certain=not any(doubts.values()),
    )


def _again(forwarder: Forwarder, ask: PathQuery, packet: Packet, there: Leg) -> Leg:
    """Follow the packet after the answer, which belongs to a connection that exists by then.

    Return the leg of the first packet, as one that fails if that packet does not arrive. Rules may
    let a connection begin and drop what follows.
    """
    number = len(forwarder.steps)
    forwarder.connection.first = forwarder.connection.open = True
    try:
        forwarder.send(ask.label, replace(packet, state="established"), ask.bound)
    except PacketStopped as stopped:
        if stopped.outcome == FAILS:
            cause = f"{stopped.cause} (a connection opens, but its next packet is lost)"
            return Leg(there.steps, FAILS, cause)
    finally:
        del forwarder.steps[number:]
    return there


def _placed(world: World, steps: Iterable[WalkStep]) -> tuple[WalkStep, ...]:
    """Return the steps with their machines."""
    if not world.machines:
        return tuple(steps)
    labels = {place.name: label for label, place in world.places.items()}
    return tuple(
        replace(
            step,
            machine=world.machine_of.get(labels[step.node], world.here),
            by_file=world.is_elsewhere(labels[step.node]),
        )
        for step in steps
    )


def _labels(world: World, *legs: Leg | None) -> list[str]:
    """Return the labels of the namespaces on the way."""
    nodes = {step.node for leg in legs if leg is not None for step in leg.steps}
    return [label for label, place in world.places.items() if place.name in nodes]


def _check_receiver(world: World, ask: PathQuery, delivered: Delivered) -> None:
    """Raise PacketStopped if the packet has not reached its target node, or is refused there."""
    place = world.places[delivered.label]
    if (
        ask.owner
        and delivered.label != ask.owner
        and delivered.packet.destination == ask.destination
    ):
        owner = world.places[ask.owner].name
        raise PacketStopped(
            f"{place.name} also has the address {ask.destination}, "
            f"and receives the packets for {owner}"
        )
    if (
        ask.protocol == "tcp"
        and place.listening is not None
        and not _listens(place, delivered.packet)
    ):
        raise PacketStopped(
            f"{place.name}: no program listens on TCP port {delivered.packet.dport} "
            f"of {delivered.packet.destination}, so it refuses the connection"
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


def _back(world: World, forwarder: Forwarder, ask: PathQuery, delivered: Delivered) -> Leg:
    there = len(forwarder.steps)
    forwarder.connection.first = False
    asked = delivered.packet
    icmp = "echo-reply" if ask.protocol.startswith("icmp") else ""
    place = world.place(delivered.label)
    bound = place.vrf_name(delivered.iif)
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
        bound = delivered.iif
    # the kernel answers an ICMPv6 echo by the interface by which it came, if several are
    # equally good
    prefers = delivered.iif if ask.protocol == "icmpv6" else ""
    try:
        came = forwarder.send(delivered.label, answer, bound, prefers)
        if came.label != ask.label:
            raise PacketStopped(
                f"{world.place(came.label).name} receives the answer, although another node asked"
            )
        if came.packet.source != ask.destination:
            raise PacketStopped(
                f"the answer comes from {came.packet.source}, but {ask.destination} was asked: "
                "the sender does not accept it"
            )
    except PacketStopped as ended:
        return Leg(_placed(world, forwarder.steps[there:]), ended.outcome, ended.cause)
    return Leg(_placed(world, forwarder.steps[there:]), ARRIVES)
