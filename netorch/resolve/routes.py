"""Routes and rules of a node.

netorch fills in the devices by which gateways are reached, metrics and scopes, and adds the routes
that come with networks.
"""

from __future__ import annotations

from collections.abc import Sequence

from netorch.immutable import Value, replace
from netorch.kinds.address import SCOPES, address_key
from netorch.kinds.route import IPV6_METRIC, MAIN, TYPES, Route, hangs_on_source, route_to_peer
from netorch.kinds.rule import ACTIONS, Rule
from netorch.language.addresses import Address, Network
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RTN_UNICAST,
)
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, Site
from netorch.resolve.gateways import is_of_no_host, networks_of
from netorch.resolve.masters import table_of, vrf_of
from netorch.resolve.models import is_vrf
from netorch.resolve.resources import address_of
from netorch.resolve.segment import Segment
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


class DirectNetwork(Value):
    """A network that is reachable by an interface without a gateway."""

    network: Network
    """The network."""
    iface: Iface
    """The interface."""


def put_routes(draft: Draft, site: Site, segments: dict[str, Segment]) -> tuple[Key, ...]:
    """Put the routes of a node, and return their keys.

    The routes in the file come first, and of these the ones without a gateway. Then come the routes
    of networks, as far as the file has none for the same destination.
    """
    made: list[Key] = []
    reaches = _reaches(site) if site.model.routes else []
    for model in site.model.routes:
        if model.to is not None and model.dev in site.ifaces and not model.via:
            iface = site.ifaces[model.dev]
            reaches.append(DirectNetwork(model.to, iface.uplink_bridge or iface))
    numbered = list(enumerate(site.model.routes))
    for index, model in sorted(numbered, key=lambda pair: bool(pair[1].via or pair[1].nexthops)):
        path = (*site.path, "routes", index)
        route = _route(draft, site, model, reaches, path)
        if route is not None:
            if route.key in draft.state:
                draft.complain(
                    "route-twice",
                    path,
                    f"{route.title()} appears twice: give one of them another metric or table",
                )
            draft.put(route, path)
            made.append(route.key)
    for version in (4, 6):
        made += _default_routes(draft, site, segments, version)
        made += _allowed_routes(draft, site, segments, version)
    return tuple(made)


def put_rules(draft: Draft, site: Site, routes: tuple[Key, ...]) -> None:
    """Put the rules of a node.

    A rule without source and mark comes after the routes, because it also applies when the kernel
    looks up a gateway.
    """
    for index, model in enumerate(site.model.rules):
        path = (*site.path, "rules", index)
        spec = _rule(draft, site, model, RULE_PRIORITY + index)
        rule = Rule(site.label, spec, routes if spec.src is None and spec.mark is None else ())
        if rule.key in draft.state:
            draft.complain("rule-twice", path, f"{rule.title()} appears twice: remove one of them")
        draft.put(rule, path)


def _reaches(site: Site) -> list[DirectNetwork]:
    return [
        DirectNetwork(network, iface)
        for iface in site.ifaces.values()
        for entry in iface.addresses
        for network in networks_of(address_of(entry))
    ]


def _route(
    draft: Draft, site: Site, model: RouteModel, reaches: Sequence[DirectNetwork], path: Path
) -> Route | None:
    hops: list[Hop] = []
    ifaces: list[Iface | None] = []
    vrf = _named_vrf(draft, site, model, path)
    reaches = [reach for reach in reaches if vrf is None or vrf_of(reach.iface) is vrf]
    entries: Sequence[HopModel | RouteModel] = model.nexthops or (
        [model] if model.type == "unicast" else []
    )
    for index, entry in enumerate(entries):
        place = (*path, "nexthops", index) if model.nexthops else path
        hop, iface = _hop(draft, site, entry, reaches, place)
        ifaces.append(iface)
        # The kernel has no route over a link that is down.
        if iface is None or iface.is_up:
            hops.append(hop)
    if entries and not hops:
        return None
    if len(hops) == 1:
        # The kernel ignores the weight of a single next hop.
        hops = [replace(hops[0], weight=1)]
    up = [iface for iface in ifaces if iface is not None and iface.is_up]
    family = FAMILIES[model.version]
    local = {entry.ip for iface in site.ifaces.values() for entry in iface.addresses}
    if model.src is not None and is_of_no_host(model.src):
        what = f"{model.src} is not the address of a host, so it cannot be a source address"
        draft.complain("not-a-host-address", (*path, "src"), what)
    elif model.src is not None and site.created and model.src not in local:
        draft.complain(
            "foreign-source", (*path, "src"), f"{model.src} is not an address of node {site.name}"
        )
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
    # A gateway may be of the other family (RFC 5549).
    versions = {model.version, *(entry.via.version for entry in entries if entry.via is not None)}
    needed = _needed(site, up, *sorted(versions))
    source = tuple(
        address_key(site.label, iface.dev, address_of(entry))
        for iface in (site.ifaces.values() if model.src is not None else ())
        for entry in iface.addresses
        if entry.ip == model.src and hangs_on_source(spec, _table_over(iface))
    )
    return Route(site.label, spec, needed, peers=_peers(site, spec.hops), source=source)


