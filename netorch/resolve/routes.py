"""Routes and rules of a node.

netorch fills in the devices by which gateways are reached, metrics and scopes, and adds the routes
that come with networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from operator import itemgetter
from typing import Self

from netorch.errors import listing
from netorch.immutable import Value, replace
from netorch.kinds.address import SCOPES, address_key
from netorch.kinds.route import IPV6_METRIC, MAIN, TYPES, Route, hangs_on_source, route_to_peer
from netorch.kinds.rule import ACTIONS, Rule, further
from netorch.language.addresses import Address, Network
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RTN_UNICAST,
)
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, DraftAddress, Iface, Site
from netorch.resolve.gateways import is_of_no_host, networks_of
from netorch.resolve.masters import table_of, vrf_of
from netorch.resolve.models import is_vrf
from netorch.resolve.prefixes import Prefixes
from netorch.resolve.resources import address_of
from netorch.resolve.roles import StandaloneRole
from netorch.resolve.segment import Member, Segment
from netorch.resolve.stacked import routes_below
from netorch.state.key import Key
from netorch.topology import HopModel, RouteModel, RuleModel
from netorch.values.requests import Hop, RouteSpec, RuleSpec

FAMILIES = {4: AF_INET, 6: AF_INET6}
RULE_PRIORITY = 10000
IPV6_BYTES = 16
LARGEST_PATH_MTU = 65535 - 15
"""The largest MTU of a route, in bytes.

Linux lowers a larger one to this (ip_metrics_convert in net/ipv4/metrics.c).
"""


class Surroundings:
    """The interfaces of a node by what its routes ask for, collected once for all its routes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.vrfs = {
            name: iface
            for name, iface in site.ifaces.items()
            if isinstance(iface.role, StandaloneRole) and is_vrf(iface.role.model)
        }
        """Name → VRF."""
        self.tables: dict[int, Iface] = {}
        """Routing table → its VRF."""
        for vrf in self.vrfs.values():
            self.tables.setdefault(table_of(vrf), vrf)
        self._nearest: dict[int, Nearest] = {}
        self._own: dict[int, Prefixes[DraftAddress]] = {}

    @cached_property
    def holders(self) -> Mapping[Address, Sequence[tuple[Iface, DraftAddress]]]:
        """Address → the interfaces that have it."""
        holders: dict[Address, list[tuple[Iface, DraftAddress]]] = {}
        for iface in self.site.ifaces.values():
            for entry in iface.addresses:
                holders.setdefault(entry.ip, []).append((iface, entry))
        return holders

    @cached_property
    def peers(self) -> Mapping[bytes, Sequence[tuple[int, Iface]]]:
        """Other end of an address → the interfaces that are up, each with a number for sorting."""
        peers: dict[bytes, list[tuple[int, Iface]]] = {}
        numbers = count()
        for iface in self.site.ifaces.values():
            for entry in iface.addresses if iface.is_up else ():
                if entry.peer is not None:
                    peers.setdefault(entry.peer.packed, []).append((next(numbers), iface))
        return peers

    @cached_property
    def _networks(self) -> Mapping[int, Sequence[tuple[Network, DraftAddress]]]:
        """Identity of an interface → the networks that its addresses reach."""
        return {
            id(iface): [
                (network, entry) for entry in iface.addresses for network in _networks_of(entry)
            ]
            for iface in self.site.ifaces.values()
            if iface.addresses
        }

    @cached_property
    def _reached(self) -> Mapping[int, Prefixes[Iface]]:
        """Identity of a VRF → the networks that are reachable without a gateway over its ports.

        0 stands for all interfaces, whether in a VRF or not.
        """
        reached: dict[int, Prefixes[Iface]] = {0: Prefixes()}

        def add(network: Network, iface: Iface) -> None:
            reached[0].add(network, iface)
            if self.vrfs and (vrf := vrf_of(iface)) is not None:
                reached.setdefault(id(vrf), Prefixes()).add(network, iface)

        for iface in self.site.ifaces.values():
            for network, _ in self._networks.get(id(iface), ()):
                add(network, iface)
        for model in self.site.model.routes:
            if model.to is not None and model.dev in self.site.ifaces and not model.via:
                iface = self.site.ifaces[model.dev]
                add(model.to, iface.uplink_bridge or iface)
        return reached

    def has_subnet(self, subnet: Network, table: int) -> bool:
        """Return whether a subnet is that of an address of the node, with its route in a table."""
        return any(
            network == subnet and _table_over(iface) == table
            for iface in self.site.ifaces.values()
            for network, _ in self._networks.get(id(iface), ())
        )

    def towards(self, gateway: Address, vrf: Iface | None) -> Nearest | None:
        """Return the interfaces that reach a gateway directly, by the longest prefix.

        With a VRF, only its ports count. If there are none, the kernel chooses the device.
        """
        reached = self._reached.get(0 if vrf is None else id(vrf))
        ifaces = reached.nearest(gateway) if reached is not None else []
        if not ifaces:
            return None
        if id(ifaces) not in self._nearest:
            self._nearest[id(ifaces)] = Nearest.of(ifaces)
        return self._nearest[id(ifaces)]

    def address_towards(self, iface: Iface, gateway: Address) -> Key | None:
        """Return the address of an interface that makes a gateway reachable, None if none does."""
        networks = self._networks.get(id(iface), ())
        if len(networks) > FEW:
            if id(iface) not in self._own:
                self._own[id(iface)] = Prefixes(networks)
            entry = next(iter(self._own[id(iface)].nearest(gateway)), None)
        else:
            around = [pair for pair in networks if gateway in pair[0]]
            around.sort(key=lambda pair: -pair[0].prefixlen)
            entry = around[0][1] if around else None
        if entry is None:
            return None
        return address_key(self.site.label, iface.dev, address_of(entry))


