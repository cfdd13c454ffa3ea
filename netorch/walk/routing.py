"""Which way a packet is sent: policy rules, tables, next hops and source addresses, as Linux chooses them (ip-rule(8), ip-route(8))."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from netorch.immutable import Value
from netorch.netlink.constants import (
    FR_ACT_BLACKHOLE,
    FR_ACT_PROHIBIT,
    FR_ACT_TO_TBL,
    FR_ACT_UNREACHABLE,
    RT_SCOPE_HOST,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RT_TABLE_UNSPEC,
    RTN_BLACKHOLE,
    RTN_BROADCAST,
    RTN_LOCAL,
    RTN_MULTICAST,
    RTN_PROHIBIT,
    RTN_THROW,
    RTN_UNICAST,
    RTN_UNREACHABLE,
)
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from netorch.walk.world import FAMILIES, Address, Place

NO_ROUTE = "no route"
_REJECTS = {RTN_BLACKHOLE: "blackhole", RTN_UNREACHABLE: "unreachable", RTN_PROHIBIT: "prohibit"}
_RULE_REJECTS = {
    FR_ACT_BLACKHOLE: "blackhole",
    FR_ACT_UNREACHABLE: "unreachable",
    FR_ACT_PROHIBIT: "prohibit",
}
_TABLES = {RT_TABLE_MAIN: "", RT_TABLE_DEFAULT: "default", RT_TABLE_LOCAL: "local"}


class RouteChoice(Value):
    """What a lookup found. `why`: why it leads nowhere, "" if it does not. `doubts`: rules on the way that are not understood."""

    route: RouteSpec | None = None
    why: str = ""
    rule: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        return self.route is not None and self.route.type == RTN_LOCAL

    def hop(self, place: Place) -> Hop | None:
        """The next hop that is used: of several any may be, and the first one over a link that is up stands for them."""
        hops = self.route.hops if self.route is not None else ()
        up = [
            hop
            for hop in hops
            if hop.dev is not None
            and hop.dev in place.ifaces
            and place.ifaces[hop.dev].up
            and not place.is_dead(hop.dev)
        ]
        return (up or hops or (None,))[0]

    def dev(self, place: Place) -> str:
        """The interface that it leaves by, "" without one."""
        hop = self.hop(place)
        return hop.dev if hop is not None and hop.dev else ""


def lookup(
    place: Place,
    destination: Address,
    source: Address | None,
    *,
    iif: str = "",
    oif: str = "",
    mark: int = 0,
) -> RouteChoice:
    """The route for a packet. `iif` "": it is made here. `oif`: a VRF or an interface that it is bound to."""
    family = FAMILIES[destination.version]
    doubts: list[str] = []
    vrf = place.vrf_of(iif or oif)
    for rule in sorted(
        (rule for rule in place.rules if rule.family == family), key=lambda rule: rule.priority
    ):
        if not _matches(rule, destination, source, iif or "lo", oif, mark):
            continue
        if (family, rule.priority) in place.odd_rules:
            doubts.append(
                f"{place.name}: the rule {rule_text(rule)} says more than is understood here: taken as if it did not match"
            )
            continue
        if rule.action in _RULE_REJECTS:
            return RouteChoice(
                None,
                f"the rule {rule_text(rule)!r}, which says {_RULE_REJECTS[rule.action]}",
                rule_text(rule),
                tuple(doubts),
            )
        if rule.action != FR_ACT_TO_TBL:
            continue
        table = rule.table
        if table == RT_TABLE_UNSPEC:
            # the rule for all VRFs (FRA_L3MDEV)
            if not vrf:
                continue
            table = vrf
        # a packet of a VRF does not leave it by what it is bound to, but by what the table says
        bound = "" if vrf and place.vrf_of(oif) == vrf and place.ifaces[oif].kind == "vrf" else oif
        route = _in_table(place, table, destination, bound)
        if route is None:
            continue
        by = (
            ""
            if rule.priority in {0, 32766, 32767} and not (rule.src or rule.dst or rule.mark)
            else rule_text(rule)
        )
        if route.type in _REJECTS:
            return RouteChoice(
                route,
                f"the route {route_text(route)}, which is {_REJECTS[route.type]}",
                by,
                tuple(doubts),
            )
        return RouteChoice(route, "", by, tuple(doubts))
    return RouteChoice(None, NO_ROUTE, "", tuple(doubts))


def _in_table(place: Place, table: int, destination: Address, oif: str) -> RouteSpec | None:
    """The longest prefix, of one length the lowest metric; None where nothing fits, or a `throw` sends on."""
    family = FAMILIES[destination.version]
    best: RouteSpec | None = None
    number, bits = int(destination), destination.max_prefixlen
    for route in place.routes:
        if (
            route.family != family
            or route.table != table
            or route.type in {RTN_BROADCAST, RTN_MULTICAST}
        ):
            continue
        if route.dst is not None and (int.from_bytes(route.dst, "big") ^ number) >> (
            bits - route.prefixlen
        ):
            continue
        if route.hops and all(place.is_dead(hop.dev) for hop in route.hops):
            continue
        if oif and route.hops and all(hop.dev != oif for hop in route.hops):
            continue
        if best is None or (-route.prefixlen, route.metric) < (-best.prefixlen, best.metric):
            best = route
    return None if best is None or best.type == RTN_THROW else best


def _matches(
    rule: RuleSpec, destination: Address, source: Address | None, iif: str, oif: str, mark: int
) -> bool:
    if rule.dst is not None and destination not in ip_network(
        (rule.dst[0], rule.dst[1]), strict=False
    ):
        return False
    if rule.src is not None and (
        source is None or source not in ip_network((rule.src[0], rule.src[1]), strict=False)
    ):
        return False
    if (rule.iif is not None and rule.iif != iif) or (rule.oif is not None and rule.oif != oif):
        return False
    return rule.mark is None or mark & rule.mark[1] == rule.mark[0] & rule.mark[1]


def source_for(place: Place, way: RouteChoice, destination: Address) -> Address | None:
    """The address that a packet of this namespace's own gets."""
    route = way.route
    if route is not None and route.src is not None:
        return ip_address(route.src)
    if way.is_local:
        return destination
    hop = way.hop(place)
    dev = hop.dev if hop is not None and hop.dev else ""
    via = ip_address(hop.via) if hop is not None and hop.via else destination
    return address_on(place, dev, via, destination)


