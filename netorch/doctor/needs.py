"""What a topology file needs of a machine, in a few words."""

from __future__ import annotations

from netorch.kinds.base.link import kind_of
from netorch.resolve.desired import Desired

_FILTERS = ("filter", "forward")
"""Kinds of resources that are rules of a packet filter."""

_FILTER = "a packet filter (nftables or iptables)"
ALTERNATIVES = {_FILTER: ("NAT by nftables", "NAT by iptables")}
"""What a file needs → the features of which one is enough."""


def needs(desired: Desired) -> list[str]:
    """Return the features of the kernel that the objects of a topology need, each once."""
    words: dict[str, None] = {}
    spaces = sum(key.kind == "netns" for key in desired.state)
    if spaces:
        words["1 namespace" if spaces == 1 else f"{spaces} namespaces"] = None
    for key, resource in desired.state.items():
        if key.kind == "link" and key.name != "lo":
            words[f"{kind_of(resource)} links"] = None
        for feature in resource.features:
            words[feature.what] = None
        if key.kind == "rule":
            words["policy rules"] = None
        if key.kind in _FILTERS:
            words[_FILTER] = None
    return list(words)
