"""The outer interfaces of a namespace: those by which packets leave the machine.

Bridges of container engines and of virtual machines lead only to their members. Linux does not
record what a bridge is for, so a bridge counts as an outer interface only if one of its ports is a
NIC or if it has the default route.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from netorch.kinds.address import Address
from netorch.kinds.base.link import Link
from netorch.kinds.port import Port
from netorch.kinds.route import Route
from netorch.kinds.uplink import Uplink
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.marks import read_alias
from netorch.values.snapshot import LinkRecord, NetnsSnapshot

_SWITCHES = frozenset(("bridge", "openvswitch"))
"""Kinds of links that are switches."""

_OUTER_PORTS = frozenset(("", "vlan", "bond", "team"))
"""Kinds of links that lead to a cable. A NIC has no kind."""

_TAKES_PACKETS = frozenset(("bridge", "openvswitch", "bond", "team"))
"""Kinds of masters that take their ports' frames, so that nothing is routed over a port."""

_NOWHERE = frozenset(("dummy", "ifb"))
"""Kinds of links that lead nowhere."""
_PIPES = frozenset(("veth", "tun", "netkit"))
"""Kinds of links that programs make in large numbers to be ports.

Such a link is an outer interface only if it has an address or a route.
"""

_IFF_LOOPBACK = 8
_LINK_LOCAL = (b"\xfe\x80", b"\xff")
# without * and \, which are patterns in nft, and without + at the end, a pattern in iptables
_NAME = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{0,14}[^\s"*\\/:+\x00-\x1f\x7f]')


def outer_interfaces(
    netns: NetnsSnapshot, desired: Mapping[Key, Resource], topology: str, own: Collection[str]
) -> frozenset[str]:
    """Return the names of a namespace's outer interfaces, now and after `desired` is applied.

    `own` are bridges for which there are other rules; they never count.
    """
    resources = [resource for resource in desired.values() if resource.key.netns == netns.label]
    links = {resource.name: resource for resource in resources if isinstance(resource, Link)}
    ports = {
        resource.link
        for resource in resources
        if isinstance(resource, Port) and resource.of in _TAKES_PACKETS
    }
    ports |= {resource.nic for resource in resources if isinstance(resource, Uplink)}
    remaining = [
        link
        for link in netns.links
        if read_alias(link.alias).topology != topology or link.name in links
    ]
    names = {*_existing(netns, remaining), *_desired(resources, links)}
    return frozenset(name for name in names - ports - set(own) if _NAME.fullmatch(name))


def _existing(netns: NetnsSnapshot, links: list[LinkRecord]) -> Iterator[str]:
    """Yield the outer interfaces among the links that exist and remain."""
    kinds = {link.index: link.kind for link in netns.links}
    with_nic = {link.master for link in links if link.kind in _OUTER_PORTS and link.master}
    used = {entry.index for entry in netns.addresses if not entry.local.startswith(_LINK_LOCAL)}
    default: set[str] = set()
    routed: set[str] = set()
    for route in netns.routes:
        devices = {hop.dev for hop in route.hops if hop.dev}
        if route.dst is None:
            default |= devices
        if not (route.dst or b"").startswith(_LINK_LOCAL):
            routed |= devices
    for link in links:
        if link.flags & _IFF_LOOPBACK or link.kind in _NOWHERE:
            continue
        if kinds.get(link.master) in _TAKES_PACKETS:
            continue
        if link.kind in _SWITCHES:
            is_outer = link.index in with_nic or link.name in default
        else:
            is_outer = link.kind not in _PIPES or link.index in used or link.name in routed
        if is_outer:
            yield link.name


def _desired(resources: Sequence[Resource], links: Mapping[str, Link]) -> Iterator[str]:
    """Yield the topology's links that have an address or a route, and bridges with an uplink."""
    for resource in resources:
        if isinstance(resource, Address):
            names = [resource.link]
        elif isinstance(resource, Route):
            names = [hop.dev for hop in resource.spec.hops if hop.dev]
        elif isinstance(resource, Uplink):
            names = [resource.bridge]
        else:
            continue
        yield from (name for name in names if name in links and links[name].KIND not in _NOWHERE)
