"""Writes addresses, neighbours, routes and rules as commands of ip(8)."""

from __future__ import annotations

from ipaddress import ip_address
from shlex import quote

from netorch.kinds.route import IPV6_METRIC, MAIN
from netorch.kinds.rule import more_text
from netorch.netlink import constants as c
from netorch.netlink import encap
from netorch.render.script import ports
from netorch.render.script.context import Commands, Context, words
from netorch.values.requests import (
    AddressAdd,
    AddressDel,
    Hop,
    NeighbourAdd,
    NeighbourDel,
    RouteAdd,
    RouteDel,
    RouteSpec,
    RuleAdd,
    RuleDel,
    RuleSpec,
)

_SCOPES = {c.RT_SCOPE_UNIVERSE: "global", c.RT_SCOPE_LINK: "link", c.RT_SCOPE_HOST: "host"}
_TYPES = {
    c.RTN_LOCAL: "local",
    c.RTN_BLACKHOLE: "blackhole",
    c.RTN_UNREACHABLE: "unreachable",
    c.RTN_PROHIBIT: "prohibit",
    c.RTN_THROW: "throw",
    c.RTN_BROADCAST: "broadcast",
    c.RTN_ANYCAST: "anycast",
    c.RTN_MULTICAST: "multicast",
}
_ACTIONS = {
    c.FR_ACT_BLACKHOLE: "blackhole",
    c.FR_ACT_UNREACHABLE: "unreachable",
    c.FR_ACT_PROHIBIT: "prohibit",
    c.FR_ACT_GOTO: "",
    c.FR_ACT_NOP: "nop",
}
"""Rule action → its word. That of `goto` is empty, because its target is a further attribute."""


def address_add(request: AddressAdd, context: Context) -> Commands:
    scope = ""
    if request.family == c.AF_INET and request.scope != (
        c.RT_SCOPE_HOST if request.local[0] == 127 else c.RT_SCOPE_UNIVERSE
    ):
        scope = f"scope {_SCOPES.get(request.scope, str(request.scope))}"
    proto = f"proto {request.protocol}" if needs_mark(request, context) else ""
    return [
        words(
            _address(request, "add", context),
            scope,
            "nodad" if request.family == c.AF_INET6 else "",
            proto,
        )
    ]


def needs_mark(request: AddressAdd, context: Context) -> bool:
    """Whether an address needs a mark, because its link does not show that netorch made it."""
    place = (request.netns, request.link)
    own = (place in context.own_links and place not in context.uplink_bridges) or (
        request.link == "lo" and request.netns in context.own_namespaces
    )
    return context.marks and bool(request.protocol) and not own


def address_del(request: AddressDel, context: Context) -> Commands:
    return [_address(request, "delete", context)]


def neighbour_add(request: NeighbourAdd, context: Context) -> Commands:
    if request.family == c.AF_BRIDGE:
        return ports.tunnel_end_add(request, context)
    proto = f"protocol {request.protocol}" if context.marks and request.protocol else ""
    return [
        words(
            _neighbour(request, "replace", context),
            f"lladdr {request.mac.hex(':')} nud permanent",
            proto,
        )
    ]


def neighbour_del(request: NeighbourDel, context: Context) -> Commands:
    return (
        ports.tunnel_end_del(request, context)
        if request.family == c.AF_BRIDGE
        else [_neighbour(request, "delete", context)]
    )


def route_add(request: RouteAdd, context: Context) -> Commands:
    connected = bool(request.route.hops) and all(hop.via is None for hop in request.route.hops)
    if request.route.protocol == c.RTPROT_KERNEL:
        return []  # the kernel makes the route by itself, before the next `ip` runs
    # The command replaces the route that the kernel may have made with an address. In a namespace
    # that netorch made, this is the only other route to that subnet.
    replaces = request.replace or (connected and request.netns in context.own_namespaces)
    return [_route(request.netns, "replace" if replaces else "add", request.route, context)]


def route_del(request: RouteDel, context: Context) -> Commands:
    return [_route(request.netns, "delete", request.route, context)]


def rule_add(request: RuleAdd, context: Context) -> Commands:
    return [_rule(request.netns, "add", request.rule, context)]


def rule_del(request: RuleDel, context: Context) -> Commands:
    return [_rule(request.netns, "delete", request.rule, context)]