CLASS_D = 224 << 24
"""The first multicast address of IPv4, as a number."""
FEW = 4
"""The number of addresses up to which a table of subnets takes more time than it saves."""


def _networks_of(entry: DraftAddress) -> Iterable[Network]:
    """Return the networks to which an address adds a route, as `networks_of` does."""
    network = entry.interface.network
    if entry.peer is None:
        # most addresses are IPv6 or of classes A to C, and so is their network
        number = int(entry.ip)
        if network.version == 6 or (
            number < CLASS_D and number >> (network.max_prefixlen - network.prefixlen)
        ):
            return (network,)
    return networks_of(address_of(entry))


class Nearest(Value):
    """The interfaces that reach a network directly."""

    iface: Iface
    """The first one. Interfaces in no VRF come first, and of these the ones that are up."""
    vrfs: tuple[str, ...]
    """The VRFs in which the others are, if all interfaces are in VRFs."""

    @classmethod
    def of(cls, ifaces: Sequence[Iface]) -> Self:
        if len(ifaces) == 1:
            return cls(ifaces[0], ())
        ordered = sorted(ifaces, key=lambda iface: (vrf_of(iface) is not None, not iface.is_up))
        names = {vrf.name: None for iface in ordered if (vrf := vrf_of(iface)) is not None}
        return cls(ordered[0], tuple(names) if vrf_of(ordered[0]) is not None else ())


def put_routes(
    draft: Draft, site: Site, segments: Mapping[str, Segment], openings: Openings
) -> None:
    """Put the routes of a node.

    The routes in the file come first, and of these the ones without a gateway. Then come the routes
    of networks, as far as the file has none for the same destination.
    """
    around = Surroundings(site)
    numbered = list(enumerate(site.model.routes))
    for index, model in sorted(numbered, key=lambda pair: bool(pair[1].via or pair[1].nexthops)):
        path = (*site.path, "routes", index)
        route = _route(draft, around, model, path)
        if route is not None:
            if route.key in draft.state:
                draft.complain(
                    "route-twice",
                    path,
                    f"{route.title()} appears twice: give one of them another metric or table",
                )
            draft.put(route, path)
    for version in (4, 6) if site.model.networks else ():
        _put_default_routes(draft, around, segments, version)
        _put_network_routes(draft, around, segments, version)
        if openings:
            _put_allowed_routes(draft, site, segments, openings, version)


