"""Find what a file would break in the machine around it: hazards, and warnings about them.

These are subnets that are in use, ports that a program listens on, and a default route that
forwarding would delete. This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from netorch.converge.original_settings import Memory
from netorch.errors import Position, Problem, did_you_mean
from netorch.kinds.address import Address, Ifaddr
from netorch.kinds.base.link import link_key
from netorch.kinds.filter import PacketFilter, filter_key
from netorch.kinds.netns import IPV6_FORWARDING, netns_key
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl
from netorch.language.addresses import Network
from netorch.netlink.constants import AF_INET6, RTPROT_RA
from netorch.resolve.desired import Desired, egress_warning
from netorch.state.by_class import of_class
from netorch.state.key import HOST, Key, label_text
from netorch.state.resource import Resource
from netorch.values.filter_rules import (
    Branch,
    Choice,
    DestinationTo,
    FilterRule,
    Hook,
    Not,
    Ruleset,
    single_rules,
)
from netorch.values.snapshot import NetnsSnapshot, Snapshot

_COMMENT = re.compile(r'"(publish [^"]*)"')

_POOLS = {
    4: (
        *(f"10.{number}.0.0/16" for number in (*range(210, 256), *range(1, 210))),
        *(f"172.{number}.0.0/16" for number in range(16, 32)),
    ),
    6: tuple(f"fd00:0:{number:x}::/48" for number in range(1, 256)),
}
"""IP version → the pools that netorch suggests, in this order."""


class Hazard(NamedTuple):
    """A change by one resource that would break something outside the topology."""

    key: Key
    code: str
    """A key of the table in `netorch.errors.codes`."""
    object: str
    """The object that the problem is about, as in a Problem."""
    what: str
    """What is wrong, as a sentence without its full stop."""
    remedy: str
    """What to do, as a sentence."""
    command: str = ""
    """The command that helps, as in a Problem."""
    rule: str = ""
    """The comment of the packet filter rule that it is about, if there is one."""

    def problem(self, where: Position | None = None) -> Problem:
        return Problem(self.code, f"{self.what}.", where, self.remedy, self.object, self.command)


def subnet_overlaps(desired: Desired, snapshot: Snapshot) -> Iterator[Hazard]:
    """Yield the networks whose subnet is already in use in a namespace that netorch does not make.

    A route of that namespace to a larger prefix does no harm: the route of the new subnet
    is more specific. But a link whose own subnet overlaps has neighbours that could no longer be
    reached, however large that subnet is.
    """
    reached: dict[str, list[_Reach]] = {}
    for resource in of_class(desired.state, Address):
        key = resource.key
        if netns_key(key.netns) in desired.state or desired.origins[key][:1] != ("networks",):
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is not None:
            if key.netns not in reached:
                reached[key.netns] = list(_reached(desired, netns))
            subnet = _subnet(resource.address)
            for reach in reached[key.netns]:
                if reach.takes_from(subnet):
                    other = reach.network
                    what = (
                        f"{label_text(key.netns)} already reaches {other} {reach.how}, "
                        f"which overlaps with {subnet}"
                    )
                    command = (
                        f"ip {'-6 ' if other.version == 6 else ''}route show table all root {other}"
                    )
                    title, remedy = resource.title(), "Take another subnet."
                    if subnet in desired.chosen.get(str(desired.origins[key][1]), ()):
                        remedy = _other_pool(desired, subnet.version, reached[key.netns]) or remedy
                    yield Hazard(key, "subnet-taken", title, what, remedy, command)
                    break


def _other_pool(desired: Desired, version: int, reached: Iterable[_Reach]) -> str:
    """Return the remedy for a subnet that netorch chose: a pool that nothing uses; "" if none is.

    Nothing uses a pool in which the namespace reaches nothing and the file has no address.
    """
    reaches = [reach for reach in reached if reach.network.version == version]
    own = [
        _subnet(resource.address)
        for resource in of_class(desired.state, Address)
        if resource.address.version == version
    ]
    for pool in map(ip_network, _POOLS[version]):
        if not any(reach.takes_from(pool) for reach in reaches) and not any(
            subnet.overlaps(pool) for subnet in own
        ):
            text = f'"{pool}"' if version == 6 else str(pool)
            return (
                "netorch chose the subnet: let it choose from a pool that is free here, with"
                f" `defaults: {{network: {{pool: {text}}}}}`."
            )
    return ""


class _Reach(NamedTuple):
    """A prefix that a namespace has a route to."""

    network: Network
    how: str
    """How the prefix is reached, as in "by eth0"."""
    neighbours: bool = False
    """Whether the prefix is the subnet of a link."""

    def takes_from(self, subnet: Network) -> bool:
        return (
            self.network.version == subnet.version
            and (self.neighbours or self.network.prefixlen >= subnet.prefixlen)
            and self.network.overlaps(subnet)
        )


def _subnet(address: Ifaddr) -> Network:
    """Return the subnet of an address. With a peer, it is the address alone."""
    return ip_network(address.local if address.peer else address.with_length, strict=False)


def ports_in_use(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource], snapshot: Snapshot
) -> Iterator[Hazard]:
    """Yield the newly published ports on which a program of the owner listens already.

    Nobody could reach that program any more.
    """
    for key, rule, protocol, port in _shadowed(_new_ports(state, observed), snapshot):
        what = (
            f"{rule.comment}: a program already listens on {protocol} port {port} "
            f"of {label_text(key.netns)}"
        )
        command = f"ss -lnp sport = {port}"
        remedy = f"Publish another port, or stop the program: `{command}` shows it."
        yield Hazard(key, "port-in-use", rule.comment, what, remedy, command, rule.comment)


def warn_of_listeners(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource], snapshot: Snapshot
) -> list[str]:
    """Return a warning for each port that is published already and on which a program listens."""
    return [
        f"{rule.comment}: a program listens on {protocol} port {port} of {label_text(key.netns)}, "
        "but nobody can reach it, because the port leads to the node: "
        f"`ss -lnp sport = {port}` shows the program"
        for key, rule, protocol, port in _shadowed(_published_ports(state), snapshot)
        if rule.comment in _published_texts(observed.get(key))
    ]


def _shadowed(
    ports: Iterable[tuple[Key, FilterRule]], snapshot: Snapshot
) -> Iterator[tuple[Key, FilterRule, str, int]]:
    """Yield the published ports that keep packets from a program, with its protocol and port.

    Each entry of the file is yielded once.
    """
    reported: set[tuple[Key, str]] = set()
    listening: dict[str, list[tuple[str, bytes, int]]] = {}
    for key, rule in ports:
        netns = snapshot.namespaces.get(key.netns)
        if key.netns not in listening:
            listening[key.netns] = sorted(netns.listening or ()) if netns is not None else []
        for protocol, address, port in listening[key.netns]:
            if (key, rule.comment) not in reported and _shadows(rule, protocol, address, port):
                reported.add((key, rule.comment))
                yield key, rule, protocol, port


def ports_of_other_topologies(
    state: Mapping[Key, Resource],
    observed: Mapping[Key, Resource],
    others: Callable[[], Mapping[str, Mapping[Key, Resource]]],
) -> Iterator[Hazard]:
    """Yield the newly published ports of the host that another topology publishes there already."""
    key = filter_key(HOST)
    new = [rule for place, rule in _new_ports(state, observed) if place == key]
    reported: set[str] = set()
    for name, theirs in (others() if new else {}).items():
        there = theirs.get(key)
        taken: dict[int, list[FilterRule]] = {}
        if isinstance(there, PacketFilter):
            for rule in publications(there.rules):
                for block in _blocks(rule):
                    taken.setdefault(block, []).append(rule)
        for rule in new:
            near = (other for block in _blocks(rule) for other in taken.get(block, ()))
            other = next((other for other in near if _meet(rule, other)), None)
            if other is not None and rule.comment not in reported:
                reported.add(rule.comment)
                what = (
                    f"{rule.comment}: topology {name!r} already publishes "
                    f"that port of the host ({other.comment})"
                )
                remedy = "Publish another port, or use another address."
                yield Hazard(key, "port-in-use", rule.comment, what, remedy, rule=rule.comment)


def _new_ports(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource]
) -> Iterator[tuple[Key, FilterRule]]:
    """Yield one packet filter rule for each published port and IP version that the kernel lacks."""
    for key, rule in _published_ports(state):
        if rule.comment not in _published_texts(observed.get(key)):
            yield key, rule


def _published_ports(state: Mapping[Key, Resource]) -> Iterator[tuple[Key, FilterRule]]:
    """Yield one packet filter rule for each published port and IP version."""
    for resource in of_class(state, PacketFilter):
        # OUTPUT has a rule for every entry, even for one that is only for the loopback address
        rules = {
            (rule.comment, rule.family): rule
            for rule in publications(resource.rules)
            if rule.hook is Hook.OUTPUT
        }
        yield from ((resource.key, rule) for rule in rules.values())


def _published_texts(before: Resource | None) -> frozenset[str]:
    """Return the comments of the existing rules of published ports."""
    return _texts_in(before.text) if isinstance(before, PacketFilter) else frozenset()


@lru_cache
def _texts_in(text: str) -> frozenset[str]:
    return frozenset(_COMMENT.findall(text))


def warn_of_missing_addresses(desired: Mapping[Key, Resource], snapshot: Snapshot) -> list[str]:
    """Return a warning for each address to publish on that the owner neither has nor will get.

    Addresses that packets leave with are not checked: the way back may lead to the owner anyway.
    """
    published = [
        (resource.netns, rule.comment, address)
        for resource in of_class(desired, PacketFilter)
        for rule in publications(resource.rules)
        if (address := getattr(rule.match.destination, "network_address", None)) is not None
        and not address.is_loopback
    ]
    if not published:
        return []
    there: dict[str, set[IPv4Address | IPv6Address]] = {}
    for owner in {owner for owner, _, _ in published} & snapshot.namespaces.keys():
        records = snapshot.namespaces[owner].addresses
        there[owner] = {ip_address(record.local) for record in records}
    for resource in of_class(desired, Address):
        there.setdefault(resource.netns, set()).add(ip_address(resource.address.local))
    return list(
        dict.fromkeys(
            f"{comment}: {label_text(owner)} does not have the address {address}, "
            "so no packet arrives there"
            for owner, comment, address in published
            if address not in there.get(owner, ())
        )
    )


def warn_of_missing_interfaces(desired: Mapping[Key, Resource], snapshot: Snapshot) -> list[str]:
    """Return a warning for each missing interface that rules and translations refer to.

    Only namespaces that netorch does not make are checked.
    """
    warnings: dict[tuple[str, str], str] = {}
    matching: tuple[Rule | PacketFilter, ...] = (
        *of_class(desired, Rule),
        *of_class(desired, PacketFilter),
    )
    for resource in matching:
        key = resource.key
        if netns_key(key.netns) in desired:
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is None:
            continue
        there = {link.name for link in netns.links}
        for what, name in sorted(_interfaces_of(resource)):
            if name not in there and link_key(key.netns, name) not in desired:
                place = label_text(key.netns)
                guess = did_you_mean(name, sorted(there - {"lo"}))
                text = (
                    f"{what}: {place} has no interface {name}: "
                    "the rule matches nothing until the interface exists."
                )
                warnings.setdefault((place, name), f"{text} {guess}".rstrip())
    return list(warnings.values())


def _interfaces_of(resource: Rule | PacketFilter) -> set[tuple[str, str]]:
    """Return (title of a rule or its comment, interface that it refers to)."""
    if isinstance(resource, Rule):
        names = (resource.spec.iif, resource.spec.oif)
        return {(resource.title(), name) for name in names if name is not None}
    return set(_interfaces_in(resource.rules))


def _interfaces_in(rules: Iterable[FilterRule]) -> Iterator[tuple[str, str]]:
    """Yield comment and interface of the rules that name one.

    Sets and maps have only bridges, which the topology makes itself.
    """
    for rule in rules:
        for end in (rule.match.iif, rule.match.oif):
            if isinstance(end, str | Not):
                yield rule.comment, str(end.value) if isinstance(end, Not) else end
        match rule.act:
            case Choice(cases=cases):
                for case in cases:
                    yield from _interfaces_in(case.rules)
            case Branch(rules=inner):
                yield from _interfaces_in(inner)


def warn_of_egress(desired: Desired, snapshot: Snapshot) -> list[str]:
    """Return a warning for each `egress` address that the owner of the network does not have.

    Only owners that netorch does not make are checked.
    """
    warnings: list[str] = []
    for owner, network, address in desired.egress:
        netns = snapshot.namespaces.get(owner)
        if netns is None or any(ip_address(record.local) == address for record in netns.addresses):
            continue
        held = (
            other.address.local
            for other in of_class(desired.state, Address)
            if other.netns == owner
        )
        if str(address) not in held:
            warnings.append(egress_warning(network, label_text(owner), address))
    return warnings


def settings_of_routers(
    desired: Mapping[Key, Resource], snapshot: Snapshot, memory: Memory
) -> list[Sysctl]:
    """Return accept_ra=2 for each link on which a router advertised the default route.

    Otherwise the kernel deletes that route when IPv6 forwarding is turned on.
    """
    settings: list[Sysctl] = []
    for resource in of_class(desired, Sysctl):
        if resource.paths != (IPV6_FORWARDING,) or resource.value != "1":
            continue
        netns = snapshot.namespaces.get(resource.netns)
        if netns is None:
            continue
        advertised = {
            hop.dev
            for route in netns.routes
            if (route.family, route.protocol) == (AF_INET6, RTPROT_RA)
            for hop in route.hops
        }
        for link in netns.links:
            paths = (f"net/ipv6/conf/{link.name}/accept_ra",)
            if link.name in advertised or (resource.netns, paths) in memory.ours:
                settings.append(Sysctl(resource.netns, paths, ("2",)))
    return settings


def ipv6_switches(state: Mapping[Key, Resource]) -> dict[str, tuple[str, ...]]:
    """Return label → the disable_ipv6 sysctls that decide about the file's IPv6 addresses.

    Only namespaces that netorch does not make are included.
    """
    switches: dict[str, tuple[str, ...]] = {}
    for resource in of_class(state, Address):
        if resource.address.version == 6 and netns_key(resource.netns) not in state:
            switches[resource.netns] = (
                *switches.get(resource.netns, (_switch("default"),)),
                _switch(resource.link),
            )
    return switches


def ipv6_turned_off(state: Mapping[Key, Resource], snapshot: Snapshot) -> Iterator[Hazard]:
    """Yield the IPv6 addresses for interfaces on which IPv6 is off, as in most containers.

    The kernel would refuse these addresses.
    """
    switches = ipv6_switches(state)
    if not switches:
        return
    written = {
        (resource.netns, path): resource.value
        for resource in of_class(state, Sysctl)
        for path in resource.paths
    }
    for resource in of_class(state, Address):
        key = resource.key
        netns = snapshot.namespaces.get(key.netns)
        if netns is None or key.netns not in switches or resource.address.version == 4:
            continue
        there = any(link.name == resource.link for link in netns.links)
        decides = _switch(resource.link if there else "default")
        here = (
            written.get((key.netns, _switch(resource.link))),
            written.get((key.netns, decides)),
            netns.sysctls.get(decides),
        )
        if next((value for value in here if value is not None), "0") != "0":
            place = f"{label_text(key.netns)}/{resource.link}"
            what = f"IPv6 is off on {place}, so it cannot have {resource.address}"
            remedy = "Write `sysctls: {disable_ipv6: 0}` for this interface."
            yield Hazard(key, "ipv6-off", place, what, remedy)


def _switch(link: str) -> str:
    return f"net/ipv6/conf/{link}/disable_ipv6"


def _reached(desired: Desired, netns: NetnsSnapshot) -> Iterator[_Reach]:
    names = {link.index: link.name for link in netns.links}
    ours = {
        link.name
        for link in netns.links
        if desired.mark.owns_alias(link.alias) or link.group == desired.mark.group
    }
    for record in netns.addresses:
        name = names.get(record.index, "")
        if name not in ours | {"lo"}:
            network = ip_network((record.address, record.prefixlen), strict=False)
            if not network.is_link_local:
                yield _Reach(network, f"by {name}", neighbours=True)
    for route in netns.routes:
        devices = {hop.dev for hop in route.hops}
        if route.protocol == desired.mark.protocol or devices & ours:
            continue
        if route.dst is not None:
            network = ip_network((route.dst, route.prefixlen))
            if not network.is_link_local and not network.is_multicast:
                yield _Reach(network, "by another route")
        for gateway in (ip_network(hop.via) for hop in route.hops if hop.via is not None):
            if not gateway.is_link_local:
                yield _Reach(gateway, "as a gateway")


def publishes(rule: FilterRule) -> bool:
    """Whether the rule forwards a published port to its node."""
    return isinstance(rule.act, DestinationTo) and rule.comment.startswith("publish ")


def publications(rules: Ruleset) -> Iterator[FilterRule]:
    """Yield the rules that forward published ports, one for each port."""
    early = (rule for rule in rules if rule.hook in (Hook.PREROUTING, Hook.OUTPUT))
    return filter(publishes, single_rules(early))


def _meet(one: FilterRule, other: FilterRule) -> bool:
    mine, theirs = one.match, other.match
    if (
        (one.family, mine.protocol) != (other.family, theirs.protocol)
        or mine.port is None
        or theirs.port is None
    ):
        return False
    same = None in (mine.destination, theirs.destination) or mine.destination == theirs.destination
    return same and mine.port[0] <= theirs.port[1] and theirs.port[0] <= mine.port[1]


def _blocks(rule: FilterRule) -> range:
    """Return the numbers of the blocks of 256 ports in which the rule has ports."""
    first, last = rule.match.port or (0, -1)
    return range(first >> 8, (last >> 8) + 1)


def _shadows(rule: FilterRule, protocol: str, address: bytes, port: int) -> bool:
    match = rule.match
    if not isinstance(rule.act, DestinationTo) or match.protocol != protocol or match.port is None:
        return False
    if not match.port[0] <= port <= match.port[1]:
        return False
    local = ip_address(address)
    if local.is_unspecified:
        return local.version == 6 or rule.family == 4
    return local.version == rule.family and (
        not isinstance(match.destination, Network) or local in match.destination
    )
