"""The headers that routes add to packets or remove: MPLS labels, SRv6 segments, tunnel headers.

The attributes are in linux/lwtunnel.h, mpls_iptunnel.h, seg6_iptunnel.h, seg6.h and seg6_local.h,
and the words in ip-route(8).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from netorch.netlink import constants as c
from netorch.netlink.codec import as_u16, as_u32, attribute_list, u8, u32
from netorch.values.requests import Attrs, Encap

Words = Mapping[str, Any]
"""An encapsulation as `encap` of a topology file has it."""

MODES = {"inline": 0, "encap": 1, "l2encap": 2, "encap.red": 3, "l2encap.red": 4}
"""Word → SEG6_IPTUN_MODE_…"""
ACTIONS = {
    **{"End": 1, "End.X": 2, "End.T": 3, "End.DX2": 4, "End.DX6": 5, "End.DX4": 6},
    **{"End.DT6": 7, "End.DT4": 8, "End.B6": 9, "End.B6.Encaps": 10, "End.DT46": 16},
}
"""Word → SEG6_LOCAL_ACTION_…"""
_MODE_NAMES = {number: word for word, number in MODES.items()}
_ACTION_NAMES = {number: word for word, number in ACTIONS.items()}
KINDS = {
    **{1: "mpls", 2: "ip", 3: "ila", 4: "ip6", 5: "seg6", 6: "bpf", 7: "seg6local", 8: "rpl"},
    **{9: "ioam6", 10: "xfrm"},
}
"""LWTUNNEL_ENCAP_… → word of ip-route(8)."""
FLAGS = {"csum": 1, "key": 4, "seq": 8}
"""Word → flag of a tunnel header (TUNNEL_… in net/ip_tunnels.h)."""
LARGEST_LABEL = (1 << 20) - 1
IMPLICIT_NULL = 3
"""The label that is never in a packet (RFC 3032)."""

_MPLS_DST, _MPLS_TTL = 1, 2
_ID, _DST, _SRC, _TTL, _TOS, _FLAGS = 1, 2, 3, 4, 5, 6
_SEG6_SRH = 1
_ACTION, _SRH, _TABLE, _NH4, _NH6, _OIF, _VRFTABLE, _COUNTERS = 1, 2, 3, 4, 5, 7, 9, 10
_NUMBERS = {"table": _TABLE, "vrftable": _VRFTABLE}
_HOPS: Mapping[str, tuple[int, type[IPv4Address] | type[IPv6Address]]] = {
    "nh4": (_NH4, IPv4Address),
    "nh6": (_NH6, IPv6Address),
}
_OF_TUNNELS = (c.LWTUNNEL_ENCAP_IP, c.LWTUNNEL_ENCAP_IP6)
_TTLS = {"ip": ("ttl", "tos"), "ip6": ("hoplimit", "tc")}
_SRH_HEADER = struct.Struct("=BBBBBBH")
_ROUTING_TYPE = 4
"""The type of a segment routing header (RFC 8754)."""


def mpls(labels: Sequence[int], ttl: int = 0) -> Encap:
    """Return the encapsulation that puts labels in front of a packet, the outermost first."""
    attrs = [(_MPLS_DST, stack(labels)), *([(_MPLS_TTL, u8(ttl))] if ttl else ())]
    return Encap(c.LWTUNNEL_ENCAP_MPLS, tuple(attrs))


def stack(labels: Sequence[int]) -> bytes:
    """Encode a stack of labels (RFC 3032), the outermost first."""
    last = len(labels) - 1
    return b"".join(
        (label << 12 | (number == last) << 8).to_bytes(4, "big")
        for number, label in enumerate(labels)
    )


def labels_of(payload: bytes) -> tuple[int, ...]:
    """Decode a stack of labels."""
    return tuple(
        int.from_bytes(payload[start : start + 4], "big") >> 12
        for start in range(0, len(payload), 4)
    )


def seg6(mode: str, segments: Sequence[bytes]) -> Encap:
    """Return the encapsulation that sends packets by SRv6 segments, in the order of the way."""
    # the kernel puts the destination of the packet into the last segment
    filled = [*segments, bytes(16)] if mode == "inline" else segments
    payload = u32(MODES[mode]) + _header(filled)
    return Encap(c.LWTUNNEL_ENCAP_SEG6, ((_SEG6_SRH, payload),))


def mode_of(encap: Encap) -> str:
    """Return the mode of an encapsulation by SRv6, "" if it is unknown."""
    head = dict(encap.attrs).get(_SEG6_SRH, b"")[:4]
    return next((word for word, number in MODES.items() if u32(number) == head), "")


def _header(segments: Sequence[bytes]) -> bytes:
    """Encode a segment routing header, which has the last segment first."""
    count = len(segments)
    head = _SRH_HEADER.pack(0, 2 * count, _ROUTING_TYPE, count - 1, count - 1, 0, 0)
    return head + b"".join(reversed(segments))


def _segments(header: bytes) -> list[bytes]:
    body = header[_SRH_HEADER.size :]
    return [body[start : start + 16] for start in range(0, len(body), 16)][::-1]


def seg6local(
    action: str,
    *,
    nh4: bytes = b"",
    nh6: bytes = b"",
    table: int = 0,
    vrftable: int = 0,
    oif: str = "",
    segments: Sequence[bytes] = (),
) -> Encap:
    """Return what the end of a SRv6 segment does. Arguments that it does not need are empty."""
    attrs = [
        (_ACTION, u32(ACTIONS[action])),
        *([(_SRH, _header(segments))] if segments else ()),
        *([(_TABLE, u32(table))] if table else ()),
        *([(_NH4, nh4)] if nh4 else ()),
        *([(_NH6, nh6)] if nh6 else ()),
        *([(_VRFTABLE, u32(vrftable))] if vrftable else ()),
    ]
    return Encap(c.LWTUNNEL_ENCAP_SEG6_LOCAL, tuple(attrs), oif)


def vrf_table(encap: Encap) -> int:
    """Return the table of the VRF that gets the packets, 0 if no VRF does."""
    payload = (
        dict(encap.attrs).get(_VRFTABLE) if encap.type == c.LWTUNNEL_ENCAP_SEG6_LOCAL else None
    )
    return 0 if payload is None else as_u32(payload)


def tunnel(
    version: int,
    *,
    number: int = 0,
    dst: bytes = b"",
    src: bytes = b"",
    ttl: int = 0,
    tos: int = 0,
    flags: Iterable[str] = (),
) -> Encap:
    """Return the outer header that an external tunnel gives to the packets of a route."""
    bits = sum(FLAGS[word] for word in flags)
    attrs = (
        (_ID, number.to_bytes(8, "big")),
        (_DST, dst),
        (_SRC, src),
        (_TTL, u8(ttl)),
        (_TOS, u8(tos)),
        (_FLAGS, bits.to_bytes(2, "big")),
    )
    kind = c.LWTUNNEL_ENCAP_IP if version == 4 else c.LWTUNNEL_ENCAP_IP6
    return Encap(kind, tuple(pair for pair in attrs if any(pair[1])))


def attributes_of(encap: Encap, index: int) -> Attrs:
    """Return the attributes in RTA_ENCAP. `index` is that of the link `dev`, 0 if there is none."""
    return (*encap.attrs, (_OIF, u32(index))) if encap.dev else encap.attrs


def decode(attrs: Mapping[int, bytes], names: Mapping[int, str]) -> Encap | None:
    """Return the encapsulation in the attributes of a route or of a next hop, or None."""
    if c.RTA_ENCAP_TYPE not in attrs:
        return None
    kind = as_u16(attrs[c.RTA_ENCAP_TYPE])
    parts, dev = [], ""
    for number, payload in attribute_list(attrs.get(c.RTA_ENCAP, b"")):
        if kind == c.LWTUNNEL_ENCAP_SEG6_LOCAL:
            if number == _OIF:
                index = as_u32(payload)
                dev = names.get(index) or f"if{index}"
            if number in (_OIF, _COUNTERS):
                continue  # because the counters do not matter, and change with each packet
        # the kernel shows zeros for what a user did not set
        if kind in _OF_TUNNELS and not any(payload):
            continue
        if (kind, number) == (c.LWTUNNEL_ENCAP_MPLS, _MPLS_TTL) and not any(payload):
            continue
        parts.append((number, payload))
    return Encap(kind, tuple(sorted(parts)), dev)


def words(encap: Encap) -> Words | None:
    """Return an encapsulation in the words of a file, or None if a file cannot say it."""
    name = KINDS.get(encap.type, "")
    try:
        values = _READERS[name](encap, dict(encap.attrs)) if name in _READERS else None
    except (LookupError, ValueError, OverflowError, struct.error):
        return None
    return None if values is None or from_words(values) != encap else values


def from_words(values: Words) -> Encap:
    """Return the encapsulation for the words of a file."""
    ((name, content),) = values.items()
    if isinstance(content, list):
        return mpls(content)
    given: dict[str, Any] = dict(content)
    if name == "mpls":
        return mpls(given["labels"], given.get("ttl", 0))
    segments = [IPv6Address(one).packed for one in given.pop("segments", ())]
    if name == "seg6":
        return seg6(given.get("mode", "encap"), segments)
    if name == "seg6local":
        return seg6local(
            given["action"],
            nh4=_packed(given.get("nh4")),
            nh6=_packed(given.get("nh6")),
            table=given.get("table", 0),
            vrftable=given.get("vrftable", 0),
            oif=given.get("oif", ""),
            segments=segments,
        )
    ttl, tos = _TTLS[name]
    return tunnel(
        4 if name == "ip" else 6,
        number=given.get("id", 0),
        dst=_packed(given.get("dst")),
        src=_packed(given.get("src")),
        ttl=given.get(ttl, 0),
        tos=given.get(tos, 0),
        flags=[word for word in FLAGS if given.get(word)],
    )


def _packed(address: str | None) -> bytes:
    return b"" if address is None else ip_address(address).packed


def _mpls_words(encap: Encap, parts: Mapping[int, bytes]) -> Words:
    labels, ttl = [*labels_of(parts[_MPLS_DST])], parts.get(_MPLS_TTL, b"\0")[0]
    return {"mpls": {"labels": labels, "ttl": ttl} if ttl else labels}


def _seg6_words(encap: Encap, parts: Mapping[int, bytes]) -> Words:
    payload = parts[_SEG6_SRH]
    number = as_u32(payload[:4])
    mode = _MODE_NAMES[number]
    segments = _segments(payload[4:])
    if mode == "inline":
        segments.pop()
    return {"seg6": {"mode": mode, "segments": [str(IPv6Address(one)) for one in segments]}}


def _seg6local_words(encap: Encap, parts: Mapping[int, bytes]) -> Words:
    number = as_u32(parts[_ACTION])
    values: dict[str, Any] = {"action": _ACTION_NAMES[number]}
    values |= {
        word: str(form(parts[place])) for word, (place, form) in _HOPS.items() if place in parts
    }
    values |= {word: as_u32(parts[place]) for word, place in _NUMBERS.items() if place in parts}
    if encap.dev:
        values["oif"] = encap.dev
    if _SRH in parts:
        values["segments"] = [str(IPv6Address(one)) for one in _segments(parts[_SRH])]
    return {"seg6local": values}


def _tunnel_words(encap: Encap, parts: Mapping[int, bytes]) -> Words:
    name = KINDS[encap.type]
    ttl, tos = _TTLS[name]
    values: dict[str, Any] = {}
    if _ID in parts:
        values["id"] = int.from_bytes(parts[_ID], "big")
        if values["id"] >= 1 << 32:
            raise OverflowError("VXLAN and GRE have no such number")
    for word, number in (("dst", _DST), ("src", _SRC)):
        if number in parts:
            values[word] = str(ip_address(parts[number]))
    for word, number in ((ttl, _TTL), (tos, _TOS)):
        if number in parts:
            values[word] = parts[number][0]
    bits = int.from_bytes(parts.get(_FLAGS, b""), "big")
    values |= {word: True for word, bit in FLAGS.items() if bits & bit}
    return {name: values}


_READERS: Mapping[str, Callable[[Encap, Mapping[int, bytes]], Words]] = {
    "mpls": _mpls_words,
    "seg6": _seg6_words,
    "seg6local": _seg6local_words,
    "ip": _tunnel_words,
    "ip6": _tunnel_words,
}


def text(encap: Encap) -> str:
    """Return an encapsulation as ip-route(8) has it after `encap`.

    It is only the first word if a file cannot say the rest.
    """
    values = words(encap)
    if values is None:
        return KINDS.get(encap.type, str(encap.type))
    name = KINDS[encap.type]
    content, parts = values[name], [name]
    if isinstance(content, list):
        content = {"labels": content}
    for key, value in content.items():
        if key == "segments":
            before = "segs" if name == "seg6" else "srh segs"
            parts.append(f"{before} {','.join(value)}")
        elif key == "labels":
            parts.append("/".join(map(str, value)))
        else:
            parts.append(key if value is True else f"{key} {value}")
    return " ".join(parts)
