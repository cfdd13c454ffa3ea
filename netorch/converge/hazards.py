"""What a file would do to the machine around it that no name tells: subnets that are somebody's, ports that somebody listens on,
a default route that forwarding would end. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from netorch.converge.original_settings import Memory
from netorch.errors import Position, Problem, did_you_mean
from netorch.kinds.address import Address, Ifaddr
from netorch.kinds.base.link import link_key
from netorch.kinds.filter import PacketFilter, filter_key
from netorch.kinds.netns import IPV6_FORWARDING, netns_key
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl
from netorch.language.scalars import Network
from netorch.netlink.constants import AF_INET6, RTPROT_RA
from netorch.resolve import Desired
from netorch.resolve.cautions import egress_warning
from netorch.state.key import HOST, Key, label_text
from netorch.state.resource import Resource
from netorch.values.filter_rules import DestinationTo, FilterRule, Hook, Not
from netorch.values.snapshot import NetnsSnapshot, Snapshot

_COMMENT = re.compile(r'"(publish [^"]*)"')


class Hazard(NamedTuple):
    """What a resource of the file would do to the machine around it."""

    key: Key
    code: str
    """Key of the table in `netorch.errors.codes`."""
    object: str
    what: str
    remedy: str
    command: str = ""
    """The command of the remedy, as in a Problem."""
    rule: str = ""
    """The comment of the rule that it is about."""

    def problem(self, where: Position | None = None) -> Problem:
        return Problem(self.code, f"{self.what}.", where, self.remedy, self.object, self.command)


def subnet_overlaps(desired: Desired, snapshot: Snapshot) -> Iterator[Hazard]:
    """Networks of whose subnet a namespace that netorch does not make reaches something by another link already.

    A route to more than the subnet takes nothing from it, since the subnet's own is the more specific one. A link's own
    subnet has neighbours that would be cut off, however large it is.
    """
    reached: dict[str, list[_Reach]] = {}
    for key, resource in desired.state.items():
        if (
            not isinstance(resource, Address)
            or netns_key(key.netns) in desired.state
            or desired.origins[key][:1] != ("networks",)
        ):
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is not None:
            if key.netns not in reached:
                reached[key.netns] = list(_reached(desired, netns))
            subnet = _subnet(resource.address)
            for reach in reached[key.netns]:
                if reach.takes_from(subnet):
                    other = reach.network
                    what = f"{label_text(key.netns)} reaches {other} {reach.how} already, which overlaps with {subnet}"
                    command = (
                        f"ip {'-6 ' if other.version == 6 else ''}route show table all root {other}"
                    )
                    title = resource.title()
                    yield Hazard(key, "subnet-taken", title, what, "Take another subnet.", command)
                    break


class _Reach(NamedTuple):
    """Where a namespace has a way to, and how. `neighbours`: it is the subnet of a link."""

    network: Network
    how: str
    neighbours: bool = False

    def takes_from(self, subnet: Network) -> bool:
        return (
            self.network.version == subnet.version
            and (self.neighbours or self.network.prefixlen >= subnet.prefixlen)
            and self.network.overlaps(subnet)
        )


def _subnet(address: Ifaddr) -> Network:
    """What the interface reaches by itself: with another end, of its own side the address alone."""
    return ip_network(address.local if address.peer else address.with_length, strict=False)


def ports_in_use(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource], snapshot: Snapshot
) -> Iterator[Hazard]:
    """Ports to be published anew where a program of the owner listens: nobody would reach it any more."""
    for key, rule, protocol, port in _shadowed(_new_ports(state, observed), snapshot):
        what = f"{rule.comment}: a program listens on {protocol} port {port} of {label_text(key.netns)} already"
        command = f"ss -lnp sport = {port}"
        remedy = f"Publish another port, or stop the program: `{command}` names it."
        yield Hazard(key, "port-in-use", rule.comment, what, remedy, command, rule.comment)


def warn_of_listeners(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource], snapshot: Snapshot
) -> list[str]:
    """A warning for each published port that a program of the owner has begun to listen on since."""
    return [
        f"{rule.comment}: a program listens on {protocol} port {port} of {label_text(key.netns)}, and nobody reaches it, "
        f"because the port leads to the node: `ss -lnp sport = {port}` names it"
        for key, rule, protocol, port in _shadowed(_published_ports(state), snapshot)
        if rule.comment in _published_texts(observed.get(key))
    ]


def _shadowed(
    ports: Iterable[tuple[Key, FilterRule]], snapshot: Snapshot
) -> Iterator[tuple[Key, FilterRule, str, int]]:
    """The published ports that keep packets from a program, with its protocol and port; one for each entry of the file."""
    told: set[tuple[Key, str]] = set()
    for key, rule in ports:
        netns = snapshot.namespaces.get(key.netns)
        for protocol, address, port in sorted(netns.listening) if netns is not None else ():
            if (key, rule.comment) not in told and _shadows(rule, protocol, address, port):
                told.add((key, rule.comment))
                yield key, rule, protocol, port


def ports_of_other_topologies(
    state: Mapping[Key, Resource],
    observed: Mapping[Key, Resource],
    others: Callable[[], Mapping[str, Mapping[Key, Resource]]],
) -> Iterator[Hazard]:
    """Ports of the host to be published anew that another topology publishes there: only one of the two would be reached."""
    key = filter_key(HOST)
    new = [rule for place, rule in _new_ports(state, observed) if place == key]
    told: set[str] = set()
    for name, theirs in (others() if new else {}).items():
        there = theirs.get(key)
        taken = (
            [rule for rule in there.rules if publishes(rule)]
            if isinstance(there, PacketFilter)
            else []
        )
        for rule in new:
            other = next((other for other in taken if _meet(rule, other)), None)
            if other is not None and rule.comment not in told:
                told.add(rule.comment)
                what = f"{rule.comment}: topology {name!r} has that port of the host already ({other.comment})"
                remedy = "Publish another port, or on another address."
                yield Hazard(key, "port-in-use", rule.comment, what, remedy, rule=rule.comment)


def _new_ports(
    state: Mapping[Key, Resource], observed: Mapping[Key, Resource]
) -> Iterator[tuple[Key, FilterRule]]:
    """One rule of each published port and family that is not there yet."""
    for key, rule in _published_ports(state):
        if rule.comment not in _published_texts(observed.get(key)):
            yield key, rule


def _published_ports(state: Mapping[Key, Resource]) -> Iterator[tuple[Key, FilterRule]]:
    """One rule of each published port and family."""
    for key, resource in state.items():
        if isinstance(resource, PacketFilter):
            # an entry for the owner's loopback alone is in this chain only
            rules = {
                (rule.comment, rule.family): rule
                for rule in resource.rules
                if publishes(rule) and rule.hook is Hook.OUTPUT
            }
            yield from ((key, rule) for rule in rules.values())


def _published_texts(before: Resource | None) -> frozenset[str]:
    """What the rules of published ports that are there say of themselves."""
    return _texts_in(before.text) if isinstance(before, PacketFilter) else frozenset()


@lru_cache
def _texts_in(text: str) -> frozenset[str]:
    return frozenset(_COMMENT.findall(text))


def warn_of_missing_addresses(wanted: Mapping[Key, Resource], snapshot: Snapshot) -> list[str]:
    """A warning for each address to publish on that the owner neither has nor is to get. What leaves may have any that leads back."""
    said: dict[str, None] = {}
    for key, resource in wanted.items():
        if not isinstance(resource, PacketFilter):
            continue
        netns = snapshot.namespaces.get(key.netns)
        there = (
            {ip_address(record.local) for record in netns.addresses} if netns is not None else set()
        )
        to_be = (
            other
            for other in wanted.values()
            if isinstance(other, Address) and other.netns == key.netns
        )
        there |= {ip_address(held.address.local) for held in to_be}
        for rule in filter(publishes, resource.rules):
            address = getattr(rule.match.destination, "network_address", None)
            if address is not None and not address.is_loopback and address not in there:
                said[
                    f"{rule.comment}: {label_text(key.netns)} does not have the address {address}, so that nothing arrives there"
                ] = None
    return list(said)


def warn_of_missing_interfaces(wanted: Mapping[Key, Resource], snapshot: Snapshot) -> list[str]:
    """A warning for each interface that rules and translations name in a namespace of others, and that is not there."""
    said: dict[tuple[str, str], str] = {}
    for key, resource in wanted.items():
        if not isinstance(resource, Rule | PacketFilter) or netns_key(key.netns) in wanted:
            continue
        netns = snapshot.namespaces.get(key.netns)
        if netns is None:
            continue
        there = {link.name for link in netns.links}
        for what, name in sorted(_interfaces_of(resource)):
            if name not in there and link_key(key.netns, name) not in wanted:
                place = label_text(key.netns)
                guess = did_you_mean(name, sorted(there - {"lo"}))
                text = f"{what}: {place} has no interface {name}: until something makes it, nothing matches."
                said.setdefault((place, name), f"{text} {guess}".rstrip())
    return list(said.values())


def _interfaces_of(resource: Rule | PacketFilter) -> set[tuple[str, str]]:
    """What names an interface, and the name."""
    if isinstance(resource, Rule):
        names = (resource.spec.iif, resource.spec.oif)
        return {(resource.title(), name) for name in names if name is not None}
    return {
        (rule.comment, str(end.value) if isinstance(end, Not) else end)
        for rule in resource.rules
        for end in (rule.match.iif, rule.match.oif)
        if end is not None
    }


def warn_of_egress(desired: Desired, snapshot: Snapshot) -> list[str]:
    """A warning for each address that networks of others' namespaces leave with, and that those do not have."""
    found: list[str] = []
    for owner, network, address in desired.egress:
        netns = snapshot.namespaces.get(owner)
        if netns is None or any(ip_address(record.local) == address for record in netns.addresses):
            continue
        held = (
            other.address.local
            for other in desired.state.values()
            if isinstance(other, Address) and other.netns == owner
        )
        if str(address) not in held:
            found.append(egress_warning(network, label_text(owner), address))
    return found


