"""What one topology asks of one namespace's packet filter, in words that nftables and iptables both have.

The order of the rules is their order in the kernel. A rule has one family; `Match` fields that are None match anything.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netorch.immutable import Value

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
PortRange = tuple[int, int]
"""First and last."""


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
    """Anything but this interface name or network."""

    value: str | Network


class Match(Value):
    """`protocol` is tcp, udp or sctp where there are ports. `local`: the destination is an address of this namespace.

    `states`: conntrack states, of new, established, related, invalid, untracked. `translated`: the connection's destination was
    translated (ct status dnat), or was not.
    """

    iif: str | Not | None = None
    oif: str | Not | None = None
    source: Network | Not | None = None
    destination: Network | Not | None = None
    protocol: str | None = None
    port: PortRange | None = None
    local: bool | None = None
    states: tuple[str, ...] = ()
    translated: bool | None = None


class Verdict(Enum):
    ACCEPT = "accept"
    DROP = "drop"
    RETURN = "return"
    MASQUERADE = "masquerade"


class SourceTo(Value):
    """Translate the source to this address."""

    address: Address


class DestinationTo(Value):
    """Translate the destination to this address, and the port range one to one where `ports` is given."""

    address: Address
    ports: PortRange | None = None


class FilterRule(Value):
    """A rule for one IP version.

    `comment`: what the rule is for; printable ASCII without quotes, at most 100 bytes.
    """

    family: int
    hook: Hook
    match: Match
    act: Verdict | SourceTo | DestinationTo
    comment: str = ""


Ruleset = tuple[FilterRule, ...]
