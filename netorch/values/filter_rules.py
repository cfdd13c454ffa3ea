"""The packet filter rules of one topology in one namespace, in terms of both nftables and iptables.

The order of the rules in a ruleset is their order in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Literal

from netorch.immutable import Value, replace

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
WITH_PORTS = frozenset(("tcp", "udp", "sctp"))
"""The protocols with ports."""
STATES = frozenset(("new", "established", "related", "invalid", "untracked"))
"""The states of connections in conntrack."""
PortRange = tuple[int, int]
"""The first and the last port."""


class Hook(Enum):
    """A place on a packet's way through the kernel.

    The first three translate addresses, the others filter packets.
    """

    PREROUTING = "prerouting"
    OUTPUT = "output"
    POSTROUTING = "postrouting"
    FORWARD = "forward"
    INPUT = "input"
    OUTPUT_FILTER = "output_filter"


FILTERING = frozenset((Hook.FORWARD, Hook.INPUT, Hook.OUTPUT_FILTER))
"""The hooks that filter packets."""


class Not(Value):
    """Matches everything except this interface name or network."""

    value: str | Network


class Group(Value):
    """Matches each of these interface names or networks."""

    name: str
    """The name of the set, which identifies it in its ruleset; "" for a set of one rule alone."""
    members: tuple[str | Network, ...]


class Pairs(Value):
    """Pairs of the interfaces by which a packet arrives and leaves."""

    name: str
    """The name of the set, which identifies it in its ruleset."""
    pairs: tuple[tuple[str, str], ...]


class Match(Value):
    """The conditions of a rule. A field that is None matches anything."""

    iif: str | Not | Group | None = None
    """The incoming interface."""
    oif: str | Not | Group | None = None
    """The outgoing interface."""
    pair: Pairs | None = None
    """Both interfaces: one of the pairs."""
    source: Network | Not | Group | None = None
    destination: Network | Not | Group | None = None
    protocol: str | None = None
    """tcp, udp, sctp, icmp, icmpv6, or the number of another protocol."""
    port: PortRange | None = None
    """The destination port, which needs a protocol with ports."""
    sport: PortRange | None = None
    """The source port, which needs a protocol with ports."""
    icmp: int | None = None
    """The type of ICMP or ICMPv6, which needs one of them as the protocol."""
    local: bool | None = None
    """Whether the destination is an address of this namespace."""
    states: tuple[str, ...] = ()
    """Those of `STATES` in which the connection may be; () for any."""
    translated: bool | None = None
    """Whether the destination of the connection was translated (ct status dnat)."""


class Verdict(Enum):
    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"


class SourceTo(Value):
    """Translate the source."""

    address: Address | None
    """The new address; None for that of the interface by which the packet leaves."""
    ports: PortRange | None = None
    """The ports of which the kernel chooses one; None for any. They need a protocol with ports."""
    random: bool = False
    """Whether the kernel chooses the port at random, even where the packet's own port is free."""


MASQUERADE = SourceTo(None)
"""Translate the source to the address of the interface by which the packet leaves."""


class DestinationTo(Value):
    """Translate the destination to this address."""

    address: Address
    ports: PortRange | None = None
    """The ports to which the matched ports are translated one to one; None leaves the port."""


class PortTarget(Value):
    """A port and the place to which it is translated."""

    address: Address | None
    """The address that has the port; None for all of them."""
    port: int
    target: Address
    to: int
    """The port of the target."""
    comment: str


class PortMap(Value):
    """Translate the destination of a packet by its port, or by its address and port.

    Either all entries have an address, or none has.
    """

    name: str
    """The name of the map, which identifies it in its ruleset."""
    ports: tuple[PortTarget, ...]


class Case(Value):
    """The rules for one value of a field."""

    label: str
    """The name of the rules: cases with the same label have the same rules."""
    value: str | Network
    rules: tuple[FilterRule, ...]


class Choice(Value):
    """Continue with the rules for the value of a field, if there are any, and then with the next
    rule.
    """

    name: str
    """The name of the map, which identifies it in its ruleset."""
    field: Literal["iif", "oif", "source"]
    cases: tuple[Case, ...]


class Branch(Value):
    """Continue with these rules, and then with the next rule."""

    name: str
    """The name of the chain, which identifies it in its ruleset."""
    rules: tuple[FilterRule, ...]


class FilterRule(Value):
    """A rule for one IP version."""

    family: int
    """The IP version: 4 or 6."""
    hook: Hook
    match: Match
    act: Verdict | SourceTo | DestinationTo | PortMap | Choice | Branch
    comment: str = ""
    """The purpose of the rule: at most 100 bytes of printable ASCII without quotes."""


Ruleset = tuple[FilterRule, ...]


def single_rules(rules: Iterable[FilterRule]) -> Iterator[FilterRule]:
    """Yield the rules without maps and branches: one for each of their entries, in order.

    Sets stay sets.
    """
    for rule in rules:
        match rule.act:
            case PortMap():
                yield from _port_rules(rule, rule.act)
            case Choice(cases=cases, field=field):
                for case in cases:
                    condition: dict[str, Any] = {field: case.value}
                    outer = both(rule.match, Match(**condition))
                    yield from single_rules(_within(outer, case.rules))
            case Branch(rules=inner):
                yield from single_rules(_within(rule.match, inner))
            case _:
                yield rule


def _within(outer: Match, rules: Iterable[FilterRule]) -> Iterator[FilterRule]:
    return (replace(rule, match=both(outer, rule.match)) for rule in rules)


def _port_rules(rule: FilterRule, act: PortMap) -> Iterator[FilterRule]:
    for entry in act.ports:
        match = replace(
            rule.match,
            destination=ip_network(entry.address) if entry.address is not None else None,
            port=(entry.port, entry.port),
        )
        translation = DestinationTo(entry.target, (entry.to, entry.to))
        yield FilterRule(rule.family, rule.hook, match, translation, entry.comment)


def both(one: Match, other: Match) -> Match:
    """Return the conditions of two matches. Raises ValueError if both have the same one."""
    changes = {name: getattr(other, name) for name in other.__struct_fields__}
    given = {name: value for name, value in changes.items() if value not in (None, ())}
    if twice := [name for name in given if getattr(one, name) not in (None, ())]:
        raise ValueError(f"two conditions on {', '.join(twice)}")
    return replace(one, **given)
