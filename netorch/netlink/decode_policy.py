"""Decode dumps for `explain`: all fields of rules and routes, all neighbours, and the forwarding
databases of bridges.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import DecodeError, Message, as_u32, attributes, next_hops
from netorch.values.policy import BridgeEntry, KernelRoute, KernelRule, NeighbourEntry
from netorch.values.requests import RouteSpec, RuleSpec

_RTMSG = struct.Struct("=BBBBBBBBI")
_RANGE16 = struct.Struct("=HH")
_RANGE32 = struct.Struct("=II")
_NONE = b"\xff\xff\xff\xff"
_ZERO4 = bytes(4)
_KNOWN = frozenset(
    (
        *(c.FRA_DST, c.FRA_SRC, c.FRA_IIFNAME, c.FRA_GOTO, c.FRA_PRIORITY, c.FRA_FWMARK),
        *(c.FRA_FLOW, c.FRA_TUN_ID, c.FRA_SUPPRESS_IFGROUP, c.FRA_SUPPRESS_PREFIXLEN),
        *(c.FRA_TABLE, c.FRA_FWMASK, c.FRA_OIFNAME, c.FRA_PAD, c.FRA_L3MDEV, c.FRA_UID_RANGE),
        *(c.FRA_PROTOCOL, c.FRA_IP_PROTO, c.FRA_SPORT_RANGE, c.FRA_DPORT_RANGE),
        *(c.FRA_DSCP, c.FRA_DSCP_MASK),
    )
)
"""FRA_FLOW sets realms, which do not affect the choice of a route."""
_ALL_PORTS = b"\xff\xff"


def kernel_rules(messages: Iterable[Message]) -> list[KernelRule]:
    """Decode RTM_NEWRULE messages of IPv4 and IPv6 with all their selectors, in the order of the
    dump.
    """
    records = []
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWRULE or buffer[start : start + 1] not in (b"\x02", b"\x0a"):
            continue
        (spec,) = decode.rules([(kind, buffer, start, end)])
        records.append(kernel_rule(spec, attributes(buffer, start + 12, end)))
    return records


def kernel_rule(spec: RuleSpec, parts: Mapping[int, bytes]) -> KernelRule:
    """Return a rule with the selectors in its attributes (FRA_… number → payload)."""
    get = parts.get
    # port masks with all bits set, which are the default
    masks = {
        number
        for number in (c.FRA_SPORT_MASK, c.FRA_DPORT_MASK)
        if parts.get(number, b"")[:2] == _ALL_PORTS
    }
    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return KernelRule(
        **{**fields, "tos": spec.tos | _tos(parts)},
        protocol_number=int.from_bytes(get(c.FRA_IP_PROTO, b"")[:1], "little"),
        sport=_range(_RANGE16, get(c.FRA_SPORT_RANGE)),
        dport=_range(_RANGE16, get(c.FRA_DPORT_RANGE)),
        uids=_range(_RANGE32, get(c.FRA_UID_RANGE)),
        suppress_length=_limit(get(c.FRA_SUPPRESS_PREFIXLEN, _NONE)),
        suppress_group=_limit(get(c.FRA_SUPPRESS_IFGROUP, _NONE)),
        goto=as_u32(get(c.FRA_GOTO, _ZERO4)),
        tunnel=any(get(c.FRA_TUN_ID, b"")),
        unknown=tuple(sorted(number for number in parts if number not in _KNOWN | masks)),
    )


def _tos(parts: Mapping[int, bytes]) -> int:
    """Return the bits of the type of service that FRA_DSCP selects."""
    mask = int.from_bytes(parts.get(c.FRA_DSCP_MASK, b"\x3f")[:1], "little")
    return (int.from_bytes(parts.get(c.FRA_DSCP, b"")[:1], "little") & mask) << 2


def _range(form: struct.Struct, payload: bytes | None) -> tuple[int, int] | None:
    if payload is None:
        return None
    if len(payload) != form.size:
        raise DecodeError(f"range of {len(payload)} bytes")
    first, last = form.unpack(payload)
    return int(first), int(last)


def _limit(payload: bytes) -> int:
    return -1 if payload == _NONE else as_u32(payload)


def kernel_routes(messages: Iterable[Message], names: Mapping[int, str]) -> list[KernelRoute]:
    """Decode RTM_NEWROUTE messages, including routes that the kernel made, except for cached
    routes.
    """
    records = []
    for message in messages:
        for spec in decode.routes([message], names, whole=True):
            records.append(_kernel_route(spec, *message[1:]))
    return records


def _kernel_route(spec: RouteSpec, buffer: bytes, start: int, end: int) -> KernelRoute:
    flags = _RTMSG.unpack_from(buffer, start)[8]
    parts = attributes(buffer, start + 12, end)
    dead = {0} if flags & c.RTNH_F_DEAD else set()
    for place, (_, hop_flags, _, _) in enumerate(next_hops(parts.get(c.RTA_MULTIPATH, b""))):
        if hop_flags & c.RTNH_F_DEAD:
            dead.add(place)
    return KernelRoute(
        **{name: getattr(spec, name) for name in spec.__struct_fields__}, dead=frozenset(dead)
    )


def neighbour_table(messages: Iterable[Message]) -> list[NeighbourEntry]:
    """Decode RTM_NEWNEIGH messages of IPv4 and IPv6 in any state. An entry without a MAC has an
    empty one.
    """
    entries = []
    for family, index, state, _, buffer, start, end in decode.ndmsgs(messages):
        if family not in (c.AF_INET, c.AF_INET6):
            continue
        parts = attributes(buffer, start, end)
        address = parts.get(c.NDA_DST, b"")
        if len(address) in (4, 16):
            mac = parts.get(c.NDA_LLADDR, b"")
            entries.append(NeighbourEntry(family, index, address, mac, state))
    return entries


def bridge_entries(messages: Iterable[Message]) -> list[BridgeEntry]:
    """Decode RTM_NEWNEIGH messages of the family AF_BRIDGE to forwarding databases of bridges."""
    entries = []
    for family, index, state, flags, buffer, start, end in decode.ndmsgs(messages):
        if family != c.AF_BRIDGE:
            continue
        parts = attributes(buffer, start, end)
        mac = parts.get(c.NDA_LLADDR)
        master = as_u32(parts.get(c.NDA_MASTER, _ZERO4))
        # entries about a tunnel's other ends, or about the filter of a NIC, have NTF_SELF and no
        # master
        if mac is not None and master:
            entries.append(
                BridgeEntry(
                    index=index,
                    master=master,
                    mac=mac,
                    vlan=int.from_bytes(parts.get(c.NDA_VLAN, b"")[:2], "little"),
                    local=bool(state & c.NUD_PERMANENT),
                    sticky=bool(flags & c.NTF_STICKY),
                )
            )
    return entries


def filtered_links(messages: Iterable[Message]) -> list[int]:
    """Return the indices of links that have an ingress or clsact qdisc, from RTM_NEWQDISC messages.

    Filters of incoming frames can be attached there.
    """
    indices = []
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWQDISC:
            continue
        if end - start < 20:
            raise DecodeError("qdisc message without its header")
        index = int.from_bytes(buffer[start + 4 : start + 8], "little", signed=True)
        name = attributes(buffer, start + 20, end).get(c.TCA_KIND, b"").rstrip(b"\0")
        if name in (b"ingress", b"clsact"):
            indices.append(index)
    return indices


def route_type(messages: Iterable[Message]) -> int:
    """Return the RTN_… type in the answer to RTM_GETROUTE, 0 if there is no route."""
    for kind, buffer, start, end in messages:
        if kind == c.RTM_NEWROUTE and end - start >= 12:
            return buffer[start + 7]
    return 0
