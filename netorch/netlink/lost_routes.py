"""Find routes that the kernel made for an address, and that were deleted since.

The kernel makes them in fib_add_ifaddr and addrconf_prefix_route.
"""

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
"""Kinds of links whose link-local addresses have the common prefix fe80::/64."""
_LINK_LOCAL = b"\xfe\x80"
_LOOPBACK = bytes(15) + b"\x01"
"""The address ::1, for which only some kernels have a prefix route."""
_COUNTED = tuple(
    (family, kind) for family in (c.AF_INET, c.AF_INET6) for kind in (c.RTN_LOCAL, c.RTN_UNICAST)
)
_UNREADY = c.IFA_F_TENTATIVE | c.IFA_F_DADFAILED


class OwnRoute(Value):
    """A route that the kernel makes for an address."""

    family: int
    type: int
    """RTN_LOCAL or RTN_UNICAST."""
    dst: bytes
    prefixlen: int
    index: int
    """The index of the link."""
    metric: int
    """The metric that the kernel gives the route."""

    @property
    def text(self) -> str:
        """Return the route as text: `local 10.0.0.1/32`."""
        kind = "local " if self.type == c.RTN_LOCAL else ""
        return f"{kind}{ip_address(self.dst)}/{self.prefixlen}"


class LostRoutes(Value):
    """Routes of addresses that are missing from the kernel."""

    by_link: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Index of a link → its lost routes as text."""
    late: bool = False
    """Whether some of them may only be late, because a thread of the kernel makes them."""


def lost_routes(
    links: Sequence[LinkRecord],
    addresses: Iterable[AddressRecord],
    messages: Iterable[Message],
    counts: Mapping[tuple[int, int], int],
) -> LostRoutes:
    """Return the missing routes of addresses on links that are up.

    `messages` is the dump of RTM_GETROUTE; `counts` has the number of the kernel's routes in it for
    each (AF_…, RTN_…). The routes are decoded one by one only if the counts differ from the
    expected ones.
    """
    up = {link.index: link for link in links if link.flags & c.IFF_UP}
    expected = dict.fromkeys(
        route for address in addresses for route in _routes_of(address, up.get(address.index))
    )
    expected_counts: dict[tuple[int, int], int] = {}
    for route in expected:
        kind = route.family, route.type
        expected_counts[kind] = expected_counts.get(kind, 0) + 1
    if all(counts.get(kind, 0) == expected_counts.get(kind, 0) for kind in _COUNTED):
        return LostRoutes()
    names = {link.index: link.name for link in links}
    existing = decode.routes(messages, names, whole=True)
    by_link: dict[int, tuple[str, ...]] = {}
    late = False
    for route in expected:
        if not _is_sure(route, up[route.index]):
            continue
        if not any(_stands_for(other, route, names[route.index]) for other in existing):
            by_link[route.index] = (*by_link.get(route.index, ()), route.text)
            late = late or (route.family == c.AF_INET6 and route.type == c.RTN_LOCAL)
    return LostRoutes(by_link, late)


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
    # For an address with a peer, IPv6 makes a route to the prefix of the address and one to the
    # peer, but IPv4 makes only one to the prefix of the peer.
    near = address.local if six else address.address
    number = int.from_bytes(near, "big") >> shift << shift
    prefix = number.to_bytes(bits // 8, "big")
    if six:
        metric = address.metric or 256
        has_peer = address.address != address.local
        # An IPv6 address with a peer and the prefix length 0 is left out, because the route that it
        # gets does not stay.
        if address.local != _LOOPBACK and (length or not has_peer):
            yield OwnRoute(family, c.RTN_UNICAST, prefix, length, index, metric)
        # A peer within the prefix is left out, because the kernel makes no route to it if the
        # address got the peer by a change.
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
    """Return whether an IPv4 address is multicast or broadcast, and so not a source of any route.

    The kernel checks this in fib_valid_prefsrc.
    """
    return 224 <= local[0] < 240 or local == b"\xff" * 4


def _is_sure(route: OwnRoute, link: LinkRecord) -> bool:
    """Return whether every kernel makes the route.

    Links of other kinds may have other link-local routes.
    """
    of_link = route.type == c.RTN_UNICAST and route.dst.startswith(_LINK_LOCAL)
    return not of_link or link.kind in _ETHERNET


def _stands_for(other: RouteSpec, route: OwnRoute, name: str) -> bool:
    """Return whether a route is the one that the kernel made, or one that was put in its place."""
    dst = other.dst if other.dst is not None else bytes(len(route.dst))
    if (other.family, dst, other.prefixlen) != (route.family, route.dst, route.prefixlen):
        return False
    if (other.type == c.RTN_LOCAL) != (route.type == c.RTN_LOCAL):
        return False
    return any(hop.dev == name for hop in other.hops) or (
        route.type == c.RTN_UNICAST and other.metric == route.metric
    )
