"""A packet from namespace to namespace, as Linux routes it: out, in, translated, passed on, taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from netorch.firewall.evaluation import Packet, with_fields
from netorch.immutable import Value
from netorch.walk import obstacles
from netorch.walk.connection import Connection, ConntrackEntry
from netorch.walk.delivery import IPVLANS, Delivery
from netorch.walk.result import LEAVES, PacketStopped, WalkStep
from netorch.walk.routing import RouteChoice, lookup, route_text, source_for
from netorch.walk.tunnels import CARRIERS
from netorch.walk.world import Address, Place, World, WorldInterface

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
    sizes: list[tuple[int, str]] = field(default_factory=list)
    wire: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Delivery(self.world, self.connection, self._nested)

    @property
    def remarks(self) -> dict[str, None]:
        return self.wire.remarks

    def send(self, label: str, packet: Packet, bound: str = "") -> Delivered:
        """From a program in a namespace to its end; Ended says why not. A source of 0.0.0.0 or :: is to be chosen."""
        place = self.world.place(label)
        source = None if packet.source.is_unspecified else packet.source
        way = self._look(place, packet.destination, source, oif=bound)
        if source is None:
            source = source_for(place, way, packet.destination)
            if source is None:
                raise PacketStopped(f"{place.name} has no IPv{packet.version} address to send from")
            packet = with_fields(packet, source=source)
        made = packet = with_fields(
            packet, oif=way.dev(place), local=_is_local(place, packet.destination)
        )
        packet = self.connection.to(
            place, packet, self.connection.hook(place, "output", packet), ""
        )
        if packet.destination != made.destination:
            way = self._look(place, packet.destination, packet.source, oif=bound)
        if self.connection.first:
            self.connection.tracks[label] = ConntrackEntry(made, packet)
        if way.is_local:
            packet = with_fields(packet, iif="lo", oif="", local=True)
            self.connection.hook(place, "input", packet)
            obstacles.check_echo(place, packet)
            self.steps.append(
                WalkStep(
                    place.name,
                    f"{packet.destination} is its own address",
                    notes=self.connection.noted(),
                )
            )
            return Delivered(label, "lo", packet)
        return self._on(self._leave(label, packet, way, f"{made.source} → {made.destination}", ""))

    def _on(self, there: _Next) -> Delivered:
        """Into the next namespace, out of it again, and so on to the end."""
        seen: dict[tuple[str, str, Address, Address], None] = {}
        while True:
            label, iif, packet = there
            if (label, iif, packet.source, packet.destination) in seen or len(seen) > HOPS:
                names = ", ".join(dict.fromkeys(self.world.place(entry[0]).name for entry in seen))
                raise PacketStopped(
                    f"{self.world.place(label).name}: the packet goes in circles ({names})"
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
        came = packet
        packet = with_fields(
            packet,
            iif=iif,
            oif="",
            state=connection.state(track),
            translated=track is not None and track.translated,
        )
        if not connection.first and track is not None:
            packet = connection.undo_source(track, packet)
        packet = with_fields(packet, local=_is_local(place, packet.destination))
        packet = connection.to(place, packet, connection.hook(place, "prerouting", packet), iif)
        packet = with_fields(packet, local=_is_local(place, packet.destination))
        obstacles.check_source(self.world, place, packet, iif)
        obstacles.check_loopback(place, packet, iif)
        way = lookup(place, packet.destination, packet.source, iif=iif)
        connection.doubts |= dict.fromkeys(way.doubts)
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
        obstacles.refuse(self.world, place, way, packet.destination, back=not connection.first)
        packet = with_fields(packet, oif=way.dev(place))
        connection.hook(place, "forward", packet)
        return packet, way

    def _leave(self, label: str, packet: Packet, way: RouteChoice, how: str, iif: str) -> _Next:
        """Out by the route's interface: where it comes in next. `how`: what is told of it so far."""
        place = self.world.place(label)
        dev, hop = way.dev(place), way.hop(place)
        iface = place.ifaces.get(dev)
        route = route_text(way.route) if way.route is not None else ""
        if iface is None:
            raise PacketStopped(
                f"{place.name}: the route {route} leads to no interface that is there"
            )
        if iface.kind == "vrf":
            inner = self._look(place, packet.destination, packet.source, oif=dev)
            if inner.dev(place) == dev:
                raise PacketStopped(f"{place.name}: the route {route} leads from {dev} to itself")
            return self._leave(label, packet, inner, how, iif)
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
            return (*self.wire.by_link(label, iface, via, packet), packet)
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
        said = self.world.said((label, iface.name))
        for end in ((label, iface.name), parent):
            there = self.world.iface(end)
            if there is None or not there.up:
                raise PacketStopped(
                    f"{said}: {self.world.said(end)} is down"
                    if end == parent
                    else f"{said} is down"
                )
        beside = self.wire.beside((label, iface.name), parent, packet)
        if beside is not None:
            return (*beside, packet)
        place = self.world.places.get(parent[0])
        if place is None:
            raise PacketStopped(f"{said}: its parent is in a namespace not known here")
        way = self._look(place, packet.destination, packet.source, oif="")
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
        inner = Forwarder(self.world, self.depth + 1)
        nobody = ip_address("0.0.0.0" if destination.version == 4 else "::")
        try:
            found = inner.send(label, Packet(source or nobody, destination, proto, dport=port))
        except PacketStopped as ended:
            return None, ended.cause, ended.outcome == LEAVES
        finally:
            self.connection.doubts |= inner.connection.doubts
        return found.label, "", False

    def _look(
        self, place: Place, destination: Address, source: Address | None, oif: str
    ) -> RouteChoice:
        way = lookup(place, destination, source, oif=oif)
        self.connection.doubts |= dict.fromkeys(way.doubts)
        obstacles.refuse(self.world, place, way, destination, back=not self.connection.first)
        return way

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


def _is_local(place: Place, address: Address) -> bool:
    return place.has(address) or address.is_loopback
