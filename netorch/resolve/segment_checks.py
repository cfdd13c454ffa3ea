"""Checks across layer-2 segments: no address and no MAC twice.

A layer-2 segment is all interfaces that reach one another by Ethernet, through cables, bridges and
tunnels.
"""

from __future__ import annotations

from netorch.resolve.cautions import check_subnets_twice
from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.masters import vrf_of
from netorch.resolve.models import is_stacked
from netorch.resolve.roles import StandaloneRole, VethRole


def check_segments(draft: Draft) -> None:
    """Complain of an address or a MAC that two interfaces of one segment have."""
    parent: dict[int, int] = {}

    def find(item: int) -> int:
        root = item
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[item] != root:
            parent[item], item = root, parent[item]
        return root

    for iface in all_interfaces(draft.sites):
        role = iface.role
        peer = joined = below = None
        if isinstance(role, VethRole):
            peer = role.peer
        elif isinstance(role, StandaloneRole):
            joined = role.joined
            below = role.parent if is_stacked(role.model) else None
        # A VRF does not join its ports to one segment, because it routes between them.
        master = iface.master if vrf_of(iface) is None else None
        for other in (peer, master, iface.uplink_bridge, joined, below):
            if other is not None:
                parent[find(id(other))] = find(id(iface))
    links = {id(iface): find(id(iface)) for iface in all_interfaces(draft.sites)}
    check_subnets_twice(draft, links)
    seen: dict[tuple[int, object], Iface] = {}
    for iface in all_interfaces(draft.sites):
        if iface.name == "lo":
            continue
        segment = links[id(iface)]
        for entry in iface.addresses:
            if entry.ip.is_link_local:
                continue
            first = seen.setdefault((segment, entry.ip), iface)
            if first is not iface:
                draft.complain(
                    "address-twice",
                    entry.path,
                    f"{iface.display} and {first.display} are on one segment, but both have"
                    f" {entry.ip}",
                )
        if (mac := iface.explicit_value("mac")) is not None:
            first = seen.setdefault((segment, mac), iface)
            # a bridge of Linux has the MAC of one of its ports, unless it was given another one
            if first is not iface and iface.master is not first and first.master is not iface:
                draft.complain(
                    "mac-twice",
                    (*iface.path, "mac"),
                    f"{iface.display} and {first.display} are on one segment, but both have MAC"
                    f" {mac}",
                )
