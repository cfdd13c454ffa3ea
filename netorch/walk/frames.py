"""Find which interfaces receive a frame: over cables, bridges, bonds, VLANs, tunnels.

The search continues beyond a fault that would stop the frame, and remembers the fault. So the
faults of the nearest interface that should have received the frame explain why it does not.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import NamedTuple

from netorch.immutable import Value, replace
from netorch.immutable import field as field_of
from netorch.walk.world import (
    FORWARDING,
    PORT_STATES,
    Address,
    BridgeRoute,
    End,
    Tunnel,
    World,
    WorldInterface,
)

MAX_FAULTS = 4
"""The search gives up a path that has more faults than this."""
MAX_TAGS = 3
"""The number of VLAN tags that a frame may have."""
TAG = 4
"""The bytes of a VLAN tag, by which a frame may exceed the MTU."""
STACKED = frozenset(("macvlan", "macvtap", "ipvlan", "ipvtap"))
"""Kinds of upper links that share their parent with its host."""
OVERLAYS = frozenset(("vxlan", "geneve", "gretap", "ip6gretap", "erspan"))
"""Kinds of tunnels that carry frames."""
NOWHERE = frozenset(("dummy", "ifb", "nlmon"))
"""Kinds with nothing behind them."""
PROGRAMS = frozenset(("tun", "tap"))
"""Kinds with a program behind them."""


class Fault(Value):
    """What stops a frame or a packet."""

    text: str
    end: End | None = None
    """The interface at which it stops, if it stops at one."""


class MachineCrossing(Value):
    """The tunnel by which a frame goes from one machine to another."""

    source: str
    """The name of the machine that sends."""
    target: str
    """The name of the machine that receives."""
    local: Address
    """The source of the outer packets."""
    remote: Address
    """The destination of the outer packets."""
    vni: int
    port: int
    """The UDP port of the VXLAN."""
    encrypted: bool
    """Whether the VXLAN is inside WireGuard, so that the outer packets are WireGuard's."""
    mtu: int
    """The size in bytes of the largest packet that passes without being fragmented."""

    @property
    def names(self) -> tuple[str, str]:
        return self.source, self.target

    @property
    def text(self) -> str:
        inside = " in WireGuard" if self.encrypted else ""
        return (
            f"VXLAN {self.vni}{inside} from {self.source} ({self.local})"
            f" to {self.target} ({self.remote})"
        )


class FrameHop(Value):
    """Something that a frame goes through: a bridge, the other end of a cable, a tunnel."""

    end: End
    what: str
    crossing: MachineCrossing | None = None
    """The machines, if it is a tunnel between two."""


Learned = tuple[End, str, int]
"""A bridge, a port of it, and a VLAN."""


class Frame(Value):
    """A frame that an interface sends."""

    mac: str = ""
    """The destination MAC, "" for a broadcast or a multicast."""
    source: str = ""
    """The source MAC."""
    multicast: bool = False
    size: int = 0
    """The bytes of the packet in it, 0 for one that is smaller than any MTU."""
    learned: Mapping[tuple[End, str, int], str] = field_of(default_factory=dict)
    """(Bridge, MAC, VLAN) → the port behind which a bridge has learned the MAC."""


class Arrival(Value):
    """An interface that receives the frame."""

    end: End
    passed: tuple[FrameHop, ...]
    """What the frame went through."""
    faults: tuple[Fault, ...]
    """What would stop the frame on the way. Empty if the interface really receives it."""
    outside: bool = False
    """Whether the frame leaves by the interface to where netorch cannot see."""
    bridges: tuple[End, ...] = ()
    """The bridges that the frame went through."""
    ports: tuple[Learned, ...] = ()
    """The ports by which it came into bridges."""


class Crossing(NamedTuple):
    """An interface at the other end of a tunnel."""

    end: End
    faults: tuple[Fault, ...]
    """The faults that stop the encapsulating packets on the way."""
    what: str
    """The text of the hop."""
    far: Address | None = None
    """The address to which the encapsulating packets go."""
    outside: bool = False
    """Whether netorch cannot see the other end; `end` is then the near one."""
    machines: MachineCrossing | None = None
    """The machines, if it leads from one to another."""


Carry = Callable[[End, WorldInterface], Iterable[Crossing]]
"""A function that returns the far ends of a tunnel."""


