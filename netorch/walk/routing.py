"""Look up routes as Linux does: policy rules, tables, next hops and source addresses.

See ip-rule(8) and ip-route(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from netorch.immutable import Value
from netorch.netlink import encap
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    FR_ACT_BLACKHOLE,
    FR_ACT_GOTO,
    FR_ACT_PROHIBIT,
    FR_ACT_TO_TBL,
    FR_ACT_UNREACHABLE,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RT_TABLE_UNSPEC,
    RTN_ANYCAST,
    RTN_BLACKHOLE,
    RTN_BROADCAST,
    RTN_LOCAL,
    RTN_MULTICAST,
    RTN_PROHIBIT,
    RTN_THROW,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTPROT_KERNEL,
)
from netorch.values.policy import KernelRoute, KernelRule
from netorch.values.requests import Hop
from netorch.walk.world import FAMILIES, Address, InterfaceAddress, Place

NO_ROUTE = "no route"
_REJECTS = {
    RTN_BLACKHOLE: "which is blackhole",
    RTN_UNREACHABLE: "which is unreachable",
    RTN_PROHIBIT: "which is prohibit",
    RTN_BROADCAST: "which makes it a broadcast address",
}
_ERRORS = (RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT)
"""The types of routes for which the kernel reports an error."""
_RULE_REJECTS = {
    FR_ACT_BLACKHOLE: "blackhole",
    FR_ACT_UNREACHABLE: "unreachable",
    FR_ACT_PROHIBIT: "prohibit",
}
_TABLES = {RT_TABLE_MAIN: "", RT_TABLE_DEFAULT: "default", RT_TABLE_LOCAL: "local"}
_PROTOCOLS = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "sit": 41, "gre": 47, "icmpv6": 58}
_PROTOCOL_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_PLAIN = tuple(
    KernelRule(AF_INET6, priority, FR_ACT_TO_TBL, table, RTPROT_KERNEL)
    for priority, table in ((0, RT_TABLE_LOCAL), (32766, RT_TABLE_MAIN))
)


class Flow(Value):
    """What a route is looked up for."""

    destination: Address
    source: Address | None = None
    """The source address; None while it is not chosen yet."""
    iif: str = ""
    """The interface by which the packet came; "" if it is made here."""
    oif: str = ""
    """The VRF or interface that the socket is bound to; "" for none."""
    prefers: str = ""
    """The interface to use if several are equally good; a rule compares it with its `oif`."""
    mark: int | None = 0
    """The firewall mark; None if it is not known."""
    proto: str = ""
    sport: int | None = 0
    """The source port; None if the kernel will choose it."""
    dport: int = 0
    uid: int | None = 0
    """The user ID of the socket; None if it is not known."""


class RouteChoice(Value):
    """The result of a lookup."""

    route: KernelRoute | None = None
    why: str = ""
    """Why the lookup leads nowhere, "" if it leads somewhere."""
    rule: str = ""
    """The rule that led to the route, "" for a default rule."""
    doubts: tuple[str, ...] = ()
    """What could not be evaluated."""
    taken: int = 0
    """The index of the next hop to follow among `ways`."""

    @property
    def is_local(self) -> bool:
        return self.route is not None and self.route.type in (RTN_LOCAL, RTN_ANYCAST)

    def ways(self, place: Place) -> Sequence[Hop]:
        """Return the next hops that the kernel spreads flows over: those whose interface is up."""
        route = self.route
        if route is None:
            return ()
        version = 6 if route.family == AF_INET6 else 4
        up = [
            hop
            for number, hop in enumerate(route.hops)
            if number not in route.dead
            and hop.dev is not None
            and hop.dev in place.ifaces
            and place.ifaces[hop.dev].up
            and not place.is_dead(version, hop.dev)
        ]
        return up or route.hops[:1]

    def hop(self, place: Place) -> Hop | None:
        """Return the next hop to follow, or None if there is none."""
        ways = self.ways(place)
        return ways[min(self.taken, len(ways) - 1)] if ways else None

    def dev(self, place: Place) -> str:
        """Return the interface by which the packet leaves, or "" if there is none."""
        hop = self.hop(place)
        return hop.dev if hop is not None and hop.dev else ""


def lookup(place: Place, flow: Flow) -> RouteChoice:
    """Return the route for a packet."""
    choice = _by_rules(place, flow)
    iface = place.ifaces.get(flow.oif)
    if (
        (choice.route is not None and choice.route.type not in _ERRORS)
        or flow.destination.version == 6
        or iface is None
        or not iface.up
        or place.vrf_of(flow.oif)
    ):
        return choice
    # IPv4 then takes the destination to be on the link (ip_route_output_key_hash_rcu)
    number = flow.destination.packed
    hops = (Hop(None, flow.oif),)
    main, kernel = RT_TABLE_MAIN, RTPROT_KERNEL
    direct = KernelRoute(AF_INET, number, 32, main, 0, RTN_UNICAST, RT_SCOPE_LINK, kernel, hops)
    return RouteChoice(direct, doubts=choice.doubts)


def _by_rules(place: Place, flow: Flow) -> RouteChoice:
    """Return the route to which the policy rules lead."""
    doubts: list[str] = []
    vrf = place.vrf_of(flow.iif or flow.oif)
    rules = _rules(place, FAMILIES[flow.destination.version])
    at = 0
    while at < len(rules):
        rule, at = rules[at], at + 1
        matches = _matches(rule, flow)
        if matches is None:
            doubts.append(
                f"{place.name}: netorch cannot tell whether the rule {rule_text(rule)} matches, "
                "and goes on as if it does not"
            )
        if not matches:
            continue
        if rule.action in _RULE_REJECTS:
            why = f"the rule {rule_text(rule)!r}, which says {_RULE_REJECTS[rule.action]}"
            return RouteChoice(None, why, rule_text(rule), tuple(doubts))
        if rule.action == FR_ACT_GOTO:
            # the kernel ignores a `goto` to a rule that does not exist
            later = (n for n, other in enumerate(rules) if other.priority == rule.goto and n >= at)
            at = next(later, at)
        if rule.action != FR_ACT_TO_TBL:
            continue
        table = rule.table
        if table == RT_TABLE_UNSPEC:
            # this is the rule for all VRFs (FRA_L3MDEV)
            if not vrf:
                continue
            table = vrf
        route = _in_table(place, table, flow, vrf)
        if route is None or _is_suppressed(place, rule, route):
            continue
        if route.encaps:
            texts = " or ".join(dict.fromkeys(map(encap.text, route.encaps)))
            doubts.append(
                f"{place.name}: the route {route_text(route)} encapsulates packets ({texts}): "
                "netorch does not follow such packets"
            )
        default = rule.priority in {0, 32766, 32767} and not (rule.src or rule.dst or rule.mark)
        why = _REJECTS.get(route.type, "")
        return RouteChoice(
            route,
            f"the route {route_text(route)}, {why}" if why else "",
            "" if default else rule_text(rule),
            tuple(doubts),
        )
    return RouteChoice(None, NO_ROUTE, "", tuple(doubts))


def _rules(place: Place, family: int) -> Sequence[KernelRule]:
    """Return the rules of a family in the order of their priorities."""
    if place.plain_ipv6 and family == AF_INET6:
        return _PLAIN
    rules = (rule for rule in place.rules if rule.family == family)
    return sorted(rules, key=lambda rule: rule.priority)


def _is_suppressed(place: Place, rule: KernelRule, route: KernelRoute) -> bool:
    """Whether a rule ignores the route that its table has (fib4_rule_suppress)."""
    if route.type in _REJECTS:
        return False
    if rule.suppress_length >= route.prefixlen:
        return True
    devices = {hop.dev for hop in route.hops}
    groups = {iface.group for name, iface in place.ifaces.items() if name in devices}
    return rule.suppress_group >= 0 and rule.suppress_group in groups


def _in_table(place: Place, table: int, flow: Flow, vrf: int) -> KernelRoute | None:
    """Return the best route of a table: the longest prefix, then the lowest metric.

    None if no route fits, or if the best one is a `throw`.
    """
    # for a socket that is bound to a VRF, the VRF's table chooses the outgoing interface
    oif = flow.oif
    if vrf and place.vrf_of(oif) == vrf and place.ifaces[oif].kind == "vrf":
        oif = ""
    version = flow.destination.version
    family = FAMILIES[version]
    best: KernelRoute | None = None
    rank: tuple[int, int, int, bool] | None = None
    number, bits = int(flow.destination), flow.destination.max_prefixlen
    for route in place.routes:
        if (
            route.family != family
            or route.table != table
            or route.type == RTN_MULTICAST
            or route.tos
            or (route.sources is not None and not _within(flow.source, route.sources))
        ):
            continue
        if route.dst is not None and (int.from_bytes(route.dst, "big") ^ number) >> (
            bits - route.prefixlen
        ):
            continue
        if route.hops and all(
            place_of in route.dead or place.is_dead(version, hop.dev)
            for place_of, hop in enumerate(route.hops)
        ):
            continue
        if oif and route.hops and all(hop.dev != oif for hop in route.hops):
            continue
        other = bool(flow.prefers) and all(hop.dev != flow.prefers for hop in route.hops)
        source = route.sources[1] if route.sources is not None else 0
        mine = (-route.prefixlen, -source, route.metric, other)
        if rank is None or mine < rank:
            best, rank = route, mine
    return None if best is None or best.type == RTN_THROW else best


def _within(address: Address | None, prefix: tuple[bytes, int]) -> bool:
    return address is not None and address in ip_network((prefix[0], prefix[1]), strict=False)


def _matches(rule: KernelRule, flow: Flow) -> bool | None:
    """Whether a rule matches a packet (fib_rule_match); None if that is not known."""
    answers = [*_answers(rule, flow)]
    if False in answers:
        matched: bool | None = False
    else:
        matched = None if None in answers else True
    return matched if matched is None else matched != rule.invert


def _answers(rule: KernelRule, flow: Flow) -> Iterable[bool | None]:
    if rule.dst is not None:
        yield _within(flow.destination, rule.dst)
    if rule.src is not None:
        yield _within(flow.source, rule.src)
    if rule.iif is not None:
        yield rule.iif == (flow.iif or "lo")
    if rule.oif is not None:
        yield rule.oif == (flow.oif or flow.prefers)
    if rule.mark is not None:
        value, mask = rule.mark
        yield None if flow.mark is None else flow.mark & mask == value & mask
    # ping and a plain connect() send packets without a type of service and not in a tunnel
    yield not (rule.tos or rule.tunnel)
    if rule.protocol_number:
        yield _PROTOCOLS.get(flow.proto, 0) == rule.protocol_number
    if rule.sport is not None:
        yield _is_in(flow.sport, rule.sport)
    if rule.dport is not None:
        yield _is_in(flow.dport, rule.dport)
    if rule.uids is not None:
        yield _is_in(flow.uid, rule.uids)
    if rule.unknown:
        yield None


def _is_in(number: int | None, ends: tuple[int, int]) -> bool | None:
    return None if number is None else ends[0] <= number <= ends[1]


def source_for(place: Place, way: RouteChoice, destination: Address) -> Address | None:
    """Return the source address of a packet that the namespace itself sends."""
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
    """Return the source address for packets by an interface (inet_select_addr).

    If the interface has no fitting address, one of another interface is used. Both interfaces are
    then in the same VRF, or both in none.
    """
    vrf = place.vrf_of(dev)
    held = [
        entry
        for entry in place.addresses
        if entry.address.version == destination.version and entry.ready
    ]
    if destination.version == 6 and not destination.is_link_local:
        # the kernel prefers any other address to a link-local one
        near = [entry for entry in held if entry.address.is_link_local and entry.iface == dev]
        held = [entry for entry in held if not entry.address.is_link_local]
        held = held if any(not entry.address.is_loopback for entry in held) else near
    here = [entry for entry in held if entry.iface == dev and entry.scope < RT_SCOPE_HOST]
    rest = [
        entry
        for entry in held
        if place.vrf_of(entry.iface) == vrf and not entry.address.ip.is_loopback
    ]
    if destination.version == 6:
        # The kernel takes the first address with the longest prefix in common (ipv6_dev_get_saddr).
        candidates = here or [entry for entry in rest if entry.scope == RT_SCOPE_UNIVERSE] or rest
        best = max(candidates, key=lambda entry: _common(entry, destination), default=None)
        return best.address.ip if best is not None else None
    for entry in here:
        if towards.version == entry.address.version and towards in entry.network:
            return entry.address.ip
    rest = here or [entry for entry in rest if entry.scope == RT_SCOPE_UNIVERSE] or rest
    return rest[0].address.ip if rest else None


def _common(entry: InterfaceAddress, other: Address) -> int:
    """Return the length of the common prefix of two addresses, within the prefix of the first."""
    one = entry.address.ip
    same = one.max_prefixlen - (int(one) ^ int(other)).bit_length()
    return same if one == other else min(same, entry.address.network.prefixlen)


def route_text(route: KernelRoute) -> str:
    """Return `10.2.0.0/24` or `default`, with the table if that is not main."""
    text = "default" if route.dst is None else f"{ip_address(route.dst)}/{route.prefixlen}"
    name = _TABLES.get(route.table, str(route.table))
    return f"{text} table {name}" if name else text


def rule_text(rule: KernelRule) -> str:
    """Return a rule as `ip rule` writes it: `1000: from 10.9.0.0/24 lookup 100`."""
    words = [f"{rule.priority}:"]
    if rule.invert:
        words.append("not")
    for word, selector in (("from", rule.src), ("to", rule.dst)):
        if selector is not None:
            words.append(f"{word} {ip_address(selector[0])}/{selector[1]}")
    if rule.tos:
        words.append(f"tos {rule.tos:#x}")
    words += [f"{word} {name}" for word, name in (("iif", rule.iif), ("oif", rule.oif)) if name]
    if rule.mark is not None:
        words.append(f"fwmark {rule.mark[0]:#x}")
    if rule.uids is not None:
        words.append(f"uidrange {rule.uids[0]}-{rule.uids[1]}")
    if rule.protocol_number:
        name = _PROTOCOL_NAMES.get(rule.protocol_number, str(rule.protocol_number))
        words.append(f"ipproto {name}")
    for word, ports in (("sport", rule.sport), ("dport", rule.dport)):
        if ports is not None:
            first, last = ports
            words.append(f"{word} {first}" + (f"-{last}" if last != first else ""))
    words += [f"and FRA attribute {number}" for number in rule.unknown]
    if rule.action == FR_ACT_TO_TBL:
        words.append(f"lookup {rule.table}" if rule.table else "lookup the VRF's table")
    if rule.action == FR_ACT_GOTO:
        words.append(f"goto {rule.goto}")
    if rule.suppress_length >= 0:
        words.append(f"suppress_prefixlength {rule.suppress_length}")
    if rule.suppress_group >= 0:
        words.append(f"suppress_ifgroup {rule.suppress_group}")
    return " ".join(words)


def leads_to(route: KernelRoute | None, dev: str) -> bool:
    """Whether packets of a route may leave by an interface."""
    return (
        route is not None
        and route.type == RTN_UNICAST
        and any(hop.dev == dev for hop in route.hops)
    )
