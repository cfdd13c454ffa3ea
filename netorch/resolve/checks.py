"""Replace the names in `checks` by namespaces, interfaces and addresses, without DNS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address

from netorch.language.addresses import Address
from netorch.resolve.desired import Check, CheckEnd, Path
from netorch.resolve.draft import Draft, Iface, Site
from netorch.resolve.segment import Segment
from netorch.state.key import HOST


def resolve_checks(draft: Draft, segments: Mapping[str, Segment]) -> tuple[Check, ...]:
    """Return the checks, and complain of names that do not exist."""
    checks: list[Check] = []
    nodes = draft.topology.nodes
    all_members: dict[str, tuple[CheckEnd, ...]] = {}
    ends: dict[str, CheckEnd] = {}
    for index, words in enumerate(draft.topology.checks):
        path: Path = ("checks", index)
        source = target = None
        members: tuple[CheckEnd, ...] = ()
        if words.all is not None:
            if words.all not in draft.topology.networks:
                draft.unknown(
                    "unknown-network", (*path, "all"), "network", words.all, draft.topology.networks
                )
            elif words.all in segments:
                if words.all not in all_members:
                    segment = segments[words.all]
                    all_members[words.all] = tuple(
                        _member(member.iface, segment) for member in segment.members
                    )
                members = all_members[words.all]
        if words.source is not None:
            site = _site(draft, words.source)
            if site is None and words.source not in nodes:
                draft.unknown(
                    "unknown-node",
                    (*path, "from"),
                    "node",
                    words.source,
                    nodes,
                    "Write `all: NETWORK` for all of a network." if words.source == "all" else "",
                )
            elif site is not None:
                if words.source not in ends:
                    ends[words.source] = _node(site, words.source)
                source = ends[words.source]
        if words.to is not None:
            target = ends.get(words.to)
            if target is None:
                target = _target(draft, words.to, (*path, "to"))
            if target is not None and _site(draft, words.to) is not None:
                ends[words.to] = target
        checks.append(
            Check(
                path=path,
                source=source,
                target=target,
                network=words.all or "",
                members=members,
                reachable=words.reachable,
                tcp=words.tcp or 0,
                mtu=words.mtu or 0,
            )
        )
    _refuse_contradictions(draft, checks)
    return tuple(checks)


def _refuse_contradictions(draft: Draft, checks: Iterable[Check]) -> None:
    """Report each check that demands the opposite of an earlier one: one of them fails always."""
    earlier: dict[tuple[object, ...], Check] = {}
    for check in checks:
        if not check.network and (check.source is None or check.target is None):
            continue  # because its names are wrong, which is reported already
        ends = (None if end is None else end.name for end in (check.source, check.target))
        first = earlier.setdefault((*ends, check.network, check.tcp, check.mtu), check)
        if first.reachable != check.reachable:
            draft.complain(
                "contradicting-checks",
                check.path,
                f"checks.{first.path[-1]} asks the same question and expects the opposite answer.",
                "Remove one of the two.",
            )


def _target(draft: Draft, text: str, path: Path) -> CheckEnd | None:
    node, colon, interface = text.partition(":")
    if (site := _site(draft, node)) is not None:
        if not colon:
            return _node(site, node)
        if interface not in site.ifaces:
            port = f"For a port, write `to: {node}, tcp: {interface}`."
            draft.unknown(
                "unknown-interface",
                path,
                f"node {node}: interface",
                interface,
                site.ifaces,
                port if interface.isdecimal() else "",
            )
            return None
        iface = site.ifaces[interface]
        return CheckEnd(
            text,
            node,
            site.label,
            (iface.uplink_bridge or iface).dev,
            addresses_of([iface.uplink_bridge or iface]),
        )
    try:
        address = ip_address(text)
    except ValueError:
        outside = "netorch looks up no names of the internet: write an address."
        remedy = outside if "." in text else ""
        draft.unknown("unknown-node", path, "node or address", text, draft.topology.nodes, remedy)
        return None
    if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        draft.complain(
            "bad-check-target",
            path,
            f"{text} is not an address of one host, so a check cannot reach it.",
        )
    elif isinstance(address, IPv6Address) and address.is_link_local and not address.scope_id:
        draft.complain(
            "bad-check-target",
            path,
            f"{text} is a link-local address, which exists on every link.",
            f"Add the interface: {text}%INTERFACE.",
        )
    return CheckEnd(text, addresses=(address,))


def _site(draft: Draft, node: str) -> Site | None:
    """Return a node, or the host of a file for one machine, which need not be among the nodes."""
    if node == HOST and draft.spread is None:
        return draft.host_of("")
    return draft.declared.get(node)


def _node(site: Site, name: str) -> CheckEnd:
    """Return the end that a node is. `name` is the node, or one that shares its namespace."""
    return CheckEnd(
        name,
        name,
        site.label,
        "",
        addresses_of(sorted(site.ifaces.values(), key=lambda iface: iface.name != "lo")),
    )


def _member(iface: Iface, segment: Segment) -> CheckEnd:
    """Return the end that a member is. Its name has the interface if the node has several."""
    node = iface.site.name
    name = iface.display if segment.members_of(node)[1:] else node
    return CheckEnd(name, node, iface.site.label, iface.dev, addresses_of([iface]))


def addresses_of(ifaces: Iterable[Iface]) -> tuple[Address, ...]:
    """Return the addresses of interfaces at which other nodes can reach them."""
    addresses = (entry.ip for iface in ifaces for entry in iface.addresses)
    return tuple(
        dict.fromkeys(
            address
            for address in addresses
            if not address.is_loopback and not address.is_link_local
        )
    )
