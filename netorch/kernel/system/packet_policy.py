"""What decides about packets in the namespace that the thread is in, beside links, addresses and routes; for who follows one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from netorch.kernel.firewall import filters
from netorch.kernel.system import sysctl
from netorch.values.requests import RouteSpec
from netorch.values.snapshot import Passage

_BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}

_MUTE = {4: "net/ipv4/icmp_echo_ignore_all", 6: "net/ipv6/icmp/echo_ignore_all"}


def read(
    routes: tuple[RouteSpec, ...],
    odd_rules: frozenset[tuple[int, int]],
    silent: frozenset[tuple[int, bytes]],
    links: Collection[str],
) -> Passage:
    """What was asked of the kernel by netlink, with the settings of the namespace and of its `links`, and all packet filters."""
    listings, unseen = filters.list_all()
    return Passage(
        routes=routes,
        odd_rules=odd_rules,
        silent=silent,
        rp_filter=_rp_filter(links),
        skips_dead=_where_on("ignore_routes_with_linkdown", links),
        proxies=_where_on("proxy_arp", links),
        localnet=_where_on("route_localnet", links),
        still=_still(links),
        mute=_versions(_MUTE),
        bridged=_versions(_BRIDGED),
        filters=listings,
        unseen=tuple(unseen),
    )


def _rp_filter(links: Iterable[str]) -> dict[str, int]:
    """Those where it is on: the larger of a link's own value and that of all."""
    everywhere = _number("net/ipv4/conf/all/rp_filter")
    found = {link: max(everywhere, _number(f"net/ipv4/conf/{link}/rp_filter")) for link in links}
    return {link: mode for link, mode in found.items() if mode}


def _where_on(name: str, links: Iterable[str]) -> frozenset[str]:
    """Links for which an IPv4 setting is on, by their own value or by that of all."""
    everywhere = _number(f"net/ipv4/conf/all/{name}")
    return frozenset(
        link for link in links if everywhere or _number(f"net/ipv4/conf/{link}/{name}")
    )


def _still(links: Iterable[str]) -> frozenset[str]:
    """Links for which IPv4 forwarding is off where it is on for the namespace."""
    if not _number("net/ipv4/ip_forward"):
        return frozenset()
    found = sysctl.read_all(tuple(f"net/ipv4/conf/{link}/forwarding" for link in links))
    return frozenset(link for link in links if found.get(f"net/ipv4/conf/{link}/forwarding") == "0")


def _versions(paths: Mapping[int, str]) -> frozenset[int]:
    return frozenset(version for version, path in paths.items() if _number(path))


def _number(path: str) -> int:
    with suppress(OSError, ValueError):
        return int(sysctl.read(path))
    return 0
