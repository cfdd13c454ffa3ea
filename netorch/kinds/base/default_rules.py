"""The policy rules that the kernel itself makes, and those of them that a namespace has lost.

netorch never deletes such a rule, whoever has made it again, because a namespace without them
looks up routes in no table at all.
"""

from __future__ import annotations

from functools import lru_cache

from netorch.immutable import replace
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    FR_ACT_TO_TBL,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RTPROT_KERNEL,
)
from netorch.state.key import HOST
from netorch.state.registry import View
from netorch.values.requests import RuleSpec

_VERSIONS = {AF_INET: "ipv4", AF_INET6: "ipv6"}


def _rule(family: int, priority: int, table: int, l3mdev: bool = False) -> RuleSpec:
    return RuleSpec(family, priority, FR_ACT_TO_TBL, table, RTPROT_KERNEL, l3mdev=l3mdev)


_EVERYWHERE = {
    # fib_default_rules_init in net/ipv4/fib_rules.c, fib6_rules_net_init in net/ipv6/fib6_rules.c
    _rule(AF_INET, 0, RT_TABLE_LOCAL): "local",
    _rule(AF_INET, 32766, RT_TABLE_MAIN): "main",
    _rule(AF_INET, 32767, RT_TABLE_DEFAULT): "default",
    _rule(AF_INET6, 0, RT_TABLE_LOCAL): "local",
    _rule(AF_INET6, 32766, RT_TABLE_MAIN): "main",
}
_OF_VRFS = {
    # vrf_add_fib_rules in drivers/net/vrf.c: made with the first VRF of a namespace only
    _rule(AF_INET, 1000, 0, l3mdev=True): "l3mdev",
    _rule(AF_INET6, 1000, 0, l3mdev=True): "l3mdev",
}
_NAMES = _EVERYWHERE | _OF_VRFS


def is_default_rule(spec: RuleSpec) -> bool:
    """Return whether a rule has the priority and the effect of one of the kernel's own."""
    return replace(spec, protocol=RTPROT_KERNEL) in _NAMES


def lost_rules(view: View) -> tuple[RuleSpec, ...]:
    """Return the default rules that a namespace does not have.

    Only the address families in which the host has rules count.
    """
    host = view.all.get(HOST)
    if host is None:
        return ()
    return _missing(view.netns.rules, host.rule_families, "vrf" in view.link_kinds)


def rule_text(spec: RuleSpec) -> str:
    """Return the text for a default rule, such as `ipv4 main`."""
    return f"{_VERSIONS[spec.family]} {_NAMES[spec]}"


@lru_cache(maxsize=256)
def _missing(
    rules: tuple[RuleSpec, ...], families: frozenset[int], with_vrf: bool
) -> tuple[RuleSpec, ...]:
    existing = {replace(spec, protocol=RTPROT_KERNEL) for spec in rules}
    expected = _NAMES if with_vrf else _EVERYWHERE
    return tuple(spec for spec in expected if spec.family in families and spec not in existing)
