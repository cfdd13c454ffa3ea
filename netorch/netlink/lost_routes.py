"""Routes that the kernel makes of addresses, and that somebody has deleted (fib_add_ifaddr, addrconf_prefix_route)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from netorch.immutable import Value, field
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import Message
from netorch.values.requests import RouteSpec
from netorch.values.snapshot import AddressRecord, LinkRecord

_ETHERNET = frozenset(("veth", "bridge", "macvlan", "dummy"))
"""Kinds of links whose link-local addresses have the prefix that all of them share."""
_LINK_LOCAL = b"\xfe\x80"
_LOOPBACK = bytes(15) + b"\x01"
"""::1, for which some kernels have a prefix route and others not."""
_COUNTED = tuple(
    (family, kind) for family in (c.AF_INET, c.AF_INET6) for kind in (c.RTN_LOCAL, c.RTN_UNICAST)
)
_UNREADY = c.IFA_F_TENTATIVE | c.IFA_F_DADFAILED


class OwnRoute(Value):
    """A route that the kernel makes of an address. `metric`: that it gives it."""

    family: int
    type: int
    dst: bytes
    prefixlen: int
    index: int
    metric: int

    @property
    def text(self) -> str:
        kind = "local " if self.type == c.RTN_LOCAL else ""
        return f"{kind}{ip_address(self.dst)}/{self.prefixlen}"


class LostRoutes(Value):
    """`of`: index of a link → its routes, in words. `late`: some of them may only be late, since the kernel makes them by a thread."""

    of: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    late: bool = False


def lost_routes(
    links: Sequence[LinkRecord],
    addresses: Iterable[AddressRecord],
    messages: Iterable[Message],
    counts: Mapping[tuple[int, int], int],
) -> LostRoutes:
    """The routes of addresses on links that are up that are not there.

    `messages`: the dump of RTM_GETROUTE; `counts`: AF_… and RTN_… → how many of them are the kernel's. Only where these are not
    as many as the addresses let expect, the routes are read one by one.
    """
    up = {link.index: link for link in links if link.flags & c.IFF_UP}
    expected = dict.fromkeys(
        route for address in addresses for route in _routes_of(address, up.get(address.index))
    )
    wanted: dict[tuple[int, int], int] = {}
    for route in expected:
        kind = route.family, route.type
        wanted[kind] = wanted.get(kind, 0) + 1
    if all(counts.get(kind, 0) == wanted.get(kind, 0) for kind in _COUNTED):
        return LostRoutes()
    names = {link.index: link.name for link in links}
    there = decode.routes(messages, names, whole=True)
    found: dict[int, tuple[str, ...]] = {}
    late = False
    for route in expected:
        if not _is_sure(route, up[route.index]):
            continue
        if not any(_stands_for(other, route, names[route.index]) for other in there):
            found[route.index] = (*found.get(route.index, ()), route.text)
            late = late or (route.family == c.AF_INET6 and route.type == c.RTN_LOCAL)
    return LostRoutes(found, late)


def _routes_of(address: AddressRecord, link: LinkRecord | None) -> Iterator[OwnRoute]:
    if link is None:
        return
    family, index, length = address.family, address.index, address.prefixlen
    six = family == c.AF_INET6
    if six and address.flags & _UNREADY:
        return
    bits = 128 if six else 32
    yield OwnRoute(family, c.RTN_LOCAL, address.local, bits, index, 0)
    if address.flags & c.IFA_F_NOPREFIXROUTE:
        return
    shift = bits - length
    # with another end IPv6 has its own prefix and that end, and IPv4 that end's prefix
    near = address.local if six else address.address
    number = int.from_bytes(near, "big") >> shift << shift
    prefix = number.to_bytes(bits // 8, "big")
    if six:
        metric = address.metric or 256
        has_peer = address.address != address.local
        # without a length there is something else beside a peer, and not for good
        if address.local != _LOOPBACK and (length or not has_peer):
            yield OwnRoute(family, c.RTN_UNICAST, prefix, length, index, metric)
        # an address that is changed to have an end within its prefix gets no route to that alone
        is_within = (
            bool(length) and int.from_bytes(address.address, "big") >> shift == number >> shift
        )
        if has_peer and not is_within:
            yield OwnRoute(family, c.RTN_UNICAST, address.address, bits, index, metric)
    elif (
        prefix[0]
        and not _is_of_no_host(address.local)
        and not address.flags & c.IFA_F_SECONDARY
        and (prefix != address.local or length < bits)
    ):
        kind = c.RTN_LOCAL if link.flags & c.IFF_LOOPBACK else c.RTN_UNICAST
        yield OwnRoute(family, kind, prefix, length, index, address.metric)


def _is_of_no_host(local: bytes) -> bool:
    """Whether an IPv4 address is one of a group or of all, from which no route sends (fib_valid_prefsrc)."""
    return 224 <= local[0] < 240 or local == b"\xff" * 4


def _is_sure(route: OwnRoute, link: LinkRecord) -> bool:
    """Whether every kernel makes it: links of other kinds may have other routes for what is local to the link."""
    of_link = route.type == c.RTN_UNICAST and route.dst.startswith(_LINK_LOCAL)
    return not of_link or link.kind in _ETHERNET


def _stands_for(other: RouteSpec, route: OwnRoute, name: str) -> bool:
    """Whether a route is the one that the kernel made, or one that somebody has put in its place."""
    dst = other.dst if other.dst is not None else bytes(len(route.dst))
    if (other.family, dst, other.prefixlen) != (route.family, route.dst, route.prefixlen):
        return False
    if (other.type == c.RTN_LOCAL) != (route.type == c.RTN_LOCAL):
        return False
    return any(hop.dev == name for hop in other.hops) or (
        route.type == c.RTN_UNICAST and other.metric == route.metric
    )
