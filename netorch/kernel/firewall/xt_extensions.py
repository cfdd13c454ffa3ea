"""Decode matches and targets of iptables in rules of nf_tables to the text of iptables-save.

iptables-nft made these rules, on behalf of any program (linux/netfilter/xt_*.h).
"""

from __future__ import annotations

import struct

from netorch.kernel.firewall.xt_entry import (
    MATCHES,
    PROTO_SPECIFIED,
    STATES,
    address_text,
    negation,
    unpacked_nat,
)

_MULTIPORT = {0: "--sports", 1: "--dports"}
_STATE_ALIAS = 0x2000
"""XT_CONNTRACK_STATE_ALIAS: the rule was written with `-m state`."""


def match_text(version: int, name: str, revision: int, data: bytes) -> str:
    """Return a match as iptables-save writes it, with `?` in place of options that netorch does not
    know.
    """
    try:
        options = _options(version, name, revision, data)
    except (IndexError, struct.error):
        options = None
    return f"-m {name} {'?' if options is None else options}".rstrip()


def _options(version: int, name: str, revision: int, data: bytes) -> str | None:
    match name, revision:
        case "conntrack", 3:
            return _decode_state(data)
        case "multiport", 1:
            return _decode_multiport(data)
        case "iprange", 1:
            return _decode_iprange(version, data)
        case "mark", 1:
            return _decode_mark(data)
    known = MATCHES.get(name)
    return known.decode(data) if known is not None and known.revision == revision else None


def target_text(version: int, name: str, revision: int, data: bytes) -> str:
    """Return a target as iptables-save writes it, without options if it translates nothing."""
    try:
        options = (
            _redirect(version, data)
            if name == "REDIRECT"
            else unpacked_nat(version, name, revision, data)
        )
    except struct.error:
        options = None
    return f"-j {name} {options or ''}".rstrip()


def _redirect(version: int, data: bytes) -> str:
    flags, ports = struct.unpack_from("=4xI8x4s" if version == 4 else "=I32x4s", data)
    if not flags & PROTO_SPECIFIED:
        return ""
    first, last = struct.unpack(">HH", ports)
    return f"--to-ports {first}" + (f"-{last}" if last != first else "")


def _decode_state(data: bytes) -> str | None:
    """Return the connection states, and a `?` if the match has other conditions."""
    flags, inverse, states = struct.unpack_from("=146x3H", data)
    if not flags & 1:
        return None
    words = (
        f"{negation(inverse & 1)}--ctstate "
        f"{','.join(name for name, bit in STATES.items() if states & bit)}"
    )
    return words if flags & ~_STATE_ALIAS == 1 else f"{words} ?"


def _decode_multiport(data: bytes) -> str | None:
    flags, count = data[0], data[1]
    ports, ranges, inverse = struct.unpack_from("=15H", data, 2), data[32:47], data[47]
    if flags not in _MULTIPORT or count > len(ports):
        return None
    text = "".join(
        f"{port}{':' if ranges[number] else ','}" for number, port in enumerate(ports[:count])
    )
    return f"{negation(inverse)}{_MULTIPORT[flags]} {text.rstrip(',')}"


def _decode_iprange(version: int, data: bytes) -> str | None:
    (flags,) = struct.unpack_from("=64xB", data)
    words = []
    for option, start, bit in (("--src-range", 0, 1), ("--dst-range", 32, 2)):
        if flags & bit:
            first, last = (
                address_text(version, data[place : place + 16]) for place in (start, start + 16)
            )
            words.append(f"{negation(flags & bit << 4)}{option} {first}-{last}")
    return " ".join(words) or None


def _decode_mark(data: bytes) -> str | None:
    mark, mask, inverse = struct.unpack_from("=IIB", data)
    return f"{negation(inverse)}--mark {mark:#x}" if mask == 0xFFFFFFFF else None
