"""What decides about packets in the namespace that the thread is in, beside links, addresses and routes; for who follows one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from netorch.kernel import filters, nft, sysctl

_BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


def rp_filter(links: Iterable[str]) -> dict[str, int]:
    """Link → the reverse path filter's mode that counts, of those where it is on: the larger of its own and that of all."""
    everywhere = _number("net/ipv4/conf/all/rp_filter")
    found = {link: max(everywhere, _number(f"net/ipv4/conf/{link}/rp_filter")) for link in links}
    return {link: mode for link, mode in found.items() if mode}


def skips_dead(links: Iterable[str]) -> frozenset[str]:
    """Links over which routes do not count while there is no carrier."""
    name = "ignore_routes_with_linkdown"
    everywhere = _number(f"net/ipv4/conf/all/{name}")
    return frozenset(link for link in links if everywhere or _number(f"net/ipv4/conf/{link}/{name}"))


def bridged() -> frozenset[int]:
    """IP versions in which br_netfilter has bridged frames filtered."""
    return frozenset(version for version, path in _BRIDGED.items() if _number(path))


def filters_there() -> tuple[str, dict[tuple[int, str], tuple[str, ...]], tuple[str, ...]]:
    """The listing of nftables, the lines of iptables-legacy by IP version and table, and sentences about rules that could not be read."""
    text, unseen, lines = "", [], {}
    if filters.tables():
        error, text = nft.list_all()
        if error is not None:
            unseen.append(f"nftables has rules, which were not looked into: {error}")
    if filters.legacy_tables():
        from netorch.kernel import legacyforward, xtables

        if missing := legacyforward.missing():
            unseen.append(f"iptables-legacy has rules, which were not looked into and may drop it: {missing}")
        else:
            lines = xtables.read_all()
    return text, lines, tuple(unseen)


def _number(path: str) -> int:
    with suppress(OSError, ValueError):
        return int(sysctl.read(path))
    return 0