class _At(Value):
    """A frame on its way, as it leaves or enters an interface."""

    out: bool
    end: End
    tags: tuple[int, ...]
    passed: tuple[FrameHop, ...] = ()
    faults: tuple[Fault, ...] = ()
    bridges: tuple[End, ...] = ()
    ports: tuple[Learned, ...] = ()

    def on(
        self,
        end: End,
        *,
        out: bool,
        tags: tuple[int, ...] | None = None,
        what: str = "",
        faults: tuple[Fault, ...] = (),
        crossing: MachineCrossing | None = None,
    ) -> _At:
        passed = (*self.passed, FrameHop(end, what, crossing)) if what else self.passed
        return _At(
            out=out,
            end=end,
            tags=self.tags if tags is None else tags,
            passed=passed,
            faults=self.faults + faults,
            bridges=self.bridges,
            ports=self.ports,
        )

    def through(self, bridge: End) -> _At:
        passed = (*self.passed, FrameHop(bridge, "bridge"))
        return replace(self, passed=passed, bridges=(*self.bridges, bridge))

    def arrival(self, end: End, *, outside: bool = False) -> Arrival:
        return Arrival(end, self.passed, self.faults, outside, self.bridges, self.ports)

    def with_faults(self, *faults: Fault) -> _At:
        new = tuple(fault for fault in faults if fault not in self.faults)
        return replace(self, faults=self.faults + new)