def _peers(site: Site, hops: Sequence[Hop]) -> tuple[RouteSpec, ...]:
    """Return the routes to those gateways that are the other end of an IPv6 address."""
    gateways = {hop.via for hop in hops if hop.via is not None and len(hop.via) == IPV6_BYTES}
    if not gateways:
        return ()
    return tuple(
        route_to_peer(entry.peer.packed, iface.dev, _table_over(iface))
        for iface in site.ifaces.values()
        if iface.is_up
        for entry in iface.addresses
        if entry.peer is not None and entry.peer.packed in gateways
    )


def _hop(
    draft: Draft,
    site: Site,
    model: HopModel | RouteModel,
    reaches: Sequence[DirectNetwork],
    path: Path,
) -> tuple[Hop, Iface | None]:
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
    elif model.via is not None and (nearest := _towards(model.via, reaches)):
        iface = nearest[0]
        device = iface.dev
        if (
            len(vrfs := {vrf.name: None for other in nearest if (vrf := vrf_of(other)) is not None})
            > 1
            and vrf_of(iface) is not None
        ):
            what = f"the gateway {model.via} is in several VRFs of {site.name}: {', '.join(vrfs)}."
            draft.complain("which-vrf", (*path, "via"), what, "Add `vrf` or `dev`.")
    weight = model.weight if isinstance(model, HopModel) else 1
    return Hop(
        model.via.packed if model.via is not None else None, device, weight, model.onlink
    ), iface


def _towards(gateway: Address, reaches: Sequence[DirectNetwork]) -> list[Iface]:
    """Return the interfaces that reach a gateway directly, by the longest prefix.

    Interfaces in no VRF come first, and of these the ones that are up. If there are none, the
    kernel chooses the device.
    """
    fitting = [
        reach
        for reach in reaches
        if gateway.version == reach.network.version and gateway in reach.network
    ]
    longest = max((reach.network.prefixlen for reach in fitting), default=0)
    nearest = [reach.iface for reach in fitting if reach.network.prefixlen == longest]
    return sorted(nearest, key=lambda iface: (vrf_of(iface) is not None, not iface.is_up))


def _named_vrf(draft: Draft, site: Site, model: RouteModel, path: Path) -> Iface | None:
    """Return the VRF that a route sets by `vrf` or by `table`, or None."""
    vrfs = {name: iface for name, iface in site.ifaces.items() if is_vrf(iface.standalone)}
    if model.vrf is not None and model.vrf not in vrfs:
        draft.unknown(
            "unknown-interface",
            (*path, "vrf"),
            f"node {site.name}: VRF",
            model.vrf,
            vrfs,
            f"Declare it under nodes.{site.name}.interfaces.",
        )
    if model.vrf is None and "table" in model.model_fields_set:
        return next((vrf for vrf in vrfs.values() if table_of(vrf) == model.table), None)
    return vrfs.get(model.vrf or "")


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


def _needed(site: Site, ifaces: Sequence[Iface], *versions: int) -> tuple[Key, ...]:
    """Return the addresses that make the gateways of a route reachable.

    These are the addresses of the route's devices, or of all interfaces if it names no device.
    """
    return tuple(
        address_key(site.label, iface.dev, address_of(entry))
        for iface in (ifaces or site.ifaces.values())
        for entry in iface.addresses
        if entry.interface.version in versions
    )


