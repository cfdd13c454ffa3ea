"""What Linux takes and a person hardly means: interfaces that nobody has, one subnet on two links, loops of bridges, addresses to
leave with that nobody has. An error where it can never work, a warning where it may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netorch.errors import did_you_mean
from netorch.resolve.draft import Draft, Iface, Path, Site, all_interfaces
from netorch.resolve.masters import vrf_of
from netorch.resolve.roles import BridgeRole, VethRole
from netorch.resolve.segment import Segment
from netorch.topology import HopModel, RouteModel


def check_cautions(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """All of them, once the file is resolved."""
    for site in draft.sites.values():
        if site.created:
            _check_devices(draft, site)
        if site.model.routes:
            _check_own_gateways(draft, site)
    _check_loops(draft)
    for segment in segments.values():
        _check_egress(draft, segment)


def _check_devices(draft: Draft, site: Site) -> None:
    """Rules and translations for interfaces that the node does not have. A program in it may make them later."""
    for path, name in _devices(site):
        name = name.removeprefix("!")  # noqa: PLW2901
        if name not in site.ifaces and name != "lo":
            known = did_you_mean(name, site.ifaces)
            draft.warn(
                "unknown-interface",
                path,
                f"node {site.name} has no interface {name}: until something makes it, nothing matches.",
                known,
            )


def _devices(site: Site) -> Iterator[tuple[Path, str]]:
    """The interfaces that rules and translations of a node name."""
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


def _check_own_gateways(draft: Draft, site: Site) -> None:
    """IPv4 gateways that are the node's own: Linux takes the destination to be on the link then."""
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
                    f"node {site.name}: the gateway {entry.via} is the own address of {iface.name}:"
                    " Linux takes the destination to be on its link.",
                    f"Write `dev: {iface.name}` if that is meant.",
                )


def check_subnets_twice(draft: Draft, links: Mapping[int, int]) -> None:
    """A subnet on two links of a node: what is behind the second is reached by the first.

    `links`: interface → the link that it is on, by whatever it is joined to.
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
                        f"{iface.display} and {first.display} are on two links and both in {network}:"
                        f" {site.name} reaches all of it by one of them.",
                        "Take another subnet for one of the links.",
                    )


def _check_loops(draft: Draft) -> None:
    """Cables that close a circle of bridges of which none has a spanning tree: the first broadcast never ends."""
    parent: dict[int, int] = {}

    def find(item: int) -> int:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for certain in (True, False):
        for near, far in _cables_of_bridges(draft):
            if _is_certain(near, far) is not certain:
                continue
            assert near.master is not None
            assert far.master is not None
            one, other = find(id(near.master)), find(id(far.master))
            if one != other:
                parent[one] = other
                continue
            named = far if near.made_up else near
            what = (
                f"the cable {near.display} – {far.display} closes a circle of bridges without a spanning"
                " tree: the first broadcast goes round for ever."
            )
            remedy = f"Say `stp: true` of {near.master.display}, or `state: down` of a port."
            if certain:
                draft.complain("bridge-loop", named.path, what, remedy)
            else:
                draft.warn("bridge-loop", named.path, what, remedy)


def _cables_of_bridges(draft: Draft) -> Iterator[tuple[Iface, Iface]]:
    """Cables from bridge to bridge that carry frames; each by the end that makes it."""
    for iface in all_interfaces(draft.sites):
        role = iface.role
        if not isinstance(role, VethRole) or role.far:
            continue
        ends = (iface, role.peer)
        if all(_forwards(end) for end in ends):
            yield ends


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
    """Whether nothing else may keep frames from going round: VLANs, isolated ports."""
    for port in (near, far):
        bridge = port.master
        assert bridge is not None
        assert isinstance(bridge.role, BridgeRole)
        isolated = port.port.isolated or (port.port.model is not None and port.port.model.isolated)
        if bridge.role.settings.vlan_filtering or isolated:
            return False
    return True


def _check_egress(draft: Draft, segment: Segment) -> None:
    """Addresses to leave with, as far as the file knows the owner's."""
    owner = segment.owner
    own = {entry.ip for iface in owner.ifaces.values() for entry in iface.addresses}
    for index, address in enumerate(segment.model.egress):
        path = (*segment.path, "egress", index)
        if address.is_unspecified or address.is_multicast or address.is_loopback:
            draft.complain(
                "not-a-host-address",
                path,
                f"network {segment.name} cannot leave with {address}, to which nobody answers",
            )
        elif not segment.subnet_of(address.version):
            draft.warn(
                "mixed-families",
                path,
                f"network {segment.name} has no IPv{address.version} subnet: nothing leaves with {address}.",
            )
        elif owner.created and address not in own:
            draft.warn("unknown-address", path, egress_warning(segment.name, owner.name, address))


def egress_warning(network: str, owner: str, address: object) -> str:
    """That the answers to what leaves a network may not come back."""
    return (
        f"network {network} leaves with {address}, which {owner} does not have:"
        f" answers come back only if others route it to {owner}."
    )
