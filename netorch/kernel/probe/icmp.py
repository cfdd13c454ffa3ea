"""Encodes and decodes ICMP and ICMPv6 messages of raw sockets (RFC 792, RFC 4443), without I/O."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from netorch.immutable import Value

ECHO, ECHO_REPLY = 8, 0
UNREACHABLE, TIME_EXCEEDED, PARAMETER = 3, 11, 12
ECHO6, ECHO_REPLY6 = 128, 129
UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER6 = 1, 2, 3, 4
FRAGMENTATION_NEEDED = (UNREACHABLE, 4)
PACKET_TOO_BIG = (TOO_BIG6, 0)

RECEIVED_TYPES = {
    4: (ECHO_REPLY, UNREACHABLE, TIME_EXCEEDED, PARAMETER),
    6: (ECHO_REPLY6, UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER6),
}
"""IP version → the ICMP types that probes receive. The kernel drops the others."""

_HEADER = struct.Struct("!BBHHH")
_TCP, _ICMP, _ICMP6 = 6, 1, 58
_SMALL = {4: 64, 6: 80}
"""IP version → bytes of an IP packet whose size does not matter."""
_EXTENSIONS = {0, 43, 60}
"""IPv6 headers before the payload: hop-by-hop, routing, destination options (RFC 8200)."""


class ReceivedMessage(Value):
    """An echo reply, or an error, which quotes the packet that caused it."""

    icmp: tuple[int, int]
    """The ICMP type and code."""
    ident: int = 0
    """Identifier of the echo."""
    seq: int = 0
    """Sequence number of the echo."""
    token: bytes = b""
    """The first bytes of an echo reply's data; empty in an error."""
    source: str = ""
    """Source address of the quoted packet."""
    target: str = ""
    """Destination address of the quoted packet."""
    port: int = 0
    """Source port of a quoted TCP segment."""
    mtu: int = 0
    """The largest packet for the next hop in bytes; 0 if the message does not say it."""


def echo(version: int, ident: int, seq: int, token: bytes, size: int = 0) -> bytes:
    """Return an echo request that fills an IP packet of `size` bytes; 0 makes a small one.

    The kernel computes the checksum of ICMPv6, because that includes the addresses.
    """
    length = max(
        (size or _SMALL[version]) - (20 if version == 4 else 40) - _HEADER.size, len(token)
    )
    if version == 6:
        return _HEADER.pack(ECHO6, 0, 0, ident, seq) + token.ljust(length, b"\0")
    sum_ = checksum(_HEADER.pack(ECHO, 0, 0, ident, seq) + token)
    return _HEADER.pack(ECHO, 0, sum_, ident, seq) + token.ljust(length, b"\0")


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def parse_reply(version: int, data: bytes, token: int) -> ReceivedMessage | None:
    """Decode a message of a raw socket, which begins with the IP header for IPv4.

    Return None if its type is not in RECEIVED_TYPES, or if it is cut off. `token` is the length in
    bytes of the token at the start of an echo reply's data.
    """
    if version == 4:
        if len(data) < 20:
            return None
        data = data[(data[0] & 15) * 4 :]
    if len(data) < _HEADER.size:
        return None
    kind, code, _, ident, seq = _HEADER.unpack_from(data)
    if kind not in RECEIVED_TYPES[version]:
        return None
    rest = data[_HEADER.size :]
    if kind in (ECHO_REPLY, ECHO_REPLY6):
        return ReceivedMessage((kind, code), ident, seq, rest[:token])
    mtu = 0
    if (kind, code) == FRAGMENTATION_NEEDED:
        mtu = seq
    elif kind == TOO_BIG6 and version == 6:
        mtu = ident << 16 | seq
    quoted = _quoted4(rest) if version == 4 else _quoted6(rest)
    if quoted is None:
        return None
    protocol, source, target, inner = quoted
    if protocol == _TCP:
        return ReceivedMessage(
            (kind, code), source=source, target=target, port=int.from_bytes(inner[:2]), mtu=mtu
        )
    if protocol == (_ICMP if version == 4 else _ICMP6) and inner[0] in (ECHO, ECHO6):
        return ReceivedMessage(
            icmp=(kind, code),
            ident=int.from_bytes(inner[4:6]),
            seq=int.from_bytes(inner[6:8]),
            token=b"",
            source=source,
            target=target,
            mtu=mtu,
        )
    return None


def _quoted4(data: bytes) -> tuple[int, str, str, bytes] | None:
    """Return protocol, source, destination and payload of a quoted IPv4 packet."""
    length = (data[0] & 15) * 4 if data else 0
    inner = data[length:]
    if length < 20 or len(inner) < 8:
        return None
    return data[9], str(ip_address(data[12:16])), str(ip_address(data[16:20])), inner


def _quoted6(data: bytes) -> tuple[int, str, str, bytes] | None:
    protocol, inner = data[6] if len(data) >= 40 else 0, data[40:]
    while protocol in _EXTENSIONS and len(inner) >= 8:
        protocol, inner = inner[0], inner[8 + inner[1] * 8 :]
    if len(inner) < 8:
        return None
    return protocol, str(ip_address(data[8:24])), str(ip_address(data[24:40])), inner
