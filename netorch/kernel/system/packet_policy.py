"""Read what decides about packets in the thread's namespace, apart from links and addresses.

`explain` needs it to follow a packet.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping

from netorch.kernel.firewall import filters
from netorch.kernel.system import sysctl
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode_policy
from netorch.netlink.codec import Message, attr
from netorch.values.policy import KernelRoute, KernelRule
from netorch.values.snapshot import Passage

GLOBAL = (
    "net/ipv4/ip_forward",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv6/icmp/echo_ignore_all",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-arptables",
)
IPV4 = (
    *("forwarding", "rp_filter", "accept_local", "arp_ignore", "arp_filter", "arp_announce"),
    *("proxy_arp", "proxy_arp_pvlan", "route_localnet", "ignore_routes_with_linkdown"),
)
IPV6 = (
    *("forwarding", "force_forwarding", "disable_ipv6", "ignore_routes_with_linkdown"),
    *("proxy_ndp", "hop_limit"),
)
"""The IPv6 settings of each link, and of `all`, that decide about packets."""

_RTMSG6 = struct.Struct("=BBBBBBBBI")
_LINK_LOCAL = 0xFE
"""The first byte of addresses that exist on every link."""
_FAR = b"\x20" + bytes(14) + b"\x01"
"""An address that only a default route matches."""
_FORWARDING_DATABASE = struct.pack("=B11x", c.AF_BRIDGE)


def read(
    rtnl: Rtnl,
    names: Mapping[int, str],
    routes: Collection[Message],
    rules: Collection[Message],
    neighbours: Collection[Message],
    kinds: Collection[str],
) -> Passage:
    """Read everything.

    The messages are dumps that were requested through `rtnl`. `names` are the links by their
    indices, and `kinds` are the kinds of these links.
    """
    listings, unreadable = filters.list_all()
    kernel_routes = decode_policy.kernel_routes(routes, names)
    kernel_rules = decode_policy.kernel_rules(rules)
    entries = rtnl.dump(c.RTM_GETNEIGH, _FORWARDING_DATABASE) if "bridge" in kinds else []
    filtered = decode_policy.filtered_links(rtnl.dump(c.RTM_GETQDISC, bytes(20)))
    return Passage(
        routes=tuple(kernel_routes),
        rules=tuple(kernel_rules),
        plain_ipv6=_is_plain(rtnl, kernel_routes, kernel_rules),
        neighbours=tuple(decode_policy.neighbour_table(neighbours)),
        bridge_entries=tuple(decode_policy.bridge_entries(entries)),
        settings=_settings(names.values()),
        filters=listings,
        filtered=tuple(names.get(index, f"{index}") for index in dict.fromkeys(filtered)),
        unseen=tuple(unreadable),
    )


def _settings(links: Collection[str]) -> dict[str, str]:
    paths = [*GLOBAL]
    for link in ("all", *links):
        paths += [f"net/ipv4/conf/{link}/{name}" for name in IPV4]
        paths += [f"net/ipv6/conf/{link}/{name}" for name in IPV6]
    return sysctl.read_all(tuple(paths))


def _is_plain(rtnl: Rtnl, routes: Collection[KernelRoute], rules: Collection[KernelRule]) -> bool:
    """Return whether IPv6 ignores its rules.

    The kernel applies rules only after a program has added one, and does not report whether it
    does. This matters only if one of the first two rules is missing. A route lookup then finds out.
    """
    ipv6_rules = [rule for rule in rules if rule.family == c.AF_INET6]
    default_rules = [rule for rule in ipv6_rules if _is_default(rule)]
    if len(default_rules) < len(ipv6_rules) or {rule.table for rule in default_rules} >= {
        c.RT_TABLE_LOCAL,
        c.RT_TABLE_MAIN,
    }:
        return False
    missing = {c.RT_TABLE_LOCAL, c.RT_TABLE_MAIN} - {rule.table for rule in default_rules}
    for route in routes:
        kind = c.RTN_LOCAL if route.table == c.RT_TABLE_LOCAL else c.RTN_UNICAST
        if (
            route.family == c.AF_INET6
            and route.table in missing
            and route.type == kind
            and (route.dst is None or route.dst[0] < _LINK_LOCAL)
        ):
            request = _RTMSG6.pack(c.AF_INET6, 128, 0, 0, 0, 0, 0, 0, 0)
            far = _FAR if route.dst is None else _last(route.dst, route.prefixlen)
            payload = request + attr(c.RTA_DST, far)
            (answer,) = rtnl.get(c.RTM_GETROUTE, (payload,))
            return decode_policy.route_type(answer) == kind
    return False


def _last(address: bytes, length: int) -> bytes:
    """Return the last address of a prefix, because the first one belongs to every router there."""
    number = int.from_bytes(address, "big") | (1 << (128 - length)) - 1
    return number.to_bytes(16, "big")


def _is_default(rule: KernelRule) -> bool:
    """Return whether the rule is like one of the kernel's default rules."""
    selectors = (
        rule.src,
        rule.dst,
        rule.iif,
        rule.oif,
        rule.mark,
        rule.sport,
        rule.dport,
        rule.uids,
    )
    return (
        not any(selectors)
        and not (rule.invert or rule.tos or rule.unknown or rule.protocol_number)
        and rule.suppress_length < 0
        and (rule.priority, rule.table) in {(0, c.RT_TABLE_LOCAL), (32766, c.RT_TABLE_MAIN)}
    )