def put_rules(draft: Draft, site: Site) -> None:
    """Put the rules of a node.

    A rule without source and mark comes after the routes, because it also applies when the kernel
    looks up a gateway.
    """
    for index, model in enumerate(site.model.rules):
        path = (*site.path, "rules", index)
        spec = _rule(draft, site, model, RULE_PRIORITY + index)
        rule = Rule(site.label, spec, after_routes=spec.src is None and spec.mark is None)
        if rule.key in draft.state:
            draft.complain("rule-twice", path, f"{rule.title()} appears twice: remove one of them")
        draft.put(rule, path)


def _route(draft: Draft, around: Surroundings, model: RouteModel, path: Path) -> Route | None:
    site = around.site
    hops: list[Hop] = []
    ifaces: list[Iface | None] = []
    needed: dict[Key, None] = {}
    vrf = _named_vrf(draft, around, model, path)
    entries: Sequence[HopModel | RouteModel] = model.nexthops or (
        [model] if model.type == "unicast" else []
    )
    for index, entry in enumerate(entries):
        place = (*path, "nexthops", index) if model.nexthops else path
        hop, iface = _hop(draft, around, entry, vrf, place)
        ifaces.append(iface)
        # The kernel has no route over a link that is down.
        if iface is None or iface.is_up:
            hops.append(hop)
        if iface is not None and iface.is_up and entry.via is not None:
            address = around.address_towards(iface, entry.via)
            if address is not None:
                needed[address] = None
    if entries and not hops:
        return None
    if len(hops) == 1:
        # The kernel ignores the weight of a single next hop.
        hops = [replace(hops[0], weight=1)]
    family = FAMILIES[model.version]
    if model.src is not None and is_of_no_host(model.src):
        what = f"{model.src} is not the address of a host, so it cannot be a source address"
        draft.complain("not-a-host-address", (*path, "src"), what)
    elif model.src is not None and site.created and model.src not in around.holders:
        draft.complain(
            "foreign-source", (*path, "src"), f"{model.src} is not an address of node {site.name}"
        )
    for hop in hops:
        if hop.encap is not None:
            from netorch.resolve.encaps import needs_of

            needed |= dict.fromkeys(needs_of(site.label, hop.encap, around.tables))
    unicast = model.type == "unicast"
    scope = (
        RT_SCOPE_LINK
        if unicast and not any(hop.via for hop in hops) and family == AF_INET
        else RT_SCOPE_UNIVERSE
    )
    spec = RouteSpec(
        family=family,
        dst=None
        if model.to is None or model.to.prefixlen == 0
        else model.to.network_address.packed,
        prefixlen=model.to.prefixlen if model.to is not None else 0,
        table=_table(draft, model, vrf, [iface for iface in ifaces if iface is not None], path),
        metric=_metric(model.metric, family),
        type=TYPES[model.type],
        scope=SCOPES[model.scope] if model.scope and family == AF_INET else scope,
        protocol=draft.mark.protocol,
        hops=tuple(hops),
        src=model.src.packed if model.src is not None else None,
        mtu=None if model.mtu is None else min(model.mtu, LARGEST_PATH_MTU),
    )
    source = tuple(
        address_key(site.label, iface.dev, address_of(entry))
        for iface, entry in (around.holders.get(model.src, ()) if model.src is not None else ())
        if hangs_on_source(spec, _table_over(iface))
    )
    return Route(site.label, spec, tuple(needed), peers=_peers(around, spec.hops), source=source)


def _peers(around: Surroundings, hops: Sequence[Hop]) -> tuple[RouteSpec, ...]:
    """Return the routes to those gateways that are the other end of an IPv6 address."""
    gateways = {hop.via for hop in hops if hop.via is not None and len(hop.via) == IPV6_BYTES}
    if not gateways:
        return ()
    ends = [
        (number, gateway, iface)
        for gateway in gateways
        for number, iface in around.peers.get(gateway, ())
    ]
    return tuple(
        route_to_peer(gateway, iface.dev, _table_over(iface))
        for _, gateway, iface in sorted(ends, key=itemgetter(0))
    )


