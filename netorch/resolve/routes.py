"""Routes and rules of a node, filled in: devices by their gateways, metrics, scopes, and the default routes that networks give."""

from __future__ import annotations

from collections.abc import Sequence

from netorch.immutable import Value, replace
from netorch.kinds.address import SCOPES, address_key
from netorch.kinds.route import IPV6_METRIC, MAIN, TYPES, Route, hangs_on_source, route_to_peer
from netorch.kinds.rule import ACTIONS, Rule
from netorch.kinds.vrf import VrfModel
from netorch.language.scalars import Address, Network
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RTN_UNICAST,
)
from netorch.resolve.draft import Draft, Iface, Path, Site
from netorch.resolve.gateways import is_of_no_host, networks_of
from netorch.resolve.masters import table_of, vrf_of
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
"""Bytes: Linux lowers the mtu of a route to this if it is larger (ip_metrics_convert in net/ipv4/metrics.c)."""


class DirectNetwork(Value):
    """A network that a device of the node leads to directly."""

    network: Network
    iface: Iface


def put_routes(draft: Draft, site: Site, segments: dict[str, Segment]) -> tuple[Key, ...]:
    """The node's own routes, those without a gateway first, then the default routes of its networks where it has none itself."""
    made: list[Key] = []
    reaches = _reaches(site) if site.model.routes else []
    for model in site.model.routes:
        if model.to is not None and model.dev in site.ifaces and not model.via:
            iface = site.ifaces[model.dev]
            reaches.append(DirectNetwork(model.to, iface.front or iface))
    numbered = list(enumerate(site.model.routes))
    for index, model in sorted(numbered, key=lambda pair: bool(pair[1].via or pair[1].nexthops)):
        path = (*site.path, "routes", index)
        route = _route(draft, site, model, reaches, path)
        if route is not None:
            if route.key in draft.state:
                draft.complain(
                    "route-twice",
                    path,
                    f"{route.title()} is there twice: give one of them another metric or table",
                )
            draft.put(route, path)
            made.append(route.key)
    for version in (4, 6):
        made += _default_routes(draft, site, segments, version)
        made += _allowed_routes(draft, site, segments, version)
    return tuple(made)


def put_rules(draft: Draft, site: Site, routes: tuple[Key, ...]) -> None:
    """The node's rules. One that meets whatever has no source yet also meets the kernel when it looks for a gateway."""
    for index, model in enumerate(site.model.rules):
        path = (*site.path, "rules", index)
        spec = _rule(draft, site, model, RULE_PRIORITY + index)
        rule = Rule(site.label, spec, routes if spec.src is None and spec.mark is None else ())
        if rule.key in draft.state:
            draft.complain("rule-twice", path, f"{rule.title()} is there twice")
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
        # the kernel has no route over a link that is down
        if iface is None or iface.is_up:
            hops.append(hop)
    if entries and not hops:
        return None
    if len(hops) == 1:
        # the kernel forgets the weight of a single one
        hops = [replace(hops[0], weight=1)]
    up = [iface for iface in ifaces if iface is not None and iface.is_up]
    family = FAMILIES[model.version]
    local = {entry.ip for iface in site.ifaces.values() for entry in iface.addresses}
    if model.src is not None and is_of_no_host(model.src):
        what = f"{model.src} is not the address of a host, so nothing comes from it"
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
    # a gateway may be of the other family (RFC 5549)
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
    """The routes to those gateways that are peers of IPv6 addresses."""
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
                "unknown-interface", (*path, "dev"), f"interface {site.name}:", device, site.ifaces
            )
        elif iface is not None:
            iface = iface.front or iface
            device = iface.dev
    elif model.via is not None and (found := _towards(model.via, reaches)):
        iface = found[0]
        device = iface.dev
        if (
            len(vrfs := {vrf.name: None for other in found if (vrf := vrf_of(other)) is not None})
            > 1
            and vrf_of(iface) is not None
        ):
            what = f"the gateway {model.via} is in {' and in '.join(vrfs)} of {site.name} alike."
            draft.complain("which-vrf", (*path, "via"), what, "Say `vrf` or `dev`.")
    weight = model.weight if isinstance(model, HopModel) else 1
    return Hop(
        model.via.packed if model.via is not None else None, device, weight, model.onlink
    ), iface


def _towards(gateway: Address, reaches: Sequence[DirectNetwork]) -> list[Iface]:
    """The devices whose network has the gateway, the longest prefix first, those in no VRF before others and those that are up before
    others; none leaves the question to the kernel.
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
    """The VRF that a route says it is in, by its name or by its table."""
    vrfs = {name: iface for name, iface in site.ifaces.items() if isinstance(iface.solo, VrfModel)}
    if model.vrf is not None and model.vrf not in vrfs:
        draft.unknown(
            "unknown-interface",
            (*path, "vrf"),
            f"VRF {site.name}:",
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
    """What the route says, else the table of the VRF that its devices are ports of."""
    if vrf is not None:
        return table_of(vrf)
    if "table" in model.model_fields_set:
        return model.table
    tables = {_table_over(iface) for iface in ifaces} or {MAIN}
    if len(tables) > 1:
        draft.complain(
            "which-vrf",
            path,
            "its next hops are in different VRFs: say the `vrf`, or the `table`, that the route is in",
        )
    return min(tables)


def _table_over(iface: Iface) -> int:
    """Where routes over a device belong; one over a VRF itself leads into it from elsewhere."""
    vrf = vrf_of(iface)
    return MAIN if vrf is None or vrf is iface else table_of(vrf)


def _needed(site: Site, ifaces: Sequence[Iface], *versions: int) -> tuple[Key, ...]:
    """The addresses that make the gateways reachable: those of the route's devices, of all where it names none."""
    return tuple(
        address_key(site.label, iface.dev, address_of(entry))
        for iface in (ifaces or site.ifaces.values())
        for entry in iface.addresses
        if entry.interface.version in versions
    )


def _default_routes(
    draft: Draft, site: Site, segments: dict[str, Segment], version: int
) -> list[Key]:
    """One for the node, and one for each VRF of it that has networks with a gateway."""
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
        iface = member.iface.front or member.iface
        if segment.gateway_node == site.name or any(
            entry.ip == gateway for entry in iface.addresses
        ):
            continue
        if not any(entry.interface.version == version for entry in iface.addresses):
            continue
        if (other := _other_with(site, iface, gateway)) is not None:
            draft.complain(
                "gateway-is-self",
                member.path,
                f"the gateway {gateway} of network {network} is the own address of {other.display}",
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
                f"{where} can have its default route from one network only",
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


def _other_with(site: Site, iface: Iface, gateway: Address | None) -> Iface | None:
    """The interface of a node that has the IPv6 gateway of another one: Linux takes it for none."""
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
    """Out of a host-only network the ways to those that it is open to: there is no default route to take."""
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
        iface = member.iface.front or member.iface
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
    """A route that comes with a network, to be looked at once more where the gateway is not simply in a subnet of its interface."""
    draft.put(route, path)
    if gateway is not None and not any(
        gateway in (network := entry.interface.network)
        and gateway != network.broadcast_address
        and network.prefixlen
        and entry.peer is None
        for entry in iface.addresses
    ):
        draft.doubtful.add(route.key)


def _metric(said: int | None, family: int) -> int:
    """An IPv6 metric of 0 is none, for the kernel."""
    if family == AF_INET6:
        return said or IPV6_METRIC
    return said or 0


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
