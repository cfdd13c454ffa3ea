"""Sends ICMP echo requests from a node and measures how quickly an address answers."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from netorch.kernel.namespaces.own_thread import run_within
from netorch.kernel.probe import icmp

_INTERVAL = 0.2
_TOKEN = b"netorch"


def echo(how: str, what: str, address: str, timeout: float) -> float | None:
    """Return the round trip time of the first answered request, in seconds.

    Return None if there is no answer within `timeout` seconds. A request is sent every 0.2 s, so it
    is enough if the route or the neighbour comes up meanwhile.
    """
    return run_within(how, what, lambda: _echo(address, timeout))


def _echo(address: str, timeout: float) -> float | None:
    family, _, _, _, target = socket.getaddrinfo(
        address, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    version = 6 if family == socket.AF_INET6 else 4
    number = int.from_bytes(os.urandom(2))
    sent: dict[int, float] = {}
    end = time.monotonic() + timeout
    with socket.socket(
        family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
    ) as raw:
        while (now := time.monotonic()) < end or not sent:
            # sending may fail at first, while an address is tentative or a route is missing
            with suppress(OSError):
                raw.sendto(icmp.echo(version, number, len(sent) & 0xFFFF, _TOKEN), target)
            sent[len(sent)] = now
            if (
                answered := _answer(
                    raw, version, number, sent, min(now + _INTERVAL, max(end, now + 0.001))
                )
            ) is not None:
                return answered
    return None


def _answer(
    raw: socket.socket, version: int, number: int, sent: dict[int, float], until: float
) -> float | None:
    while (left := until - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            packet = raw.recv(65535)
        except OSError:
            continue
        reply = icmp.parse_reply(version, packet, len(_TOKEN))
        if (
            reply is not None
            and reply.token == _TOKEN
            and reply.ident == number
            and reply.seq in sent
        ):
            return time.monotonic() - sent[reply.seq]
    return None
