"""Check what a file expects in namespaces that netorch does not make: links and gateways.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from netorch.errors import did_you_mean
from netorch.kinds.address import Address, Ifaddr
from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.netns import netns_key
from netorch.kinds.physical import Physical
from netorch.kinds.route import Route
from netorch.netlink.constants import IFF_UP
from netorch.resolve.gateways import bad_hops, namespace_of
from netorch.state.by_class import of_class
from netorch.state.key import HOST, Key, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Obstacle, Resource
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot


def absent_links(
    plan: Plan, snapshot: Snapshot, state: Mapping[Key, Resource]
) -> Iterator[tuple[Resource, Obstacle]]:
    """Yield an obstacle for each step that needs a foreign link which does not exist."""
    names: dict[str, frozenset[str]] = {}
    for step in plan.changes:
        netns = snapshot.namespaces.get(step.key.netns)
        if netns is None or isinstance(step.resource, StandaloneLink):
            continue  # because the kind of an upper link checks its parent itself
        if netns_key(step.key.netns) in state:
            continue
        for key in (*step.resource.dies_with, *step.resource.needs):
            if key.kind != "link" or key in state or key.netns != netns.label:
                continue
            if netns.label not in names:
                names[netns.label] = _names(netns, state)
            if key.parts[0] not in names[netns.label]:
                what = f"{label_text(netns.label)} has no interface {key.parts[0]}"
                remedy = did_you_mean(key.parts[0], sorted(names[netns.label] - {"lo"}))
                yield step.resource, Obstacle("no-such-link", what, remedy)


def _names(netns: NetnsSnapshot, state: Mapping[Key, Resource]) -> frozenset[str]:
    """Return the names of the existing links, without the NICs that the file lends to nodes."""
    taken = {nic.origin for nic in of_class(state, Physical)}
    there = {name for link in netns.links for name in (link.name, *link.altnames)}
    return frozenset(there - taken if netns.label == HOST else there)


def gateway_obstacles(
    plan: Plan, snapshot: Snapshot, state: Mapping[Key, Resource], protocol: int
) -> Iterator[tuple[Resource, Obstacle]]:
    """Yield an obstacle for each route that Linux would refuse because of its gateway.

    Only namespaces that netorch does not make are checked. `protocol` is the number of the
    topology's own addresses and routes, which are left out because the plan changes them.
    """
    routes: dict[str, list[Route]] = {}
    for step in plan.changes:
        route = step.after
        if isinstance(route, Route) and netns_key(route.netns) not in state:
            routes.setdefault(route.netns, []).append(route)
    for label, there in routes.items():
        netns = snapshot.namespaces.get(label)
        if netns is None or any(link.kind == "vrf" for link in netns.links):
            continue
        theirs = [link for link in netns.links if link_key(label, link.name) not in state]
        own = [resource for key, resource in state.items() if key.netns == label]
        known = namespace_of([*own, *_foreign(netns, theirs, protocol)])
        down = {link.name for link in theirs if not link.flags & IFF_UP}
        for route in there:
            stopped = [hop.dev for hop in route.spec.hops if hop.dev in down]
            for device in stopped:
                what = f"{label_text(label)}/{device} is down"
                yield route, Obstacle("link-down", what, f"Bring it up: `ip link set {device} up`.")
            for bad in () if stopped else bad_hops(route.spec, known):
                yield route, Obstacle(bad.code, bad.what.rstrip("."), bad.remedy)


def _foreign(
    netns: NetnsSnapshot, theirs: Iterable[LinkRecord], protocol: int
) -> Iterator[Resource]:
    """Yield the foreign addresses and routes that decide whether a gateway is reachable."""
    names = {link.index: link.name for link in theirs if link.flags & IFF_UP}
    for record in netns.addresses:
        if record.index in names and record.protocol != protocol:
            local = str(ip_address(record.local))
            peer = str(ip_address(record.address)) if record.address != record.local else ""
            address = Ifaddr(local, record.prefixlen, peer)
            yield Address(netns.label, names[record.index], address, record.scope, record.protocol)
    for spec in netns.routes:
        if spec.protocol != protocol:
            yield Route(netns.label, spec)
