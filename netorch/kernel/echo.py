"""ICMP echo from a node (RFC 792, RFC 4443): whether an address answers, and how quickly."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress

from netorch.kernel.aside import within

_INTERVAL = 0.2
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
_HEADER = struct.Struct("!BBHHH")


def echo(how: str, what: str, address: str, timeout: float) -> float | None:
    """Seconds from the request that was answered first to its answer; None if there was none within `timeout` seconds.

    Requests go out every 0.2 s, so that a route or a neighbour that comes up meanwhile is enough.
    """
    return within(how, what, lambda: _echo(address, timeout))


def _echo(address: str, timeout: float) -> float | None:
    family, _, _, _, target = socket.getaddrinfo(address, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    version = 6 if family == socket.AF_INET6 else 4
    number = int.from_bytes(os.urandom(2))
    sent: dict[int, float] = {}
    end = time.monotonic() + timeout
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP) as raw:
        while (now := time.monotonic()) < end or not sent:
            # what cannot be sent yet may be sent later: a tentative address, a route to come
            with suppress(OSError):
                raw.sendto(_request(version, number, len(sent)), target)
            sent[len(sent)] = now
            if (answered := _answer(raw, version, number, sent, min(now + _INTERVAL, max(end, now + 0.001)))) is not None:
                return answered
    return None


def _request(version: int, number: int, sequence: int) -> bytes:
    body = _HEADER.pack(_REQUEST[version], 0, 0, number, sequence & 0xFFFF) + b"netorch".ljust(48, b"\0")
    # of ICMPv6 the kernel computes the checksum
    return body[:2] + _checksum(body).to_bytes(2) + body[4:] if version == 4 else body


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _answer(raw: socket.socket, version: int, number: int, sent: dict[int, float], until: float) -> float | None:
    while (left := until - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            packet = raw.recv(65535)
        except OSError:
            continue
        if version == 4:
            packet = packet[(packet[0] & 0xF) * 4 :]
        if len(packet) >= _HEADER.size:
            kind, _, _, theirs, sequence = _HEADER.unpack_from(packet)
            if kind == _REPLY[version] and theirs == number and sequence in sent:
                return time.monotonic() - sent[sequence]
    return None