@dataclass(slots=True)
class FrameSearch:
    """The search for the interfaces that receive a frame, in the order of the faults on the way."""

    world: World
    carry: Carry
    frame: Frame = field(default_factory=Frame)
    dead: list[tuple[Fault, ...]] = field(default_factory=list)
    """The faults on each path that ends before an interface receives the frame."""

    def of(self, start: End, *, out: bool = True) -> Iterator[Arrival]:
        """Yield the interfaces that receive a frame which leaves by `start`.

        If `out` is false, the frame comes in by `start` instead.
        """
        number = count()
        heap: list[tuple[int, int, _At]] = [(0, next(number), _At(out, start, ()))]
        seen: set[tuple[bool, End, tuple[int, ...]]] = set()
        while heap:
            _, _, at = heapq.heappop(heap)
            if (
                (at.out, at.end, at.tags) in seen
                or len(at.faults) > MAX_FAULTS
                or len(at.tags) > MAX_TAGS
            ):
                continue
            seen.add((at.out, at.end, at.tags))
            for reached in self._leaves(at) if at.out else self._enters(at):
                if isinstance(reached, Arrival):
                    yield reached
                else:
                    heapq.heappush(heap, (len(reached.faults), next(number), reached))

    def _ends(self, at: _At, text: str) -> Iterator[_At]:
        self.dead.append((*at.faults, Fault(text, at.end)))
        return iter(())

    def _leaves(self, at: _At) -> Iterator[_At | Arrival]:
        iface, title = self.world.iface(at.end), self.world.name_of(at.end)
        if iface is None:
            return self._ends(at, f"{title} does not exist")
        at = at if iface.up else at.with_faults(Fault(f"{title} is down", at.end))
        return chain(self._sent(at, iface, title), self._separated(at, title))

    def _separated(self, at: _At, title: str) -> Iterator[_At]:
        """Yield the upper links of an interface, each with a fault.

        They do not receive the frames that the interface's own namespace sends by it.
        """
        if at.passed:
            return
        for upper in self.world.upper_links.get(at.end, []):
            other = self.world.iface(upper)
            if other is not None and other.kind in STACKED:
                yield at.on(upper, out=False, faults=(_apart(other.kind, title, at.end),))

    def _sent(self, at: _At, iface: WorldInterface, title: str) -> Iterator[_At | Arrival]:
        if iface.lost:
            at = at.with_faults(
                Fault(f"{title} loses every packet that it sends ({iface.impair})", at.end)
            )
        if iface.kind == "veth":
            yield from self._by_cable(at, iface, title)
        elif iface.kind == "vlan" and iface.parent is not None:
            yield at.on(
                iface.parent, out=True, tags=(*at.tags, iface.vlan), what=f"VLAN {iface.vlan}"
            )
        elif iface.kind == "bridge":
            yield from self._switched(at.through(at.end), at.end, None)
        elif iface.kind == "bond":
            yield from self._by_bond(at, title)
        elif iface.kind in STACKED and iface.parent is not None:
            yield from self._by_parent(at, iface, iface.parent)
        elif iface.kind in OVERLAYS and iface.tunnel is not None:
            yield from self._by_tunnel(at, iface.tunnel, self.carry(at.end, iface))
        elif iface.kind in NOWHERE:
            yield from self._ends(at, f"{title} is a {iface.kind} interface: nothing is behind it")
        elif at.end[1] != "lo":
            if iface.up and iface.carrier is False:
                gone = (
                    "no program holds it open"
                    if iface.kind in PROGRAMS
                    else "nothing is at its other end"
                )
                at = at.with_faults(Fault(f"{title} has no carrier: {gone}", at.end))
            yield at.arrival(at.end, outside=True)

    def _by_tunnel(
        self, at: _At, tunnel: Tunnel, crossings: Iterable[Crossing]
    ) -> Iterator[_At | Arrival]:
        mac = self.frame.mac
        ends = tunnel.ends_for(mac)
        for one in crossings:
            faults = one.faults
            if one.far is not None and one.far not in ends:
                if not mac:
                    continue
                text = (
                    f"{self.world.name_of(at.end)} sends frames for {mac} to"
                    f" {', '.join(map(str, ends))} (its forwarding database), not to {one.far}"
                )
                faults = (*faults, Fault(text, at.end))
            on = at.on(one.end, out=False, what=one.what, faults=faults, crossing=one.machines)
            yield on.arrival(one.end, outside=True) if one.outside else on

    def _by_cable(self, at: _At, iface: WorldInterface, title: str) -> Iterator[_At | Arrival]:
        if iface.peer is None:
            # the other end is in a namespace that is not read, so anything may be there
            if iface.up and iface.carrier is False:
                at = at.with_faults(Fault(f"{title} has no carrier", at.end))
            yield at.arrival(at.end, outside=True)
            return
        other = self.world.iface(iface.peer)
        if other is None:
            yield from self._ends(
                at, f"{title}: its other end {self.world.name_of(iface.peer)} does not exist"
            )
        else:
            if iface.carrier is False and iface.up and other.up:
                at = at.with_faults(Fault(f"{title} has no carrier", at.end))
            yield at.on(iface.peer, out=False)

    def _by_bond(self, at: _At, title: str) -> Iterator[_At | Arrival]:
        ports = self.world.ports.get(at.end, [])
        if not ports:
            yield from self._ends(at, f"{title} has no ports")
            return
        label = at.end[0]
        usable = [port for port in ports if self._works((label, port.name))]
        for port in usable[:1] or ports:
            yield at.on((label, port.name), out=True, what="port of the bond")

    def _works(self, end: End) -> bool:
        iface = self.world.iface(end)
        other = (
            self.world.iface(iface.peer) if iface is not None and iface.peer is not None else None
        )
        return (
            iface is not None
            and iface.up
            and iface.carrier is not False
            and (iface.peer is None or (other is not None and other.up))
        )

    def _by_parent(self, at: _At, iface: WorldInterface, parent: End) -> Iterator[_At | Arrival]:
        below = self.world.iface(parent)
        if below is not None and not below.up:
            at = at.with_faults(
                Fault(
                    f"{self.world.name_of(at.end)}: "
                    f"its parent {self.world.name_of(parent)} is down",
                    parent,
                )
            )
        shared = iface.mode not in {"private", "vepa", "passthru"}
        for upper in self.world.upper_links.get(parent, []):
            other = self.world.iface(upper)
            if upper == at.end or other is None or other.kind not in STACKED:
                continue
            mode = other.mode
            if shared and mode not in {"private", "vepa", "passthru"}:
                yield at.on(upper, out=False, what=f"also on {self.world.name_of(parent)}")
            else:
                here = (
                    f"{iface.kind}s of the modes {iface.mode} and {mode} "
                    f"on {self.world.name_of(parent)} cannot reach each other"
                )
                yield at.on(upper, out=False, faults=(Fault(here, at.end),))
        if below is not None:
            yield at.on(
                parent, out=False, faults=(_apart(iface.kind, self.world.name_of(parent), parent),)
            )
        if below is not None and below.up:
            yield at.on(parent, out=True, what=f"parent of {self.world.name_of(at.end)}")

    def _enters(self, at: _At) -> Iterator[_At | Arrival]:
        iface, title = self.world.iface(at.end), self.world.name_of(at.end)
        if iface is None:
            yield from self._ends(at, f"{title} does not exist")
            return
        if not iface.up:
            at = at.with_faults(Fault(f"{title} is down", at.end))
        if iface.kind == "veth":
            at = self._by_size(at, iface, title)
        for upper in self.world.upper_links.get(at.end, []):
            other = self.world.iface(upper)
            if other is None:
                continue
            if other.kind == "vlan":
                if at.tags and at.tags[-1] == other.vlan:
                    yield at.on(upper, out=False, tags=at.tags[:-1], what=f"VLAN {other.vlan}")
            elif other.kind in STACKED:
                yield at.on(upper, out=False, what=f"on {title}")
        master = self.world.iface((at.end[0], iface.master)) if iface.master else None
        if master is not None and master.kind == "bridge":
            yield from self._switched(
                at.through((at.end[0], master.name)), (at.end[0], master.name), iface
            )
        elif master is not None and master.kind == "bond":
            yield at.on((at.end[0], master.name), out=False, what="bond")
        elif master is not None and master.kind != "vrf":
            # the master is a team or Open vSwitch, and netorch does not see where that sends it
            yield at.arrival(at.end, outside=True)
        elif not at.tags:
            yield at.arrival(at.end)

    def _switched(
        self, at: _At, bridge_end: End, came: WorldInterface | None
    ) -> Iterator[_At | Arrival]:
        """Send a frame through a bridge.

        `came` is the port by which it came, None for a frame that the bridge itself sends.
        """
        bridge = self.world.iface(bridge_end)
        assert bridge is not None
        label, title = bridge_end[0], self.world.name_of(bridge_end)
        if came is not None:
            if not bridge.up:
                at = at.with_faults(Fault(f"bridge {title} is down", bridge_end))
            at = self._by_state(at, (label, came.name), came)
            at = self._by_lock(at, bridge_end, came)
        vlan, inner = 0, at.tags
        if bridge.filtering:
            source = bridge if came is None else came
            port = self.world.name_of((label, source.name))
            if at.tags:
                vlan, inner = at.tags[-1], at.tags[:-1]
                if vlan not in source.vlans:
                    at = at.with_faults(
                        Fault(
                            f"{port}: this port of bridge {title} is not in VLAN {vlan}, "
                            "which the frame has",
                            (label, source.name),
                        )
                    )
            else:
                vlan = source.pvid
                if not vlan:
                    at = at.with_faults(
                        Fault(
                            f"{port}: this port of bridge {title} drops frames without a VLAN tag",
                            (label, source.name),
                        )
                    )
        if came is not None:
            at = replace(at, ports=(*at.ports, (bridge_end, came.name, vlan)))
        known = self._known(bridge_end, vlan)
        for other in self.world.ports.get(bridge_end, []):
            if came is not None and other.name == came.name and not other.hairpin:
                continue
            on = self._chosen(at, bridge_end, came, other, known)
            yield from self._to_port(on, bridge, came, other, label, vlan, inner)
        if came is not None:
            yield from self._to_itself(at, bridge, label, vlan, inner)

    def _by_lock(self, at: _At, bridge_end: End, came: WorldInterface) -> _At:
        """Add a fault if a locked port gets a frame from a MAC that is not known behind it."""
        label, name = bridge_end
        place = self.world.place(label)
        entry = place.macs.get((name, self.frame.source, came.pvid)) or place.macs.get(
            (name, self.frame.source, 0)
        )
        if not came.locked or (entry is not None and entry.port == came.name):
            return at
        end = label, came.name
        bridge = self.world.name_of(bridge_end)
        text = (
            f"{self.world.name_of(end)} is a locked port of bridge {bridge}, "
            f"which does not know {self.frame.source}"
        )
        return at.with_faults(Fault(text, end))

    def _known(self, bridge_end: End, vlan: int) -> BridgeRoute | None:
        """Return where a bridge sends the frame, or None if it does not know the MAC."""
        if not self.frame.mac:
            return None
        label, name = bridge_end
        entry = self.world.place(label).macs.get((name, self.frame.mac, vlan))
        learned = self.frame.learned.get((bridge_end, self.frame.mac, vlan))
        if learned is None or (entry is not None and (entry.local or entry.sticky)):
            return entry
        return BridgeRoute(learned)

    def _chosen(
        self,
        at: _At,
        bridge_end: End,
        came: WorldInterface | None,
        port: WorldInterface,
        known: BridgeRoute | None,
    ) -> _At:
        """Add a fault if a bridge does not send the frame to a port.

        It sends a frame to the port that it knows, or else to all ports that are flooded.
        """
        end, bridge = (bridge_end[0], port.name), self.world.name_of(bridge_end)
        title = self.world.name_of(end)
        if known is not None:
            if known.local and came is not None:
                text = (
                    f"bridge {bridge} takes frames for {self.frame.mac} itself "
                    "(a local entry of its forwarding database)"
                )
                return at.with_faults(Fault(text, bridge_end))
            if known.port == port.name:
                return at
            text = (
                f"bridge {bridge} sends frames for {self.frame.mac} to {known.port} "
                f"(its forwarding database), not to {port.name}"
            )
            return at.with_faults(Fault(text, bridge_end))
        if self.frame.mac:
            flooded, what = port.flood, f"frames for MACs that bridge {bridge} does not know"
        elif self.frame.multicast:
            flooded, what = port.mcast_flood or came is None, f"multicasts of bridge {bridge}"
        else:
            flooded, what = port.bcast_flood or came is None, f"broadcasts of bridge {bridge}"
        return (
            at
            if flooded
            else at.with_faults(Fault(f"{title} gets no {what} (flooding is off)", end))
        )

    def _to_port(
        self,
        at: _At,
        bridge: WorldInterface,
        came: WorldInterface | None,
        port: WorldInterface,
        label: str,
        vlan: int,
        inner: tuple[int, ...],
    ) -> Iterator[_At]:
        end, title = (label, port.name), self.world.name_of((label, port.name))
        on = self._by_size(self._by_state(at, end, port), port, title)
        tags = inner
        if bridge.filtering:
            if vlan not in port.vlans:
                on = on.with_faults(
                    Fault(
                        f"{title}: this port of bridge {self.world.name_of((label, bridge.name))} "
                        f"is not in {_vlan(vlan)}",
                        end,
                    )
                )
            elif not port.vlans[vlan]:
                tags = (*inner, vlan)
        if came is not None and came.isolated and port.isolated:
            at_bridge = f"of bridge {self.world.name_of((label, bridge.name))}"
            what = (
                f"{title} is an isolated port {at_bridge}: "
                "frames that arrive by it do not leave by it again"
                if came is port
                else f"{self.world.name_of((label, came.name))} and {title} "
                f"are isolated ports {at_bridge}: neither reaches the other"
            )
            on = on.with_faults(Fault(what, end))
        yield on.on(end, out=True, tags=tags)

    def _to_itself(
        self, at: _At, bridge: WorldInterface, label: str, vlan: int, inner: tuple[int, ...]
    ) -> Iterator[_At | Arrival]:
        end, tags = (label, bridge.name), inner
        if bridge.filtering:
            if vlan not in bridge.vlans:
                at = at.with_faults(
                    Fault(f"bridge {self.world.name_of(end)} itself is not in {_vlan(vlan)}", end)
                )
            elif not bridge.vlans[vlan]:
                tags = (*inner, vlan)
        yield at.on(end, out=False, tags=tags)

    def _by_size(self, at: _At, iface: WorldInterface, title: str) -> _At:
        """Add a fault if the frame is larger than the interface's MTU (is_skb_forwardable)."""
        if not 0 < iface.mtu < self.frame.size - TAG:
            return at
        text = (
            f"{title} has an mtu of {iface.mtu}: "
            f"packets of {self.frame.size} bytes are dropped there"
        )
        return at.with_faults(Fault(text, at.end))

    def _by_state(self, at: _At, end: End, port: WorldInterface) -> _At:
        # A port is also disabled while it is down or has no carrier. That is reported as a fault of
        # its own.
        if port.state == FORWARDING or not port.up or (not port.state and port.carrier is False):
            return at
        state = PORT_STATES[port.state] if port.state < len(PORT_STATES) else str(port.state)
        bridge = self.world.name_of((end[0], port.master))
        what = (
            f"bridge {bridge}: spanning tree has set port {port.name} to {state}"
            if port.state
            else f"bridge {bridge}: port {port.name} is disabled, although it is up"
        )
        return at.with_faults(Fault(what, end))


def _apart(kind: str, parent: str, end: End) -> Fault:
    text = (
        f"Linux passes nothing between a {kind} and its parent {parent}: "
        "neither reaches the other that way"
    )
    return Fault(text, end)


def _vlan(number: int) -> str:
    return f"VLAN {number}" if number else "the VLAN of frames without a tag"
