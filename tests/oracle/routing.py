"""Routes and policy rules."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import nh, rtmsg_base

from netorch.netlink import constants as c
from netorch.netlink.codec import attr
from netorch.values.policy import KernelRule
from netorch.values.requests import Encap, Hop, RouteSpec, RuleSpec
from tests.oracle.reading import INETS, last, packed, raw, read


def _undecoded(form: Any, *_: Any, **__: Any) -> Any:
    return form.hex


class _Hop(rtmsg_base, nla):
    """A next hop with the raw payload of its encapsulation, else as pyroute2's."""

    __slots__ = ()
    is_nla = False
    cell_header = nh.cell_header
    fields = nh.fields
    encap_info = staticmethod(_undecoded)


class _Route(rtmsg_base, nlmsg):
    """A route with the raw payload of its encapsulation, else as pyroute2's.

    Because pyroute2 looks for the type of an encapsulation in a loop that does not end where the
    length of an attribute is 0, as it can be in a generated message. It does not inherit from
    pyroute2's class, because it would share its table of attributes.
    """

    __slots__ = ()
    encap_info = staticmethod(_undecoded)

    @staticmethod
    def get_nh(*_: Any, **__: Any) -> Any:
        return _Hop


def routes(
    messages: Iterable[bytes], names: Mapping[int, str], *, whole: bool = False
) -> list[RouteSpec]:
    result = []
    for data in messages:
        parsed = read(_Route, data)
        of_kernel = parsed["proto"] == c.RTPROT_KERNEL and not whole
        if parsed["family"] in INETS and not of_kernel and not parsed["flags"] & c.RTM_F_CLONED:
            result.append(_route(parsed, data, names))
    return result


def _route(parsed: Any, data: bytes, names: Mapping[int, str]) -> RouteSpec:
    metrics = last(parsed, "RTA_METRICS")
    table = last(parsed, "RTA_TABLE")
    source = packed(last(parsed, "RTA_SRC"))
    return RouteSpec(
        parsed["family"],
        packed(last(parsed, "RTA_DST")) if parsed["dst_len"] else None,
        parsed["dst_len"],
        parsed["table"] if table is None else table,
        last(parsed, "RTA_PRIORITY") or 0,
        parsed["type"],
        parsed["scope"],
        parsed["proto"],
        tuple(_hops(parsed, data, names)),
        packed(last(parsed, "RTA_PREFSRC")),
        last(metrics, "RTAX_MTU") if metrics else None,
        tos=parsed["tos"],
        sources=(source, parsed["src_len"]) if parsed["src_len"] and source is not None else None,
        nexthop=int.from_bytes(dict(raw(data[28:])).get(c.RTA_NH_ID, b""), sys.byteorder),
        further=tuple(_further(dict(raw(data[28:])))),
    )


def _further(parts: Mapping[int, bytes]) -> Iterator[tuple[int, bytes]]:
    for number in (c.RTA_FLOW, c.RTA_PREF):
        if any(parts.get(number, b"")):
            yield number, parts[number]
    metrics = dict(raw(parts.get(c.RTA_METRICS, b"")))
    metrics.pop(c.RTAX_MTU, None)
    if metrics:
        yield c.RTA_METRICS, b"".join(attr(number, metrics[number]) for number in sorted(metrics))


