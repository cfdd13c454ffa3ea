"""What an apply has moved: addresses and MACs that others have learned at another place."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value

Links = Mapping[str, frozenset[str] | None]
"""Label → names of links there; None for every link of a namespace that netorch made."""


class Moves(Value):
    """Addresses and MACs are packed."""

    announced: Mapping[str, frozenset[str]]
    """Label → the links that announce their addresses."""
    places: Mapping[bytes, frozenset[bytes]]
    """An address that was somewhere else or is gone → the MACs at which it is now."""
    gone: frozenset[bytes]
    """MACs that links had, and that no link has now."""
    macs: frozenset[bytes]
    """MACs that may be behind another port of a bridge than before."""
    any_mac: bool
    """Whether every MAC may be, because a bridge is connected to another one than before."""
    rerouted: bool
    """Whether routes that others told of may lead to where packets are lost now."""
    neighbours: Links
    """Where neighbours may have been learned."""
    bridges: Links
    """The part of it that has bridges, or tunnels that learn MACs."""
