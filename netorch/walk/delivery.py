"""From an interface to the one that gets what it sends: by asking who has the next hop's address, or through a tunnel of packets."""

from __future__ import annotations

from dataclasses import dataclass, field

from netorch.firewall.evaluation import Packet, with_fields
from netorch.walk.connection import Connection
from netorch.walk.frames import Arrival, Fault, FrameSearch
from netorch.walk.result import LEAVES, PacketStopped
from netorch.walk.routing import lookup
from netorch.walk.tunnels import Crossing, Nested, far_ends, pick_peer, takes
from netorch.walk.world import Address, End, Place, World, WorldInterface

IPVLANS = frozenset(("ipvlan", "ipvtap"))


@dataclass(slots=True)
class Delivery:
    """`nested` sends a packet that carries others. `through`: what the last one went through. `met`: WireGuard
    interfaces → who spoke to them."""

    world: World
    connection: Connection
    nested: Nested
    remarks: dict[str, None] = field(default_factory=dict)
    through: tuple[str, ...] = ()
    met: dict[End, End] = field(default_factory=dict)

    def by_link(self, label: str, iface: WorldInterface, via: Address, packet: Packet) -> End:
        place, start = self.world.places[label], (label, iface.name)
        spread = FrameSearch(self.world, self._carry)
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
            raise PacketStopped(
                f"it leaves what is known here by {where}: what becomes of it there netorch cannot see",
                LEAVES,
            )
        if mac:
            raise PacketStopped(
                f"{place.name}: frames for {via} go to {mac} (a permanent neighbour of {iface.name}), which nobody on that link has"
            )
        if not heard:
            faults = (
                outside.faults
                if outside is not None and outside.faults
                else next(iter(spread.dead), ())
            )
            if faults:
                raise PacketStopped(faults[0].text)
        others = [self.world.said(end) for end in self.world.owners.get(via, []) if end[0] != label]
        whose = (
            f", but {' and '.join(others[:3])} has it, on another link"
            if others
            else self._missing(via)
        )
        raise PacketStopped(
            f"{place.name}: no {asked} answer from {via} on {iface.name}: nobody there has this address{whose}"
        )

    def _missing(self, address: Address) -> str:
        """Who should have an address that nobody has."""
        asked = self.world.asked.owners.get(address, []) if self.world.asked is not None else []
        return f" (it is {self.world.said(asked[0])}'s in the file)" if asked else ""

    def _answers(self, end: End, via: Address, mac: str) -> bool:
        place = self.world.place(end[0])
        iface = place.ifaces[end[1]]
        if mac:
            return iface.mac == mac
        vrf = place.vrf_of(end[1])
        if via.version == 4:
            own = any(
                held.address.ip == via and place.vrf_of(held.iface) == vrf
                for held in place.addresses
            )
            return own or (end[1] in place.proxies and self._stands_in(place, end[1], via))
        return any(held.address.ip == via and held.iface == end[1] for held in place.addresses)

    def _stands_in(self, place: Place, iface: str, via: Address) -> bool:
        """Whether ARP is answered for an address that is reached by another interface (arp_fwd_proxy)."""
        way = lookup(place, via, None, iif=iface)
        return (
            place.forwards[0]
            and not way.why
            and way.route is not None
            and way.dev(place) not in {"", iface}
        )

    def _heard(
        self, place: Place, iface: WorldInterface, arrival: Arrival, via: Address, packet: Packet
    ) -> End:
        self.through = tuple(
            f"{passed.what} {self.world.said(passed.end)}" for passed in arrival.passed
        )
        if arrival.faults:
            raise PacketStopped(arrival.faults[0].text)
        for label, bridge in arrival.bridges:
            owner = self.world.place(label)
            if packet.version in owner.bridged and (label, bridge) not in {
                (place.label, iface.name),
                arrival.end,
            }:
                # br_netfilter: frames from port to port go through the packet filter too
                self.connection.hook(
                    owner,
                    "forward",
                    with_fields(
                        packet,
                        iif=bridge,
                        oif=bridge,
                        state=self.connection.state(self.connection.tracks.get(label)),
                    ),
                )
        if (iface.name, via) in place.silent:
            self.remarks[
                f"{place.name}: {via} did not answer on {iface.name} when it was asked last (neighbour table: FAILED)"
            ] = None
        other = self.world.place(arrival.end[0]).ifaces[arrival.end[1]]
        if 0 < other.mtu < iface.mtu and iface.kind == "veth":
            smaller = f"mtu {other.mtu} on {self.world.said(arrival.end)} is smaller than {iface.mtu} on {place.name}:{iface.name}"
            self.remarks[f"{smaller}, which sends to it: larger packets are lost"] = None
        return self._taken(arrival.end, packet)

    def _taken(self, end: End, packet: Packet) -> End:
        """An ipvlan on the interface takes what is for its address ahead of everything (ipvlan_handle_mode_l3)."""
        return next(
            (
                rider
                for rider in self._ipvlans(end)
                if self.world.place(rider[0]).has(packet.destination)
            ),
            end,
        )

    def beside(self, end: End, parent: End, packet: Packet) -> End | None:
        """Another ipvlan on the same parent that has the packet's destination."""
        return next(
            (
                rider
                for rider in self._ipvlans(parent)
                if rider != end and self.world.place(rider[0]).has(packet.destination)
            ),
            None,
        )

    def _ipvlans(self, parent: End) -> list[End]:
        riders = ((rider, self.world.iface(rider)) for rider in self.world.riders.get(parent, []))
        return [
            rider
            for rider, iface in riders
            if iface is not None and iface.kind in IPVLANS and iface.up
        ]

    # tunnels

    def _carry(self, end: End, iface: WorldInterface) -> list[Crossing]:
        return far_ends(
            self.world,
            end,
            iface,
            self.nested,
            lambda start: FrameSearch(self.world, self._carry).of(start),
        )

    def by_tunnel(self, label: str, iface: WorldInterface, packet: Packet) -> End:
        place, here = self.world.places[label], (label, iface.name)
        if not iface.up:
            raise PacketStopped(f"{place.name}:{iface.name} is down")
        if iface.lost:
            raise PacketStopped(
                f"{place.name}:{iface.name} loses all that it sends ({iface.impair})"
            )
        if iface.tunnel is None:
            raise PacketStopped(
                f"it leaves what is known here by {place.name}:{iface.name}, whose other end is not looked at",
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
        for other, problems, _, outside in crossings:
            if outside:
                raise PacketStopped(
                    f"it leaves what is known here by the tunnel {place.name}:{iface.name}", LEAVES
                )
            if problems:
                faults += problems
                continue
            far = self.world.iface(other)
            assert far is not None
            if not far.up:
                faults.append(Fault(f"{self.world.said(other)} is down", other))
            elif far.kind == "wireguard" and not takes(far, packet.source):
                said = self.world.said(other)
                faults.append(
                    Fault(
                        f"{said} takes nothing from {packet.source}: no peer of it has that in its allowed_ips",
                        other,
                    )
                )
            else:
                self.met[other] = here
                return other
        raise PacketStopped(
            faults[0].text
            if faults
            else f"{place.name}:{iface.name}: nobody is at the tunnel's other end"
        )
