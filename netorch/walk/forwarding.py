"""A packet from namespace to namespace, as Linux routes it: out, in, translated, passed on, taken."""

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
from netorch.walk.tunnels import CARRIERS
from netorch.walk.world import Address, Place, World, WorldInterface

_ICMP_TYPES = {(4, "echo-request"): 0x0800, (6, "echo-request"): 0x8000, (6, "echo-reply"): 0x8100}
"""What stands where a rule looks for the source port: the type and the code of a message that is made here (struct flowi_uli)."""
HOPS = 40
"""Namespaces that a packet goes through before it is said to go in circles."""
DEEP = 4
"""Tunnels in tunnels."""

_Next = tuple[str, str, Packet]
"""Where a packet comes in: the namespace's label, the interface, the packet."""


class Delivered(Value):
    """Who got it: the namespace's label, the interface that it came by, the packet as it is there."""

    label: str
    iif: str
    packet: Packet


@dataclass(slots=True)
class Forwarder:
    """Carries the packets of one connection. `depth`: tunnels that they are in."""

    world: World
    depth: int = 0
    steps: list[WalkStep] = field(default_factory=list)
    connection: Connection = field(default_factory=Connection)
    choices: Choices = field(default_factory=Choices)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    wire: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Delivery(self.world, self.connection, self._nested, self.choices)

    @property
    def remarks(self) -> dict[str, None]:
        return self.wire.remarks

    def send(self, label: str, packet: Packet, bound: str = "", prefers: str = "") -> Delivered:
        """From a program in a namespace to its end; PacketStopped says why not. A source of 0.0.0.0 or :: is to be chosen.

        `bound`: a VRF or an interface that it is bound to; `prefers`: the interface that is taken of several equal ones.
        """
        place = self.world.place(label)
        source = None if packet.source.is_unspecified else packet.source
        flow = _made_here(packet, source, bound, prefers)
        way = self._find(place, flow)
        if source is None:
            if way.why and packet.version == 6:
                # it looks once more, with an address that it would have (ip6_dst_lookup_tail)
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
        """To one's own address, by lo."""
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
        """Into the next namespace, out of it again, and so on to the end."""
        seen: dict[tuple[str, str, Address, Address], None] = {}
        while True:
            label, iif, packet = there
            if (label, iif, packet.source, packet.destination) in seen or len(seen) > HOPS:
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
        """What comes in: translated, looked up, taken or passed on."""
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
            # its destination was translated while it is a frame, and it never leaves the bridge (br_nf_pre_routing_finish)
            connection.notes.append(f"br_netfilter: goes from port to port of bridge {iif}")
            self.wire.port = port
        return with_fields(packet, mark=verdict.mark), way

    def _leave(self, label: str, packet: Packet, way: RouteChoice, how: str, iif: str) -> _Next:
        """Out by the route's interface: where it comes in next. `how`: what is told of it so far."""
        place = self.world.place(label)
        dev, hop = way.dev(place), way.hop(place)
        iface = place.ifaces.get(dev)
        route = route_text(way.route) if way.route is not None else ""
        if iface is None:
            raise PacketStopped(f"{place.name}: the interface of the route {route} does not exist")
        if iface.kind == "vrf":
            inner = self._look(place, packet, dev)
            if inner.dev(place) == dev:
                raise PacketStopped(f"{place.name}: the route {route} leads from {dev} to itself")
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
        """By the link or tunnel to whoever is next."""
        if iface.kind in CARRIERS:
            return (*self.wire.by_tunnel(label, iface, packet), packet)
        if iface.kind in IPVLANS and iface.mode.startswith("l3") and iface.parent is not None:
            return self._by_parent(label, iface, iface.parent, packet)
        self.wire.through = ()
        try:
            return (*self.wire.by_link(label, iface, via, packet, self.wire.port), packet)
        finally:
            last = self.steps[-1]
            through = self.wire.through
            self.steps[-1] = WalkStep(
                node=last.node,
                text=last.text,
                iif=last.iif,
                oif=last.oif,
                via=last.via,
                route=last.route,
                notes=last.notes,
                through=through,
            )

    def _by_parent(
        self, label: str, iface: WorldInterface, parent: tuple[str, str], packet: Packet
    ) -> _Next:
        """An ipvlan of layer 3 asks nobody for a MAC: its packets are routed where its parent is (ipvlan_process_outbound)."""
        said = self.world.name_of((label, iface.name))
        for end in ((label, iface.name), parent):
            there = self.world.iface(end)
            if there is None or not there.up:
                raise PacketStopped(
                    f"{said}: {self.world.name_of(end)} is down"
                    if end == parent
                    else f"{said} is down"
                )
        beside = self.wire.sibling_ipvlan((label, iface.name), parent, packet)
        if beside is not None:
            return (*beside, packet)
        place = self.world.places.get(parent[0])
        if place is None:
            raise PacketStopped(f"{said}: its parent is in a namespace that netorch does not see")
        way = self._look(place, packet, "")
        if way.is_local:
            return parent[0], "lo", packet
        return self._leave(parent[0], packet, way, f"for {said}, which rides on {parent[1]}", "")

    def _nested(
        self, label: str, source: Address | None, destination: Address, proto: str, port: int
    ) -> tuple[str | None, str, bool]:
        """Where a packet that carries others is delivered: a label, or None, why not, and whether it only leaves what is known."""
        if label not in self.world.places:
            return None, "it is sent from a namespace not known here", True
        if self.depth >= DEEP:
            return None, "tunnels are in one another without an end", False
        inner = Forwarder(self.world, self.depth + 1, choices=self.choices)
        nobody = ip_address("0.0.0.0" if destination.version == 4 else "::")
        try:
            found = inner.send(label, Packet(source or nobody, destination, proto, dport=port))
        except PacketStopped as ended:
            return None, ended.cause, ended.outcome == LEAVES
        finally:
            for text, diverts in inner.connection.doubts.items():
                self.connection.doubt(text, diverts=diverts)
        return found.label, "", False

    def _look(self, place: Place, packet: Packet, oif: str) -> RouteChoice:
        """The way of a packet that is sent again from here; PacketStopped where there is none."""
        way = self._find(place, _made_here(packet, packet.source, oif, ""))
        self._check(place, way, packet.destination)
        return way

    def _find(self, place: Place, flow: Flow) -> RouteChoice:
        """What a lookup finds, with one of its next hops chosen."""
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
        """IPv4 in pieces, where the interface takes no more; a router says so to the sender, who cuts the next one."""
        if packet.version == 6 or not 0 < iface.mtu < packet.size:
            return packet
        if forwarded:
            self.connection.doubt(
                f"{place.name}:{iface.name} has an mtu of {iface.mtu}: whether the sender has learned that is not known",
                diverts=True,
            )
        return with_fields(packet, size=iface.mtu)

    def _measure(self, iface: WorldInterface, said: str, way: RouteChoice) -> None:
        mtu = min(
            filter(None, (iface.mtu, way.route.mtu if way.route is not None else None)), default=0
        )
        if mtu:
            self.sizes.append((mtu, said))

    def small(self) -> list[str]:
        """A remark about the narrowest place, if there is one."""
        if not self.sizes:
            return []
        widest, first = self.sizes[0]
        mtu, where = min(self.sizes, key=lambda size: size[0])
        if mtu >= widest:
            return []
        return [
            f"mtu {mtu} on {where} is smaller than {widest} on {first}: larger packets are fragmented, or refused where that is forbidden"
        ]


def _made_here(packet: Packet, source: Address | None, bound: str, prefers: str) -> Flow:
    """What a route is looked up for, of a packet that a program sends, or the kernel in answer to one."""
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
        # an echo is asked for by root, and answered by the kernel; who answers at a TCP port is not known
        uid=None if packet.proto == "tcp" and packet.state == "established" else 0,
    )


def _hop_text(place: Place, hop: Hop) -> str:
    """`r1 by e1 to 10.0.2.2`."""
    via = f" to {ip_address(hop.via)}" if hop.via is not None else ""
    return f"{place.name} by {hop.dev}{via}"


def _is_local(place: Place, address: Address) -> bool:
    return place.has(address) or address.is_loopback
