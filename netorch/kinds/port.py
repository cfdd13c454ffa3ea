"""Ports: the membership of a link in a bridge, a bond or a VRF.

The kernel removes it with the link and with the master.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.netlink.codec import u8, u16, u32
from netorch.netlink.constants import (
    IFLA_BR_STP_STATE,
    IFLA_BRPORT_BCAST_FLOOD,
    IFLA_BRPORT_COST,
    IFLA_BRPORT_FAST_LEAVE,
    IFLA_BRPORT_GUARD,
    IFLA_BRPORT_ISOLATED,
    IFLA_BRPORT_LEARNING,
    IFLA_BRPORT_LOCKED,
    IFLA_BRPORT_MCAST_FLOOD,
    IFLA_BRPORT_MCAST_TO_UCAST,
    IFLA_BRPORT_MODE,
    IFLA_BRPORT_NEIGH_SUPPRESS,
    IFLA_BRPORT_PRIORITY,
    IFLA_BRPORT_PROTECT,
    IFLA_BRPORT_PROXYARP,
    IFLA_BRPORT_PROXYARP_WIFI,
    IFLA_BRPORT_STATE,
    IFLA_BRPORT_UNICAST_FLOOD,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Obstacle, Resource, State
from netorch.values.marks import read_alias
from netorch.values.requests import LinkSet, Request
from netorch.values.snapshot import LinkRecord, Snapshot

TAKES_DOWN = frozenset(("bond", "vrf"))
"""Masters that change a port's state when it joins or leaves."""

OPTIONS = ("hairpin", "isolated", "learning", "neigh_suppress", "cost", "priority")
BY_SPEED = frozenset((0, 1, 2, 3, 4, 19, 100, 250, 2500))
"""The path costs that the kernel chooses itself (port_cost in net/bridge/br_if.c)."""

_FORWARDING = 3
_HELD = {1: "listening", 2: "learning"}
"""States in which a port waits before it forwards (BR_STATE_… in linux/if_bridge.h).

Blocking is not among them, because without a spanning tree the kernel sets such a port to
forwarding at once.
"""

USUAL_COST = {"veth": 2, "dummy": 100}
"""Kind of link → the path cost that the kernel gives it; for others it depends on the parent."""


@cached_key
def port_key(netns: str, link: str) -> Key:
    return Key("port", netns, link)


@observed
class Port(NoForeignObjects, Resource):
    """The membership of a link in its master, with its options as a port of a bridge."""

    KIND: ClassVar[str] = "port"
    HINTS: ClassVar[tuple[str, ...]] = ("usual", "after")
    netns: str
    link: str
    master: str
    hairpin: bool = False
    isolated: bool = False
    learning: bool = True
    neigh_suppress: bool = False
    """Whether the bridge answers ARP itself, where it can, instead of sending it to this port."""
    cost: int = 0
    """The path cost; with 0 the kernel chooses it."""
    priority: int = 32
    of: str = "bridge"
    """The kind of the master."""
    usual: int = 0
    """The path cost that the kernel gives such a port, which `attributes` leaves out."""
    held: str = ""
    """The state in which the port waits although its bridge has no spanning tree, or "".

    A port gets into it if somebody sets the state, or turns the spanning tree off while the port
    waits.
    """
    after: tuple[Key, ...] = ()
    """Keys of resources that must exist before the link joins.

    A bond opens its ports, for example, and an upper link opens only if its parent is up.
    """

    @property
    def key(self) -> Key:
        return port_key(self.netns, self.link)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return link_key(self.netns, self.link), link_key(self.netns, self.master)

    @property
    def needs(self) -> tuple[Key, ...]:
        return self.after

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # Foreign links in a bridge of the topology are left out. They leave the bridge when it is
        # deleted, and netorch must not remove them before.
        for link in view.our_links:
            master = view.links.get(link.master)
            if master is not None and read_alias(master.alias).uplink not in {
                link.name,
                *link.altnames,
            }:
                options = _options(link, master) if master.kind == "bridge" else {}
                yield cls(view.label, link.name, master.name, **options, of=master.kind)

    def differs(self, before: Resource) -> bool:
        if not isinstance(before, Port):
            return True
        if any(getattr(self, name) != getattr(before, name) for name in ("master", "of")):
            return True
        # A port that waited and now forwards does not differ, so a rollback leaves it.
        return bool(self._changed(before)) or bool(before.held and not self.held)

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterable[Obstacle]:
        netns = snapshot.namespaces.get(self.netns)
        if netns is None or link_key(self.netns, self.master) in desired:
            return
        for link in netns.links:
            if link.name == self.master and link.kind != self.of:
                what = f"{label_text(self.netns)}/{self.master} is not a {self.of}"
                yield Obstacle("not-a-bridge", what, "Name a bridge that exists.")

    def create(self) -> Iterable[Request]:
        return self.update(type(self)(self.netns, self.link, "")) or ()

    def update(self, before: Self) -> Sequence[Request] | None:
        stays = self.master == before.master
        # a port that changes its master starts with the defaults
        previous = (
            before if stays else type(self)(self.netns, self.link, self.master, cost=self.usual)
        )
        changed = self._changed(previous)
        if "cost" in changed and not self.cost:
            return None  # because the kernel chooses a cost only for a new port
        # the master and the state of the link are separate messages, because a bond takes only
        # links that are down and a VRF takes a link down for a moment
        requests = (
            []
            if stays
            else [LinkSet(self.netns, self.link, master=self.master, alone=self.of in TAKES_DOWN)]
        )
        if self.after and not stays:
            # down again, because a VLAN link comes up with its parent (vlan_device_event)
            requests.insert(0, LinkSet(self.netns, self.link, up=False))
        if stays and before.held and not self.held:
            state = (IFLA_BRPORT_STATE, u8(_FORWARDING))
            requests.append(LinkSet(self.netns, self.link, kind="bridge_slave", data=(state,)))
        if changed:
            data = tuple(pair for name, pair in self._payloads() if name in changed)
            requests.append(LinkSet(self.netns, self.link, kind="bridge_slave", data=data))
        return requests

    def delete(self) -> Iterable[Request]:
        return (LinkSet(self.netns, self.link, master=""),)

    def disruption(self, before: Self) -> Disruption:
        return Disruption.FLAP if self.master != before.master else Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        plain = type(self)(self.netns, self.link, self.master)
        options = {
            name: getattr(self, name)
            for name in OPTIONS
            if getattr(self, name) != getattr(plain, name)
        }
        if self.cost == self.usual:
            options.pop("cost", None)
        if self.held:
            options["state"] = self.held
        return {"master": self.master} | {
            name: str(value).lower() for name, value in options.items()
        }

    def absent(self) -> Mapping[str, str]:
        return {"master": "none"}

    def default_text(self, name: str) -> str | None:
        return "forwarding" if name == "state" else None

    def title(self) -> str:
        return f"link {label_text(self.netns)}/{self.link}"

    def _changed(self, before: Self) -> set[str]:
        """Return the options that differ.

        If the file asks for no cost, each cost that the kernel may have chosen counts as equal.
        """
        if self.of != "bridge":
            return set()
        names = {name for name in OPTIONS if getattr(self, name) != getattr(before, name)}
        return names - {"cost"} if not self.cost and before.cost in BY_SPEED else names

    def _payloads(self) -> Iterator[tuple[str, tuple[int, bytes]]]:
        yield "hairpin", (IFLA_BRPORT_MODE, u8(self.hairpin))
        yield "isolated", (IFLA_BRPORT_ISOLATED, u8(self.isolated))
        yield "learning", (IFLA_BRPORT_LEARNING, u8(self.learning))
        yield "neigh_suppress", (IFLA_BRPORT_NEIGH_SUPPRESS, u8(self.neigh_suppress))
        yield "cost", (IFLA_BRPORT_COST, u32(self.cost))
        yield "priority", (IFLA_BRPORT_PRIORITY, u16(self.priority))


