"""The interfaces of a namespace by which packets leave for what is beyond the machine.

Bridges of container engines and of virtual machines lead nowhere but to their members. Nothing in Linux says whose a bridge is, so
a bridge is a way out only if something shows it: a NIC among its ports, or the default route.
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
"""What has members of its own."""

_OUTER_PORTS = frozenset(("", "vlan", "bond", "team"))
"""Kinds of links that lead to a cable. A NIC has no kind."""

_TAKES_PACKETS = frozenset(("bridge", "openvswitch", "bond", "team"))
"""Masters that take what comes by their ports, so that nothing is routed to a port."""

_NOWHERE = frozenset(("dummy", "ifb"))
_PIPES = frozenset(("veth", "tun", "netkit"))
"""Links that programs make by the dozen, as ports to be: a way only with an address or a route."""

_IFF_LOOPBACK = 8
_LINK_LOCAL = (b"\xfe\x80", b"\xff")
# nft reads * and \ as a pattern, iptables a + at the end
_NAME = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{0,14}[^\s"*\\/:+\x00-\x1f\x7f]')


def outer_interfaces(
    there: NetnsSnapshot, desired: Mapping[Key, Resource], topology: str, own: Collection[str]
) -> frozenset[str]:
    """The names of the interfaces of a namespace that lead out, now or once `desired` is there.

    `own` are bridges that other rules take care of.
    """
    mine = [resource for resource in desired.values() if resource.key.netns == there.label]
    links = {resource.name: resource for resource in mine if isinstance(resource, Link)}
    ports = {
        resource.link
        for resource in mine
        if isinstance(resource, Port) and resource.of in _TAKES_PACKETS
    }
    ports |= {resource.nic for resource in mine if isinstance(resource, Uplink)}
    stays = [
        link
        for link in there.links
        if read_alias(link.alias).topology != topology or link.name in links
    ]
    found = {*_of_others(there, stays), *_of_ours(mine, links)}
    return frozenset(name for name in found - ports - set(own) if _NAME.fullmatch(name))


def _of_others(there: NetnsSnapshot, links: list[LinkRecord]) -> Iterator[str]:
    kinds = {link.index: link.kind for link in there.links}
    plugged = {link.master for link in links if link.kind in _OUTER_PORTS and link.master}
    used = {entry.index for entry in there.addresses if not entry.local.startswith(_LINK_LOCAL)}
    default: set[str] = set()
    routed: set[str] = set()
    for route in there.routes:
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
            leads = link.index in plugged or link.name in default
        else:
            leads = link.kind not in _PIPES or link.index in used or link.name in routed
        if leads:
            yield link.name


def _of_ours(mine: Sequence[Resource], links: Mapping[str, Link]) -> Iterator[str]:
    """Links of the topology that have addresses or routes of it, and bridges that have a NIC of the machine."""
    for resource in mine:
        if isinstance(resource, Address):
            names = [resource.link]
        elif isinstance(resource, Route):
            names = [hop.dev for hop in resource.spec.hops if hop.dev]
        elif isinstance(resource, Uplink):
            names = [resource.bridge]
        else:
            continue
        yield from (name for name in names if name in links and links[name].KIND not in _NOWHERE)