def _address(request: AddressAdd | AddressDel, act: str, context: Context) -> str:
    local, other = ip_address(request.local), ip_address(request.address)
    text = (
        f"{local}/{request.prefixlen}"
        if local == other
        else f"{local} peer {other}/{request.prefixlen}"
    )
    return f"{context.tool('ip', request.netns)} address {act} {text} dev {quote(request.link)}"


def _neighbour(request: NeighbourAdd | NeighbourDel, act: str, context: Context) -> str:
    ip, address = context.tool("ip", request.netns), ip_address(request.address)
    return f"{ip} neighbour {act} {address} dev {quote(request.link)}"


def _family(family: int) -> str:
    return "-6" if family == c.AF_INET6 else ""


def _route(label: str, act: str, route: RouteSpec, context: Context) -> str:
    kind = "" if route.type == c.RTN_UNICAST else _TYPES[route.type]
    target = "default" if route.dst is None else f"{ip_address(route.dst)}/{route.prefixlen}"
    usual_metric = 0 if route.family == c.AF_INET else IPV6_METRIC
    single = route.hops[0] if len(route.hops) == 1 else None
    return words(
        context.tool("ip", label),
        _family(route.family),
        f"route {act}",
        kind,
        target,
        f"from {ip_address(route.sources[0])}/{route.sources[1]}" if route.sources else "",
        f"tos {route.tos:#x}" if route.tos else "",
        f"nhid {route.nexthop}" if route.nexthop else "",
        _hop(route.family, single) if single is not None and not route.nexthop else "",
        f"table {route.table}" if route.table != MAIN else "",
        f"metric {route.metric}" if route.metric != usual_metric else "",
        f"proto {route.protocol}" if context.marks and act != "delete" and route.protocol else "",
        f"scope {_SCOPES.get(route.scope, str(route.scope))}"
        if route.family == c.AF_INET and route.scope != _usual_scope(route)
        else "",
        f"src {ip_address(route.src)}" if route.src is not None else "",
        f"mtu {route.mtu}" if route.mtu is not None else "",
        *(
            f"nexthop {_hop(route.family, hop)} weight {hop.weight}"
            for hop in (route.hops if single is None and not route.nexthop else ())
        ),
    )


def _usual_scope(route: RouteSpec) -> int:
    """Return the scope that ip-route uses without the word `scope` (iproute_modify)."""
    if route.type == c.RTN_LOCAL:
        return c.RT_SCOPE_HOST
    if route.type in {c.RTN_BROADCAST, c.RTN_MULTICAST, c.RTN_ANYCAST}:
        return c.RT_SCOPE_LINK
    leads = len(route.hops) != 1 or route.hops[0].via is not None
    return (
        c.RT_SCOPE_UNIVERSE
        if route.type != c.RTN_UNICAST or (leads and route.hops)
        else c.RT_SCOPE_LINK
    )


def _hop(family: int, hop: Hop) -> str:
    via = ""
    if hop.via is not None:
        via_family = c.AF_INET if len(hop.via) == 4 else c.AF_INET6
        word = "inet6 " if via_family == c.AF_INET6 else "inet "
        via = f"via {'' if via_family == family else word}{ip_address(hop.via)}"
    return words(
        f"encap {encap.text(hop.encap)}" if hop.encap is not None else "",
        via,
        f"dev {quote(hop.dev)}" if hop.dev is not None else "",
        "onlink" if hop.onlink else "",
    )


def _rule(label: str, act: str, rule: RuleSpec, context: Context) -> str:
    value, mask = rule.mark if rule.mark is not None else (0, 0)
    return words(
        context.tool("ip", label),
        _family(rule.family),
        f"rule {act}{' not' if rule.invert else ''} priority {rule.priority}",
        *(
            f"{word} {ip_address(prefix[0])}/{prefix[1]}"
            for word, prefix in (("from", rule.src), ("to", rule.dst))
            if prefix is not None
        ),
        *(
            f"{word} {quote(name)}"
            for word, name in (("iif", rule.iif), ("oif", rule.oif))
            if name is not None
        ),
        f"fwmark {value:#x}{f'/{mask:#x}' if mask != 0xFFFFFFFF else ''}"
        if rule.mark is not None
        else "",
        f"tos {rule.tos:#x}" if rule.tos else "",
        _ACTIONS.get(rule.action, f"lookup {rule.table}"),
        *(more_text(number, payload) for number, payload in rule.more),
        f"protocol {rule.protocol}" if context.marks and act != "delete" and rule.protocol else "",
    )
