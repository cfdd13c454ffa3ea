"""What a file would do to the machine around it that no name tells: subnets that are somebody's, ports that somebody listens on,
a default route that forwarding would end. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_interface, ip_network

from netorch.core import Key, Resource
from netorch.kinds.address import Address
from netorch.kinds.netns import IPV6_FORWARDING, netns_key
from netorch.kinds.packetfilter import PacketFilter
from netorch.kinds.sysctl import Sysctl
from netorch.memory import Memory
from netorch.nat.ruleset import DestinationTo, Rule
from netorch.netlink.constants import AF_INET6, RTPROT_RA
from netorch.resolve import Desired
from netorch.snapshot import NetnsSnapshot, Snapshot
from netorch.words import Network

Hazard = tuple[Key, str]
"""The resource that brings it, and what it would do."""


def overlaps(desired: Desired, snapshot: Snapshot) -> Iterator[Hazard]:
    """Networks whose subnet a namespace that netorch does not make reaches by another link already."""
    for key, resource in desired.state.items():
        if not isinstance(resource, Address) or netns_key(key.netns) in desired.state or desired.origins[key][:1] != ("networks",):
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is not None:
            subnet = ip_interface(resource.address.partition(" ")[0]).network
            for other, how in _reached(desired, netns):
                if other.version == subnet.version and other.overlaps(subnet):
                    yield key, f"{key.netns} reaches {other} {how} already, which overlaps with {subnet}"
                    break


def listeners(state: Mapping[Key, Resource], observed: Mapping[Key, Resource], snapshot: Snapshot) -> Iterator[Hazard]:
    """Ports to be published anew where a program of the owner listens: nobody would reach it any more."""
    for key, resource in state.items():
        netns = snapshot.namespaces.get(key.netns)
        if not isinstance(resource, PacketFilter) or netns is None:
            continue
        before = observed.get(key)
        there = before.text if isinstance(before, PacketFilter) else ""
        told: set[str] = set()
        for rule in resource.rules:
            if not rule.comment.startswith("publish ") or rule.comment in there or rule.comment in told:
                continue
            for protocol, address, port in netns.listening:
                if _shadows(rule, protocol, address, port):
                    told.add(rule.comment)
                    yield key, f"{rule.comment}: a program listens on {protocol} port {port} of {key.netns} already"
                    break


def routers(wanted: Mapping[Key, Resource], snapshot: Snapshot, memory: Memory) -> list[Sysctl]:
    """accept_ra=2 for links by which a router advertised the default route: forwarding would end it otherwise."""
    found: list[Sysctl] = []
    for key, resource in wanted.items():
        if not isinstance(resource, Sysctl) or resource.paths != (IPV6_FORWARDING,) or resource.value != "1":
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is None:
            continue
        advertised = {hop.dev for route in netns.routes if (route.family, route.protocol) == (AF_INET6, RTPROT_RA) for hop in route.hops}
        for link in netns.links:
            paths = (f"net/ipv6/conf/{link.name}/accept_ra",)
            if link.name in advertised or (key.netns, paths) in memory.ours:
                found.append(Sysctl(key.netns, paths, "2"))
    return found


def _reached(desired: Desired, netns: NetnsSnapshot) -> Iterator[tuple[Network, str]]:
    names = {link.index: link.name for link in netns.links}
    ours = {link.name for link in netns.links if desired.mark.owns_alias(link.alias) or link.group == desired.mark.group}
    for record in netns.addresses:
        name = names.get(record.index, "")
        if name not in ours | {"lo"}:
            network = ip_network((record.address, record.prefixlen), strict=False)
            if not network.is_link_local:
                yield network, f"by {name}"
    for route in netns.routes:
        devices = {hop.dev for hop in route.hops}
        if route.dst is not None and route.protocol != desired.mark.protocol and not devices & ours:
            network = ip_network((route.dst, route.prefixlen))
            if not network.is_link_local and not network.is_multicast:
                yield network, "by a route of its own"


def _shadows(rule: Rule, protocol: str, address: bytes, port: int) -> bool:
    match = rule.match
    if not isinstance(rule.act, DestinationTo) or match.protocol != protocol or match.port is None:
        return False
    if not match.port[0] <= port <= match.port[1]:
        return False
    local = ip_address(address)
    if local.is_unspecified:
        return local.version == 6 or rule.family == 4
    return local.version == rule.family and (not isinstance(match.destination, Network) or local in match.destination)
