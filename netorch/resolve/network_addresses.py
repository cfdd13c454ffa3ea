"""Addresses in networks: those of gateways, those that the file gives, and automatic ones."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.errors import listing
from netorch.language.addresses import Address, Network
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, DraftAddress
from netorch.resolve.interfaces import type_of
from netorch.resolve.segment import Member, Segment


def assign_addresses(draft: Draft, segment: Segment) -> None:
    """Assign the addresses of a network's gateways and members.

    Gateways come first, then the addresses in memberships, then automatic addresses in the order of
    the file.
    """
    taken: dict[Address, str] = {}
    _bridge_gateways(draft, segment, taken)
    for member in segment.members:
        _explicit(draft, segment, member, taken)
    automatic: dict[int, list[Member]] = {4: [], 6: []}
    for member in segment.members if segment.model.subnets else ():
        versions = {entry.interface.version for entry in member.iface.addresses}
        for version, members in automatic.items():
            if member.model.addresses is not False and version not in versions:
                members.append(member)
    for subnet in segment.model.subnets:
        if segment.model.is_bridged and not segment.pools(subnet):
            continue  # netorch does not choose addresses on a segment that it does not own
        pool = _pool(segment, subnet, taken)
        for member in automatic[subnet.version]:
            free = next(pool, None)
            if free is None:
                draft.complain(
                    "subnet-full",
                    segment.path,
                    f"network {segment.name}: no address of {subnet} is left for"
                    f" {member.iface.display}.",
                    "Take a larger `subnet` or `ip_range`.",
                )
                break
            member.iface.addresses.append(
                DraftAddress(type_of(subnet)((free, subnet.prefixlen)), member.path)
            )
    _node_gateway(draft, segment)
    _find_routers(draft, segment)


def _bridge_gateways(draft: Draft, segment: Segment, taken: dict[Address, str]) -> None:
    words, path = segment.model, segment.path
    given: dict[int, Address] = {}
    for index, gateway in enumerate(words.gateway):
        place = (*path, "gateway", index)
        if isinstance(gateway, str):
            _gateway_name(draft, segment, gateway, place)
        elif segment.subnet_around(gateway) is None:
            if words.is_segment or words.subnets:
                draft.complain(
                    "outside-subnet",
                    place,
                    f"gateway {gateway} is outside the subnet of network {segment.name}",
                )
        elif gateway.version in given:
            draft.complain(
                "two-gateways",
                place,
                f"network {segment.name} has two gateways for IPv{gateway.version}",
            )
        else:
            given[gateway.version] = gateway
    segment.gateways = given
    if words.is_bridged:
        taken.update(dict.fromkeys(given.values(), f"the gateway of network {segment.name}"))
    if words.is_segment or words.is_bridged:
        return
    for subnet in words.subnets:
        address = given.get(subnet.version)
        if address is None or address not in subnet:
            if (
                address is not None
                and subnet.version in segment.gateways
                and address in segment.gateways.values()
            ):
                continue
            address = (
                subnet[1] if subnet.num_addresses > (2 if subnet.version == 4 else 1) else subnet[0]
            )
            segment.gateways.setdefault(subnet.version, address)
        if (
            subnet.version == 4
            and subnet.num_addresses > 2
            and address in {subnet.network_address, subnet.broadcast_address}
        ):
            draft.complain(
                "not-a-host-address",
                path,
                f"gateway {address} is the network or broadcast address of {subnet}.",
                f"Take another one, such as {subnet[1]}.",
            )
        taken[address] = f"the gateway of network {segment.name}"
        segment.root.addresses.append(
            DraftAddress(type_of(subnet)((address, subnet.prefixlen)), path)
        )


def _gateway_name(draft: Draft, segment: Segment, name: str, path: Path) -> None:
    if not segment.model.is_segment:
        mode = segment.model.mode_of(4)
        draft.complain(
            "gateway-is-bridge",
            path,
            f"network {segment.name}: in mode {mode} the gateway is the bridge's own address, not a"
            " node",
        )
    elif (site := draft.declared.get(name)) is None:
        draft.unknown(
            "unknown-node", path, "node", name, draft.topology.nodes, "Declare it under nodes."
        )
    elif not segment.members_of(site.name):
        nodes = (member.iface.site.name for member in segment.members)
        draft.unknown(
            "unknown-node",
            path,
            "node",
            name,
            nodes,
            f"Add {segment.name} to its networks.",
            group=f"a member of network {segment.name}",
        )
    else:
        segment.gateway_node = site.name


def _explicit(draft: Draft, segment: Segment, member: Member, taken: dict[Address, str]) -> None:
    for index, (interface, has_prefix) in enumerate(member.model.address or []):
        path = (
            (*member.path, "address")
            if len(member.model.address or []) == 1
            else (*member.path, "address", index)
        )
        ip = interface.ip
        subnet = segment.subnet_around(ip)
        if subnet is None and segment.model.subnets:
            subnets_text = listing(segment.model.subnets)
            draft.complain(
                "outside-subnet",
                path,
                f"{ip} is outside the subnet of network {segment.name} ({subnets_text})",
            )
            continue
        if not has_prefix:
            if subnet is None:
                draft.complain(
                    "needs-prefix-length",
                    path,
                    f"{ip} needs a prefix length, because network {segment.name} has no subnet",
                )
                continue
            edges = (
                {subnet.network_address, subnet.broadcast_address}
                if subnet.version == 4 and subnet.num_addresses > 2
                else set()
            )
            if ip in edges:
                draft.complain(
                    "not-a-host-address",
                    path,
                    f"{ip} is the network or broadcast address of {subnet}.",
                    f"Take one between {subnet[1]} and {subnet[-2]}.",
                )
                continue
            interface = type_of(subnet)((ip, subnet.prefixlen))  # noqa: PLW2901
        if (owner := taken.get(ip)) is not None:
            draft.complain(
                "address-twice",
                path,
                f"{ip} is given to {member.iface.display}, but it is {owner} already",
            )
            continue
        taken[ip] = f"the address of {member.iface.display}"
        member.iface.addresses.append(DraftAddress(interface, path))
    for entry in member.iface.addresses:
        taken.setdefault(entry.ip, f"the address of {member.iface.display}")


def _pool(segment: Segment, subnet: Network, taken: dict[Address, str]) -> Iterator[Address]:
    """Yield the free addresses of a subnet in order.

    Gateways, addresses in memberships, the first address, and the last one in IPv4 are not free.
    """
    ranges = segment.pools(subnet)
    whole = subnet.num_addresses <= 2
    reserved = set(segment.gateways.values())
    if not whole:
        reserved.add(subnet.network_address)
        if subnet.version == 4:
            reserved.add(subnet.broadcast_address)
    for pool in ranges or [subnet]:
        for value in range(int(pool.network_address), int(pool.broadcast_address) + 1):
            candidate = pool.network_address.__class__(value)
            if candidate not in reserved and candidate not in taken:
                yield candidate


def _node_gateway(draft: Draft, segment: Segment) -> None:
    """Set the gateways of a segment, which are a member's addresses or name the member."""
    if not segment.model.is_segment:
        return
    addresses = {entry.ip: member for member in segment.members for entry in member.iface.addresses}
    for index, gateway in enumerate(segment.model.gateway):
        if segment.model.parent is not None:
            continue  # it may be a router on the parent's segment that is not in the file
        if (
            not isinstance(gateway, str)
            and gateway in segment.gateways.values()
            and gateway not in addresses
        ):
            draft.complain(
                "unknown-gateway",
                (*segment.path, "gateway", index),
                f"gateway {gateway}: no member of network {segment.name} has this address.",
                "A segment's bridge has no address: name the member that routes, or take mode"
                " host-only.",
            )
    if segment.gateway_node is not None:
        for member in segment.members_of(segment.gateway_node):
            for entry in member.iface.addresses:
                segment.gateways.setdefault(entry.interface.version, entry.ip)


