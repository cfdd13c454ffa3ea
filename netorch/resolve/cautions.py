"""Checks for configurations that Linux accepts but that are probably mistakes.

These are rules for interfaces that the node does not have, one subnet on two links, loops of
bridges and `egress` addresses that the owner does not have. A configuration that can never work is
an error. One that may work is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netorch.errors import listing
from netorch.kinds.netns import Netns, netns_key
from netorch.resolve.desired import Path, egress_warning
from netorch.resolve.draft import Draft, Iface, Site, all_interfaces
from netorch.resolve.interfaces import holder
from netorch.resolve.masters import vrf_of
from netorch.resolve.roles import BridgeRole, VethRole
from netorch.resolve.segment import Segment
from netorch.topology import HopModel, RouteModel
from netorch.topology.filters import HOOKS


def check_cautions(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """Run all checks of this module, after everything else is resolved."""
    for site in draft.sites.values():
        if site.created:
            _check_devices(draft, site)
        if site.model.routes:
            _check_own_gateways(draft, site)
    _check_forwarding(draft, segments)
    _check_loops(draft)
    for segment in segments.values():
        _check_egress(draft, segment)


def _check_forwarding(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """Warn of a node that is the gateway of several networks and does not forward.

    A host or an attached node may forward already.
    """
    led: dict[str, dict[int, list[str]]] = {}
    for segment in segments.values():
        if not segment.gateways or len(segment.members) < 2 or not segment.model.is_segment:
            continue
        owners = {
            entry.ip: member.iface.site
            for member in segment.members
            for entry in member.iface.addresses
        }
        for version, gateway in segment.gateways.items():
            site = owners.get(gateway)
            if site is not None and site.created:
                led.setdefault(site.name, {}).setdefault(version, []).append(segment.name)
    for node, networks in led.items():
        site = draft.sites[node]
        several = {version: names for version, names in networks.items() if names[1:]}
        lacking = [version for version in several if not _routes_packets(draft, site, version)]
        if lacking:
            names = listing([*dict.fromkeys(name for one in lacking for name in several[one])])
            what = "packets" if len(lacking) == len(several) else f"IPv{lacking[0]} packets"
            draft.warn(
                "gateway-does-not-forward",
                site.path,
                f"node {node} is the gateway of the networks {names}, but it forwards no {what}"
                " between them.",
                "Write `forwarding: true` if it is a router.",
            )


def _routes_packets(draft: Draft, site: Site, version: int) -> bool:
    """Return whether a node that netorch makes forwards packets of an IP version."""
    netns = draft.state.get(netns_key(site.label))
    if not isinstance(netns, Netns):
        return True
    return netns.ipv4_forwarding if version == 4 else netns.ipv6_forwarding


def _check_devices(draft: Draft, site: Site) -> None:
    """Warn of rules and translations for interfaces that the node does not have.

    This is not an error, because a program in the node may make the interface later.
    """
    for path, name in _devices(site):
        name = name.removeprefix("!")  # noqa: PLW2901
        if name not in site.ifaces and name != "lo":
            known = draft.suggestions.did_you_mean(name, site.ifaces)
            draft.warn(
                "unknown-interface",
                path,
                f"node {site.name} has no interface {name}: until something makes it, this matches"
                " no packets.",
                known,
            )


def _devices(site: Site) -> Iterator[tuple[Path, str]]:
    """Yield the path and the interface for each one that rules and translations name."""
    for index, rule in enumerate(site.model.rules):
        for key, name in (("iif", rule.iif), ("oif", rule.oif)):
            if name is not None:
                yield (*site.path, "rules", index, key), name
    for index, nat in enumerate(site.model.nat):
        path = (*site.path, "nat", index)
        if nat.masquerade is not None:
            yield (*path, "masquerade", "out"), nat.masquerade.out
        if nat.snat is not None:
            yield (*path, "snat", "out"), nat.snat.out
        if nat.dnat is not None and nat.dnat.in_ is not None:
            yield (*path, "dnat", "in"), nat.dnat.in_
    for way in HOOKS if site.model.filter is not None else ():
        for index, entry in enumerate(getattr(site.model.filter, way)):
            for key, name in (("in", entry.in_), ("out", entry.out)):
                if name is not None:
                    yield (*site.path, "filter", way, index, key), name


def _check_own_gateways(draft: Draft, site: Site) -> None:
    """Warn of IPv4 gateways that are addresses of the node itself.

    Linux then treats the destination as directly on the link.
    """
    if not site.model.routes:
        return
    own = {entry.ip: iface for iface in site.ifaces.values() for entry in iface.addresses}
    for index, model in enumerate(site.model.routes):
        entries: Sequence[HopModel | RouteModel] = model.nexthops or [model]
        for number, entry in enumerate(entries):
            place: Path = (*site.path, "routes", index)
            place = (*place, "nexthops", number) if model.nexthops else place
            if entry.via is None or entry.via.version == 6 or entry.onlink:
                continue
            if (iface := own.get(entry.via)) is not None:
                draft.warn(
                    "gateway-is-self",
                    (*place, "via"),
                    f"node {site.name}: the gateway {entry.via} is an address of the node's own"
                    f" interface {iface.name}, so Linux treats the destination as directly on that"
                    " link.",
                    f"Name the address of the next router, or write `dev: {iface.name}` if you"
                    " mean the link.",
                )


def check_subnets_twice(draft: Draft, links: Mapping[int, int]) -> None:
    """Warn of a subnet on two links of one node.

    The node reaches all addresses of the subnet by one of the links, so it misses those on the
    other one. `links` maps the identity of an interface to its layer-2 segment.
    """
    for site in draft.sites.values():
        if len(site.ifaces) < 2:
            continue
        seen: dict[tuple[object, object], Iface] = {}
        for iface in site.ifaces.values():
            if iface.name == "lo" or not iface.is_up or not iface.addresses:
                continue
            vrf = vrf_of(iface)
            for entry in iface.addresses:
                network = entry.interface.network
                if entry.peer is not None or network.num_addresses < 2 or network.is_link_local:
                    continue
                first = seen.setdefault((network, None if vrf is None else vrf.name), iface)
                if first is not iface and links.get(id(first)) != links.get(id(iface)):
                    draft.warn(
                        "subnets-overlap",
                        entry.path,
                        f"{iface.display} and {first.display} are on different links, but both are"
                        f" in {network}: {site.name} sends everything for it to one of them.",
                        "Take another subnet for one of the links.",
                    )


def _check_loops(draft: Draft) -> None:
    """Report cables that close a circle of bridges without a spanning tree.

    In such a circle the first broadcast circulates for ever.
    """
    parent: dict[int, int] = {}

    def find(item: int) -> int:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    cables = [(ends, _is_certain(*ends)) for ends in _cables_of_bridges(draft)]
    for certain in (True, False):
        for (near, far), is_certain in cables:
            if is_certain is not certain:
                continue
            assert near.master is not None
            assert far.master is not None
            one, other = find(id(near.master)), find(id(far.master))
            if one != other:
                parent[one] = other
                continue
            named = far if near.internal else near
            what = (
                f"the cable {near.display} – {far.display} closes a circle of bridges without a"
                " spanning tree: the first broadcast circulates for ever."
            )
            remedy = f"Set `stp: true` on {near.master.display}, or `state: down` on a port."
            if certain:
                draft.complain("bridge-loop", named.path, what, remedy)
            else:
                draft.warn("bridge-loop", named.path, what, remedy)


def _cables_of_bridges(draft: Draft) -> Iterator[tuple[Iface, Iface]]:
    """Yield both ends of each cable that carries frames between two bridges, near end first."""
    for iface in all_interfaces(draft.sites):
        role = iface.role
        if iface.master is None or not isinstance(role, VethRole) or role.far:
            continue
        far = role.peer
        if far.master is not None and _forwards(iface) and _forwards(far):
            yield iface, far


def _forwards(port: Iface) -> bool:
    bridge = port.master
    return (
        bridge is not None
        and isinstance(bridge.role, BridgeRole)
        and not bridge.role.settings.stp
        and port.is_up
        and bridge.is_up
    )


def _is_certain(near: Iface, far: Iface) -> bool:
    """Whether neither VLANs nor isolated ports can stop the frames on this cable."""
    for port in (near, far):
        bridge = port.master
        assert bridge is not None
        assert isinstance(bridge.role, BridgeRole)
        isolated = port.port.isolated or (port.port.model is not None and port.port.model.isolated)
        if bridge.role.settings.vlan_filtering or isolated:
            return False
    return True


def _check_egress(draft: Draft, segment: Segment) -> None:
    """Check the `egress` addresses of a network against the addresses of its owner."""
    owner = segment.owner
    for index, address in enumerate(segment.model.egress):
        path = (*segment.path, "egress", index)
        if address.is_unspecified or address.is_multicast or address.is_loopback:
            draft.complain(
                "not-a-host-address",
                path,
                f"network {segment.name}: packets cannot leave with the source {address}, because"
                " nothing can answer to it",
            )
        elif not segment.subnet_of(address.version):
            draft.warn(
                "mixed-families",
                path,
                f"network {segment.name} has no IPv{address.version} subnet, so no packets leave"
                f" with the source {address}.",
            )
        elif owner.created and holder(owner, str(address)) is None:
            draft.warn("unknown-address", path, egress_warning(segment.name, owner.name, address))