def _hop(
    draft: Draft,
    around: Surroundings,
    model: HopModel | RouteModel,
    vrf: Iface | None,
    path: Path,
) -> tuple[Hop, Iface | None]:
    site = around.site
    iface: Iface | None = None
    device = model.dev
    if device is not None:
        iface = site.ifaces.get(device)
        if iface is None and site.created:
            draft.unknown(
                "unknown-interface",
                (*path, "dev"),
                f"node {site.name}: interface",
                device,
                site.ifaces,
            )
        elif iface is not None:
            iface = iface.uplink_bridge or iface
            device = iface.dev
    elif model.via is not None and (nearest := around.towards(model.via, vrf)) is not None:
        iface = nearest.iface
        device = iface.dev
        if len(nearest.vrfs) > 1:
            several = listing(nearest.vrfs)
            what = f"the gateway {model.via} is in several VRFs of {site.name}: {several}."
            draft.complain("which-vrf", (*path, "via"), what, "Add `vrf` or `dev`.")
    hop = Hop(
        via=model.via.packed if model.via is not None else None,
        dev=device,
        weight=model.weight if isinstance(model, HopModel) else 1,
        onlink=model.onlink,
    )
    if model.encap is not None:
        from netorch.resolve.encaps import encap_of

        hop = replace(
            hop, encap=encap_of(draft, site, model.encap, around.tables, (*path, "encap"))
        )
    return hop, iface


def _named_vrf(draft: Draft, around: Surroundings, model: RouteModel, path: Path) -> Iface | None:
    """Return the VRF that a route sets by `vrf` or by `table`, or None."""
    name = around.site.name
    if model.vrf is not None and model.vrf not in around.vrfs:
        draft.unknown(
            "unknown-interface",
            (*path, "vrf"),
            f"node {name}: VRF",
            model.vrf,
            around.vrfs,
            f"Declare it under nodes.{name}.interfaces.",
        )
    if model.vrf is None and "table" in model.model_fields_set:
        return around.tables.get(model.table)
    return around.vrfs.get(model.vrf or "")


def _table(
    draft: Draft, model: RouteModel, vrf: Iface | None, ifaces: Sequence[Iface], path: Path
) -> int:
    """Return the table that a route sets, or else the table of the VRF of its devices."""
    if vrf is not None:
        return table_of(vrf)
    if "table" in model.model_fields_set:
        return model.table
    tables = {_table_over(iface) for iface in ifaces} or {MAIN}
    if len(tables) > 1:
        draft.complain(
            "which-vrf",
            path,
            "the next hops are in different VRFs: add the `vrf` or the `table` of the route",
        )
    return min(tables)


def _table_over(iface: Iface) -> int:
    """Return the table for routes over an interface.

    It is the table of the VRF whose port the interface is. A route over the VRF itself is in the
    main table, from which it leads into the VRF.
    """
    vrf = vrf_of(iface)
    return MAIN if vrf is None or vrf is iface else table_of(vrf)


def _put_default_routes(
    draft: Draft, around: Surroundings, segments: Mapping[str, Segment], version: int
) -> None:
    """Put the default routes that networks give.

    The node gets one, and so does each of its VRFs that has a network with a gateway.
    """
    site = around.site
    family = FAMILIES[version]
    offers: dict[int, list[_Offer]] = {}
    for segment, member in _memberships(site, segments):
        model, gateway = member.model, segment.gateways.get(version)
        if segment.model.mode_of(version) == "host-only" or model.default_route is False:
            continue
        if (gateway is None and not routes_below(segment.model)) or not member.iface.is_up:
            continue
        iface = member.iface.uplink_bridge or member.iface
        if segment.gateway_node == site.name or any(
            entry.ip == gateway for entry in iface.addresses
        ):
            continue
        if not any(entry.interface.version == version for entry in iface.addresses):
            continue
        if (other := _other_holder(around, iface, gateway)) is not None:
            draft.complain(
                "gateway-is-self",
                member.path,
                f"the gateway {gateway} of network {segment.name} is an address of the node's own"
                f" interface {other.display}",
            )
            continue
        metric = _metric(segment.model.metric, family)
        offers.setdefault(_table_over(iface), []).append(
            _Offer(model.default_route is True, metric, iface, gateway, member.path)
        )
    for table, here in offers.items():
        insisting = [offer for offer in here if offer.insists]
        first: dict[int, _Offer] = {}
        for offer in insisting or here:
            first.setdefault(offer.metric, offer)
        for offer in first.values():
            yields = not (site.created or offer.insists)
            _put_default_route(draft, offer, table, family, yields)
        more = [offer for offer in insisting if offer is not first[offer.metric]]
        if more:
            where = f"node {site.name}" if table == MAIN else f"a VRF of node {site.name}"
            draft.complain(
                "two-default-routes",
                (*more[0].path, "default_route"),
                f"{where} can have its default route from one network only: set `default_route` on"
                " one membership",
            )


