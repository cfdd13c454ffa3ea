"""Refuse routes of a file whose gateways Linux would refuse."""

from __future__ import annotations

from collections.abc import Iterable

from netorch.kinds.route import MAIN, Route
from netorch.resolve.draft import Draft, Site
from netorch.resolve.gateways import BadHop, Namespace, bad_hops, namespace_of
from netorch.resolve.masters import vrf_of
from netorch.state.resource import Resource
from netorch.topology import HopModel, RouteModel


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
    subnets: dict[str, _Subnets] = {}
    doubtful: dict[str, list[Route]] = {}
    for key, resource in draft.state.items():
        if key.kind == Route.KIND and key.netns in sites and isinstance(resource, Route):
            if key.netns not in subnets:
                subnets[key.netns] = _Subnets(sites[key.netns])
            written = _is_written(draft, resource)
            plain = written and _is_plainly_right(subnets[key.netns], resource)
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


class _Subnets:
    """The IPv4 addresses of a node, for a quick check of its routes."""

    def __init__(self, site: Site) -> None:
        self.is_plain = site.created
        """Whether netorch makes the node, and no interface with an address is in a VRF."""
        self.own: set[int] = set()
        """The addresses."""
        self.near: dict[str | None, dict[int, set[int]]] = {}
        """Device → number of the bits of hosts → the prefixes of its subnets."""
        for iface in site.ifaces.values():
            if iface.addresses and vrf_of(iface) is not None:
                self.is_plain = False
            for entry in iface.addresses:
                if entry.ip.version == 4:
                    number, bits = int(entry.ip), 32 - entry.interface.network.prefixlen
                    self.own.add(number)
                    if not entry.peer:
                        near = self.near.setdefault(iface.dev, {})
                        near.setdefault(bits, set()).add(number >> bits)


def _is_plainly_right(subnets: _Subnets, route: Route) -> bool:
    """Whether an IPv4 route in the main table has one gateway, a host in the interface's subnet.

    This is a quick check. It is true of most routes, so netorch skips the full check for them.
    """
    spec = route.spec
    hop = spec.hops[0] if len(spec.hops) == 1 else None
    if hop is None or hop.via is None or spec.table != MAIN or spec.scope or not subnets.is_plain:
        return False
    if len(hop.via) != 4 or hop.via[0] in {0, 127} or hop.via[0] >= 224:
        return False
    gateway, is_near = int.from_bytes(hop.via, "big"), False
    if gateway in subnets.own:
        return False
    for bits, prefixes in subnets.near.get(hop.dev, {}).items():
        if gateway >> bits in prefixes:
            last = (1 << bits) - 1
            if bits < 2 or bits > 31 or gateway & last == last:
                return False
            is_near = True
    return is_near


def _check_routes(draft: Draft, site: Site, routes: Iterable[Route], there: Namespace) -> None:
    devices = {iface.dev for iface in site.ifaces.values()} | {"lo"}
    for route in routes:
        places: _HopPlaces | None = None
        for bad in bad_hops(route.spec, there, known=site.created):
            device = route.spec.hops[bad.number].dev
            if not site.created or device is None or device in devices:
                places = places or _HopPlaces(draft, site, route)
                places.complain(bad)


def _is_written(draft: Draft, route: Route) -> bool:
    """Whether the route is in the file, and does not come with a network."""
    return draft.origins[route.key][2:3] == ("routes",)


class _HopPlaces:
    """The places of the next hops of a route in the file."""

    def __init__(self, draft: Draft, site: Site, route: Route) -> None:
        self._draft, self._site, self._route = draft, site, route
        self._path = draft.origins[route.key]
        self._model: RouteModel | None = None
        # gateway and device → the positions in `nexthops`
        self._positions: dict[tuple[bytes | None, str | None], list[int]] = {}
        if _is_written(draft, route):
            self._model = site.model.routes[int(self._path[-1])]
            for position, hop in enumerate(self._model.nexthops):
                iface = site.ifaces.get(hop.dev or "")
                device = hop.dev if iface is None else (iface.uplink_bridge or iface).dev
                via = None if hop.via is None else hop.via.packed
                self._positions.setdefault((via, device), []).append(position)

    def complain(self, bad: BadHop) -> None:
        """Complain of a next hop of the route."""
        site, path, model = self._site, self._path, self._model
        if model is None:
            remedy = (
                "Take another address or subnet, or set `default_route: false` in the membership."
            )
            self._draft.complain(bad.code, path, f"node {site.name}: {bad.what}", remedy)
            return
        entry: HopModel | RouteModel = model
        if model.nexthops:
            # The route lacks hops over links that are down, so its numbers may differ from the
            # file's.
            hop = self._route.spec.hops[bad.number]
            same = sorted(
                position
                for device in {None, hop.dev}
                for position in self._positions.get((hop.via, device), ())
            )
            number = same[-1 if bad.code == "hop-twice" else 0]
            entry, path = model.nexthops[number], (*path, "nexthops", number)
        key = "via" if entry.via is not None else "dev"
        self._draft.complain(bad.code, (*path, key), f"node {site.name}: {bad.what}", bad.remedy)
