"""A packet from one node to another and the answer back, over a `World`: each hop, and where it ends and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from netorch.netlink.constants import RTN_LOCAL
from netorch.walk import routing
from netorch.walk.filters import Packet, Verdict, run, turned
from netorch.walk.frames import Arrival, Fault, Spread
from netorch.walk.routing import NO_ROUTE, Way, address_on, lookup, route_text, source_for
from netorch.walk.tunnels import CARRIERS, Crossing, far_ends, pick_peer, takes
from netorch.walk.world import Address, End, Iface, Place, World

HOPS = 40
"""Namespaces that a packet goes through before it is said to go in circles."""
DEEP = 4
"""Tunnels in tunnels."""
ARRIVES, FAILS, LEAVES = "arrives", "fails", "leaves"


@dataclass(frozen=True, slots=True)
class Step:
    """What one namespace does with the packet. `notes`: translations and the like, in order; `through`: bridges on the way to the next."""

    node: str
    text: str
    iif: str = ""
    oif: str = ""
    via: str = ""
    route: str = ""
    notes: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """One direction. `outcome` is arrives, fails or leaves (what is known here); `cause` says where it ends and why, "" if it arrives."""

    steps: tuple[Step, ...]
    outcome: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """`doubts`: what could stop it and could not be evaluated; `remarks`: what is worth a word though it stops nothing."""

    source: str
    target: str
    protocol: str
    port: int
    source_address: str
    target_address: str
    there: Leg
    back: Leg | None
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        if self.back is None or self.there.outcome != ARRIVES:
            return self.there.outcome
        return self.back.outcome

    @property
    def cause(self) -> str:
        return self.there.cause or (self.back.cause if self.back is not None else "")


@dataclass(frozen=True, slots=True)
class Ask:
    """From where to where: a namespace with an address to send from (None: as it chooses), and bound to an interface's VRF.

    `owner`: the label of the node that is meant, "" for whoever has the address.
    """

    label: str
    source: Address | None
    destination: Address
    protocol: str
    port: int = 0
    bound: str = ""
    owner: str = ""


@dataclass(slots=True)
class _Track:
    """What a namespace remembers of the connection: the first packet as it came, and as it left."""

    before: Packet
    after: Packet


class _Ended(Exception):
    def __init__(self, cause: str, outcome: str = FAILS) -> None:
        super().__init__(cause)
        self.cause, self.outcome = cause, outcome


@dataclass(slots=True)
class _Delivered:
    label: str
    iif: str
    packet: Packet


@dataclass(slots=True)
class Courier:
    """One connection's packets. `depth`: tunnels that it is in."""

    world: World
    depth: int = 0
    steps: list[Step] = field(default_factory=list)
    tracks: dict[str, _Track] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    met: dict[End, End] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    first: bool = True

    def place(self, label: str) -> Place:
        return self.world.places[label]

    # the way of one packet

    def send(self, label: str, packet: Packet, bound: str = "") -> _Delivered:
        """From a program in a namespace to its end; _Ended says why not. A source of 0.0.0.0 or :: is to be chosen."""
        place = self.place(label)
        source = None if packet.source.is_unspecified else packet.source
        way = self._look(place, packet.destination, source, oif=bound)
        if source is None:
            source = source_for(place, way, packet.destination)
            if source is None:
                raise _Ended(f"{place.name} has no IPv{packet.version} address to send from")
            packet = turned(packet, source=source)
        packet = turned(packet, oif=_dev(place, way), local=_is_local(place, packet.destination))
        before = packet
        verdict = self._hook(place, "output", packet)
        packet = self._to(place, packet, verdict, "")
        if packet.destination != before.destination:
            way = self._look(place, packet.destination, packet.source, oif=bound)
        if self.first:
            self.tracks[label] = _Track(before, packet)
        if way.is_local:
            packet = turned(packet, iif="lo", oif="", local=True)
            self._hook(place, "input", packet)
            self.steps.append(Step(place.name, f"{packet.destination} is its own address", notes=self._noted()))
            return _Delivered(label, "lo", packet)
        return self._on(label, packet, way, "")

    def _on(self, label: str, packet: Packet, way: Way, iif: str) -> _Delivered:
        """Out of one namespace, into the next, and so on to the end."""
        seen: set[tuple[str, str, Address, Address]] = set()
        while True:
            label, iif, packet = self._leave(label, packet, way, iif)
            if (label, iif, packet.source, packet.destination) in seen or len(seen) > HOPS:
                names = ", ".join(dict.fromkeys(self.place(entry[0]).name for entry in seen))
                raise _Ended(f"{self.place(label).name}: the packet goes in circles ({names})")
            seen.add((label, iif, packet.source, packet.destination))
            try:
                ended = self._enter(label, iif, packet)
            except _Ended:
                self.steps.append(Step(self.place(label).name, f"in by {iif}, and no further", iif, notes=self._noted()))
                raise
            if isinstance(ended, _Delivered):
                return ended
            packet, way = ended

    def _enter(self, label: str, iif: str, packet: Packet) -> _Delivered | tuple[Packet, Way]:
        """What comes in: translated, looked up, taken or passed on."""
        place = self.place(label)
        track = self.tracks.get(label)
        came = packet
        packet = turned(packet, iif=iif, oif="", state=self._state(track), translated=_translated(track))
        if not self.first and track is not None:
            packet = self._undo_source(track, packet)
        packet = turned(packet, local=_is_local(place, packet.destination))
        verdict = self._hook(place, "prerouting", packet)
        packet = self._to(place, packet, verdict, iif)
        packet = turned(
            packet, translated=packet.translated or packet.destination != came.destination, local=_is_local(place, packet.destination)
        )
        self._check_source(place, packet, iif)
        way = lookup(place, packet.destination, packet.source, iif=iif)
        self.doubts |= dict.fromkeys(way.doubts)
        if self.first:
            self.tracks[label] = _Track(came, packet)
        if way.is_local:
            self._hook(place, "input", packet)
            if not self.first and track is not None:
                packet = self._undo_destination(track, packet)
            self.steps.append(Step(place.name, f"arrives at {iif}", iif, notes=self._noted()))
            return _Delivered(label, iif, packet)
        if not place.forwards[packet.version == 6]:
            raise _Ended(
                f"{place.name}: forwarding is off (IPv{packet.version}), so that it does not pass on what is for {packet.destination}"
            )
        self._refuse(place, way, packet)
        packet = turned(packet, oif=_dev(place, way))
        self._hook(place, "forward", packet)
        return packet, way

    def _leave(self, label: str, packet: Packet, way: Way, iif: str) -> tuple[str, str, Packet]:
        """Out by the route's interface: where it comes in next."""
        place = self.place(label)
        dev, hop = _dev(place, way), way.hop(place)
        iface = place.ifaces.get(dev)
        if iface is None:
            raise _Ended(f"{place.name}: route {route_text(way.route) if way.route else ''} leads to no interface that is there")
        packet = self._postrouting(place, turned(packet, oif=dev))
        if iface.kind == "vrf":
            inner = self._look(place, packet.destination, packet.source, oif=dev)
            return (
                self._leave(label, packet, inner, iif) if _dev(place, inner) != dev else self._lost(f"{place.name}:{dev} leads to itself")
            )
        via = ip_address(hop.via) if hop is not None and hop.via else packet.destination
        route = route_text(way.route) if way.route is not None else ""
        by = f", by rule {way.rule}" if way.rule else ""
        how = f"to {via}" if via != packet.destination else f"to {via}, on the link"
        text = f"in by {iif}, out by {dev} {how}" if iif else f"{packet.source} → {packet.destination}, out by {dev} {how}"
        step = Step(
            place.name, f"{text} (route {route}{by})", iif, dev, "" if via == packet.destination else str(via), route, self._noted()
        )
        self.steps.append(step)
        self._measure(iface, f"{place.name}:{dev}", way)
        if iface.impair:
            self.remarks[f"{place.name}:{dev} impairs what it sends: {iface.impair}"] = None
        packet = turned(packet, mark=0, iif="", oif="")
        if iface.kind in CARRIERS:
            return (*self._by_tunnel(label, iface, packet, via), packet)
        return (*self._by_link(label, iface, via, packet), packet)

    def _lost(self, cause: str) -> tuple[str, str, Packet]:
        raise _Ended(cause)

    # the link

    def _by_link(self, label: str, iface: Iface, via: Address, packet: Packet) -> End:
        place, start = self.place(label), (label, iface.name)
        spread = Spread(self.world, self._carry)
        mac = place.fixed.get((iface.name, via), "")
        outside: Arrival | None = None
        heard = 0
        for arrival in spread.of(start):
            if arrival.outside:
                outside = outside or arrival
                continue
            heard += 1
            if self._answers(arrival.end, via, mac):
                return self._heard(place, iface, arrival, via, packet)
        asked = "ARP" if via.version == 4 else "NDP"
        if outside is not None and not outside.faults and (iface.name, via) not in place.silent:
            where = self.world.said(outside.end)
            raise _Ended(f"it leaves what is known here by {where}: what becomes of it there netorch cannot see", LEAVES)
        if mac:
            raise _Ended(
                f"{place.name}: frames for {via} go to {mac} (a permanent neighbour of {iface.name}), which nobody on that link has"
            )
        if not heard:
            faults = outside.faults if outside is not None and outside.faults else next(iter(spread.dead), ())
            if faults:
                raise _Ended(faults[0].text)
        others = [self.world.said(end) for end in self.world.owners.get(via, []) if end[0] != label]
        whose = f", but {' and '.join(others[:3])} has it, on another link" if others else self._missing(via)
        raise _Ended(f"{place.name}: no {asked} answer from {via} on {iface.name}: nobody there has this address{whose}")

    def _missing(self, address: Address) -> str:
        """Who should have an address that nobody has."""
        asked = self.world.asked.owners.get(address, []) if self.world.asked is not None else []
        return f" (it is {self.world.said(asked[0])}'s in the file)" if asked else ""

    def _answers(self, end: End, via: Address, mac: str) -> bool:
        place = self.place(end[0])
        iface = place.ifaces[end[1]]
        if mac:
            return iface.mac == mac
        vrf = place.vrf_of(end[1])
        if via.version == 4:
            return any(held.address.ip == via and place.vrf_of(held.iface) == vrf for held in place.addresses)
        return any(held.address.ip == via and held.iface == end[1] for held in place.addresses)

    def _heard(self, place: Place, iface: Iface, arrival: Arrival, via: Address, packet: Packet) -> End:
        through = [f"{passed.what} {self.world.said(passed.end)}" for passed in arrival.passed]
        if through:
            last = self.steps[-1]
            self.steps[-1] = Step(last.node, last.text, last.iif, last.oif, last.via, last.route, last.notes, tuple(through))
        if arrival.faults:
            raise _Ended(arrival.faults[0].text)
        for label, bridge in arrival.bridges:
            owner = self.place(label)
            if packet.version in owner.bridged and (label, bridge) not in {(place.label, iface.name), arrival.end}:
                # br_netfilter: frames from port to port go through the packet filter too
                self._hook(owner, "forward", turned(packet, iif=bridge, oif=bridge, state=self._state(self.tracks.get(label))))
        if (iface.name, via) in place.silent:
            self.remarks[f"{place.name}: {via} did not answer on {iface.name} when it was asked last (neighbour table: FAILED)"] = None
        other = self.place(arrival.end[0]).ifaces[arrival.end[1]]
        if 0 < other.mtu < iface.mtu and iface.kind == "veth":
            smaller = f"mtu {other.mtu} on {self.world.said(arrival.end)} is smaller than {iface.mtu} on {place.name}:{iface.name}"
            self.remarks[f"{smaller}, which sends to it: larger packets are lost"] = None
        return arrival.end

    # tunnels

    def _nested(self, label: str, source: Address | None, destination: Address, proto: str, port: int) -> tuple[str | None, str]:
        """Where a packet that carries others is delivered: a label, or None and why not."""
        if self.depth >= DEEP or label not in self.world.places:
            return None, "tunnels are in one another without an end"
        inner = Courier(self.world, self.depth + 1)
        nobody = ip_address("0.0.0.0" if destination.version == 4 else "::")
        try:
            found = inner.send(label, Packet(source or nobody, destination, proto, dport=port))
        except _Ended as ended:
            return None, ended.cause
        finally:
            self.doubts |= inner.doubts
        return found.label, ""

    def _carry(self, end: End, iface: Iface) -> list[Crossing]:
        return far_ends(self.world, end, iface, self._nested, lambda start: Spread(self.world, self._carry).of(start))

    def _by_tunnel(self, label: str, iface: Iface, packet: Packet, via: Address) -> End:
        place, here = self.place(label), (label, iface.name)
        if not iface.up:
            raise _Ended(f"{place.name}:{iface.name} is down")
        if iface.lost:
            raise _Ended(f"{place.name}:{iface.name} loses all that it sends ({iface.impair})")
        if iface.kind == "wireguard":
            cause, targets = pick_peer(self.world, here, iface, packet.destination, self._nested, self.met.get(here))
            if cause:
                raise _Ended(cause)
            crossings = targets
        else:
            crossings = self._carry(here, iface)
        faults: list[Fault] = []
        for other, problems, _ in crossings:
            if problems:
                faults += problems
                continue
            far = self.world.iface(other)
            assert far is not None
            if not far.up:
                faults.append(Fault(f"{self.world.said(other)} is down", other))
            elif far.kind == "wireguard" and not takes(far, packet.source):
                said = self.world.said(other)
                faults.append(Fault(f"{said} takes nothing from {packet.source}: no peer of it has that in its allowed_ips", other))
            else:
                self.met[other] = here
                return other
        raise _Ended(faults[0].text if faults else f"{place.name}:{iface.name}: nobody is at the tunnel's other end")

    # filters and translations

    def _hook(self, place: Place, hook: str, packet: Packet) -> Verdict:
        verdict = run(place.chains, hook, packet, first=self.first)
        self.doubts |= dict.fromkeys(f"{place.name}: {doubt}" for doubt in verdict.doubts)
        if verdict.dropped:
            ways = " → ".join(name for name in (packet.iif, packet.oif) if name)
            raise _Ended(f"{place.name}: {verdict.dropped}" + (f" ({ways})" if ways else ""))
        return verdict

    def _to(self, place: Place, packet: Packet, verdict: Verdict, iif: str) -> Packet:
        if verdict.destination is None:
            return packet
        address, port = verdict.destination
        if address is None:
            address = packet.destination if not iif else address_on(place, iif, packet.source, packet.source)
        new = turned(packet, destination=address or packet.destination, dport=port if port > 0 else packet.dport, translated=True)
        self.notes.append(f"DNAT: {_there(packet)} becomes {_there(new)}{_by(verdict)}")
        return new

    def _postrouting(self, place: Place, packet: Packet) -> Packet:
        track = self.tracks.get(place.label)
        if not self.first:
            self._hook(place, "postrouting", packet)
            return self._undo_destination(track, packet) if track is not None else packet
        verdict = self._hook(place, "postrouting", packet)
        if verdict.source is not None:
            address = verdict.source[0] or address_on(place, packet.oif, packet.destination, packet.destination)
            if address is None:
                raise _Ended(f"{place.name}: {packet.oif} has no IPv{packet.version} address to masquerade with")
            what = "masquerade" if verdict.source[0] is None else "SNAT"
            if address != packet.source:
                self.notes.append(f"{what}: source {packet.source} becomes {address}{_by(verdict)}")
            packet = turned(packet, source=address)
        if track is not None:
            track.after = packet
        return packet

    def _undo_source(self, track: _Track, packet: Packet) -> Packet:
        if track.before.source != track.after.source and packet.destination == track.after.source:
            self.notes.append(f"translated back: {packet.destination} is {track.before.source}")
            return turned(packet, destination=track.before.source)
        return packet

    def _undo_destination(self, track: _Track, packet: Packet) -> Packet:
        if packet.source == track.after.destination and (packet.sport == track.after.dport or not packet.sport):
            if (track.before.destination, track.before.dport) != (track.after.destination, track.after.dport):
                self.notes.append(f"translated back: source {packet.source} becomes {track.before.destination}")
            return turned(packet, source=track.before.destination, sport=track.before.dport)
        return packet

    def _state(self, track: _Track | None) -> str:
        if self.first:
            return "new"
        return "established" if track is not None else "invalid"

    # checks

    def _look(self, place: Place, destination: Address, source: Address | None, oif: str) -> Way:
        way = lookup(place, destination, source, oif=oif)
        self.doubts |= dict.fromkeys(way.doubts)
        self._refuse(place, way, destination)
        return way

    def _refuse(self, place: Place, way: Way, packet: Packet | Address) -> None:
        destination = packet.destination if isinstance(packet, Packet) else packet
        if way.why == NO_ROUTE and place.partial:
            raise _Ended(f"{place.name} gets what is for {destination}: the file does not say where it sends that", LEAVES)
        if way.why == NO_ROUTE:
            back = "" if self.first else "back "
            raise _Ended(f"{place.name}: no route {back}to {self._network(destination)}{self._lost_route(place, destination)}")
        if way.why:
            raise _Ended(f"{place.name}: {destination} falls under {way.why}")

    def _lost_route(self, place: Place, destination: Address) -> str:
        """What would lead there: an interface that is down, or a route of the file's."""
        down = [held for held in place.addresses if destination in held.network and not place.ifaces[held.iface].up]
        if down:
            return f" ({down[0].iface}, which is on that network, is down)"
        asked = self.world.asked.places.get(place.label) if self.world.asked is not None else None
        route = lookup(asked, destination, None).route if asked is not None else None
        if asked is None or route is None:
            return ""
        dev = _dev(asked, Way(route))
        iface = place.ifaces.get(dev)
        state = f"{dev} is not there" if iface is None else f"{dev} is down" if not iface.up else "it is gone"
        return f" (the file has the route {route_text(route)}: {state})"

    def _network(self, destination: Address) -> str:
        """The network of an address, as whoever has it knows it."""
        for label, iface in self.world.owners.get(destination, []):
            for held in self.place(label).addresses:
                if held.iface == iface and held.address.ip == destination:
                    return str(held.network)
        return str(destination)

    def _check_source(self, place: Place, packet: Packet, iif: str) -> None:
        """What the kernel makes sure of where a packet comes from (fib_validate_source, rp_filter); IPv4 alone."""
        if packet.version != 4:
            return
        vrf = next((iface.name for iface in place.ifaces.values() if iface.kind == "vrf" and iface.table == place.vrf_of(iif)), "")
        way = lookup(place, packet.source, packet.destination, oif=vrf)
        if way.route is not None and way.route.type == RTN_LOCAL and not packet.source.is_loopback:
            raise _Ended(f"{place.name}: {packet.source} is its own address, so that it takes nothing from it by {iif}")
        mode = place.rp_filter.get(iif, 0)
        if not mode:
            return
        if way.route is None or way.why:
            raise _Ended(f"{place.name}: rp_filter of {iif} is on, and there is no route back to {self._network(packet.source)}")
        if mode == 1 and not routing.leads_to(way.route, iif):
            devs = " or ".join(hop.dev for hop in way.route.hops if hop.dev)
            raise _Ended(f"{place.name}: rp_filter of {iif} is strict, and the route back to {packet.source} is by {devs}, not by {iif}")

    def _measure(self, iface: Iface, said: str, way: Way) -> None:
        mtu = min(filter(None, (iface.mtu, way.route.mtu if way.route is not None else None)), default=0)
        if mtu:
            self.sizes.append((mtu, said))

    def small(self) -> list[str]:
        """Remarks about the narrowest place."""
        if not self.sizes:
            return []
        widest, first = self.sizes[0]
        mtu, where = min(self.sizes, key=lambda size: size[0])
        told = (
            f"mtu {mtu} on {where} is smaller than {widest} on {first}: larger packets are fragmented, or refused where that is forbidden"
        )
        return [told] if mtu < widest else []

    def _noted(self) -> tuple[str, ...]:
        notes = tuple(self.notes)
        self.notes.clear()
        return notes


