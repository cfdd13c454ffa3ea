"""The packet filter rules of one topology in one namespace, in terms of both nftables and iptables.

The order of the rules in a ruleset is their order in the kernel.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netorch.immutable import Value

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
PortRange = tuple[int, int]
"""The first and the last port."""


class Hook(Enum):
    """A place on a packet's way through the kernel.

    The first three translate addresses, the last two filter packets.
    """

    PREROUTING = "prerouting"
    OUTPUT = "output"
    POSTROUTING = "postrouting"
    FORWARD = "forward"
    INPUT = "input"


class Not(Value):
    """Matches everything except this interface name or network."""

    value: str | Network


class Match(Value):
    """The conditions of a rule. A field that is None matches anything."""

    iif: str | Not | None = None
    """The incoming interface."""
    oif: str | Not | None = None
    """The outgoing interface."""
    source: Network | Not | None = None
    destination: Network | Not | None = None
    protocol: str | None = None
    """tcp, udp or sctp."""
    port: PortRange | None = None
    """The destination port, which needs a protocol."""
    local: bool | None = None
    """Whether the destination is an address of this namespace."""
    states: tuple[str, ...] = ()
    """States of the connection: new, established, related, invalid, untracked; () for any."""
    translated: bool | None = None
    """Whether the destination of the connection was translated (ct status dnat)."""


class Verdict(Enum):
    ACCEPT = "accept"
    DROP = "drop"
    RETURN = "return"
    MASQUERADE = "masquerade"


class SourceTo(Value):
    """Translate the source to this address."""

    address: Address


class DestinationTo(Value):
    """Translate the destination to this address."""

    address: Address
    ports: PortRange | None = None
    """The ports to which the matched ports are translated one to one; None leaves the port."""


class FilterRule(Value):
    """A rule for one IP version."""

    family: int
    """The IP version: 4 or 6."""
    hook: Hook
    match: Match
    act: Verdict | SourceTo | DestinationTo
    comment: str = ""
    """The purpose of the rule: at most 100 bytes of printable ASCII without quotes."""


Ruleset = tuple[FilterRule, ...]
