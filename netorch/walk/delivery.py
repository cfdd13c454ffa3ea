"""Deliver a packet from an interface to the next one: over a link, or through a tunnel.

On a link, the MAC of the next hop is asked for first (ARP, NDP).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netorch.firewall.evaluation import Packet, with_fields
from netorch.immutable import replace
from netorch.netlink.constants import NUD_FAILED
from netorch.walk.choices import Choices
from netorch.walk.connection import Connection, ConntrackEntry
from netorch.walk.frames import (
    NOWHERE,
    PROGRAMS,
    Arrival,
    Crossing,
    Fault,
    Frame,
    FrameSearch,
    MachineCrossing,
)
from netorch.walk.resolution import ASKED, asks_as, refusal, solicited_node
from netorch.walk.result import LEAVES, PacketStopped
from netorch.walk.routing import Flow, lookup
from netorch.walk.tunnels import Incoming, Nested, far_ends, pick_peer, takes
from netorch.walk.world import Address, End, Place, World, WorldInterface

IPVLANS = frozenset(("ipvlan", "ipvtap"))
_WITHOUT_MACS = NOWHERE | PROGRAMS


@dataclass(slots=True)
class Delivery:
    """Delivers packets over links, and remembers which MACs are learned on the way."""

    world: World
    connection: Connection
    nested: Nested
    """Sends a packet that encapsulates another packet."""
    incoming: Incoming
    """Tells why a host does not take a packet from another machine."""
    choices: Choices
    remarks: dict[str, None] = field(default_factory=dict)
    """Facts that the user should know, although they do not stop the packet."""
    through: tuple[str, ...] = ()
    """What the last packet went through on the link, such as `bridge r1:br0`."""
    crossings: tuple[MachineCrossing, ...] = ()
    """The tunnels between machines that the last packet went through on the link."""
    port: End | None = None
    """The bridge port by which the last packet arrived, if it arrived at a bridge."""
    met: dict[End, End] = field(default_factory=dict)
    """WireGuard interface → the interface that sent to it last."""
    known: dict[tuple[str, str, Address], str] = field(default_factory=dict)
    """(Label, interface, address) → the MAC that was learned on the way."""
    learned: dict[tuple[End, str, int], str] = field(default_factory=dict)
    """(Bridge, MAC, VLAN) → the port behind which the bridge learned the MAC on the way."""

    def forget_passage(self) -> None:
        """Forget what the last packet went through."""
        self.through, self.crossings = (), ()

    def by_link(
        self,
        label: str,
        iface: WorldInterface,
        via: Address,
        packet: Packet,
        port: End | None = None,
    ) -> End:
        """Send a packet to the next hop `via`, and return the interface that receives it.

        Raises PacketStopped if none does. `port` is the port by which the packet came into the
        bridge `iface`, if it does not leave that bridge.
        """
        place = self.world.places[label]
        self.port = None
        mac, how = self._mac(place, iface, via, packet)
        entry = place.neighbours.get((iface.name, via))
        fixed = entry is not None and entry.is_fixed
        frame = Frame(mac, iface.mac, size=packet.size)
        arrivals, search = self._search((label, iface.name), frame, port)
        outside = None
        for arrival in arrivals:
            if arrival.outside:
                outside = outside or arrival
            elif self._is_for(arrival.end, mac):
                taker = self._taken(arrival.end, packet)
                if via == packet.destination and not fixed and self._is_lost(taker, via):
                    raise PacketStopped(self._nobody(place, iface, via))
                return self._received(place, iface, arrival, via, packet, port)
        if outside is not None and not outside.faults:
            raise PacketStopped(self._leaving(outside), LEAVES)
        faults = next(iter(search.dead), ())
        if faults:
            raise PacketStopped(faults[0].text)
        if not fixed and (place.label, iface.name, via) not in self.known:
            # No interface has the remembered MAC. The cause is what fails when the sender asks for
            # the MAC again.
            self._resolve(place, iface, via, packet)
        raise PacketStopped(
            f"{place.name}: frames for {via} go to {mac} ({how}), "
            "but no interface on that link has this MAC"
        )

    def _search(
        self, start: End, frame: Frame, port: End | None = None
    ) -> tuple[Iterator[Arrival], FrameSearch]:
        frame = replace(frame, learned=dict(self.learned))
        search = FrameSearch(self.world, self._carry, frame)
        return search.of(port or start, out=port is None), search

    def _leaving(self, arrival: Arrival) -> str:
        where = self.world.name_of(arrival.end)
        iface = self.world.iface(arrival.end)
        if iface is not None and iface.tunnel is not None and iface.tunnel.external:
            return (
                f"{where} is an external {iface.kind}: routes or programs choose the VNI and the"
                " other end of its packets, and netorch cannot tell which"
            )
        return f"the packet leaves by {where}, and netorch cannot see what is behind it"

    def _mac(
        self, place: Place, iface: WorldInterface, via: Address, packet: Packet
    ) -> tuple[str, str]:
        """Return the MAC that frames for an address go to, and how the namespace knows it."""
        entry = place.neighbours.get((iface.name, via))
        # On an interface without ARP, the kernel adds neighbour entries with the MAC of the
        # interface itself. Such an entry is not one that a user has added.
        own = entry is not None and not iface.arp and entry.mac == iface.mac
        if entry is not None and entry.is_fixed and entry.is_valid and not own:
            return entry.mac, f"a permanent neighbour of {iface.name}"
        if not iface.arp and iface.kind not in _WITHOUT_MACS:
            raise PacketStopped(
                f"{place.name}:{iface.name} has ARP off: it does not ask for the MAC of {via}"
            )
        known = self.known.get((place.label, iface.name, via))
        if known is not None:
            return known, f"learned by {iface.name}"
        if entry is not None and entry.is_valid:
            return entry.mac, f"from the neighbour table of {iface.name}"
        mac = self._resolve(place, iface, via, packet)
        self.known[place.label, iface.name, via] = mac
        return mac, f"learned by {iface.name}"

    def _resolve(self, place: Place, iface: WorldInterface, via: Address, packet: Packet) -> str:
        """Ask for the MAC of an address: send the question to all, and return what is answered."""
        start = place.label, iface.name
        asker = asks_as(place, iface, via, packet.source)
        if asker is None:
            raise PacketStopped(
                f"{place.name}: {iface.name} has no link-local address, "
                f"so it cannot ask for the MAC of {via}"
            )
        question = self._question(asker, via)
        if question is not None:
            self._pass_out(place, iface.name, question, via)
        frame = Frame("", iface.mac, multicast=via.version == 6)
        arrivals, search = self._search(start, frame)
        outside, faulty, silent, reached = None, None, "", False
        answering: list[Arrival] = []
        for arrival in arrivals:
            if arrival.outside:
                outside = outside or arrival
                continue
            reached = True
            if answering and arrival.faults:
                break
            why = refusal(self.world, arrival.end, via, asker)
            if why != "" and arrival.faults:
                faulty = faulty or arrival
            elif why:
                silent = silent or why
            elif why is None:
                answering.append(arrival)
        if answering:
            names = [f"{via} is {self.world.name_of(one.end)}" for one in answering]
            one = answering[self.choices.pick((*start, via), names)]
            return self._answered(place, iface, one, via, asker, question)
        if faulty is not None:
            raise PacketStopped(faulty.faults[0].text)
        self._unanswered(place, iface, via, outside, silent, reached, search)
        raise PacketStopped(self._nobody(place, iface, via))

    def _is_lost(self, end: End, via: Address) -> bool:
        """Whether an interface with a remembered MAC does not have the address any more.

        That matters only if its namespace neither translates nor forwards the packet.
        """
        place = self.world.place(end[0])
        translated = any(
            chain.kind == "nat" and chain.hook == "prerouting" for chain in place.chains
        )
        forwards = place.settings.own(4, "forwarding", end[1], int(place.forwards[0]))
        return (
            not translated
            and not (forwards if via.version == 4 else place.forwards[1])
            and not lookup(place, Flow(via, iif=end[1])).is_local
        )

    def _nobody(self, place: Place, iface: WorldInterface, via: Address) -> str:
        asked, whose = ASKED[via.version], self._whose(place.label, via)
        return (
            f"{place.name}: no {asked} answer from {via} on {iface.name}: "
            f"nobody there has this address{whose}"
        )

    def _unanswered(
        self,
        place: Place,
        iface: WorldInterface,
        via: Address,
        outside: Arrival | None,
        silent: str,
        reached: bool,
        search: FrameSearch,
    ) -> None:
        """Raise PacketStopped with the nearest reason why nobody answers, if there is one."""
        entry = place.neighbours.get((iface.name, via))
        failed = entry is not None and bool(entry.state & NUD_FAILED)
        if outside is not None and not outside.faults and not failed:
            raise PacketStopped(self._leaving(outside), LEAVES)
        if silent:
            raise PacketStopped(silent)
        if not reached:
            faults = (
                outside.faults
                if outside is not None and outside.faults
                else next(iter(search.dead), ())
            )
            if faults:
                raise PacketStopped(faults[0].text)

    def _whose(self, label: str, via: Address) -> str:
        others = [
            self.world.name_of(end) for end in self.world.owners.get(via, []) if end[0] != label
        ]
        if others:
            return f", but {' and '.join(others[:3])} has it, on another link"
        return self._missing(via)

    def _missing(self, address: Address) -> str:
        """Say which interface has an address in the file, if no interface has it now."""
        asked = self.world.asked.owners.get(address, []) if self.world.asked is not None else []
        return f" (in the file, {self.world.name_of(asked[0])} has it)" if asked else ""

    def _answered(
        self,
        place: Place,
        iface: WorldInterface,
        arrival: Arrival,
        via: Address,
        asker: Address,
        question: Packet | None,
    ) -> str:
        """Bring the answer back, and return its MAC. Raise PacketStopped if it is lost."""
        label, name = arrival.end
        there = self.world.place(label)
        far = there.ifaces[name]
        if question is not None:
            self._pass_bridges(arrival, question)
            self._pass_in(there, name, question, via)
        self._learn(iface.mac, arrival)
        entry = there.neighbours.get((name, asker))
        if not (entry is not None and entry.is_fixed):
            self.known[label, name, asker] = iface.mac
        if question is not None:
            answer = replace(question, source=via, destination=asker, icmp="nd-neighbor-advert")
            self._pass_out(there, name, answer, via)
            if entry is not None and entry.is_fixed and entry.mac != iface.mac:
                raise PacketStopped(
                    f"{there.name}: its NDP answer to {asker} goes to {entry.mac} "
                    f"(a permanent neighbour of {name})"
                )
        back, _ = self._search(arrival.end, Frame(iface.mac, far.mac))
        for came in back:
            if came.end == (place.label, iface.name) and not came.outside:
                if came.faults:
                    raise PacketStopped(
                        f"{place.name}: the {ASKED[via.version]} answer from {via} "
                        f"does not come back: {came.faults[0].text}"
                    )
                self._learn(far.mac, came)
                if question is not None:
                    self._pass_bridges(came, answer)
                    self._pass_in(place, iface.name, answer, via)
                break
        return far.mac

    def _question(self, asker: Address, via: Address) -> Packet | None:
        """Return the packet by which IPv6 asks for a MAC; None for IPv4, because ARP is not IP."""
        if via.version == 4:
            return None
        icmp, state = "nd-neighbor-solicit", "untracked"
        return Packet(asker, solicited_node(via), "icmpv6", icmp=icmp, state=state)

    def _pass_out(self, place: Place, dev: str, packet: Packet, via: Address) -> None:
        for hook in ("output", "postrouting"):
            self._filter(place, hook, with_fields(packet, oif=dev), via)

    def _pass_in(self, place: Place, dev: str, packet: Packet, via: Address) -> None:
        for hook in ("prerouting", "input"):
            self._filter(place, hook, with_fields(packet, iif=dev), via)

    def _filter(self, place: Place, hook: str, packet: Packet, via: Address) -> None:
        try:
            self.connection.hook(place, hook, packet, tracked=False)
        except PacketStopped as stopped:
            what = "question for" if packet.icmp == "nd-neighbor-solicit" else "answer from"
            raise PacketStopped(f"{stopped.cause} (the NDP {what} {via})") from None

    def _learn(self, mac: str, arrival: Arrival) -> None:
        """Remember behind which ports the bridges on the way have learned a MAC."""
        for bridge, port, vlan in arrival.ports:
            iface = self.world.iface((bridge[0], port))
            if iface is not None and iface.learning:
                self.learned[bridge, mac, vlan] = port

    def _is_for(self, end: End, mac: str) -> bool:
        """Whether an interface takes frames for a MAC: its own one, or one of a bridge's ports."""
        iface = self.world.iface(end)
        if iface is None:
            return False
        ports = self.world.ports.get(end, []) if iface.kind == "bridge" else []
        return mac in {iface.mac, *(port.mac for port in ports)}

    def _received(
        self,
        place: Place,
        iface: WorldInterface,
        arrival: Arrival,
        via: Address,
        packet: Packet,
        port: End | None,
    ) -> End:
        self.through = tuple(
            f"{passed.what} {self.world.name_of(passed.end)}" for passed in arrival.passed
        )
        self.crossings = tuple(
            passed.crossing for passed in arrival.passed if passed.crossing is not None
        )
        if arrival.faults:
            raise PacketStopped(arrival.faults[0].text)
        for crossing in self.crossings:
            names = [name for name in self.world.machines if name in crossing.names]
            self.connection.doubt(
                f"the network between {' and '.join(names)} is not in the file,"
                " so netorch assumes that it works"
            )
        if port is None:
            self._learn(iface.mac, arrival)
            self._pass_bridges(arrival, packet)
        if arrival.ports and arrival.ports[-1][0] == arrival.end:
            self.port = (arrival.end[0], arrival.ports[-1][1])
        entry = place.neighbours.get((iface.name, via))
        if entry is not None and entry.state & NUD_FAILED:
            self.remarks[
                f"{place.name}: {via} did not answer on {iface.name} when it was last asked "
                "(neighbour table: FAILED)"
            ] = None
        other = self.world.place(arrival.end[0]).ifaces[arrival.end[1]]
        if 0 < other.mtu < iface.mtu and iface.kind == "veth":
            smaller = (
                f"mtu {other.mtu} on {self.world.name_of(arrival.end)} is smaller than "
                f"{iface.mtu} on {place.name}:{iface.name}"
            )
            self.remarks[f"{smaller}, which sends to it: larger packets are lost"] = None
        return self._taken(arrival.end, packet)

    def _pass_bridges(self, arrival: Arrival, packet: Packet) -> None:
        """Run the packet filter over bridged frames, where br_netfilter does that."""
        for label, bridge in arrival.bridges:
            owner = self.world.place(label)
            if not filters_frames(owner, bridge, packet.version):
                continue
            if (label, bridge) == arrival.end or not any(
                at == (label, bridge) for at, _, _ in arrival.ports
            ):
                continue
            self._pass_bridge(owner, bridge, packet)

    def _pass_bridge(self, owner: Place, bridge: str, packet: Packet) -> None:
        tracks = self.connection.tracks
        known = tracks.get(owner.label)
        state = packet.state if packet.state == "untracked" else self.connection.state(known)
        packet = with_fields(packet, iif=bridge, oif="", state=state)
        tracked = state != "untracked"
        if tracked and not self.connection.first and known is not None and known.undoes(packet):
            self.connection.doubt(
                f"{owner.name}: packets that cross bridge {bridge} are translated back: "
                "netorch does not follow this translation",
                diverts=True,
            )
        verdicts = [self.connection.hook(owner, "prerouting", packet, tracked=tracked)]
        if tracked and self.connection.first:
            tracks.setdefault(owner.label, ConntrackEntry(packet, packet))
        packet = with_fields(packet, oif=bridge)
        self.connection.hook(owner, "forward", packet, tracked=tracked)
        packet = with_fields(packet, iif="")
        verdicts.append(self.connection.hook(owner, "postrouting", packet, tracked=tracked))
        for verdict in verdicts:
            if verdict.destination is not None or verdict.source is not None:
                self.connection.doubt(
                    f"{owner.name}: {verdict.by} translates packets that cross bridge {bridge}: "
                    "netorch does not follow this translation",
                    diverts=True,
                )

    def _taken(self, end: End, packet: Packet) -> End:
        """Return the ipvlan on an interface that has the destination, else the interface itself.

        An ipvlan takes packets for its address before its parent (ipvlan_handle_mode_l3).
        """
        return next(
            (
                upper
                for upper in self._ipvlans_on(end)
                if self.world.place(upper[0]).has(packet.destination)
            ),
            end,
        )

    def sibling_ipvlan(self, end: End, parent: End, packet: Packet) -> End | None:
        """Return another ipvlan on the same parent that has the packet's destination, or None."""
        return next(
            (
                upper
                for upper in self._ipvlans_on(parent)
                if upper != end and self.world.place(upper[0]).has(packet.destination)
            ),
            None,
        )

    def _ipvlans_on(self, parent: End) -> list[End]:
        upper_links = (
            (upper, self.world.iface(upper)) for upper in self.world.upper_links.get(parent, [])
        )
        return [
            upper
            for upper, iface in upper_links
            if iface is not None and iface.kind in IPVLANS and iface.up
        ]

    # tunnels

    def _carry(self, end: End, iface: WorldInterface) -> list[Crossing]:
        return far_ends(
            self.world,
            end,
            iface,
            self.nested,
            self.incoming,
            lambda start: FrameSearch(self.world, self._carry).of(start),
        )

    def by_tunnel(self, label: str, iface: WorldInterface, packet: Packet) -> End:
        place, here = self.world.places[label], (label, iface.name)
        self.port = None
        if not iface.up:
            raise PacketStopped(f"{place.name}:{iface.name} is down")
        if iface.lost:
            raise PacketStopped(
                f"{place.name}:{iface.name} loses every packet that it sends ({iface.impair})"
            )
        if iface.tunnel is None:
            raise PacketStopped(
                f"the packet leaves by {place.name}:{iface.name}, "
                "and netorch cannot see what is behind it",
                LEAVES,
            )
        if iface.kind == "wireguard":
            cause, targets = pick_peer(
                self.world, here, iface, packet.destination, self.nested, self.met.get(here)
            )
            if cause:
                raise PacketStopped(cause)
            crossings = targets
        else:
            crossings = self._carry(here, iface)
        faults: list[Fault] = []
        for crossing in crossings:
            other = crossing.end
            if crossing.outside:
                raise PacketStopped(
                    f"the packet leaves through the tunnel {place.name}:{iface.name}, "
                    "and netorch cannot see its other end",
                    LEAVES,
                )
            if crossing.faults:
                faults += crossing.faults
                continue
            far = self.world.iface(other)
            assert far is not None
            if not far.up:
                faults.append(Fault(f"{self.world.name_of(other)} is down", other))
            elif far.kind == "wireguard" and not takes(far, packet.source):
                name = self.world.name_of(other)
                faults.append(
                    Fault(
                        f"{name} drops packets from {packet.source}: "
                        "none of its peers has that address in its allowed_ips",
                        other,
                    )
                )
            else:
                self.met[other] = here
                return other
        raise PacketStopped(
            faults[0].text
            if faults
            else f"{place.name}:{iface.name}: there is no node at the other end of the tunnel"
        )


def filters_frames(place: Place, bridge: str, version: int) -> bool:
    """Whether br_netfilter hands the frames that cross a bridge to the packet filter."""
    return place.settings.filters_bridges(version) or version in place.ifaces[bridge].filters