def _find_routers(draft: Draft, segment: Segment) -> None:
    """Find the gateway of each route that the network gives to its members."""
    if not segment.model.routes:
        return
    known = {entry.ip for member in segment.members for entry in member.iface.addresses}
    known |= set(segment.gateways.values())
    first: dict[tuple[Network, int | None], int] = {}
    for index, model in enumerate(segment.model.routes):
        path = (*segment.path, "routes", index)
        if first.setdefault((model.to, model.metric), index) != index:
            what = f"network {segment.name} has two routes to {model.to} with the same metric"
            draft.complain("route-twice", path, f"{what}: remove one of them")
        elif isinstance(model.via, str):
            router = _address_of_member(draft, segment, model.via, model.to, (*path, "via"))
            if router is not None:
                segment.routers[index] = router
        elif segment.model.subnets and segment.subnet_around(model.via) is None:
            draft.complain(
                "outside-subnet",
                (*path, "via"),
                f"gateway {model.via} is outside the subnet of network {segment.name}",
            )
        elif (
            model.via not in known and segment.model.parent is None and not segment.model.is_bridged
        ):
            draft.complain(
                "unknown-gateway",
                (*path, "via"),
                f"gateway {model.via}: no member of network {segment.name} has this address.",
                "Write the name or an address of the member that routes.",
            )
        else:
            segment.routers[index] = model.via


def _address_of_member(
    draft: Draft, segment: Segment, name: str, to: Network, path: Path
) -> Address | None:
    """Return the address of the member that a route names, of the IP version of the route."""
    site = draft.declared.get(name)
    members = () if site is None else segment.members_of(site.name)
    if site is None:
        draft.unknown(
            "unknown-node", path, "node", name, draft.topology.nodes, "Declare it under nodes."
        )
    elif not members:
        draft.unknown(
            "unknown-node",
            path,
            "node",
            name,
            (other.iface.site.name for other in segment.members),
            f"Add {segment.name} to its networks.",
            group=f"a member of network {segment.name}",
        )
    else:
        for member in members:
            for entry in (member.iface.uplink_bridge or member.iface).addresses:
                if entry.interface.version == to.version:
                    return entry.ip
        draft.complain(
            "unknown-gateway",
            path,
            f"{name} has no IPv{to.version} address in network {segment.name}, so it cannot be the"
            f" gateway to {to}.",
            "Give it an address, or name another member.",
        )
    return None
