"""What decides about packets in the namespace that the thread is in, beside links and addresses; for who follows one."""

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
"""Of each link, and of all of them."""

_RTMSG6 = struct.Struct("=BBBBBBBBI")
_LINK_LOCAL = 0xFE
"""The first byte of what is on every link."""
_FAR = b"\x20" + bytes(14) + b"\x01"
"""An address that only a default route leads to."""
_FORWARDING_DATABASE = struct.pack("=B11x", c.AF_BRIDGE)


def read(
    rtnl: Rtnl,
    names: Mapping[int, str],
    routes: Collection[Message],
    rules: Collection[Message],
    neighbours: Collection[Message],
    kinds: Collection[str],
) -> Passage:
    """All of it. The messages are dumps that were asked of `rtnl`; `names`: the links by their indices, of these `kinds`."""
    listings, unseen = filters.list_all()
    found = decode_policy.kernel_routes(routes, names)
    policies = decode_policy.kernel_rules(rules)
    entries = rtnl.dump(c.RTM_GETNEIGH, _FORWARDING_DATABASE) if "bridge" in kinds else []
    filtered = decode_policy.filtered_links(rtnl.dump(c.RTM_GETQDISC, bytes(20)))
    return Passage(
        routes=tuple(found),
        rules=tuple(policies),
        plain_ipv6=_is_plain(rtnl, found, policies),
        neighbours=tuple(decode_policy.neighbour_table(neighbours)),
        bridge_entries=tuple(decode_policy.bridge_entries(entries)),
        settings=_settings(names.values()),
        filters=listings,
        unseen=(
            *unseen,
            *(
                f"filters of tc on {names.get(index, index)} were not looked into"
                for index in dict.fromkeys(filtered)
            ),
        ),
    )


def _settings(links: Collection[str]) -> dict[str, str]:
    paths = [*GLOBAL]
    for link in ("all", *links):
        paths += [f"net/ipv4/conf/{link}/{name}" for name in IPV4]
        paths += [f"net/ipv6/conf/{link}/{name}" for name in IPV6]
    return sysctl.read_all(tuple(paths))


def _is_plain(rtnl: Rtnl, routes: Collection[KernelRoute], rules: Collection[KernelRule]) -> bool:
    """Whether IPv6 does not ask its rules: the kernel does so only once somebody has added one, and says nowhere whether it does.

    That matters where one of the first two rules is gone, and is found out by a question.
    """
    six = [rule for rule in rules if rule.family == c.AF_INET6]
    own = [rule for rule in six if _is_own(rule)]
    if len(own) < len(six) or {rule.table for rule in own} >= {c.RT_TABLE_LOCAL, c.RT_TABLE_MAIN}:
        return False
    missing = {c.RT_TABLE_LOCAL, c.RT_TABLE_MAIN} - {rule.table for rule in own}
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
            asked = request + attr(c.RTA_DST, far)
            (answer,) = rtnl.get(c.RTM_GETROUTE, (asked,))
            return decode_policy.route_type(answer) == kind
    return False


def _last(address: bytes, length: int) -> bytes:
    """The last address of a prefix: its first one is an address of every router there."""
    number = int.from_bytes(address, "big") | (1 << (128 - length)) - 1
    return number.to_bytes(16, "big")


def _is_own(rule: KernelRule) -> bool:
    """Whether it is like one of those that the kernel starts with."""
    asks = (rule.src, rule.dst, rule.iif, rule.oif, rule.mark, rule.sport, rule.dport, rule.uids)
    return (
        not any(asks)
        and not (rule.invert or rule.tos or rule.unknown or rule.protocol_number)
        and rule.suppress_length < 0
        and (rule.priority, rule.table) in {(0, c.RT_TABLE_LOCAL), (32766, c.RT_TABLE_MAIN)}
    )