def walk(world: World, ask: Ask, source: str, target: str) -> Walk:
    """There and back. `source` and `target` are what a person calls them."""
    courier = Courier(world)
    nobody = ip_address("0.0.0.0" if ask.destination.version == 4 else "::")
    icmp = "echo-request" if ask.protocol.startswith("icmp") else ""
    packet = Packet(ask.source or nobody, ask.destination, ask.protocol, dport=ask.port, icmp=icmp, sport=40000 if ask.port else 0)
    back: Leg | None = None
    asked = str(ask.source) if ask.source is not None else ""
    try:
        found = courier.send(ask.label, packet, ask.bound)
        asked = str(courier.tracks[ask.label].before.source)
        _meant(world, ask, found, courier)
        there = Leg(tuple(courier.steps), ARRIVES)
    except _Ended as ended:
        asked = str(courier.tracks[ask.label].before.source) if ask.label in courier.tracks else asked
        there = Leg(tuple(courier.steps), ended.outcome, ended.cause)
    else:
        back = _back(courier, ask, found)
    remarks = (*courier.small(), *courier.remarks)
    unseen = [sentence for label in _labels(world, there, back) for sentence in world.places[label].unseen]
    return Walk(
        source, target, ask.protocol, ask.port, asked, str(ask.destination), there, back, (*courier.doubts, *dict.fromkeys(unseen)), remarks
    )


