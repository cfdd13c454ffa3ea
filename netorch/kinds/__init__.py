"""The kinds of kernel objects, one module each.

A module is imported when it is needed: because the topology has such an object, or because a
namespace has a link on which there can be one. Importing all of them would take longer than
reading a small topology.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netorch.state.registry import ObservedKind

MODULES = (
    *("netns", "port", "up", "address", "bond", "bridge", "dummy", "fdb", "file", "filter"),
    *("route", "uplink", "forward", "geneve", "gre", "gretap", "erspan", "ifb", "impair"),
    *("ip6gre", "ip6gretap", "ip6tnl", "ipip", "ipvlan", "loopback", "vlans", "mac"),
    *("macvlan", "macvtap", "name", "neighbour", "peer", "physical", "rule", "sit", "sysctl"),
    *("tuntap", "veth", "vlan", "vrf", "vxlan", "wireguard"),
)
"""The modules with kinds that can be observed, in the order in which the kinds are observed."""

ON_LINKS = {
    **{
        name: (name,)
        for name in (
            *("bond", "dummy", "erspan", "geneve", "gre", "gretap", "ifb", "ip6gre", "ip6gretap"),
            *("ip6tnl", "ipip", "ipvlan", "macvlan", "macvtap", "sit", "vlan", "vrf", "vxlan"),
        )
    },
    "bridge": ("bridge", "vlans", "mac"),
    "tun": ("tuntap",),
    "wireguard": ("wireguard", "peer"),
}
"""Kind of a link in the kernel → the modules whose objects are such a link or are on one."""

ANYWHERE = tuple(name for name in MODULES if not any(name in on for on in ON_LINKS.values()))
"""The modules whose objects need no link, or one of any kind."""


@cache
def observed_on(links: frozenset[str]) -> tuple[type[ObservedKind], ...]:
    """Return the kinds that a namespace with links of these kinds can have."""
    names = {*ANYWHERE, *(name for link in links for name in ON_LINKS.get(link, ()))}
    return _observed([name for name in MODULES if name in names])


def observed_anywhere() -> tuple[type[ObservedKind], ...]:
    """Return all kinds that can be observed."""
    return _observed(MODULES)


def _observed(names: tuple[str, ...] | list[str]) -> tuple[type[ObservedKind], ...]:
    from netorch.state.registry import OBSERVED

    modules = [import_module(f"{__name__}.{name}").__name__ for name in names]
    kinds: dict[str, list[type[ObservedKind]]] = {}
    for kind in OBSERVED:
        kinds.setdefault(kind.__module__, []).append(kind)
    return tuple(kind for module in modules for kind in kinds[module])
