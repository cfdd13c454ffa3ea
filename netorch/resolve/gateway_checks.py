"""Refuse routes of a file whose gateways Linux would refuse."""

from __future__ import annotations

from collections.abc import Iterable

from netorch.kinds.route import MAIN, Route
from netorch.resolve.draft import Draft, Site
from netorch.resolve.gateways import BadHop, Namespace, bad_hops, namespace_of
from netorch.resolve.masters import vrf_of
from netorch.state.resource import Resource
from netorch.topology import HopModel, RouteModel
from netorch.values.requests import Hop


def check_gateways(draft: Draft) -> None:
    """Complain of all routes that Linux would refuse because of their gateways."""
    by_networks = {key.netns for key in draft.doubtful}
    sites = {
        site.label: site
        for site in draft.sites.values()
        if site.model.routes or site.label in by_networks
    }
    if not sites:
        return
    doubtful: dict[str, list[Route]] = {}
    for key, resource in draft.state.items():
        if key.netns in sites and isinstance(resource, Route):
            written = _is_written(draft, resource)
            plain = written and _is_plainly_right(sites[key.netns], resource)
            if (written and not plain) or key in draft.doubtful:
                doubtful.setdefault(key.netns, []).append(resource)
    if not doubtful:
        return
    resources: dict[str, list[Resource]] = {}
    for key, resource in draft.state.items():
        if key.netns in doubtful:
            resources.setdefault(key.netns, []).append(resource)
    for label, routes in doubtful.items():
        _check_routes(draft, sites[label], routes, namespace_of(resources[label]))


def _is_plainly_right(site: Site, route: Route) -> bool:
    """Whether an IPv4 route in the main table has one gateway, a host in the interface's subnet.

    This is a quick check. It is true of most routes, so netorch skips the full check for them.
    """
    spec = route.spec
    hop = spec.hops[0] if len(spec.hops) == 1 else None
    if hop is None or hop.via is None or spec.table != MAIN or spec.scope or not site.created:
        return False
    if len(hop.via) != 4 or hop.via[0] in {0, 127} or hop.via[0] >= 224:
        return False
    gateway, is_near = int.from_bytes(hop.via, "big"), False
    for iface in site.ifaces.values():
        if iface.addresses and vrf_of(iface) is not None:
            return False
        for entry in iface.addresses:
            if entry.ip.version != 4:
                continue
            number, bits = int(entry.ip), 32 - entry.interface.network.prefixlen
            if number == gateway:
                return False
            if iface.dev == hop.dev and not entry.peer and number >> bits == gateway >> bits:
                last = (1 << bits) - 1
                if bits < 2 or bits > 31 or gateway & last == last:
                    return False
                is_near = True
    return is_near


def _check_routes(draft: Draft, site: Site, routes: Iterable[Route], there: Namespace) -> None:
    devices = {iface.dev for iface in site.ifaces.values()} | {"lo"}
    for route in routes:
        for bad in bad_hops(route.spec, there, known=site.created):
            if not site.created or route.spec.hops[bad.number].dev in {None, *devices}:
                _complain(draft, site, route, bad)


def _is_written(draft: Draft, route: Route) -> bool:
    """Whether the route is in the file, and does not come with a network."""
    return draft.origins[route.key][2:3] == ("routes",)


def _complain(draft: Draft, site: Site, route: Route, bad: BadHop) -> None:
    path, hop = draft.origins[route.key], route.spec.hops[bad.number]
    if not _is_written(draft, route):
        remedy = "Take another address or subnet, or set `default_route: false` in the membership."
        draft.complain(bad.code, path, f"node {site.name}: {bad.what}", remedy)
        return
    model = site.model.routes[int(path[-1])]
    entry: HopModel | RouteModel = model
    place = path
    if model.nexthops:
        # The route lacks hops over links that are down, so its numbers may differ from the file's.
        same = [index for index, each in enumerate(model.nexthops) if _makes(site, each, hop)]
        number = same[-1 if bad.code == "hop-twice" else 0]
        entry, place = model.nexthops[number], (*path, "nexthops", number)
    key = "via" if entry.via is not None else "dev"
    draft.complain(bad.code, (*place, key), f"node {site.name}: {bad.what}", bad.remedy)


def _makes(site: Site, model: HopModel, hop: Hop) -> bool:
    """Whether the hop comes from this entry of `nexthops`."""
    via = None if model.via is None else model.via.packed
    iface = site.ifaces.get(model.dev or "")
    device = model.dev if iface is None else (iface.uplink_bridge or iface).dev
    return via == hop.via and device in {None, hop.dev}
