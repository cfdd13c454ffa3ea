"""Find out who made which next hop of an IPv6 route.

The kernel has a route for each next hop, but lists those of one destination, table and metric as
one route with the protocol of the oldest (rt6_fill_node in net/ipv6/route.c). A route lookup
returns the protocol of the hop that a packet would take. Lookups of several packets therefore find
the protocols of all hops that can be taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netorch.immutable import Value, replace
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import as_u32
from netorch.netlink.encode import route_lookup
from netorch.values.digest import blake2b
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from netorch.values.snapshot import LinkRecord

_BATCH = 16
"""The number of lookups that are sent together. Their answers fit in the receive buffer."""
_BATCHES = 16
"""The number of batches. After them, a next hop with a share of one in 16 is missed once in ten
million cases.
"""
_ANYWHERE = (bytes.fromhex("20010db8") + bytes(12), 32)
"""The prefix for a packet's source address if no rule selects by it.

These addresses are reserved for documentation (RFC 3849).
"""
_UNICAST = (b"\x20" + bytes(15), 3)


class _LookupKey(Value):
    """The properties of a packet that is looked up in a table."""

    source: tuple[bytes, int] = _ANYWHERE
    mark: int = 0
    device: int = 0


def with_makers(
    rtnl: Rtnl,
    routes: Sequence[RouteSpec],
    rules: Sequence[RuleSpec],
    links: Sequence[LinkRecord],
) -> list[RouteSpec]:
    """Split each route with several IPv6 next hops into one route for each maker.

    A next hop that no packet takes, because it is dead or no rule leads to its table, stays in the
    oldest hop's route and is listed in `unsure`.
    """
    names = {link.index: link.name for link in links}
    result: list[RouteSpec] = []
    for route in routes:
        if route.family == c.AF_INET6 and len(route.hops) > 1:
            keys = list(_lookup_keys(route.table, rules, links))
            result += _by_maker(route, _routes_by_hop(rtnl, route, keys, names))
        else:
            result.append(route)
    return result


def _routes_by_hop(
    rtnl: Rtnl, route: RouteSpec, keys: Sequence[_LookupKey], names: dict[int, str]
) -> dict[Hop, RouteSpec]:
    """Return next hop → its own route, for the hops that packets take."""
    by_hop: dict[Hop, RouteSpec] = {}
    for batch in range(_BATCHES if keys else 0):
        first = batch * _BATCH
        lookups = [
            _lookup(route, keys[number % len(keys)], number)
            for number in range(first, first + _BATCH)
        ]
        for answer in rtnl.get(c.RTM_GETROUTE, lookups):
            for route_taken in decode.routes(answer, names):
                if (
                    route_taken.place == route.place
                    and route_taken.hops
                    and route_taken.hops[0] in route.hops
                ):
                    by_hop[route_taken.hops[0]] = replace(route_taken, hops=route_taken.hops[:1])
        if len(by_hop) == len(route.hops):
            break
    return by_hop


def _by_maker(route: RouteSpec, by_hop: dict[Hop, RouteSpec]) -> Iterator[RouteSpec]:
    unsure = tuple(hop for hop in route.hops if hop not in by_hop)
    groups: dict[RouteSpec, list[Hop]] = {}
    for hop in route.hops:
        route_of_hop = by_hop.get(hop, route)
        groups.setdefault(replace(route_of_hop, hops=()), []).append(hop)
    for maker, hops in groups.items():
        yield replace(maker, hops=tuple(hops), unsure=tuple(hop for hop in hops if hop in unsure))


def _lookup_keys(
    table: int, rules: Iterable[RuleSpec], links: Iterable[LinkRecord]
) -> Iterator[_LookupKey]:
    """Return a key for each rule or VRF device that leads to the table."""
    for link in links:
        if link.kind == "vrf" and as_u32(link.data.get(c.IFLA_VRF_TABLE, bytes(4))) == table:
            yield _LookupKey(device=link.index)
    for rule in rules:
        if (rule.family, rule.action, rule.table) == (c.AF_INET6, c.FR_ACT_TO_TBL, table) and not (
            rule.iif or rule.oif
        ):
            yield _LookupKey(rule.src or _ANYWHERE, rule.mark[0] if rule.mark is not None else 0)


def _lookup(route: RouteSpec, key: _LookupKey, number: int) -> bytes:
    target = (route.dst, route.prefixlen) if route.dst is not None else _UNICAST
    return route_lookup(
        c.AF_INET6,
        _address_in(target, f"to {number}"),
        _address_in(key.source, f"from {number}"),
        mark=key.mark,
        device=key.device,
    )


def _address_in(network: tuple[bytes, int], salt: str) -> bytes:
    """Return an address in a network, always the same one for the same salt."""
    base, length = network
    host = int.from_bytes(blake2b(salt.encode(), digest_size=16).digest(), "big") >> length
    return (int.from_bytes(base, "big") | host).to_bytes(16, "big")