_DEFAULTS = {
    IFLA_BRPORT_MODE: 0,
    IFLA_BRPORT_GUARD: 0,
    IFLA_BRPORT_PROTECT: 0,
    IFLA_BRPORT_FAST_LEAVE: 0,
    IFLA_BRPORT_LEARNING: 1,
    IFLA_BRPORT_UNICAST_FLOOD: 1,
    IFLA_BRPORT_PROXYARP: 0,
    IFLA_BRPORT_PROXYARP_WIFI: 0,
    IFLA_BRPORT_MCAST_FLOOD: 1,
    IFLA_BRPORT_MCAST_TO_UCAST: 0,
    IFLA_BRPORT_BCAST_FLOOD: 1,
    IFLA_BRPORT_NEIGH_SUPPRESS: 0,
    IFLA_BRPORT_ISOLATED: 0,
    IFLA_BRPORT_LOCKED: 0,
    IFLA_BRPORT_PRIORITY: 32,
}
"""The options of a port of a bridge, by their numbers, with the kernel's defaults."""


def options_as_read(link: LinkRecord) -> tuple[tuple[int, bytes], ...]:
    """Return the options of a port that are not the defaults, whoever has set them."""
    return tuple(
        (number, payload)
        for number, payload in link.port.items()
        if (
            int.from_bytes(payload, "little") not in BY_SPEED
            if number == IFLA_BRPORT_COST
            else number in _DEFAULTS and int.from_bytes(payload, "little") != _DEFAULTS[number]
        )
    )


def _options(link: LinkRecord, bridge: LinkRecord) -> dict[str, Any]:
    port = link.port

    def value(number: int, default: int) -> int:
        payload = port.get(number)
        return default if payload is None else int.from_bytes(payload, "little")

    cost = value(IFLA_BRPORT_COST, 0)
    has_tree = any(bridge.data.get(IFLA_BR_STP_STATE, b""))
    return {
        "held": "" if has_tree else _HELD.get(value(IFLA_BRPORT_STATE, _FORWARDING), ""),
        "usual": USUAL_COST.get(link.kind, cost if cost in BY_SPEED else 0),
        "hairpin": bool(value(IFLA_BRPORT_MODE, 0)),
        "isolated": bool(value(IFLA_BRPORT_ISOLATED, 0)),
        "learning": bool(value(IFLA_BRPORT_LEARNING, 1)),
        "neigh_suppress": bool(value(IFLA_BRPORT_NEIGH_SUPPRESS, 0)),
        "cost": cost,
        "priority": value(IFLA_BRPORT_PRIORITY, 32),
    }
