"""Forward a packet from namespace to namespace as Linux does: out, in, translated, routed."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from netorch.firewall.evaluation import Packet, with_fields
from netorch.immutable import Value, replace
from netorch.values.requests import Hop
from netorch.walk import obstacles
from netorch.walk.choices import Choices
from netorch.walk.connection import Connection, ConntrackEntry
from netorch.walk.delivery import IPVLANS, Delivery, filters_frames
from netorch.walk.result import LEAVES, PacketStopped, WalkStep
from netorch.walk.routing import Flow, RouteChoice, address_on, lookup, route_text, source_for
from netorch.walk.tunnels import CARRIERS, Outer
from netorch.walk.world import Address, Place, World, WorldInterface

_ICMP_TYPES = {(4, "echo-request"): 0x0800, (6, "echo-request"): 0x8000, (6, "echo-reply"): 0x8100}
"""The type and the code of an ICMP message, which a rule compares with its source port.

The kernel does this for messages that the namespace itself makes (struct flowi_uli).
"""
MAX_HOPS = 40
"""The number of namespaces after which a packet counts as being in a routing loop."""
MAX_TUNNELS = 4
"""The number of tunnels that may be nested."""

_Next = tuple[str, str, Packet]
"""The label of a namespace, the interface by which a packet comes into it, and the packet."""


class Delivered(Value):
    """A packet that has arrived."""

    label: str
    """The label of the namespace that received it."""
    iif: str
    """The interface by which it came."""
    packet: Packet
    """The packet after all translations."""


@dataclass(slots=True)
class Forwarder:
    """Forwards the packets of one connection."""

    world: World
    depth: int = 0
    """The number of tunnels that the packets are in."""
    steps: list[WalkStep] = field(default_factory=list)
    """What each namespace has done with the packets so far."""
    connection: Connection = field(default_factory=Connection)
    choices: Choices = field(default_factory=Choices)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    """The MTUs on the way, each with the interface that has it."""
    wire: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Delivery(
            self.world, self.connection, self._nested, self._incoming, self.choices
        )

    @property
    def remarks(self) -> dict[str, None]:
        return self.wire.remarks

    def send(self, label: str, packet: Packet, bound: str = "", prefers: str = "") -> Delivered:
        """Send a packet of a program in a namespace. Raise PacketStopped if it does not arrive.

        A source of 0.0.0.0 or :: is replaced as the kernel does. `bound` is a VRF or an interface
        that the socket is bound to. `prefers` is the interface to use if several are equally good.
        """
        place = self.world.place(label)
        source = None if packet.source.is_unspecified else packet.source
        flow = _made_here(packet, source, bound, prefers)
        way = self._find(place, flow)
        if source is None:
            if way.why and packet.version == 6:
                # the kernel looks again, with the source that it would choose (ip6_dst_lookup_tail)
                source = address_on(place, "", packet.destination, packet.destination)
                way = self._find(place, replace(flow, source=source)) if source else way
            self._check(place, way, packet.destination)
            source = source or source_for(place, way, packet.destination)
            if source is None:
                raise PacketStopped(f"{place.name} has no IPv{packet.version} address to send from")
            packet = with_fields(packet, source=source)
        self._check(place, way, packet.destination)
        dev = way.dev(place)
        made = packet = with_fields(
            packet,
            oif="lo" if way.is_local else dev,
            local=_is_local(place, packet.destination),
            ttl=place.settings.ttl(packet.version, dev),
        )
        verdict = self.connection.hook(place, "output", packet)
        packet = self.connection.to(place, packet, verdict, "")
        track = self.connection.tracks.get(label)
        if not self.connection.first and track is not None:
            packet = self.connection.undo_source(track, packet)
        if packet.destination != made.destination or verdict.mark != packet.mark:
            packet = with_fields(packet, mark=verdict.mark)
            way = self._find(place, _made_here(packet, packet.source, bound, prefers))
            self._check(place, way, packet.destination)
        if self.connection.first:
            self.connection.tracks[label] = ConntrackEntry(made, packet)
        if way.is_local:
            return self._loop(place, packet)
        return self._on(self._leave(label, packet, way, f"{made.source} → {made.destination}", ""))

    def _loop(self, place: Place, packet: Packet) -> Delivered:
        """Deliver a packet to an address of its own namespace, by lo."""
        packet = self.connection.postrouting(place, with_fields(packet, oif="lo"))
        obstacles.check_lo(place, packet)
        packet = with_fields(packet, iif="lo", oif="", local=True)
        self.connection.hook(place, "prerouting", packet)
        self.connection.hook(place, "input", packet)
        obstacles.check_echo(place, packet)
        track = self.connection.tracks.get(place.label)
        if not self.connection.first and track is not None:
            packet = self.connection.undo_destination(track, packet)
        text = f"{packet.destination} is its own address"
        self.steps.append(WalkStep(place.name, text, notes=self.connection.noted()))
        return Delivered(place.label, "lo", packet)

    def _on(self, there: _Next) -> Delivered:
        """Forward a packet from namespace to namespace until it arrives or is stopped."""
        seen: dict[tuple[str, str, Address, Address], None] = {}
        while True:
            label, iif, packet = there
            if (label, iif, packet.source, packet.destination) in seen or len(seen) > MAX_HOPS:
                names = ", ".join(dict.fromkeys(self.world.place(entry[0]).name for entry in seen))
                raise PacketStopped(
                    f"{self.world.place(label).name}: the packet is in a routing loop ({names})"
                )
            seen[label, iif, packet.source, packet.destination] = None
            try:
                ended = self._enter(label, iif, packet)
            except PacketStopped:
                self.steps.append(
                    WalkStep(
                        self.world.place(label).name,
                        f"in by {iif}, and no further",
                        iif,
                        notes=self.connection.noted(),
                    )
                )
                raise
            if isinstance(ended, Delivered):
                return ended
            there = self._leave(label, *ended, f"in by {iif}", iif)

    def _enter(
        self, label: str, iif: str, packet: Packet
    ) -> Delivered | tuple[Packet, RouteChoice]:
        """Process an incoming packet: translate it, look up its route, deliver or forward it."""
        place, connection = self.world.place(label), self.connection
        track = connection.tracks.get(label)
        came, port, self.wire.port = packet, self.wire.port, None
        packet = with_fields(
            packet,
            iif=iif,
            oif="",
            state=connection.state(track),
            translated=track is not None and track.translated,
        )
        if not connection.first and track is not None:
            packet = connection.undo_source(track, packet)
        obstacles.check_link(self.world, place, packet, iif)
        packet = with_fields(packet, local=_is_local(place, packet.destination), mark=0)
        verdict = connection.hook(place, "prerouting", packet)
        packet = connection.to(place, with_fields(packet, mark=verdict.mark), verdict, iif)
        packet = with_fields(packet, local=_is_local(place, packet.destination))
        obstacles.check_source(self.world, place, packet, iif)
        obstacles.check_loopback(place, packet, iif)
        flow = Flow(
            packet.destination,
            packet.source,
            iif=iif,
            mark=packet.mark,
            proto=packet.proto,
            sport=packet.sport,
            dport=packet.dport,
        )
        way = self._find(place, flow)
        if connection.first:
            connection.tracks[label] = ConntrackEntry(came, packet)
        if way.is_local:
            connection.hook(place, "input", packet)
            obstacles.check_echo(place, packet)
            if not connection.first and track is not None:
                packet = connection.undo_destination(track, packet)
            self.steps.append(
                WalkStep(place.name, f"arrives at {iif}", iif, notes=connection.noted())
            )
            return Delivered(label, iif, packet)
        obstacles.check_forwarding(place, packet, iif)
        self._check(place, way, packet.destination)
        obstacles.check_scope(place, packet, iif, way.dev(place))
        obstacles.check_ttl(place, packet)
        packet = with_fields(packet, oif=way.dev(place), ttl=packet.ttl - 1)
        verdict = connection.hook(place, "forward", packet)
        translated = packet.destination != came.destination and way.dev(place) == iif
        if translated and port is not None and filters_frames(place, iif, packet.version):
            # br_netfilter translated the destination of a bridged frame, which therefore does not
            # leave the bridge (br_nf_pre_routing_finish)
            connection.notes.append(
                f"br_netfilter: the packet goes from one port of bridge {iif} to another"
            )
            self.wire.port = port
        return with_fields(packet, mark=verdict.mark), way

    def _leave(self, label: str, packet: Packet, way: RouteChoice, how: str, iif: str) -> _Next:
        """Send a packet out by the interface of its route, and return where it arrives next.

        `how` is the beginning of the step's text, such as `in by eth0`.
        """
        place = self.world.place(label)
        dev, hop = way.dev(place), way.hop(place)
        iface = place.ifaces.get(dev)
        route = route_text(way.route) if way.route is not None else ""
        if iface is None:
            raise PacketStopped(f"{place.name}: the interface of the route {route} does not exist")
        if iface.kind == "vrf":
            inner = self._look(place, packet, dev)
            if inner.dev(place) == dev:
                raise PacketStopped(
                    f"{place.name}: the route {route} leads to the VRF {dev},"
                    f" and the route in its table leads to {dev} again"
                )
            return self._leave(label, packet, inner, how, iif)
        obstacles.check_out(place, packet, dev)
        packet = self.connection.postrouting(place, with_fields(packet, oif=dev))
        via = ip_address(hop.via) if hop is not None and hop.via else packet.destination
        gateway = "" if via == packet.destination else str(via)
        by = f", by rule {way.rule}" if way.rule else ""
        text = (
            f"{how}, out by {dev} to {via}{'' if gateway else ', on the link'} (route {route}{by})"
        )
        self.steps.append(
            WalkStep(
                node=place.name,
                text=text,
                iif=iif,
                oif=dev,
                via=gateway,
                route=route,
                notes=self.connection.noted(),
            )
        )
        self._measure(iface, f"{place.name}:{dev}", way)
        packet = self._fitted(place, iface, packet, forwarded=bool(iif))
        if iface.impair:
            self.remarks[f"{place.name}:{dev} impairs what it sends: {iface.impair}"] = None
        return self._across(label, iface, via, with_fields(packet, iif="", oif=""))

    def _across(self, label: str, iface: WorldInterface, via: Address, packet: Packet) -> _Next:
        """Send a packet over a link or through a tunnel, and return where it arrives next."""
        if iface.kind in CARRIERS:
            return (*self.wire.by_tunnel(label, iface, packet), packet)
        if iface.kind in IPVLANS and iface.mode.startswith("l3") and iface.parent is not None:
            return self._by_parent(label, iface, iface.parent, packet)
        self.wire.forget_passage()
        try:
            return (*self.wire.by_link(label, iface, via, packet, self.wire.port), packet)
        finally:
            crossings = self.wire.crossings
            self.steps[-1] = replace(self.steps[-1], through=self.wire.through, crossings=crossings)
            self.sizes += [
                (crossing.mtu, f"the tunnel from {crossing.source} to {crossing.target}")
                for crossing in crossings
            ]

    def _by_parent(
        self, label: str, iface: WorldInterface, parent: tuple[str, str], packet: Packet
    ) -> _Next:
        """Send a packet of a layer 3 ipvlan, and return where it arrives next.

        It needs no MAC, because its packets are routed in the namespace of its parent
        (ipvlan_process_outbound).
        """
        name = self.world.name_of((label, iface.name))
        for end in ((label, iface.name), parent):
            there = self.world.iface(end)
            if there is None or not there.up:
                raise PacketStopped(
                    f"{name}: {self.world.name_of(end)} is down"
                    if end == parent
                    else f"{name} is down"
                )
        sibling = self.wire.sibling_ipvlan((label, iface.name), parent, packet)
        if sibling is not None:
            return (*sibling, packet)
        place = self.world.places.get(parent[0])
        if place is None:
            raise PacketStopped(f"{name}: its parent is in a namespace that netorch cannot see")
        way = self._look(place, packet, "")
        if way.is_local:
            return parent[0], "lo", packet
        return self._leave(parent[0], packet, way, f"for {name}, whose parent is {parent[1]}", "")

    def _nested(
        self,
        label: str,
        source: Address | None,
        destination: Address,
        proto: str,
        port: int,
        bound: str,
    ) -> Outer:
        """Send a packet that encapsulates another packet, by the interface that it is bound to."""
        if label not in self.world.places:
            return Outer(None, "it is sent from a namespace that netorch cannot see", True)
        if self.depth >= MAX_TUNNELS:
            return Outer(None, "the tunnels are nested without end", False)
        inner = Forwarder(self.world, self.depth + 1, choices=self.choices)
        nobody = ip_address("0.0.0.0" if destination.version == 4 else "::")
        packet = Packet(source or nobody, destination, proto, dport=port)
        # IPv6 takes another route than one by this interface if the source is given and the other
        # route is better (ip6_route_output_flags), but always one of the VRF
        place = self.world.place(label)
        prefers = source is not None and destination.version == 6 and not place.vrf_of(bound)
        try:
            delivered = inner.send(label, packet, *(("", bound) if prefers else (bound,)))
        except PacketStopped as ended:
            return Outer(None, ended.cause, ended.outcome == LEAVES, inner.smallest)
        finally:
            for text, diverts in inner.connection.doubts.items():
                self.connection.doubt(text, diverts=diverts)
        return Outer(delivered.label, "", False, inner.smallest, delivered.iif)

    def _incoming(self, label: str, source: Address, destination: Address, port: int) -> str:
        """Return why a host does not take a packet of UDP from another machine, or "".

        It comes by the interface by which the host would send to the source.
        """
        place = self.world.place(label)
        way = lookup(place, Flow(source))
        if way.why or way.is_local or way.route is None:
            return ""
        inner = Forwarder(self.world, self.depth + 1, choices=self.choices)
        packet = Packet(source, destination, "udp", dport=port)
        try:
            ended = inner._enter(label, way.dev(place), packet)
        except PacketStopped as stopped:
            return stopped.cause
        finally:
            for text, diverts in inner.connection.doubts.items():
                self.connection.doubt(text, diverts=diverts)
        return "" if isinstance(ended, Delivered) else f"{place.name} does not have {destination}"

    def _look(self, place: Place, packet: Packet, oif: str) -> RouteChoice:
        """Return the route of a packet that is sent again here. Raise PacketStopped if there is
        none.
        """
        way = self._find(place, _made_here(packet, packet.source, oif, ""))
        self._check(place, way, packet.destination)
        return way

    def _find(self, place: Place, flow: Flow) -> RouteChoice:
        """Look up a route, and choose one of its next hops."""
        way = lookup(place, flow)
        for doubt in way.doubts:
            self.connection.doubt(doubt, diverts=True)
        hops = way.ways(place)
        if way.route is None or len(hops) < 2:
            return way
        texts = [_hop_text(place, hop) for hop in hops]
        at = place.label, route_text(way.route), flow.destination, flow.source
        return replace(way, taken=self.choices.pick(at, texts))

    def _check(self, place: Place, way: RouteChoice, destination: Address) -> None:
        obstacles.refuse(self.world, place, way, destination, back=not self.connection.first)

    def _fitted(
        self, place: Place, iface: WorldInterface, packet: Packet, *, forwarded: bool
    ) -> Packet:
        """Return an IPv4 packet in the size that fits the interface.

        The sender fragments it. A router tells the sender to send smaller packets, so that is a
        doubt.
        """
        if packet.version == 6 or not 0 < iface.mtu < packet.size:
            return packet
        if forwarded:
            self.connection.doubt(
                f"{place.name}:{iface.name} has an mtu of {iface.mtu}: "
                "netorch cannot tell whether the sender knows that",
                diverts=True,
            )
        return with_fields(packet, size=iface.mtu)

    def _measure(self, iface: WorldInterface, name: str, way: RouteChoice) -> None:
        mtu = min(
            filter(None, (iface.mtu, way.route.mtu if way.route is not None else None)), default=0
        )
        if mtu:
            self.sizes.append((mtu, name))

    @property
    def smallest(self) -> int:
        """The smallest MTU on the way, 0 if none is known."""
        return min((mtu for mtu, _ in self.sizes), default=0)

    def small(self) -> list[str]:
        """Return a remark about the smallest MTU, if it is smaller than the first one."""
        if not self.sizes:
            return []
        first_mtu, first = self.sizes[0]
        mtu, where = min(self.sizes, key=lambda size: size[0])
        if mtu >= first_mtu:
            return []
        return [
            f"mtu {mtu} on {where} is smaller than {first_mtu} on {first}: "
            "larger packets are fragmented, or dropped if they must not be fragmented"
        ]


def _made_here(packet: Packet, source: Address | None, bound: str, prefers: str) -> Flow:
    """Return the flow of a packet that a program sends, or that the kernel sends as an answer."""
    chosen = packet.sport if packet.icmp or packet.state == "established" else None
    return Flow(
        packet.destination,
        source,
        oif=bound,
        prefers=prefers,
        mark=packet.mark,
        proto=packet.proto,
        sport=_ICMP_TYPES.get((packet.version, packet.icmp), chosen),
        dport=packet.dport,
        # 0 (root) for echo requests, which root sends, and for their answers, which the kernel
        # sends; None for the answer from a TCP port, because its program may have any user
        uid=None if packet.proto == "tcp" and packet.state == "established" else 0,
    )


def _hop_text(place: Place, hop: Hop) -> str:
    """Return the text of a next hop, as in `r1 by e1 to 10.0.2.2`."""
    via = f" to {ip_address(hop.via)}" if hop.via is not None else ""
    return f"{place.name} by {hop.dev}{via}"


def _is_local(place: Place, address: Address) -> bool:
    return place.has(address) or address.is_loopback
