"""What decides about packets as the kernel lists it, with all that it asks for; for who follows a packet."""

from __future__ import annotations

from netorch.immutable import Value
from netorch.values.requests import RouteSpec, RuleSpec


class KernelRule(RuleSpec):
    """A policy rule with all that it asks for understood. `tos` has the bits of a DSCP, too."""

    protocol_number: int = 0
    """Of the packet (IPPROTO_…); 0 for any."""
    sport: tuple[int, int] | None = None
    dport: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    suppress_length: int = -1
    """Routes with a prefix of this length, or a shorter one, do not count; -1 for none."""
    suppress_group: int = -1
    """Routes by an interface of this group do not count; -1 for none."""
    goto: int = 0
    """The priority of the rule that a `goto` leads to."""
    tunnel: bool = False
    """It asks for the ID of a tunnel with a metadata interface."""
    unknown: tuple[int, ...] = ()
    """Attributes (FRA_…) that are not known here."""


class KernelRoute(RouteSpec):
    """A route with all that the kernel asks for when it looks it up."""

    encapsulation: int = 0
    """LWTUNNEL_ENCAP_…, of any of its next hops; 0 without one."""
    dead: frozenset[int] = frozenset()
    """Places of next hops whose interface is down."""


class NeighbourEntry(Value):
    """Who has an address on a link, as the kernel believes at the moment. `state`: NUD_…"""

    family: int
    index: int
    address: bytes
    mac: bytes
    state: int


class BridgeEntry(Value):
    """Where a bridge sends frames for a MAC: to the port `index`. `vlan` is 0 where it knows none."""

    index: int
    master: int
    mac: bytes
    vlan: int = 0
    local: bool = False
    """The frames are for the bridge itself."""
    sticky: bool = False
    """It stays whatever the bridge learns."""
