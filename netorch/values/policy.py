"""Rules, routes and tables that decide where packets go, with all details; for the walk."""

from __future__ import annotations

from netorch.immutable import Value
from netorch.values.requests import RouteSpec, RuleSpec


class KernelRule(RuleSpec):
    """A policy rule with all its conditions. `tos` also has the bits of a DSCP."""

    protocol_number: int = 0
    """The packet's protocol (IPPROTO_…); 0 for any."""
    sport: tuple[int, int] | None = None
    """The first and the last source port; None for any."""
    dport: tuple[int, int] | None = None
    """The first and the last destination port; None for any."""
    uids: tuple[int, int] | None = None
    """The first and the last user ID of the sender; None for any."""
    suppress_length: int = -1
    """Routes with a prefix of this length or shorter are ignored; -1 for no route."""
    suppress_group: int = -1
    """Routes through an interface of this group are ignored; -1 for no route."""
    goto: int = 0
    """The priority of the rule to which `goto` jumps."""
    tunnel: bool = False
    """Whether it has a condition on the ID of a tunnel with a metadata interface."""
    unknown: tuple[int, ...] = ()
    """Attributes (FRA_…) that netorch does not know."""


class KernelRoute(RouteSpec):
    """A route with everything that matters when the kernel looks it up."""

    dead: frozenset[int] = frozenset()
    """Positions in `hops` of next hops whose interface is down."""


class NeighbourEntry(Value):
    """An entry of the kernel's neighbour table: the current MAC of an address on a link."""

    family: int
    index: int
    """The index of the link."""
    address: bytes
    mac: bytes
    state: int
    """The state (NUD_*)."""


class BridgeEntry(Value):
    """An entry of a bridge's forwarding table: the port to which it sends frames for a MAC."""

    index: int
    """The index of the port."""
    master: int
    """The index of the bridge."""
    mac: bytes
    vlan: int = 0
    """The VLAN, 0 if the bridge does not filter VLANs."""
    local: bool = False
    """Whether the frames are for the bridge itself."""
    sticky: bool = False
    """Whether the MAC stays at this port even if the bridge sees it elsewhere."""