class _Offer(Value):
    """A default route that a network gives to a member."""

    insists: bool
    """Whether the membership has `default_route: true`."""
    metric: int
    """The metric that the kernel uses."""
    iface: Iface
    """The member."""
    gateway: Address | None
    """The gateway, or None if the parent's node routes."""
    path: Path
    """The place of the membership in the file."""


def _put_default_route(draft: Draft, offer: _Offer, table: int, family: int, yields: bool) -> None:
    gateway, iface = offer.gateway, offer.iface
    spec = RouteSpec(
        family=family,
        dst=None,
        prefixlen=0,
        table=table,
        metric=offer.metric,
        type=RTN_UNICAST,
        scope=RT_SCOPE_LINK if gateway is None and family == AF_INET else RT_SCOPE_UNIVERSE,
        protocol=draft.mark.protocol,
        hops=(Hop(None if gateway is None else gateway.packed, iface.dev),),
    )
    route = Route(iface.site.label, spec, yields=yields)
    _put_with_network(draft, route, offer.path, iface, gateway)


def _memberships(site: Site, segments: Mapping[str, Segment]) -> Iterator[tuple[Segment, Member]]:
    """Yield each network of a node with each of its members in it."""
    for network in site.model.networks:
        if network in segments:
            for member in segments[network].members_of(site.name):
                yield segments[network], member


def _way_in(segment: Segment, site: Site, version: int) -> Member | None:
    """Return the member by which a node sends into a network: the first that is up and has an
    address of the IP version.
    """
    return next(
        (
            member
            for member in segment.members_of(site.name)
            if member.iface.is_up
            and any(
                entry.interface.version == version
                for entry in (member.iface.uplink_bridge or member.iface).addresses
            )
        ),
        None,
    )


def _put_network_routes(
    draft: Draft, around: Surroundings, segments: Mapping[str, Segment], version: int
) -> None:
    """Put the `routes` of the networks of a node.

    The member that is the gateway does not get the route, nor does one that has the destination on
    a link of its own.
    """
    site, family = around.site, FAMILIES[version]
    for segment in (segments[name] for name in site.model.networks if name in segments):
        member = _way_in(segment, site, version) if segment.model.routes else None
        if member is None:
            continue
        iface = member.iface.uplink_bridge or member.iface
        for index, model in enumerate(segment.model.routes):
            gateway = segment.routers.get(index)
            if model.to.version != version or gateway is None:
                continue
            table = _table_over(iface)
            if gateway in around.holders or around.has_subnet(model.to, table):
                continue
            spec = RouteSpec(
                family=family,
                dst=model.to.network_address.packed,
                prefixlen=model.to.prefixlen,
                table=table,
                metric=_metric(model.metric, family),
                type=RTN_UNICAST,
                scope=RT_SCOPE_UNIVERSE,
                protocol=draft.mark.protocol,
                hops=(Hop(gateway.packed, iface.dev),),
            )
            path = (*segment.path, "routes", index)
            _put_with_network(draft, Route(site.label, spec), path, iface, gateway)


def _other_holder(around: Surroundings, iface: Iface, gateway: Address | None) -> Iface | None:
    """Return another interface of the node that has the IPv6 gateway as its address, or None.

    Linux refuses such a gateway.
    """
    if gateway is None or gateway.version == 4 or len(around.site.ifaces) == 1:
        return None
    return next(
        (other for other, _ in around.holders.get(gateway, ()) if vrf_of(other) is vrf_of(iface)),
        None,
    )


