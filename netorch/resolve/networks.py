"""Networks: their bridges, the cables to their members, and their uplinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from netorch.immutable import replace
from netorch.language.addresses import Network
from netorch.resolve import overlay, stacked
from netorch.resolve.desired import Path
from netorch.resolve.draft import BRIDGE_PORTS, Draft, Iface, Site, cable
from netorch.resolve.masters import can_be_bridged, join, kind_of, vrf_of
from netorch.resolve.roles import LOOPBACK, REFUSED, BridgeRole, UnmadeRole
from netorch.resolve.segment import (
    LEADING_OUT,
    Member,
    Segment,
    bridge_of,
    existing_bridge,
    make_interface,
)
from netorch.topology import Membership, NetworkModel

ROOT_MEMBERS = 960
"""The number of members on the first bridge of a network.

The other ports of that bridge are for further bridges, so that a network can grow without moving
members.
"""
LEAF_MEMBERS = BRIDGE_PORTS - 1
"""The number of members on each further bridge, whose last port leads to the first bridge."""


def build(draft: Draft) -> dict[str, Segment]:
    """Return all networks with their members connected, but without addresses."""
    segments = {
        name: segment
        for name, model in draft.topology.networks.items()
        if (segment := _segment(draft, name, model))
    }
    if draft.spread is not None:
        draft.spread.add_parts(segments)
    for site in list(draft.sites.values()):
        _plug_in(draft, site, segments)
    stacked.make_links(draft, segments)
    for segment in segments.values():
        _check_subnets(draft, segment)
    _check_allowed(draft, segments)
    return segments


def uplinks(draft: Draft, segments: dict[str, Segment]) -> None:
    """Make the uplinks of bridged networks.

    The addresses that the file gives a NIC then belong to the bridge.
    """
    users: dict[tuple[str, str], str] = {}
    nics: dict[str, dict[str, Iface]] = {}
    for segment in segments.values():
        name, owner, path = segment.model.uplink, segment.owner, (*segment.path, "uplink")
        if name is None:
            continue
        nic = owner.ifaces.get(name)
        first = users.setdefault((owner.name, name), segment.name)
        problem = _uplink_obstacle(segment, nic) if nic is not None else ""
        if name == "lo":
            draft.complain("loopback", path, "lo is the loopback interface: it cannot be an uplink")
        elif nic is None and owner.created:
            if owner.name not in nics:
                nics[owner.name] = {
                    other.name: other
                    for other in owner.ifaces.values()
                    if not other.internal and other.name != "lo"
                }
            draft.unknown(
                "unknown-interface",
                path,
                f"node {owner.name}: interface",
                name,
                nics[owner.name],
                f"Declare it in `links`, or under nodes.{owner.name}.",
            )
        elif first != segment.name:
            draft.complain(
                "nic-twice",
                path,
                f"{owner.name}:{name} is the uplink of network {first} already, so it cannot be the"
                f" uplink of {segment.name} too",
            )
        elif problem:
            draft.complain("bad-uplink", path, problem)
        else:
            root = segment.root
            assert isinstance(root.role, BridgeRole)
            root.role = replace(root.role, uplink=name)
            if nic is not None:
                nic.uplink_bridge = root
                root.addresses += nic.addresses
                nic.addresses = []
                owner.holders = None


def _uplink_obstacle(segment: Segment, nic: Iface) -> str:
    """Return why an interface of the file cannot be the uplink, or "" if it can."""
    if isinstance(nic.role, BridgeRole):
        return (
            f"{nic.display} is a bridge, so it cannot be a port of the bridge of network"
            f" {segment.name}"
        )
    if nic.internal or any(member.iface is nic for member in segment.members):
        return (
            f"{nic.display} connects a node to a network, but an uplink must be an interface that"
            " leads elsewhere"
        )
    if not can_be_bridged(nic):
        return (
            f"{nic.display} is of kind {kind_of(nic)}, so it cannot be a port of the bridge of"
            f" network {segment.name}"
        )
    if nic.master is not None:
        return (
            f"{nic.display} is a port of {nic.master.name} already, so it cannot be a port of"
            f" {segment.root.name} too"
        )
    return ""


def _segment(draft: Draft, name: str, model: NetworkModel) -> Segment | None:
    path: Path = ("networks", name)
    machine = ""
    if draft.spread is not None:
        where = draft.spread.machine_of_network(name, model)
        if where is None:
            return None
        machine = where
    elif model.on is not None:
        draft.complain(
            "unknown-machine",
            (*path, "on"),
            f"network {name} is on {model.on}, but the file has no `hosts`.",
            "Declare the machines under `hosts`, or remove `on`.",
        )
    if model.driver in stacked.DRIVERS:
        place = stacked.owner_of(draft, model, path, machine)
        return None if place is None else Segment(name, model, path, place)
    if model.node is not None:
        site = draft.site_of(model.node, machine)
        if site is None:
            draft.unknown("unknown-node", (*path, "node"), "node", model.node, draft.topology.nodes)
            return None
        owner = site
    elif model.is_segment and model.driver == "bridge":
        owner = draft.fabric_of(machine)
    else:
        owner = draft.host_of(machine)
    segment = Segment(name, model, path, owner)
    if model.driver == "vxlan":
        overlay.add_endpoints(draft, segment, machine)
        return segment if segment.ends else None
    if model.existing:
        root = existing_bridge(draft, segment)
        if root is None:
            return None
        segment.bridges.append(root)
        return segment
    segment.bridges.append(bridge_of(draft, segment, model.bridge or name))
    owner.forwards |= {
        version
        for version in (4, 6)
        if model.mode_of(version) in LEADING_OUT and segment.subnet_of(version)
    }
    return segment


def _plug_in(draft: Draft, site: Site, segments: dict[str, Segment]) -> None:
    memberships = [*site.model.memberships()]
    taken = set(site.ifaces) | {model.name for _, _, model in memberships if model.name}
    automatic = (
        name
        for count in range(len(memberships) + len(taken))
        if (name := f"eth{count}") not in taken
    )
    members: dict[str, str] = {}
    for place_below, network, model in memberships:
        path = (*site.path, "networks", *place_below)
        name = model.name or next(automatic)
        if network not in segments:
            if network not in draft.topology.networks:
                draft.unknown(
                    "unknown-network",
                    path,
                    "network",
                    network,
                    draft.topology.networks,
                    _apart(network, draft.topology.networks) or "Declare it under networks.",
                )
            continue
        segment = segments[network]
        iface = site.interface(name, path, draft.prefix)
        if iface.name == "lo":
            draft.complain(
                "loopback",
                path,
                f"{iface.display} is the loopback interface: it cannot be in network {network}",
            )
            iface.role = LOOPBACK
            continue
        if not isinstance(iface.role, UnmadeRole):
            draft.complain(
                "already-wired",
                path,
                f"{iface.display} is already the interface in network {members[name]}: write "
                f"another `name` in one of the two memberships"
                if name in members
                else f"{iface.display} belongs to a link or a `kind`, so network "
                f"{network} cannot make it: write `name: OTHER_NAME` in the membership",
            )
            continue
        members[name] = network
        place = segment
        if model.at is not None and not segment.model.endpoints:
            draft.complain(
                "not-an-overlay",
                (*path, "at"),
                f"network {network} has no endpoints: `at` is for networks of driver vxlan only",
            )
        elif segment.model.endpoints:
            end = overlay.end_for(draft, segment, model, path)
            if end is None:
                iface.role = REFUSED
                continue
            place = end
        elif segment.ends:
            place = segment.ends[site.machine]
        iface.layers.append(model)
        iface.impair(model.impair, path)
        _cable(draft, place, iface, path)
        if iface.peer is not None:
            # The other end of the member's cable gets the same impairment, because it sends what
            # the member receives.
            iface.peer.impair(model.impair, path)
        member = Member(iface, model, path)
        segment.plug(member)
        if place is not segment:
            place.plug(member)


def _apart(text: str, known: Iterable[str]) -> str:
    """Return what to write for a text of several names without commas, "" for any other text."""
    words = text.split()
    is_list = len(words) > 1 and set(words) <= set(known)
    return f"Write a comma between the names: {', '.join(words)}." if is_list else ""


def _cable(draft: Draft, segment: Segment, iface: Iface, path: Path) -> None:
    """Connect a member by a cable to a bridge of the network.

    In a network without a bridge the member gets a standalone link.
    """
    if segment.model.driver in stacked.DRIVERS:
        stacked.add_member(segment, iface)
        return
    port = make_interface(draft, segment, f"{iface.site.name}-{iface.name}", path)
    cable(port, iface)
    port.mtu_hint = iface.mtu_hint = segment.model.mtu
    port.port.isolated = segment.model.port_isolation
    if isinstance(model := iface.layers[-1], Membership):
        port.port.model, port.port.path = model.port, (*path, "port")
    join(draft, port, _bridge_for(draft, segment, len(segment.members)), path)


def _bridge_for(draft: Draft, segment: Segment, index: int) -> Iface:
    """Return the bridge for member number `index`.

    A bridge takes 1,023 ports, so netorch makes further bridges, each a port of the first one.
    """
    fits = index < ROOT_MEMBERS or segment.model.existing
    leaf = 0 if fits else 1 + (index - ROOT_MEMBERS) // LEAF_MEMBERS
    while len(segment.bridges) <= leaf:
        count = len(segment.bridges)
        bridge = bridge_of(draft, segment, f"{segment.root.name}-{count}")
        down = make_interface(draft, segment, f"{bridge.name}-down", segment.path)
        up = make_interface(draft, segment, f"{bridge.name}-up", segment.path)
        cable(down, up)
        down.mtu_hint = up.mtu_hint = segment.model.mtu
        down.port.trunk = up.port.trunk = True
        # `port_isolation` also holds between members on different bridges. So this port of the
        # first bridge is isolated like the ports of its members.
        down.port.isolated = segment.model.port_isolation
        join(draft, down, segment.root, segment.path)
        join(draft, up, bridge, segment.path)
        segment.bridges.append(bridge)
    return segment.bridges[leaf]


def _check_subnets(draft: Draft, segment: Segment) -> None:
    model, path, subnets = segment.model, segment.path, segment.model.subnets
    for index, earlier in _overlapping(subnets):
        draft.complain(
            "subnets-overlap",
            (*path, "subnet", index),
            f"network {segment.name}: the subnets {subnets[earlier]} and {subnets[index]} overlap",
        )
    has_own = not model.is_segment and not model.is_bridged
    lacks_subnet = has_own and not subnets and bool(model.gateway or model.ip_range)
    if lacks_subnet:
        what = " and ".join(sorted(model.modes))
        draft.complain(
            "needs-subnet",
            path,
            f"network {segment.name}: mode {what} needs a `subnet` that contains its"
            f" {'`gateway`' if model.gateway else '`ip_range`'}",
        )
    for index, pool in enumerate(() if lacks_subnet else model.ip_range):
        subnet = segment.subnet_around(pool.network_address)
        if subnet is None or subnet.prefixlen > pool.prefixlen:
            draft.complain(
                "outside-subnet",
                (*path, "ip_range", index),
                f"ip_range {pool} is in no subnet of network {segment.name}",
            )
    if model.is_segment and (model.isolated is not None or model.allow):
        key = "allow" if model.allow else "isolated"
        draft.complain(
            "nothing-to-isolate",
            (*path, key),
            f"network {segment.name}: a segment has no connection to other networks, so there is"
            " nothing to isolate",
        )
    for index, other in enumerate(model.allow):
        if other not in draft.topology.networks:
            draft.unknown(
                "unknown-network",
                (*path, "allow", index),
                "network",
                other,
                draft.topology.networks,
            )


def _overlapping(subnets: Sequence[Network]) -> Iterator[tuple[int, int]]:
    """Yield the position of each subnet that overlaps an earlier one, and the first such."""
    lengths = {(subnet.version, subnet.prefixlen) for subnet in subnets}
    # subnet → the position of the first subnet that is equal or inside it
    inside: dict[Network, int] = {}
    exact: dict[Network, int] = {}
    for index, subnet in enumerate(subnets):
        around = [
            subnet.supernet(new_prefix=length)
            for version, length in lengths
            if version == subnet.version and length <= subnet.prefixlen
        ]
        earlier = [exact[other] for other in around if other in exact]
        if subnet in inside:
            earlier.append(inside[subnet])
        if earlier:
            yield index, min(earlier)
        exact.setdefault(subnet, index)
        for other in around:
            inside.setdefault(other, index)


def _check_allowed(draft: Draft, segments: dict[str, Segment]) -> None:
    """Check `allow` of all networks, and make their owners forward.

    An owner does not forward for a host-only network unless another network may reach it.
    """
    for segment in segments.values():
        for index, name in enumerate(segment.model.allow):
            other = segments.get(name)
            if other is None or segment.model.is_segment:
                continue
            path = (*segment.path, "allow", index)
            if other.model.is_segment or other.model.is_bridged:
                mode = other.model.mode_of(4)
                draft.complain(
                    "no-way-between",
                    path,
                    f"network {name} is of mode {mode}, so {segment.owner.name} cannot forward from"
                    f" {segment.name} to it",
                )
            elif other.owner is not segment.owner:
                draft.complain(
                    "no-way-between",
                    path,
                    f"network {name} is on {other.owner.name}, but {segment.name} is on"
                    f" {segment.owner.name}: connect them by routes instead",
                )
            else:
                segment.owner.forwards |= {
                    version
                    for version in (4, 6)
                    if segment.subnet_of(version) and other.subnet_of(version)
                }


def check_overlaps(draft: Draft, segments: dict[str, Segment]) -> None:
    """Complain of networks with overlapping subnets that are in one node, or in one VRF of it."""
    places: dict[str, dict[str, Segment]] = {}

    def put(iface: Iface, node: str, segment: Segment) -> None:
        vrf = vrf_of(iface)
        places.setdefault(node if vrf is None else f"{vrf.name} of {node}", {})[segment.name] = (
            segment
        )

    for segment in segments.values():
        for member in segment.members:
            put(member.iface, member.iface.site.name, segment)
        if not segment.model.is_segment:
            put(segment.root, segment.owner.name, segment)
    reported: set[tuple[str, str]] = set()
    for node, here in places.items():
        subnets = sorted(
            ((subnet, segment) for segment in here.values() for subnet in segment.model.subnets),
            key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen),
        )
        for (one, first), (other, second) in pairwise(subnets):
            if (
                first is second
                or one.version != other.version
                or not one.overlaps(other)
                or (first.name, second.name) in reported
            ):
                continue
            reported.add((first.name, second.name))
            draft.complain(
                "subnets-overlap",
                (*second.path, "subnet"),
                f"the subnets of the networks {first.name} ({one}) and {second.name} ({other})"
                f" overlap, and {node} is in both.",
                "Take another subnet for one of them.",
            )