def address_on(place: Place, dev: str, towards: Address, destination: Address) -> Address | None:
    """The address of an interface that suits who is asked; without one there another of the same routing domain (inet_select_addr)."""
    vrf = place.vrf_of(dev)
    held = [entry for entry in place.addresses if entry.address.version == destination.version]
    if destination.version == 6 and not destination.is_link_local:
        held = [entry for entry in held if not entry.address.is_link_local]
    here = [entry for entry in held if entry.iface == dev and entry.scope < RT_SCOPE_HOST]
    for entry in here:
        if towards.version == entry.address.version and towards in entry.network:
            return entry.address.ip
    if here:
        if destination.version == 6:
            return max(here, key=lambda entry: _common(entry.address.ip, destination)).address.ip
        return here[0].address.ip
    rest = [
        entry
        for entry in held
        if place.vrf_of(entry.iface) == vrf and not entry.address.ip.is_loopback
    ]
    rest = [entry for entry in rest if entry.scope == RT_SCOPE_UNIVERSE] or rest
    if destination.version == 6 and rest:
        return max(rest, key=lambda entry: _common(entry.address.ip, destination)).address.ip
    return rest[0].address.ip if rest else None


def _common(one: Address, other: Address) -> int:
    return one.max_prefixlen - (int(one) ^ int(other)).bit_length()


def route_text(route: RouteSpec) -> str:
    """`10.2.0.0/24`, `default`, with its table where that is not main."""
    text = "default" if route.dst is None else f"{ip_address(route.dst)}/{route.prefixlen}"
    name = _TABLES.get(route.table, str(route.table))
    return f"{text} table {name}" if name else text


def rule_text(rule: RuleSpec) -> str:
    """`1000: from 10.9.0.0/24 lookup 100`, as `ip rule` says it."""
    words = [f"{rule.priority}:"]
    for word, selector in (("from", rule.src), ("to", rule.dst)):
        if selector is not None:
            words.append(f"{word} {ip_address(selector[0])}/{selector[1]}")
    words += [f"{word} {name}" for word, name in (("iif", rule.iif), ("oif", rule.oif)) if name]
    if rule.mark is not None:
        words.append(f"fwmark {rule.mark[0]:#x}")
    if rule.action == FR_ACT_TO_TBL:
        words.append(f"lookup {rule.table}" if rule.table else "lookup the VRF's table")
    return " ".join(words)


def leads_to(route: RouteSpec | None, dev: str) -> bool:
    """Whether a route may leave by an interface."""
    return (
        route is not None
        and route.type == RTN_UNICAST
        and any(hop.dev == dev for hop in route.hops)
    )