def _default_routes(
    draft: Draft, site: Site, segments: dict[str, Segment], version: int
) -> list[Key]:
    """Put the default routes that networks give, and return their keys.

    The node gets one, and so does each of its VRFs that has a network with a gateway.
    """
    family = FAMILIES[version]
    made: list[Key] = []
    offers: dict[int, list[tuple[bool, Iface, Address | None, Path]]] = {}
    for network, model in site.model.networks.items():
        segment = segments.get(network)
        if (
            segment is None
            or segment.model.mode_of(version) == "host-only"
            or model.default_route is False
        ):
            continue
        gateway = segment.gateways.get(version)
        member = segment.member(site.name)
        if (
            (gateway is None and not routes_below(segment.model))
            or member is None
            or not member.iface.is_up
        ):
            continue
        iface = member.iface.uplink_bridge or member.iface
        if segment.gateway_node == site.name or any(
            entry.ip == gateway for entry in iface.addresses
        ):
            continue
        if not any(entry.interface.version == version for entry in iface.addresses):
            continue
        if (other := _other_holder(site, iface, gateway)) is not None:
            draft.complain(
                "gateway-is-self",
                member.path,
                f"the gateway {gateway} of network {network} is an address of the node's own"
                f" interface {other.display}",
            )
            continue
        offers.setdefault(_table_over(iface), []).append(
            (model.default_route is True, iface, gateway, member.path)
        )
    for table, here in offers.items():
        insisting = [offer for offer in here if offer[0]]
        if len(insisting) > 1:
            where = f"node {site.name}" if table == MAIN else f"a VRF of node {site.name}"
            draft.complain(
                "two-default-routes",
                (*insisting[1][3], "default_route"),
                f"{where} can have its default route from one network only: set `default_route` on"
                " one membership",
            )
        insists, iface, gateway, path = (insisting or here)[0]
        scope = RT_SCOPE_LINK if gateway is None and family == AF_INET else RT_SCOPE_UNIVERSE
        hops = (Hop(None if gateway is None else gateway.packed, iface.dev),)
        spec = RouteSpec(
            family=family,
            dst=None,
            prefixlen=0,
            table=table,
            metric=_metric(None, family),
            type=RTN_UNICAST,
            scope=scope,
            protocol=draft.mark.protocol,
            hops=hops,
        )
        yields = not (site.created or insists)
        route = Route(site.label, spec, _needed(site, [iface], version), yields=yields)
        if route.key not in draft.state:
            _put_with_network(draft, route, path, iface, gateway)
            made.append(route.key)
    return made


def _other_holder(site: Site, iface: Iface, gateway: Address | None) -> Iface | None:
    """Return another interface of the node that has the IPv6 gateway as its address, or None.

    Linux refuses such a gateway.
    """
    if gateway is None or gateway.version == 4 or len(site.ifaces) == 1:
        return None
    return next(
        (
            other
            for other in site.ifaces.values()
            if any(entry.ip == gateway for entry in other.addresses)
            and vrf_of(other) is vrf_of(iface)
        ),
        None,
    )


def _allowed_routes(
    draft: Draft, site: Site, segments: dict[str, Segment], version: int
) -> list[Key]:
    """Put the routes from host-only networks to networks that are open to them; return their keys.

    A host-only network gives no default route, so these destinations need routes of their own.
    """
    made: list[Key] = []
    family = FAMILIES[version]
    mine = {name: segments[name] for name in site.model.networks if name in segments}
    for segment in mine.values():
        gateway = segment.gateways.get(version)
        member = segment.member(site.name)
        if (
            segment.model.mode_of(version) != "host-only"
            or gateway is None
            or member is None
            or not member.iface.is_up
        ):
            continue
        iface = member.iface.uplink_bridge or member.iface
        needed = _needed(site, [iface], version)
        for other in segments.values():
            if other is segment or other.name in mine or not needed or not segment.opens_to(other):
                continue
            for subnet in other.subnet_of(version):
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
                route = Route(site.label, spec, needed)
                if route.key not in draft.state:
                    _put_with_network(draft, route, member.path, iface, gateway)
                    made.append(route.key)
    return made


def _put_with_network(
    draft: Draft, route: Route, path: Path, iface: Iface, gateway: Address | None
) -> None:
    """Put a route that comes with a network.

    If the gateway is not simply in a subnet of the interface, the route is noted as doubtful, so
    that `check_gateways` checks it.
    """
    draft.put(route, path)
    if gateway is not None and not any(
        gateway in (network := entry.interface.network)
        and gateway != network.broadcast_address
        and network.prefixlen
        and entry.peer is None
        for entry in iface.addresses
    ):
        draft.doubtful.add(route.key)


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
    )
