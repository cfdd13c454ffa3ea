"""Networks of driver vxlan: a bridge and a tunnel in each endpoint, which together are one segment.

The file says which member is behind which endpoint, so the tunnels learn no MACs. The forwarding
database of each tunnel has the MACs of the members behind the other endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from netorch.errors import listing
from netorch.immutable import replace
from netorch.kinds.fdb import ALL
from netorch.kinds.vxlan import HEADROOM, PORT
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, Site
from netorch.resolve.interfaces import holder, mtu_of
from netorch.resolve.masters import join
from netorch.resolve.roles import StandaloneRole
from netorch.resolve.segment import Segment, bridge_of, make_interface

if TYPE_CHECKING:
    from netorch.topology import Membership
    from netorch.topology.interfaces.vxlan import VxlanModel

UNDERLAY_MTU = 1500
"""The assumed MTU in bytes of an endpoint's interface that this file does not make."""


def add_endpoints(draft: Draft, segment: Segment, machine: str) -> None:
    """Add the endpoints to a network, each a segment with a bridge and a tunnel.

    `machine` is the machine of the network.
    """
    first: Iface | None = None
    for node in segment.model.endpoints:
        path = (*segment.path, "endpoints", node)
        site = draft.site_of(node, machine)
        if site is None:
            draft.unknown(
                "unknown-node", path, "node", node, draft.topology.nodes, "Declare it under nodes."
            )
            continue
        end = Segment(segment.name, segment.model, segment.path, site)
        end.bridges.append(bridge_of(draft, end, segment.model.bridge or segment.name))
        tunnel = make_interface(draft, end, f"{end.root.name}-vtep", path)
        first = first or tunnel
        tunnel.role = StandaloneRole(_tunnel(segment, node), joined=first)
        tunnel.port.trunk = True
        join(draft, tunnel, end.root, path)
        segment.ends[node] = end
        drop_altnames(site, end.root, tunnel)
    for end in list(segment.ends.values())[:1]:
        segment.owner, segment.bridges = end.owner, end.bridges


def end_for(draft: Draft, segment: Segment, model: Membership, path: Path) -> Segment | None:
    """Return the endpoint for a member: the one that it names, or the only one."""
    ends = segment.ends
    if model.at is not None and model.at not in segment.model.endpoints:
        draft.unknown(
            "unknown-node",
            (*path, "at"),
            "node",
            model.at,
            ends,
            group=f"an endpoint of network {segment.name}",
        )
        return None
    if model.at is None and len(segment.model.endpoints) > 1:
        draft.complain(
            "needs-endpoint",
            path,
            f"network {segment.name} has several endpoints: add `at: NODE`, one of"
            f" {listing([*segment.model.endpoints])}",
        )
        return None
    return ends.get(model.at or next(iter(segment.model.endpoints)))


def complete_endpoints(draft: Draft, segment: Segment) -> None:
    """Set the MTU of a network and the forwarding database of each endpoint.

    This needs the members and their addresses.
    """
    mtu = _network_mtu(draft, segment)
    set_mtu(draft, segment, mtu, mtu)
    for node, end in segment.ends.items():
        entries: list[dict[str, str]] = []
        for other, behind in segment.ends.items():
            if other != node:
                entries += entries_behind(draft, behind, str(segment.model.endpoints[other]))
        tunnel, role = tunnel_of(end)
        tunnel.role = replace(role, model=_tunnel(segment, node, entries))


def set_mtu(draft: Draft, segment: Segment, mtu: int, most: int) -> None:
    """Set the MTU of all links of a network, and complain of members with more than `most`."""
    for end in segment.ends.values():
        ports = [port for bridge in end.bridges for port in bridge.ports]
        for iface in (
            *end.bridges,
            *ports,
            *(port.peer for port in ports if port.peer is not None),
        ):
            iface.mtu_hint = mtu
        drop_altnames(end.owner, *end.bridges, *ports)
    for member in segment.members:
        own_mtu = member.iface.own_mtu
        if own_mtu is not None and own_mtu > most:
            place = (*member.path, "mtu")
            draft.complain(
                "mtu-too-large",
                place,
                f"{member.iface.display} cannot have MTU {own_mtu}: network {segment.name} carries"
                f" at most {most} inside VXLAN",
            )


def entries_behind(draft: Draft, end: Segment, address: str) -> list[dict[str, str]]:
    """Return the entries of a forwarding database for what is behind the end at an address."""
    ifaces = [member.iface for member in end.members]
    macs = [iface.explicit_value("mac") or draft.mac_of(iface) for iface in ifaces]
    return [{"mac": mac, "dst": address} for mac in dict.fromkeys((ALL, *macs))]


def unique(entries: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the entries of a forwarding database without those for a MAC of an earlier entry.

    The members of a network that have one MAC are an error, which the checks of segments report.
    """
    known: set[str] = set()
    first: list[dict[str, str]] = []
    for entry in entries:
        if entry["mac"] not in known:
            first.append(entry)
        if entry["mac"] != ALL:
            known.add(entry["mac"])
    return first


def tunnel_of(end: Segment) -> tuple[Iface, StandaloneRole]:
    """Return the tunnel of an end of a network, with its role."""
    return next(
        (port, port.role) for port in end.root.ports if isinstance(port.role, StandaloneRole)
    )


def _tunnel(segment: Segment, node: str, entries: Sequence[dict[str, str]] = ()) -> VxlanModel:
    from netorch.topology.interfaces.vxlan import VxlanModel

    model = segment.model
    values = {
        "vni": model.vni,
        "local": str(model.endpoints[node]),
        "port": PORT if model.port is None else model.port,
    }
    return VxlanModel.model_validate(values | {"learning": False, "fdb": unique(entries)})


def _network_mtu(draft: Draft, segment: Segment) -> int:
    """Return the MTU of a network: the smallest MTU of its endpoints less VXLAN's headers."""
    widths: dict[str, int] = {}
    for node, address in segment.model.endpoints.items():
        if node not in segment.ends:
            continue
        site, path = segment.ends[node].owner, (*segment.path, "endpoints", node)
        below = holder(site, str(address))
        if below is None and site.created:
            known = [
                str(entry.ip)
                for iface in site.ifaces.values()
                for entry in iface.addresses
                if iface.name != "lo"
            ]
            has = f"It has {listing(known)}." if known else f"Give {node} an interface that has it."
            draft.complain(
                "unknown-address",
                path,
                f"endpoint {node}: {address} is not an address of {node}.",
                draft.suggestions.did_you_mean(str(address), known) or has,
            )
        elif below is not None and below.name != "lo":
            widths[node] = mtu_of(below) or UNDERLAY_MTU
        else:
            # The routes decide by which interface the packets leave, so its MTU is unknown.
            widths[node] = UNDERLAY_MTU
    headroom = HEADROOM[next(iter(segment.model.endpoints.values())).version]
    narrowest, width = min(widths.items(), key=lambda pair: pair[1], default=("", UNDERLAY_MTU))
    most = width - headroom
    if segment.model.mtu is not None and segment.model.mtu > most:
        draft.complain(
            "mtu-too-large",
            (*segment.path, "mtu"),
            f"network {segment.name} cannot have MTU {segment.model.mtu}: endpoint {narrowest} has"
            f" {width}, which leaves {most} after VXLAN's headers",
        )
    return most if segment.model.mtu is None else min(most, segment.model.mtu)


def drop_altnames(site: Site, *ifaces: Iface) -> None:
    """Remove the long alternative names of interfaces in nodes.

    Nobody types them there, and a topology file cannot contain names of that length.
    """
    if not site.is_host:
        for iface in ifaces:
            iface.altname = ""
