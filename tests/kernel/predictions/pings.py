"""Pings from namespaces over raw sockets that stay open: a few hundred take milliseconds."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from netorch.kernel.system.syscalls import CLONE_NEWNET, setns

Pair = tuple[str, str]
"""A namespace's name in /run/netns, and the address that is pinged from it."""


class Pings:
    """Raw sockets in some namespaces. Used as a context manager."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self._ident = 0
        self._number = 0
        thread = threading.Thread(target=self._open, args=(tuple(labels),))
        thread.start()
        thread.join()

    def __enter__(self) -> Pings:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets.values():
            sock.close()

    def _open(self, labels: Sequence[str]) -> None:
        for label in labels:
            try:
                fd = os.open(f"/run/netns/{label}", os.O_RDONLY)
            except FileNotFoundError:
                continue
            setns(fd, CLONE_NEWNET)
            os.close(fd)
            for version, family, protocol in (
                (4, socket.AF_INET, socket.IPPROTO_ICMP),
                (6, socket.AF_INET6, socket.IPPROTO_ICMPV6),
            ):
                sock = socket.socket(family, socket.SOCK_RAW, protocol)
                sock.setblocking(False)
                self._sockets[label, version] = sock

    def ask(self, pairs: Iterable[Pair], patience: float, least: float = 0.0) -> set[Pair]:
        """Return the pairs for which the pinged address itself answers.

        Waits up to `patience` seconds, and at least `least` even if all have answered sooner.
        """
        waiting: dict[int, Pair] = {}
        answered: set[Pair] = set()
        begun = time.monotonic()
        # a new identifier, because a packet filter would take a known one for a known connection
        self._ident = int.from_bytes(os.urandom(2), "big")
        for pair in pairs:
            self._number = (self._number + 1) & 0xFFFF
            waiting[self._number] = pair
            self._send(pair, self._number)
        while (now := time.monotonic()) < begun + patience:
            if not waiting and now > begun + least:
                break
            ready, _, _ = select.select(list(self._sockets.values()), [], [], 0.02)
            for sock in ready:
                self._receive(sock, waiting, answered)
        return answered

    def _send(self, pair: Pair, number: int) -> None:
        version = ip_address(pair[1]).version
        sock = self._sockets.get((pair[0], version))
        if sock is None:
            return
        kind = 8 if version == 4 else 128
        body = struct.pack("!BBHHH", kind, 0, 0, self._ident, number) + bytes(56)
        if version == 4:
            body = body[:2] + struct.pack("!H", _checksum(body)) + body[4:]
        try:
            sock.sendto(body, (pair[1], 0))
        except OSError:
            return

    def _receive(self, sock: socket.socket, waiting: dict[int, Pair], answered: set[Pair]) -> None:
        while True:
            try:
                data, sender = sock.recvfrom(2048)
            except OSError:
                return
            start = (data[0] & 15) * 4 if sock.family == socket.AF_INET else 0
            kind, _, _, ident, number = struct.unpack_from("!BBHHH", data, start)
            pair = waiting.get(number)
            here = pair is not None and self._sockets.get((pair[0], ip_address(pair[1]).version))
            if (
                pair is not None
                and kind in (0, 129)
                and ident == self._ident
                and here is sock
                and ip_address(sender[0]) == ip_address(pair[1])
            ):
                answered.add(pair)
                del waiting[number]


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
