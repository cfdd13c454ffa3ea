"""ICMP echo from a node: whether an address answers, and how quickly."""

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
    """Seconds from the request that was answered first to its answer; None if there was none within `timeout` seconds.

    Requests go out every 0.2 s, so that a route or a neighbour that comes up meanwhile is enough.
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
            # what cannot be sent yet may be sent later: a tentative address, a route to come
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
        found = icmp.parse_reply(version, packet, len(_TOKEN))
        if (
            found is not None
            and found.token == _TOKEN
            and found.ident == number
            and found.seq in sent
        ):
            return time.monotonic() - sent[found.seq]
    return None
