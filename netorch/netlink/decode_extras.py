"""Decode dumps to the words for what netorch has no resource for.

Secrets stay out: of IPsec only addresses, protocols and modes are decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address

from netorch.netlink import constants as c
from netorch.netlink import decode, encap
from netorch.netlink.codec import DecodeError, Message, as_u32, attribute_list, attributes, text
from netorch.values.extras import Extra
from netorch.values.marks import read_alias
from netorch.values.snapshot import SHAPERS

RTM_GETTFILTER, RTM_GETADDRLABEL, RTM_GETMDB, RTM_GETNEXTHOP = 46, 74, 86, 106
_RTM_NEWTFILTER, _RTM_NEWADDRLABEL, _RTM_NEWMDB, _RTM_NEWNEXTHOP = 44, 72, 84, 104
AF_MPLS = 28
XFRM_MSG_GETSA, XFRM_MSG_GETPOLICY, XFRM_MSG_GETDEFAULT = 0x12, 0x15, 0x28
_XFRM_MSG_NEWSA, _XFRM_MSG_NEWPOLICY = 0x10, 0x13

_IFINFOMSG = struct.Struct("=2xH4xI4x")
_IFADDRLBLMSG = struct.Struct("=BxBxI4x")
_TCMSG = struct.Struct("=B3xiIII")
_RTMSG = struct.Struct("=BBBBBBBBI")
_MDB_ENTRY = struct.Struct("=IBBH16sH")
_XFRM_SELECTOR = struct.Struct("=16s16s8xHBBB")
_XFRM_STATE = struct.Struct("=56x16s4sB3x16s116xHB")
_XFRM_POLICY = struct.Struct("=160xBB")
_RTAX_LOCK, _RTAX_CC = 1, 16
_RTAX = {
    _RTAX_LOCK: "lock",
    3: "window",
    4: "rtt",
    5: "rttvar",
    6: "ssthresh",
    7: "cwnd",
    8: "advmss",
    9: "reordering",
    10: "hoplimit",
    11: "initcwnd",
    12: "features",
    13: "rto_min",
    14: "initrwnd",
    15: "quickack",
    _RTAX_CC: "congctl",
    17: "fastopen_no_cookie",
}
_RTA_CACHEINFO, _EXPIRES = 12, slice(8, 12)
_PREFERENCES = {1: "high", 3: "low"}
_ARPHRD_ETHER = 1
_XDP_ATTACHED, _INET6_TOKEN = 2, 7
_GSO_MAX_SIZE, _GSO_MAX_SEGS, _GRO_MAX_SIZE = 65536, 65535, 65536
_IFF_DEBUG, _IFF_NOTRAILERS, _IFF_DYNAMIC = 0x4, 0x20, 0x8000
_FLAGS = {_IFF_DEBUG: "debug on", _IFF_NOTRAILERS: "trailers off", _IFF_DYNAMIC: "dynamic on"}
_LINK_MODES = {1: "dormant", 2: "testing"}
_BROADCAST = b"\xff" * 6
_PROTOCOLS = {50: "esp", 51: "ah", 108: "comp", 43: "route2", 60: "hao"}
_MODES = {0: "transport", 1: "tunnel", 2: "ro", 4: "beet"}
_POLICY_BLOCK = b"\1"
_DIRECTIONS = {0: "in", 1: "out", 2: "fwd"}
_INGRESS_PARENTS = {"ingress": (0xFFFF0000,), "clsact": (0xFFFFFFF2, 0xFFFFFFF3)}
_PARENT_NAMES = {0xFFFF0000: "ingress", 0xFFFFFFF2: "ingress", 0xFFFFFFF3: "egress"}
_NEXTHOP_ID, _NEXTHOP_GROUP = 1, 2
_NDA_SRC_VNI, _NDA_NH_ID, _NDA_FLAGS_EXT = 11, 13, 15
_NTF_ROUTER, _NTF_EXT_MANAGED = 0x80, 1
_IFAL_ADDRESS, _IFAL_LABEL = 1, 2
_ADDRESS_LABELS = frozenset(
    (IPv6Network(prefix), label)
    for prefix, label in (
        *(("::1/128", 0), ("::/96", 3), ("::ffff:0:0/96", 4), ("2001::/32", 6)),
        *(("2001:10::/28", 7), ("3ffe::/16", 12), ("2002::/16", 2), ("fec0::/10", 11)),
        *(("fc00::/7", 5), ("::/0", 1)),
    )
)
"""The labels of IPv6 addresses in a new namespace (ip6addrlbl_init_table)."""

Names = Mapping[int, str]
"""Index → name of the links of a namespace."""


def links(messages: Iterable[Message]) -> Iterator[Extra]:
    """Decode RTM_NEWLINK messages to settings that LinkRecord does not have."""
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWLINK or end - start < 16:
            continue
        parts = attributes(buffer, start + 16, end)
        name = text(parts.get(c.IFLA_IFNAME, b""))
        xdp = parts.get(c.IFLA_XDP, b"")
        if any(attributes(xdp, 0, len(xdp)).get(_XDP_ATTACHED, b"")):
            yield Extra("an XDP program", matters=True, link=name)
        if any(parts.get(c.IFLA_PROTO_DOWN, b"")):
            yield Extra("protodown on", matters=True, link=name)
        group = int.from_bytes(parts.get(c.IFLA_GROUP, b""), "little")
        if group and not read_alias(text(parts.get(c.IFLA_IFALIAS, b""))).topology:
            yield Extra(f"group {group}", link=name)
        mode = int.from_bytes(parts.get(c.IFLA_LINKMODE, b""), "little")
        if mode:
            yield Extra(f"mode {_LINK_MODES.get(mode, mode)}", link=name)
        kind_of_hardware, flags = _IFINFOMSG.unpack_from(buffer, start)
        for flag, word in _FLAGS.items():
            if flags & flag:
                yield Extra(word, link=name)
        broadcast = parts.get(c.IFLA_BROADCAST, _BROADCAST)
        if kind_of_hardware == _ARPHRD_ETHER and broadcast != _BROADCAST:
            yield Extra(f"broadcast {broadcast.hex(':')}", matters=True, link=name)
        if _kind(parts) == "dummy" and parts.get(c.IFLA_CARRIER) == b"\0" and flags & c.IFF_UP:
            yield Extra("carrier off", matters=True, link=name)
        for number, word, usual in (
            (c.IFLA_GSO_MAX_SIZE, "gso_max_size", _GSO_MAX_SIZE),
            (c.IFLA_GSO_MAX_SEGS, "gso_max_segs", _GSO_MAX_SEGS),
            (c.IFLA_GRO_MAX_SIZE, "gro_max_size", _GRO_MAX_SIZE),
        ):
            value = int.from_bytes(parts.get(number, b""), "little")
            if value not in (0, usual):
                yield Extra(f"{word} {value}", link=name)
        of_families = parts.get(c.IFLA_AF_SPEC, b"")
        inet6 = attributes(of_families, 0, len(of_families)).get(c.AF_INET6, b"")
        token = attributes(inet6, 0, len(inet6)).get(_INET6_TOKEN, b"")
        if len(token) == 16 and any(token):
            yield Extra(f"token {ip_address(token)}", link=name)


def _kind(parts: Mapping[int, bytes]) -> str:
    info = parts.get(c.IFLA_LINKINFO, b"")
    return text(attributes(info, 0, len(info)).get(c.IFLA_INFO_KIND, b""))


def addresses(messages: Iterable[Message], names: Names) -> Iterator[Extra]:
    """Decode RTM_NEWADDR messages to broadcast addresses that differ from that of the subnet."""
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWADDR or buffer[start : start + 1] != b"\x02" or end - start < 8:
            continue
        parts = attributes(buffer, start + 8, end)
        local, broadcast = parts.get(c.IFA_LOCAL), parts.get(c.IFA_BROADCAST)
        if local is None or broadcast is None:
            continue
        length = buffer[start + 1]
        subnet = IPv4Network((local, length), strict=False)
        if broadcast not in (subnet.broadcast_address.packed, b"\xff" * 4):
            own = f"{ip_address(local)}/{length}"
            index = int.from_bytes(buffer[start + 4 : start + 8], "little")
            yield Extra(f"broadcast {ip_address(broadcast)} of {own}", link=names.get(index, ""))


def routes(messages: Iterable[Message], names: Names) -> Iterator[Extra]:
    """Decode RTM_NEWROUTE messages to attributes that RouteSpec does not have."""
    for message in messages:
        kind, buffer, start, end = message
        if kind != c.RTM_NEWROUTE or end - start < 12:
            continue
        header = _RTMSG.unpack_from(buffer, start)
        parts = attributes(buffer, start + 12, end)
        if header[0] == AF_MPLS:
            label = int.from_bytes(parts.get(c.RTA_DST, b"")[:4], "big") >> 12
            yield Extra(f"MPLS route {label}", matters=True, key="routes")
            continue
        if header[5] in (c.RTPROT_KERNEL, c.RTPROT_RA) or header[8] & c.RTM_F_CLONED:
            continue
        words = list(_of_route(parts))
        has_encap = c.RTA_ENCAP_TYPE in parts or c.RTA_MULTIPATH in parts
        for spec in decode.routes([message], names, whole=True) if words or has_encap else ():
            unknown = [one for one in spec.encaps if encap.words(one) is None]
            words += [f"encap {encap.text(one)}" for one in dict.fromkeys(unknown)]
            place = "default" if spec.dst is None else f"{ip_address(spec.dst)}/{spec.prefixlen}"
            what = f"route {place}: {' '.join(words)}"
            if words:
                yield Extra(what, matters=bool(unknown), key="routes")


def _of_route(parts: Mapping[int, bytes]) -> Iterator[str]:
    if c.RTA_FLOW in parts:
        yield f"realm {as_u32(parts[c.RTA_FLOW])}"
    preference = int.from_bytes(parts.get(c.RTA_PREF, b"")[:1], "little")
    if preference in _PREFERENCES:
        yield f"pref {_PREFERENCES[preference]}"
    metrics = parts.get(c.RTA_METRICS, b"")
    for number, payload in attribute_list(metrics):
        if number in _RTAX and any(payload):
            yield _metric(number, payload)
    if any(parts.get(_RTA_CACHEINFO, b"")[_EXPIRES]):
        yield "expires"


def _metric(number: int, payload: bytes) -> str:
    if number == _RTAX_LOCK:
        mask = int.from_bytes(payload, "little")
        locked = {c.RTAX_MTU: "mtu", **_RTAX}
        return " ".join(f"lock {locked[one]}" for one in sorted(locked) if mask & 1 << one)
    value = text(payload) if number == _RTAX_CC else int.from_bytes(payload, "little")
    return f"{_RTAX[number]} {value}"


def nexthops(messages: Iterable[Message]) -> Iterator[Extra]:
    """Decode RTM_NEWNEXTHOP messages (struct nhmsg and NHA_…)."""
    for kind, buffer, start, end in messages:
        if kind == _RTM_NEWNEXTHOP and end - start >= 8:
            parts = attributes(buffer, start + 8, end)
            number = int.from_bytes(parts.get(_NEXTHOP_ID, b""), "little")
            what = "group" if _NEXTHOP_GROUP in parts else "object"
            yield Extra(f"next hop {what} {number}", key="routes")


def neighbours(
    messages: Iterable[Message], names: Names, macs: Container[bytes]
) -> Iterator[Extra]:
    """Decode RTM_NEWNEIGH messages: proxies, and entries of bridges that no port's `fdb` says.

    `macs` are the MACs of the links of the namespace, for which the kernel makes entries.
    """
    for family, index, state, flags, buffer, start, end in decode.ndmsgs(messages):
        parts = attributes(buffer, start, end)
        is_bridge = family == c.AF_BRIDGE
        words = _of_entry if is_bridge else _of_neighbour
        if word := words(parts, state, flags, macs):
            what = "fdb" if is_bridge else "neigh"
            yield Extra(f"{what} {word}", matters=True, link=names.get(index, ""))


def _of_neighbour(
    parts: Mapping[int, bytes], state: int, flags: int, _: Container[bytes]
) -> str | None:
    address = parts.get(c.NDA_DST, b"")
    if len(address) not in (4, 16):
        return None
    text_of = str(ip_address(address))
    if flags & c.NTF_PROXY:
        return f"proxy {text_of}"
    if flags & c.NTF_EXT_LEARNED:
        return f"{text_of} extern_learn"
    if int.from_bytes(parts.get(_NDA_FLAGS_EXT, b""), "little") & _NTF_EXT_MANAGED:
        return f"{text_of} managed"
    if flags & _NTF_ROUTER and state & c.NUD_PERMANENT:
        return f"{text_of} router"
    return None


def _of_entry(
    parts: Mapping[int, bytes], state: int, flags: int, macs: Container[bytes]
) -> str | None:
    mac = parts.get(c.NDA_LLADDR, b"")
    text_of = mac.hex(":")
    if not mac:
        return None
    if flags & c.NTF_EXT_LEARNED:
        return f"{text_of} extern_learn"
    if not flags & c.NTF_SELF:
        if flags & c.NTF_STICKY:
            return f"{text_of} sticky"
        return f"{text_of} local" if state & c.NUD_PERMANENT and mac not in macs else None
    if not state & (c.NUD_PERMANENT | c.NUD_NOARP):
        return None
    for number, word in ((_NDA_SRC_VNI, "src_vni"), (_NDA_NH_ID, "nhid")):
        if value := int.from_bytes(parts.get(number, b""), "little"):
            return f"{text_of} {word} {value}"
    if flags & _NTF_ROUTER:
        return f"{text_of} router"
    # joined groups are in /proc/net/dev_mcast, with a remark whether somebody added them by hand
    if c.NDA_DST in parts or mac[0] & 1 or mac in macs or not any(mac):
        return None
    return f"{text_of} self"


def multicast(messages: Iterable[Message], names: Names) -> Iterator[Extra]:
    """Decode RTM_NEWMDB messages to the permanent entries of bridges (MDBA_… in if_bridge.h)."""
    for kind, buffer, start, end in messages:
        # the kernel answers with the type of the request (br_mdb_fill_info)
        if kind not in (RTM_GETMDB, _RTM_NEWMDB) or end - start < 8:
            continue
        for _, table in _nested(attributes(buffer, start + 8, end).get(1, b"")):
            for _, entry in _nested(table):
                if len(entry) < _MDB_ENTRY.size:
                    raise DecodeError(f"multicast entry of {len(entry)} bytes")
                index, state, _, _, address, protocol = _MDB_ENTRY.unpack_from(entry)
                if not state & 1:
                    continue
                group = {0x0008: address[:4], 0xDD86: address}.get(protocol)
                name = str(ip_address(group)) if group else address[:6].hex(":")
                yield Extra(f"mdb {name} permanent", matters=True, link=names.get(index, ""))


def _nested(payload: bytes) -> Iterator[tuple[int, bytes]]:
    return iter(attribute_list(payload))


def filter_requests(messages: Iterable[Message]) -> Iterator[bytes]:
    """Return the payloads of RTM_GETTFILTER that dump all filters, from RTM_NEWQDISC messages."""
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWQDISC or end - start < 20:
            continue
        _, index, handle, _, _ = _TCMSG.unpack_from(buffer, start)
        name = text(attributes(buffer, start + 20, end).get(c.TCA_KIND, b""))
        for parent in _INGRESS_PARENTS.get(name, (handle,) if handle else ()):
            yield _TCMSG.pack(0, index, 0, parent, 0)


def filters(messages: Iterable[Message], names: Names) -> Iterator[Extra]:
    """Decode RTM_NEWTFILTER messages (struct tcmsg and TCA_…)."""
    for kind, buffer, start, end in messages:
        if kind == _RTM_NEWTFILTER and end - start >= 20:
            _, index, _, parent, info = _TCMSG.unpack_from(buffer, start)
            name = text(attributes(buffer, start + 20, end).get(c.TCA_KIND, b""))
            place = _PARENT_NAMES.get(parent, f"parent {parent >> 16:x}:")
            what = f"tc filter {place} pref {info >> 16} {name}"
            yield Extra(what, matters=True, link=names.get(index, ""))


def queues(messages: Iterable[Message], names: Names) -> Iterator[Extra]:
    """Decode RTM_NEWQDISC messages to the qdiscs that somebody added, except `impair`.

    The kernel's own have no handle. An ingress without filters does nothing.
    """
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWQDISC or end - start < 20:
            continue
        _, index, handle, parent, _ = _TCMSG.unpack_from(buffer, start)
        name = text(attributes(buffer, start + 20, end).get(c.TCA_KIND, b""))
        is_impair = parent == c.TC_H_ROOT and name in SHAPERS
        if handle and not is_impair and name not in _INGRESS_PARENTS:
            place = "" if parent == c.TC_H_ROOT else f" parent {parent >> 16:x}:{parent & 0xFFFF:x}"
            yield Extra(f"qdisc {name}{place}", link=names.get(index, ""))


def address_labels(messages: Iterable[Message]) -> Iterator[Extra]:
    """Decode RTM_NEWADDRLABEL messages to what differs from a new namespace (IFAL_…)."""
    there: set[tuple[IPv6Network, int]] = set()
    for kind, buffer, start, end in messages:
        if kind == _RTM_NEWADDRLABEL and end - start >= _IFADDRLBLMSG.size:
            length = _IFADDRLBLMSG.unpack_from(buffer, start)[1]
            parts = attributes(buffer, start + _IFADDRLBLMSG.size, end)
            address, label = parts.get(_IFAL_ADDRESS, b""), parts.get(_IFAL_LABEL, b"")
            if len(address) == 16 and length <= 128:
                prefix = IPv6Network((address, length), strict=False)
                there.add((prefix, int.from_bytes(label, "little")))
    for prefix, number in sorted(there - _ADDRESS_LABELS):
        yield Extra(f"addrlabel {prefix} label {number}")
    for prefix, number in sorted(_ADDRESS_LABELS - there) if there else ():
        yield Extra(f"addrlabel {prefix} label {number} deleted")


def ipsec_default(messages: Iterable[Message]) -> Iterator[Extra]:
    """Decode an XFRM_MSG_GETDEFAULT message (struct xfrm_userpolicy_default)."""
    for kind, buffer, start, end in messages:
        if kind == XFRM_MSG_GETDEFAULT and end - start >= 3:
            for offset, direction in enumerate(("in", "fwd", "out")):
                if buffer[start + offset : start + offset + 1] == _POLICY_BLOCK:
                    yield Extra(f"xfrm policy default {direction} block", matters=True)


def ipsec(messages: Iterable[Message]) -> Iterator[Extra]:
    """Decode XFRM_MSG_NEWSA and XFRM_MSG_NEWPOLICY messages (linux/xfrm.h), without their keys."""
    for kind, buffer, start, end in messages:
        if kind == _XFRM_MSG_NEWSA and end - start >= _XFRM_STATE.size:
            target, spi, protocol, source, family, mode = _XFRM_STATE.unpack_from(buffer, start)
            ends = f"src {_host(source, family)} dst {_host(target, family)}"
            name = _PROTOCOLS.get(protocol, protocol)
            words = f"{ends} proto {name} spi 0x{spi.hex()} mode {_MODES.get(mode, mode)}"
            yield Extra(f"xfrm state {words}", matters=True)
        elif kind == _XFRM_MSG_NEWPOLICY and end - start >= _XFRM_POLICY.size:
            direction, action = _XFRM_POLICY.unpack_from(buffer, start)
            if direction not in _DIRECTIONS:
                continue  # because it belongs to a socket
            target, source, family, to, of, _ = _XFRM_SELECTOR.unpack_from(buffer, start)
            ends = f"src {_host(source, family)}/{of} dst {_host(target, family)}/{to}"
            words = f"{ends} dir {_DIRECTIONS[direction]}{' action block' if action else ''}"
            yield Extra(f"xfrm policy {words}", matters=True)


def _host(address: bytes, family: int) -> str:
    return str(ip_address(address[:4] if family == c.AF_INET else address))
