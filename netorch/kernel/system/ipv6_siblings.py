"""IPv6 routes of one destination, table and metric are listed as one: which of their next hops is whose.

The kernel keeps each next hop as a route of its own, and lists them as one route with the protocol of the oldest
(rt6_fill_node in net/ipv6/route.c). A lookup answers with the protocol of the hop that a packet would take, so that
lookups of several packets tell the makers of all hops that can be taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from netorch.immutable import Value, replace
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import as_u32
from netorch.netlink.encode import route_lookup
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from netorch.values.snapshot import LinkRecord

_BATCH = 16
"""Lookups that are sent together; their answers fit the receive buffer."""
_BATCHES = 16
"""After so many batches a next hop with an equal share of 16 is missed once in ten million times."""
_ANYWHERE = (bytes.fromhex("20010db8") + bytes(12), 32)
"""What the source of a packet is in where no rule asks for one: addresses for documentation (RFC 3849)."""
_UNICAST = (b"\x20" + bytes(15), 3)


class _Way(Value):
    """What a packet must have to be looked up in a table."""

    source: tuple[bytes, int] = _ANYWHERE
    mark: int = 0
    device: int = 0


def with_makers(
    rtnl: Rtnl,
    routes: Sequence[RouteSpec],
    rules: Sequence[RuleSpec],
    links: Sequence[LinkRecord],
) -> list[RouteSpec]:
    """The routes with those of several IPv6 next hops as one route for each maker.

    A next hop that no packet takes, because it is dead or no rule leads to its table, stays with the oldest one's maker
    and is in `unsure`.
    """
    names = {link.index: link.name for link in links}
    found: list[RouteSpec] = []
    for route in routes:
        if route.family == c.AF_INET6 and len(route.hops) > 1:
            ways = list(_ways(route.table, rules, links))
            found += _by_maker(route, _legs(rtnl, route, ways, names))
        else:
            found.append(route)
    return found


def _legs(
    rtnl: Rtnl, route: RouteSpec, ways: Sequence[_Way], names: dict[int, str]
) -> dict[Hop, RouteSpec]:
    """Next hop → the route that it is by itself, as far as packets take it."""
    legs: dict[Hop, RouteSpec] = {}
    for batch in range(_BATCHES if ways else 0):
        first = batch * _BATCH
        lookups = [
            _lookup(route, ways[number % len(ways)], number)
            for number in range(first, first + _BATCH)
        ]
        for answer in rtnl.get(c.RTM_GETROUTE, lookups):
            for taken in decode.routes(answer, names):
                if taken.place == route.place and taken.hops and taken.hops[0] in route.hops:
                    legs[taken.hops[0]] = replace(taken, hops=taken.hops[:1])
        if len(legs) == len(route.hops):
            break
    return legs


def _by_maker(route: RouteSpec, legs: dict[Hop, RouteSpec]) -> Iterator[RouteSpec]:
    unsure = tuple(hop for hop in route.hops if hop not in legs)
    groups: dict[RouteSpec, list[Hop]] = {}
    for hop in route.hops:
        alone = legs.get(hop, route)
        groups.setdefault(replace(alone, hops=()), []).append(hop)
    for whose, hops in groups.items():
        yield replace(whose, hops=tuple(hops), unsure=tuple(hop for hop in hops if hop in unsure))


def _ways(table: int, rules: Iterable[RuleSpec], links: Iterable[LinkRecord]) -> Iterator[_Way]:
    """What leads to a table: a rule, or the device of a VRF."""
    for link in links:
        if link.kind == "vrf" and as_u32(link.data.get(c.IFLA_VRF_TABLE, bytes(4))) == table:
            yield _Way(device=link.index)
    for rule in rules:
        if (rule.family, rule.action, rule.table) == (c.AF_INET6, c.FR_ACT_TO_TBL, table) and not (
            rule.iif or rule.oif
        ):
            yield _Way(rule.src or _ANYWHERE, rule.mark[0] if rule.mark is not None else 0)


def _lookup(route: RouteSpec, way: _Way, number: int) -> bytes:
    target = (route.dst, route.prefixlen) if route.dst is not None else _UNICAST
    return route_lookup(
        c.AF_INET6,
        _address_in(target, f"to {number}"),
        _address_in(way.source, f"from {number}"),
        mark=way.mark,
        device=way.device,
    )


def _address_in(network: tuple[bytes, int], salt: str) -> bytes:
    """An address of a network; the same one for the same salt."""
    base, length = network
    host = int.from_bytes(blake2b(salt.encode(), digest_size=16).digest(), "big") >> length
    return (int.from_bytes(base, "big") | host).to_bytes(16, "big")