def settings_of_routers(
    wanted: Mapping[Key, Resource], snapshot: Snapshot, memory: Memory
) -> list[Sysctl]:
    """accept_ra=2 for links by which a router advertised the default route: forwarding would end it otherwise."""
    found: list[Sysctl] = []
    for key, resource in wanted.items():
        if (
            not isinstance(resource, Sysctl)
            or resource.paths != (IPV6_FORWARDING,)
            or resource.value != "1"
        ):
            continue
        netns = snapshot.namespaces.get(key.netns)
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
            if link.name in advertised or (key.netns, paths) in memory.ours:
                found.append(Sysctl(key.netns, paths, ("2",)))
    return found


def ipv6_switches(state: Mapping[Key, Resource]) -> dict[str, tuple[str, ...]]:
    """Label → the settings that tell whether the file's IPv6 addresses can be there, in namespaces that netorch does not make."""
    found: dict[str, tuple[str, ...]] = {}
    for key, resource in state.items():
        if (
            isinstance(resource, Address)
            and resource.address.version == 6
            and netns_key(key.netns) not in state
        ):
            found[key.netns] = (
                *found.get(key.netns, (_switch("default"),)),
                _switch(resource.link),
            )
    return found


def ipv6_turned_off(state: Mapping[Key, Resource], snapshot: Snapshot) -> Iterator[Hazard]:
    """IPv6 addresses where IPv6 is off, as it is in most containers: the kernel would refuse them."""
    said = {
        (key.netns, path): resource.value
        for key, resource in state.items()
        if isinstance(resource, Sysctl)
        for path in resource.paths
    }
    switches = ipv6_switches(state)
    for key, resource in state.items():
        netns = snapshot.namespaces.get(key.netns)
        if (
            netns is None
            or key.netns not in switches
            or not isinstance(resource, Address)
            or resource.address.version == 4
        ):
            continue
        there = any(link.name == resource.link for link in netns.links)
        decides = _switch(resource.link if there else "default")
        here = (
            said.get((key.netns, _switch(resource.link))),
            said.get((key.netns, decides)),
            netns.sysctls.get(decides),
        )
        if next((value for value in here if value is not None), "0") != "0":
            place = f"{label_text(key.netns)}/{resource.link}"
            what = f"{place} would have no IPv6, so no {resource.address}"
            remedy = "Say `sysctls: {disable_ipv6: 0}` of this interface."
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
                yield _Reach(network, "by a route of its own")
        for gateway in (ip_network(hop.via) for hop in route.hops if hop.via is not None):
            if not gateway.is_link_local:
                yield _Reach(gateway, "as a gateway of its own")


def publishes(rule: FilterRule) -> bool:
    """Whether the rule leads a published port to its node."""
    return isinstance(rule.act, DestinationTo) and rule.comment.startswith("publish ")


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