def _hops(parsed: Any, data: bytes, names: Mapping[int, str]) -> Iterator[Hop]:
    if parsed["type"] in (c.RTN_BLACKHOLE, c.RTN_UNREACHABLE, c.RTN_PROHIBIT, c.RTN_THROW):
        return
    parts = dict(raw(data[28:]))
    several = last(parsed, "RTA_MULTIPATH")
    if several is not None:
        rest = parts[c.RTA_MULTIPATH]
        for hop in several:
            length = int.from_bytes(rest[:2], sys.byteorder)
            yield Hop(
                _via(hop),
                _name(hop["oif"], names),
                hop["hops"] + 1,
                bool(hop["flags"] & c.RTNH_F_ONLINK),
                _encap(dict(raw(rest[8:length]))),
            )
            rest = rest[-(-length // 4) * 4 :]
        return
    via, index = _via(parsed), last(parsed, "RTA_OIF")
    if via is not None or index is not None:
        dev = names.get(index, f"if{index}") if index is not None else None
        yield Hop(via, dev, 1, bool(parsed["flags"] & c.RTNH_F_ONLINK), _encap(parts))


def _encap(parts: Mapping[int, bytes]) -> Encap | None:
    """Return the encapsulation among the attributes of a route or of a next hop."""
    if c.RTA_ENCAP_TYPE not in parts:
        return None
    kind = int.from_bytes(parts[c.RTA_ENCAP_TYPE], sys.byteorder)
    attrs = raw(parts.get(c.RTA_ENCAP, b""))
    if kind in (2, 4):
        attrs = [one for one in attrs if one[1].strip(b"\0")]
    return Encap(kind, tuple(sorted(attrs)))


def _via(parsed: Any) -> bytes | None:
    other = last(parsed, "RTA_VIA")
    return packed(other["addr"]) if other else packed(last(parsed, "RTA_GATEWAY"))


def _name(index: int, names: Mapping[int, str]) -> str | None:
    return names.get(index, f"if{index}") if index else None


def rules(messages: Iterable[bytes]) -> list[RuleSpec]:
    return [
        _rule(parsed, data)
        for data in messages
        if (parsed := read(fibmsg, data))["family"] in INETS
    ]


def _rule(parsed: Any, data: bytes) -> RuleSpec:
    def prefix(name: str, length: int) -> tuple[bytes, int] | None:
        address = packed(last(parsed, name))
        return None if address is None else (address, length)

    mark, mask, table = (
        last(parsed, "FRA_FWMARK"),
        last(parsed, "FRA_FWMASK"),
        last(parsed, "FRA_TABLE"),
    )
    return RuleSpec(
        parsed["family"],
        last(parsed, "FRA_PRIORITY") or 0,
        parsed["action"],
        parsed["table"] if table is None else table,
        last(parsed, "FRA_PROTOCOL") or 0,
        prefix("FRA_SRC", parsed["src_len"]),
        prefix("FRA_DST", parsed["dst_len"]),
        last(parsed, "FRA_IIFNAME"),
        last(parsed, "FRA_OIFNAME"),
        None if mark is None and mask is None else (mark or 0, 2**32 - 1 if mask is None else mask),
        bool(last(parsed, "FRA_L3MDEV")),
        parsed["tos"],
        bool(parsed["flags"] & c.FIB_RULE_INVERT),
        _more(data),
    )


def _more(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Return the attributes for which topology files have no key, in the order of their numbers."""
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
    nothing = {
        **dict.fromkeys((c.FRA_SUPPRESS_PREFIXLEN, c.FRA_SUPPRESS_IFGROUP), b"\xff" * 4),
        **dict.fromkeys((c.FRA_SPORT_MASK, c.FRA_DPORT_MASK), b"\xff" * 2),
    }
    return tuple(
        (number, payload)
        for number, payload in sorted(dict(raw(data[28:])).items())
        if number not in numbers and nothing.get(number) != payload
    )


def kernel_rules(messages: Iterable[bytes]) -> list[KernelRule]:
    return [
        _kernel_rule(parsed, data)
        for data in messages
        if (parsed := read(fibmsg, data))["family"] in INETS
    ]


def _kernel_rule(parsed: Any, data: bytes) -> KernelRule:
    def ends(name: str) -> tuple[int, int] | None:
        text = last(parsed, name)
        if text is None:
            return None
        first, _, final = text.partition(":")
        return int(first), int(final)

    def limit(name: str) -> int:
        value = last(parsed, name)
        return -1 if value in (None, 2**32 - 1) else int(value)

    spec = _rule(parsed, data)
    return KernelRule(
        **{name: getattr(spec, name) for name in spec.__struct_fields__},
        protocol_number=last(parsed, "FRA_IP_PROTO") or 0,
        sport=ends("FRA_SPORT_RANGE"),
        dport=ends("FRA_DPORT_RANGE"),
        uids=ends("FRA_UID_RANGE"),
        suppress_length=limit("FRA_SUPPRESS_PREFIXLEN"),
        suppress_group=limit("FRA_SUPPRESS_IFGROUP"),
        goto=last(parsed, "FRA_GOTO") or 0,
        tunnel=bool(last(parsed, "FRA_TUN_ID")),
        unknown=_unknown(parsed),
    )


def _unknown(parsed: Any) -> tuple[int, ...]:
    """Return the attributes of a rule that pyroute2 has no name for.

    DSCP and port masks with all bits set are left out.
    """
    numbers = set()
    for name, value in parsed["attrs"]:
        number = value["header"]["type"] & 0x3FFF if name == "UNKNOWN" else c.FRA_DSCP
        ports = number in (c.FRA_SPORT_MASK, c.FRA_DPORT_MASK)
        full = ports and bytes(value.data[value.offset + 4 : value.offset + 6]) == b"\xff\xff"
        if number not in (c.FRA_DSCP, c.FRA_DSCP_MASK) and not full:
            numbers.add(number)
    return tuple(sorted(numbers))
