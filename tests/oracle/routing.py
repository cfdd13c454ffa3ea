"""Routes and policy rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.netlink import constants as c
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from tests.oracle.reading import INETS, last, packed, read


def routes(
    messages: Iterable[bytes], names: Mapping[int, str], *, whole: bool = False
) -> list[RouteSpec]:
    found = []
    for data in messages:
        theirs = read(rtmsg, data)
        kernels = theirs["proto"] == c.RTPROT_KERNEL and not whole
        if theirs["family"] in INETS and not kernels and not theirs["flags"] & c.RTM_F_CLONED:
            found.append(_route(theirs, names))
    return found


def _route(theirs: Any, names: Mapping[int, str]) -> RouteSpec:
    metrics = last(theirs, "RTA_METRICS")
    table = last(theirs, "RTA_TABLE")
    return RouteSpec(
        theirs["family"],
        packed(last(theirs, "RTA_DST")) if theirs["dst_len"] else None,
        theirs["dst_len"],
        theirs["table"] if table is None else table,
        last(theirs, "RTA_PRIORITY") or 0,
        theirs["type"],
        theirs["scope"],
        theirs["proto"],
        tuple(_hops(theirs, names)),
        packed(last(theirs, "RTA_PREFSRC")),
        last(metrics, "RTAX_MTU") if metrics else None,
    )


def _hops(theirs: Any, names: Mapping[int, str]) -> Iterator[Hop]:
    if theirs["type"] in (c.RTN_BLACKHOLE, c.RTN_UNREACHABLE, c.RTN_PROHIBIT, c.RTN_THROW):
        return
    several = last(theirs, "RTA_MULTIPATH")
    if several is not None:
        for hop in several:
            yield Hop(
                _via(hop),
                _name(hop["oif"], names),
                hop["hops"] + 1,
                bool(hop["flags"] & c.RTNH_F_ONLINK),
            )
        return
    via, index = _via(theirs), last(theirs, "RTA_OIF")
    if via is not None or index is not None:
        dev = names.get(index, f"if{index}") if index is not None else None
        yield Hop(via, dev, 1, bool(theirs["flags"] & c.RTNH_F_ONLINK))


def _via(theirs: Any) -> bytes | None:
    other = last(theirs, "RTA_VIA")
    return packed(other["addr"]) if other else packed(last(theirs, "RTA_GATEWAY"))


def _name(index: int, names: Mapping[int, str]) -> str | None:
    return names.get(index, f"if{index}") if index else None


def rules(messages: Iterable[bytes]) -> list[RuleSpec]:
    return [_rule(theirs) for data in messages if (theirs := read(fibmsg, data))["family"] in INETS]


def _rule(theirs: Any) -> RuleSpec:
    def prefix(name: str, length: int) -> tuple[bytes, int] | None:
        found = packed(last(theirs, name))
        return None if found is None else (found, length)

    mark, mask, table = (
        last(theirs, "FRA_FWMARK"),
        last(theirs, "FRA_FWMASK"),
        last(theirs, "FRA_TABLE"),
    )
    return RuleSpec(
        theirs["family"],
        last(theirs, "FRA_PRIORITY") or 0,
        theirs["action"],
        theirs["table"] if table is None else table,
        last(theirs, "FRA_PROTOCOL") or 0,
        prefix("FRA_SRC", theirs["src_len"]),
        prefix("FRA_DST", theirs["dst_len"]),
        last(theirs, "FRA_IIFNAME"),
        last(theirs, "FRA_OIFNAME"),
        None if mark is None and mask is None else (mark or 0, 2**32 - 1 if mask is None else mask),
        bool(last(theirs, "FRA_L3MDEV")),
    )


def odd_rules(messages: Iterable[bytes]) -> frozenset[tuple[int, int]]:
    found = set()
    for data in messages:
        theirs = read(fibmsg, data)
        selectors = ("FLOW", "TUN_ID", "UID_RANGE", "IP_PROTO", "SPORT_RANGE", "DPORT_RANGE")
        odd = any(last(theirs, f"FRA_{name}") is not None for name in selectors)
        odd |= any(
            last(theirs, f"FRA_SUPPRESS_{name}") not in {None, 2**32 - 1}
            for name in ("PREFIXLEN", "IFGROUP")
        )
        if (
            odd
            or theirs["tos"]
            or theirs["flags"] & c.FIB_RULE_INVERT
            or theirs["action"] == c.FR_ACT_GOTO
        ):
            found.add((theirs["family"], last(theirs, "FRA_PRIORITY") or 0))
    return frozenset(found)
