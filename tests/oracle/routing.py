"""Routes and policy rules."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.netlink import constants as c
from netorch.values.policy import KernelRule
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from tests.oracle.reading import INETS, last, packed, raw, read


def routes(
    messages: Iterable[bytes], names: Mapping[int, str], *, whole: bool = False
) -> list[RouteSpec]:
    found = []
    for data in messages:
        theirs = read(rtmsg, data)
        kernels = theirs["proto"] == c.RTPROT_KERNEL and not whole
        if theirs["family"] in INETS and not kernels and not theirs["flags"] & c.RTM_F_CLONED:
            found.append(_route(theirs, data, names))
    return found


def _route(theirs: Any, data: bytes, names: Mapping[int, str]) -> RouteSpec:
    metrics = last(theirs, "RTA_METRICS")
    table = last(theirs, "RTA_TABLE")
    source = packed(last(theirs, "RTA_SRC"))
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
        tos=theirs["tos"],
        sources=(source, theirs["src_len"]) if theirs["src_len"] and source is not None else None,
        nexthop=int.from_bytes(dict(raw(data[28:])).get(c.RTA_NH_ID, b""), sys.byteorder),
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
    return [
        _rule(theirs, data)
        for data in messages
        if (theirs := read(fibmsg, data))["family"] in INETS
    ]


def _rule(theirs: Any, data: bytes) -> RuleSpec:
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
        theirs["tos"],
        bool(theirs["flags"] & c.FIB_RULE_INVERT),
        _more(data),
    )


def _more(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """The attributes that no file asks for, in the order of their numbers."""
    words = [
        "DST",
        "SRC",
        "IIFNAME",
        "OIFNAME",
        "PRIORITY",
        "TABLE",
        "FWMARK",
        "FWMASK",
        "PROTOCOL",
        "L3MDEV",
        "PAD",
    ]
    numbers = {getattr(c, f"FRA_{word}") for word in words}
    suppress = (c.FRA_SUPPRESS_PREFIXLEN, c.FRA_SUPPRESS_IFGROUP)
    return tuple(
        (number, payload)
        for number, payload in sorted(dict(raw(data[28:])).items())
        if number not in numbers and not (number in suppress and payload == b"\xff" * 4)
    )


def kernel_rules(messages: Iterable[bytes]) -> list[KernelRule]:
    return [
        _kernel_rule(theirs, data)
        for data in messages
        if (theirs := read(fibmsg, data))["family"] in INETS
    ]


def _kernel_rule(theirs: Any, data: bytes) -> KernelRule:
    def ends(name: str) -> tuple[int, int] | None:
        text = last(theirs, name)
        if text is None:
            return None
        first, _, final = text.partition(":")
        return int(first), int(final)

    def limit(name: str) -> int:
        found = last(theirs, name)
        return -1 if found in (None, 2**32 - 1) else int(found)

    spec = _rule(theirs, data)
    return KernelRule(
        **{name: getattr(spec, name) for name in spec.__struct_fields__},
        protocol_number=last(theirs, "FRA_IP_PROTO") or 0,
        sport=ends("FRA_SPORT_RANGE"),
        dport=ends("FRA_DPORT_RANGE"),
        uids=ends("FRA_UID_RANGE"),
        suppress_length=limit("FRA_SUPPRESS_PREFIXLEN"),
        suppress_group=limit("FRA_SUPPRESS_IFGROUP"),
        goto=last(theirs, "FRA_GOTO") or 0,
        tunnel=bool(last(theirs, "FRA_TUN_ID")),
        unknown=_unknown(theirs),
    )


def _unknown(theirs: Any) -> tuple[int, ...]:
    """The attributes of a rule that pyroute2 has no name for, but for DSCP and masks of all bits."""
    found = set()
    for name, value in theirs["attrs"]:
        number = value["header"]["type"] & 0x3FFF if name == "UNKNOWN" else c.FRA_DSCP
        ports = number in (c.FRA_SPORT_MASK, c.FRA_DPORT_MASK)
        full = ports and bytes(value.data[value.offset + 4 : value.offset + 6]) == b"\xff\xff"
        if number not in (c.FRA_DSCP, c.FRA_DSCP_MASK) and not full:
            found.add(number)
    return tuple(sorted(found))