def _labels(world: World, *legs: Leg | None) -> list[str]:
    """The namespaces on the way."""
    nodes = {step.node for leg in legs if leg is not None for step in leg.steps}
    return [label for label, place in world.places.items() if place.name in nodes]


def _meant(world: World, ask: Ask, found: _Delivered, courier: Courier) -> None:
    """Whether the one who got it is the one that was meant, and takes it."""
    place = world.places[found.label]
    if ask.owner and found.label != ask.owner and found.packet.destination == ask.destination:
        owner = world.places[ask.owner].name
        raise _Ended(f"{place.name} has the address {ask.destination} too, and gets what is for {owner}")
    if ask.protocol == "tcp" and place.listening is not None and not _listens(place, found.packet):
        raise _Ended(
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


def _back(courier: Courier, ask: Ask, found: _Delivered) -> Leg:
    there = len(courier.steps)
    courier.first = False
    asked = found.packet
    icmp = "echo-reply" if ask.protocol.startswith("icmp") else ""
    place = courier.place(found.label)
    vrf = place.vrf_of(found.iif) if found.iif in place.ifaces else 0
    bound = next((iface.name for iface in place.ifaces.values() if vrf and iface.kind == "vrf" and iface.table == vrf), "")
    answer = Packet(asked.destination, asked.source, asked.proto, asked.dport, asked.sport, icmp, state="established")
    if answer.destination.is_link_local:
        bound = found.iif
    try:
        came = courier.send(found.label, answer, bound)
        if came.label != ask.label:
            raise _Ended(f"the answer arrives at {courier.place(came.label).name}, which has not asked")
        if came.packet.source != ask.destination:
            raise _Ended(f"the answer comes from {came.packet.source}, but {ask.destination} was asked: it is not taken")
    except _Ended as ended:
        return Leg(tuple(courier.steps[there:]), ended.outcome, ended.cause)
    return Leg(tuple(courier.steps[there:]), ARRIVES)


def _dev(place: Place, way: Way) -> str:
    hop = way.hop(place)
    return hop.dev if hop is not None and hop.dev else ""


def _is_local(place: Place, address: Address) -> bool:
    return place.has(address) or address.is_loopback


def _translated(track: _Track | None) -> bool:
    return track is not None and track.before.destination != track.after.destination


def _there(packet: Packet) -> str:
    if not packet.dport:
        return str(packet.destination)
    return f"[{packet.destination}]:{packet.dport}" if packet.version == 6 else f"{packet.destination}:{packet.dport}"


def _by(verdict: Verdict) -> str:
    return f" (nft rule {verdict.by!r})" if verdict.by else ""
