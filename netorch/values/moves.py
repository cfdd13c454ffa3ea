"""Addresses and MACs that an apply has moved, and that others have learned at the old place."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value

Links = Mapping[str, frozenset[str] | None]
"""Label → names of links in that namespace; None for all links of a namespace that netorch made."""


class Moves(Value):
    """The changes of an apply that make entries in caches of the kernel obsolete.

    Addresses and MACs are packed.
    """

    announced: Mapping[str, frozenset[str]]
    """Label → the links that announce their addresses."""
    places: Mapping[bytes, frozenset[bytes]]
    """Each address that moved or was removed → the MACs that have it now."""
    gone: frozenset[bytes]
    """MACs that a link had before, and that no link has now."""
    macs: frozenset[bytes]
    """MACs that may now be behind another port of a bridge than before."""
    any_mac: bool
    """Whether any MAC may be behind another port, because bridges are connected differently."""
    rerouted: bool
    """Whether routes learned by redirects may now lead to a place where packets are lost."""
    neighbours: Links
    """The links on which neighbours may have been learned."""
    bridges: Links
    """The links among `neighbours` that are bridges, or tunnels that learn MACs."""
