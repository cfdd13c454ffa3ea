"""Predict whether Linux accepts the gateways of a route, without asking the kernel.

The rules are those of fib_check_nh in net/ipv4/fib_semantics.c and of ip6_validate_gw in
net/ipv6/route.c. A gateway passes if it is uncertain whether Linux refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from netorch.immutable import Value
from netorch.kinds.address import Address, Ifaddr
from netorch.kinds.port import Port
from netorch.kinds.route import MAIN, Route
from netorch.kinds.rule import Rule
from netorch.language.addresses import Address as IPAddress
from netorch.language.addresses import Network
from netorch.netlink.constants import AF_INET6, RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_UNICAST
from netorch.resolve.prefixes import Prefixes
from netorch.state.resource import Resource
from netorch.values.requests import Hop, RouteSpec

IPV4_LOOPBACK = ip_network("127.0.0.0/8")
LIMITED_BROADCAST = ip_address("255.255.255.255")


class BadHop(NamedTuple):
    """A next hop that Linux refuses."""

    code: str
    """The error code."""
    number: int
    """The position of the next hop in its route."""
    what: str
    """The sentence that says why Linux refuses it."""
    remedy: str = ""
    """The sentence that says what to do, or ""."""


class Way(NamedTuple):
    """A route to a network, as far as the look-up of a gateway needs it."""

    device: str
    """The outgoing device."""
    table: int
    """The routing table that has the route."""
    scope: int
    """The scope of the route."""
    direct: bool = True
    """Whether the route has no gateway and does not refuse packets."""


class Namespace(Value):
    """The addresses, routes and rules of a namespace by which Linux accepts or refuses gateways."""

    own: Mapping[IPAddress, frozenset[str]]
    """Address → the devices that have it."""
    broadcasts: frozenset[tuple[str, IPAddress]]
    """Devices, each with one of its IPv4 broadcast addresses."""
    ways: Mapping[tuple[int | None, str | None], Prefixes[Way]]
    """Table and device → the routes. None stands for all tables or devices.

    IPv4 routes with a gateway are left out, because the look-up of a gateway ignores them.
    """
    tables: Mapping[str, int]
    """VRF, or port of a VRF → the routing table of the VRF."""
    rules: frozenset[int] = frozenset()
    """The IP versions in which a rule may send the look-up of a gateway to any table."""
    separate_local: bool = False
    """Whether there is an IPv4 rule, so that Linux keeps the local table separate from the main
    one."""

    def table_of(self, device: str | None) -> int:
        """Return the table that has the routes to the subnets of a device."""
        return self.tables.get(device or "", MAIN)

    def towards(
        self, gateway: IPAddress, table: int | None = None, device: str | None = None
    ) -> Iterator[tuple[int, Sequence[Way]]]:
        """Yield the prefix lengths and the routes that match an address, the longest first.

        `table` and `device` limit the routes to those of one table or device.
        """
        ways = self.ways.get((table, device))
        return iter(()) if ways is None else ways.around(gateway)

    def tables_for(self, spec: RouteSpec, hop: Hop) -> Iterable[int | None]:
        """Return the tables in which the look-up of a gateway may take a route, None for all."""
        version = 6 if spec.family == AF_INET6 else 4
        return (None,) if version in self.rules else {spec.table, MAIN, self.table_of(hop.dev)}


def namespace_of(resources: Iterable[Resource]) -> Namespace:
    """Return the addresses, routes and rules among the resources of one namespace."""
    own: dict[IPAddress, set[str]] = {}
    broadcasts: set[tuple[str, IPAddress]] = set()
    ways: dict[tuple[int | None, str | None], Prefixes[Way]] = {}
    vrfs: dict[str, int] = {}
    masters: dict[str, str] = {}
    addresses: list[Address] = []
    routes: list[RouteSpec] = []
    rules: set[int] = set()
    separate_local = False

    def add(network: Network, way: Way) -> None:
        for table in (way.table, None):
            for device in (way.device, None):
                ways.setdefault((table, device), Prefixes()).add(network, way)

    for resource in resources:
        if resource.KIND == "vrf":
            # here, because few topologies have one
            from netorch.kinds.vrf import Vrf

            assert isinstance(resource, Vrf)
            vrfs[resource.name] = resource.table
        match resource:
            case Address():
                addresses.append(resource)
            case Route():
                routes.append(resource.spec)
            case Port():
                masters[resource.link] = resource.master
            case Rule(spec=rule):
                separate_local = separate_local or rule.family != AF_INET6
                if rule.src is None and rule.mark is None:
                    rules.add(6 if rule.family == AF_INET6 else 4)
    tables = vrfs | {port: vrfs[master] for port, master in masters.items() if master in vrfs}
    for resource in addresses:
        device = resource.link
        own.setdefault(ip_address(resource.address.local), set()).add(device)
        for network in networks_of(resource.address):
            add(network, Way(device, tables.get(device, MAIN), RT_SCOPE_LINK))
            if network.version == 4 and network.prefixlen < 31:
                broadcasts.add((device, network.broadcast_address))
    for spec in routes:
        network = _destination(spec)
        for way in _ways(spec):
            add(network, way)
    return Namespace(
        own={address: frozenset(devices) for address, devices in own.items()},
        broadcasts=frozenset(broadcasts),
        ways=ways,
        tables=tables,
        rules=frozenset(rules),
        separate_local=separate_local,
    )


def networks_of(address: Ifaddr) -> tuple[Network, ...]:
    """Return the networks to which an address of an interface adds a route.

    If the address has another end, IPv4 adds the prefix of that end. IPv6 adds its own prefix and
    the other end.
    """
    own = ip_address(address.local)
    if own.version == 6:
        prefix = ip_network((own, address.length), strict=False)
        if not address.peer:
            return (prefix,)
        return (prefix if address.length else ip_network(own), ip_network(address.peer))
    network = ip_network(f"{address.peer or address.local}/{address.length}", strict=False)
    # Linux adds no route for such an address, because it is not a valid source of the route to its
    # prefix. It adds none to 0.0.0.0 either (fib_add_ifaddr, fib_valid_prefsrc).
    if is_of_no_host(own) or network.network_address.is_unspecified:
        return ()
    return (network,)


def is_of_no_host(address: IPAddress) -> bool:
    """Whether an IPv4 address is a multicast address or 255.255.255.255.

    Linux allows these as addresses of an interface.
    """
    return address.version == 4 and (address.is_multicast or address == LIMITED_BROADCAST)


def _ways(spec: RouteSpec) -> Iterator[Way]:
    """Yield the ways of a route that the look-up of a gateway considers."""
    if spec.type != RTN_UNICAST:
        if spec.family == AF_INET6:
            yield Way("lo", spec.table, spec.scope, direct=False)
        return
    if spec.family == AF_INET6:
        for hop in spec.hops:
            # An IPv6 route over lo refuses packets.
            direct = hop.via is None and hop.dev != "lo"
            yield Way(hop.dev or "", spec.table, spec.scope, direct)
    elif not any(hop.via for hop in spec.hops):
        for hop in spec.hops:
            yield Way(hop.dev or "", spec.table, spec.scope)


def _destination(spec: RouteSpec) -> Network:
    anywhere = "::/0" if spec.family == AF_INET6 else "0.0.0.0/0"
    return ip_network(anywhere) if spec.dst is None else ip_network((spec.dst, spec.prefixlen))


def bad_hops(spec: RouteSpec, there: Namespace, *, known: bool = True) -> Iterator[BadHop]:
    """Yield the next hops of a route that Linux refuses.

    `known` says that the namespace has no other addresses and routes than those of `there`.
    """
    several = len(spec.hops) > 1
    seen: set[tuple[bytes | None, str | None]] = set()
    for number, hop in enumerate(spec.hops):
        if several and spec.family == AF_INET6:
            if hop.via is None:
                what = (
                    f"Linux refuses the next hop `dev: {hop.dev}` without `via`, because an IPv6"
                    " route with several next hops needs a gateway in each"
                )
                remedy = "Give it a `via`, or write separate routes with different metrics."
                yield BadHop("hop-needs-gateway", number, f"{what}.", remedy)
                continue
            if (place := (hop.via, hop.dev)) in seen:
                what = (
                    f"the next hop {ip_address(hop.via)} appears twice, but Linux accepts it once."
                )
                remedy = "Write it once, with a `weight` for a larger share."
                yield BadHop("hop-twice", number, what, remedy)
                continue
            seen.add(place)
        if hop.via is None:
            if hop.onlink and spec.family != AF_INET6:
                yield BadHop(
                    "hop-needs-gateway",
                    number,
                    "Linux refuses a next hop with `onlink` and without a gateway.",
                    "Add `via`, or leave out `onlink`.",
                )
        elif hop.onlink and hop.dev is None:
            what = f"the gateway {ip_address(hop.via)} is `onlink`, but the route names no link."
            yield BadHop("gateway-needs-dev", number, what, "Add the interface as `dev`.")
        else:
            gateway = ip_address(hop.via)
            check = _check_ipv6 if gateway.version == 6 else _check_ipv4
            bad = check(spec, hop, gateway, there, known)
            if bad is not None:
                yield bad._replace(number=number)


_USE_ROUTER = "Take the address of a router."


def _check_ipv4(
    spec: RouteSpec, hop: Hop, gateway: IPAddress, there: Namespace, known: bool
) -> BadHop | None:
    if spec.scope >= RT_SCOPE_HOST or (hop.onlink and spec.scope >= RT_SCOPE_LINK):
        return _too_near(spec, gateway)
    if hop.onlink:
        return _check_onlink(hop, gateway, there)
    elsewhere = spec.table != there.table_of(hop.dev)
    if (hop.dev or "", gateway) in there.broadcasts and not (
        elsewhere
        and any(
            way.scope >= RT_SCOPE_LINK
            for _, ways in there.towards(gateway, spec.table)
            for way in ways
        )
    ):
        what = f"the gateway {gateway} is the broadcast address of {hop.dev}."
        return BadHop("not-a-host-address", 0, what, _USE_ROUTER)
    if not known:
        return None
    devices = there.own.get(gateway, frozenset())
    if devices and (hop.dev is None or hop.dev in devices):
        return None
    if gateway in IPV4_LOOPBACK and hop.dev in {None, "lo"}:
        return None
    is_reached = False
    for table in there.tables_for(spec, hop):
        for _, ways in there.towards(gateway, table, hop.dev):
            for way in ways:
                if way.scope >= RT_SCOPE_LINK:
                    is_reached = True
                    if way.scope > spec.scope:
                        return None
    if is_reached:
        return _too_near(spec, gateway)
    return _no_router(gateway) if is_of_no_host(gateway) else _unreachable(gateway, hop)


def _too_near(spec: RouteSpec, gateway: IPAddress) -> BadHop:
    scope = "host" if spec.scope >= RT_SCOPE_HOST else "link"
    what = f"a route of scope {scope} cannot have the gateway {gateway}."
    return BadHop("gateway-needs-scope", 0, what, "Leave out `scope`, or `via`.")


def _check_onlink(hop: Hop, gateway: IPAddress, there: Namespace) -> BadHop | None:
    """Refuse an IPv4 gateway with `onlink` that is an own or a broadcast address of the node.

    This does not depend on the table of the route.
    """
    table = there.table_of(hop.dev)
    here = {device for device in there.own.get(gateway, ()) if there.table_of(device) == table}
    if here:
        return _own_address(gateway, min(here))
    wide = is_of_no_host(gateway) or any(
        address == gateway and there.table_of(device) == table
        for device, address in there.broadcasts
    )
    # Until somebody adds a rule, the local and the main table are one, so that a longer prefix of
    # the main table wins (fib_unmerge).
    longest = next((length for length, _ in there.towards(gateway)), 0)
    of_lo = gateway in IPV4_LOOPBACK and table == MAIN
    nearer = longest > IPV4_LOOPBACK.prefixlen and not there.separate_local
    return _no_router(gateway) if wide or (of_lo and not nearer) else None


def _no_router(gateway: IPAddress) -> BadHop:
    what = f"{gateway} is not the address of a host, so it cannot be a gateway."
    return BadHop("not-a-host-address", 0, what, _USE_ROUTER)


def _check_ipv6(
    spec: RouteSpec, hop: Hop, gateway: IPAddress, there: Namespace, known: bool
) -> BadHop | None:
    if gateway.is_multicast or gateway.is_unspecified or gateway.is_loopback:
        what = f"{gateway} is not the address of another host, so it cannot be a gateway."
        return BadHop("not-a-host-address", 0, what, _USE_ROUTER)
    table = there.table_of(hop.dev)
    devices = there.own.get(gateway, frozenset())
    if gateway.is_link_local:
        if hop.dev is None:
            what = f"the gateway {gateway} is link-local, so it is ambiguous without the link."
            return BadHop("gateway-needs-dev", 0, what, "Add the interface as `dev`.")
        if hop.dev in devices:
            return _own_address(gateway, hop.dev)
        return _by_loopback(gateway) if hop.dev == "lo" else None
    same = {device for device in devices if there.table_of(device) == table}
    if same:
        return _own_address(gateway, min(same))
    if hop.dev == "lo":
        return _by_loopback(gateway)
    if not known:
        return None
    if hop.onlink:
        return _check_ipv6_onlink(spec, hop, gateway, there)
    if any(
        _leads_straight(spec, gateway, there.towards(gateway, table, hop.dev))
        for table in there.tables_for(spec, hop)
    ):
        return None
    if hop.dev is not None and any(
        way.direct for _, ways in there.towards(gateway, None, hop.dev) for way in ways
    ):
        what = f"the gateway {gateway} is itself behind another gateway."
        return BadHop("gateway-unreachable", 0, what, "Name the nearest gateway.")
    return _unreachable(gateway, hop)


def _is_own_way(spec: RouteSpec, gateway: IPAddress, length: int, way: Way) -> bool:
    """Whether a way to a gateway comes from the route itself.

    That route does not exist yet when Linux looks the gateway up.
    """
    return (length, way.table) == (spec.prefixlen, spec.table) and gateway in _destination(spec)


def _check_ipv6_onlink(
    spec: RouteSpec, hop: Hop, gateway: IPAddress, there: Namespace
) -> BadHop | None:
    """Refuse `onlink` on another link than the one that already leads to the gateway."""
    nearest: set[str] = set()
    for length, ways in there.towards(gateway, there.table_of(hop.dev)):
        nearest = {
            way.device
            for way in ways
            if length and (way.direct or not _is_own_way(spec, gateway, length, way))
        }
        if nearest:
            break
    if not nearest or nearest & {hop.dev, "", "lo"}:
        return None
    what = f"the gateway {gateway} is reached by {min(nearest)}, not by {hop.dev}."
    return BadHop("gateway-unreachable", 0, what, f"Write `dev: {min(nearest)}`.")


def _leads_straight(
    spec: RouteSpec, gateway: IPAddress, matching: Iterable[tuple[int, Sequence[Way]]]
) -> bool:
    """Whether in one of the tables the longest matching IPv6 route has no gateway itself."""
    indirect: set[int] = set()
    for length, ways in matching:
        if any(way.direct and way.table not in indirect for way in ways):
            return True
        indirect.update(way.table for way in ways if not _is_own_way(spec, gateway, length, way))
    return False


def _own_address(gateway: IPAddress, device: str) -> BadHop:
    what = f"the gateway {gateway} is an address of the node's own interface {device}."
    return BadHop("gateway-is-self", 0, what, "Name the address of the next router.")


def _by_loopback(gateway: IPAddress) -> BadHop:
    what = f"the gateway {gateway} cannot be reached by lo: IPv6 has no gateways there."
    return BadHop("gateway-unreachable", 0, what, "Name another `dev`.")


def _unreachable(gateway: IPAddress, hop: Hop) -> BadHop:
    where = f"by {hop.dev}" if hop.dev is not None else "by any interface"
    what = (
        f"the gateway {gateway} is not reached {where}: it is not in the subnet of any address"
        " or route there."
    )
    return BadHop(
        "gateway-unreachable",
        0,
        what,
        "Correct it, or write `onlink: true` and `dev` if it is on the link nevertheless.",
    )