Openings = Mapping[str, Sequence[Segment]]
"""Network → the networks that are open to it, by its own `allow` or by theirs."""


def openings(segments: Mapping[str, Segment]) -> Openings:
    """Return for each network the ones that are open to it, in the order of the file."""
    opened: dict[str, set[str]] = {}
    for segment in segments.values():
        for name in segment.model.allow:
            if name in segments and name != segment.name:
                opened.setdefault(segment.name, set()).add(name)
                opened.setdefault(name, set()).add(segment.name)
    if not opened:
        return {}
    positions = {name: position for position, name in enumerate(segments)}
    return {
        name: [segments[other] for other in sorted(others, key=positions.__getitem__)]
        for name, others in opened.items()
    }


def _put_allowed_routes(
    draft: Draft, site: Site, segments: Mapping[str, Segment], openings: Openings, version: int
) -> None:
    """Put the routes from host-only networks to networks that are open to them.

    A host-only network gives no default route, so these destinations need routes of their own.
    """
    family = FAMILIES[version]
    mine = site.model.networks
    for segment in (segments[name] for name in mine if name in openings):
        gateway = segment.gateways.get(version)
        member = _way_in(segment, site, version)
        if segment.model.mode_of(version) != "host-only" or gateway is None or member is None:
            continue
        iface = member.iface.uplink_bridge or member.iface
        for other in openings[segment.name]:
            for subnet in other.subnet_of(version) if other.name not in mine else ():
                hops = (Hop(gateway.packed, iface.dev),)
                place = (
                    subnet.network_address.packed,
                    subnet.prefixlen,
                    _table_over(iface),
                    _metric(None, family),
                )
                spec = RouteSpec(
                    family, *place, RTN_UNICAST, RT_SCOPE_UNIVERSE, draft.mark.protocol, hops
                )
                _put_with_network(draft, Route(site.label, spec), member.path, iface, gateway)


def _put_with_network(
    draft: Draft, route: Route, path: Path, iface: Iface, gateway: Address | None
) -> None:
    """Put a route that comes with a network, unless the file has one for the same destination.

    If the gateway is not simply in a subnet of the interface, the route is noted as doubtful, so
    that `check_gateways` checks it.
    """
    if route.key in draft.state:
        return
    near = None if gateway is None else _address_around(iface, gateway)
    if near is not None:
        route = replace(route, after=(address_key(iface.site.label, iface.dev, address_of(near)),))
    elif gateway is not None:
        draft.doubtful.add(route.key)
    draft.put(route, path)


def _address_around(iface: Iface, gateway: Address) -> DraftAddress | None:
    """Return an address of an interface whose subnet has a gateway, as a host of it, or None."""
    return next(
        (
            entry
            for entry in iface.addresses
            if entry.peer is None
            and gateway in (network := entry.interface.network)
            and gateway != network.broadcast_address
            and network.prefixlen
        ),
        None,
    )


def _metric(metric: int | None, family: int) -> int:
    """Return the metric that the kernel uses. For IPv6 it replaces 0 by its default."""
    if family == AF_INET6:
        return metric or IPV6_METRIC
    return metric or 0


def _rule(draft: Draft, site: Site, model: RuleModel, priority: int) -> RuleSpec:
    def device(name: str | None) -> str | None:
        return site.ifaces[name].dev if name in site.ifaces else name

    def selector(network: Network | None) -> tuple[bytes, int] | None:
        return (
            (network.network_address.packed, network.prefixlen)
            if network is not None and network.prefixlen
            else None
        )

    return RuleSpec(
        family=FAMILIES[model.version],
        priority=model.priority if model.priority is not None else priority,
        action=ACTIONS[model.action],
        table=model.table or 0,
        protocol=draft.mark.protocol,
        src=selector(model.source),
        dst=selector(model.to),
        iif=device(model.iif),
        oif=device(model.oif),
        mark=model.mark(),
        tos=model.tos or 0,
        invert=model.inverted,
        more=further(
            ipproto=model.ipproto,
            sport=model.sport,
            dport=model.dport,
            uids=model.uidrange,
            suppress_length=model.suppress_prefixlength,
        ),
    )
