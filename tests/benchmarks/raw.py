"""Netlink messages by `struct`, and the system calls of the floor, without any library."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator

CLONE_NEWNET, MS_BIND, MS_REC, MS_SHARED, MNT_DETACH = 0x40000000, 4096, 16384, 1 << 20, 2
(
    RTM_NEWLINK,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWROUTE,
    RTM_GETROUTE,
) = 16, 17, 18, 20, 21, 22, 24, 26
REQUEST, ACK, DUMP, CREATE, EXCL = 1, 4, 0x300, 0x400, 0x200
(
    IFLA_IFNAME,
    IFLA_MASTER,
    IFLA_LINKINFO,
    IFLA_IFALIAS,
    IFLA_GROUP,
    IFLA_NET_NS_FD,
    IFLA_TXQ,
    IFLA_RXQ,
) = 3, 10, 18, 20, 27, 28, 31, 32
IFF_UP = 1
BATCH = 128
"""The most messages in one send."""

libc = ctypes.CDLL(None, use_errno=True)
header = struct.Struct("=IHHII").pack
link = struct.Struct("=BxHiII").pack
u32 = struct.Struct("=I").pack


def call(result: int) -> None:
    """Raise OSError if a system call of libc failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def attr(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def text(kind: int, value: str) -> bytes:
    return attr(kind, value.encode() + b"\0")


def message(kind: int, flags: int, payload: bytes) -> bytes:
    return header(16 + len(payload), kind, REQUEST | flags, 0, 0) + payload


def veth(
    index: int,
    name: str,
    more: bytes,
    peer_index: int,
    peer: str,
    peer_more: bytes,
    *,
    up: bool = True,
) -> bytes:
    """Return the single message that makes a veth.

    `more` and `peer_more` are further attributes of its two ends; `up`: the near end is up.
    """
    queues = attr(IFLA_TXQ, u32(1)) + attr(IFLA_RXQ, u32(1))
    far = link(0, 0, peer_index, 0, 0) + text(IFLA_IFNAME, peer) + queues + peer_more
    info = attr(IFLA_LINKINFO, attr(1, b"veth") + attr(2, attr(1, far)))
    near = link(0, 0, index, IFF_UP * up, IFF_UP * up) + text(IFLA_IFNAME, name) + queues + more
    return message(RTM_NEWLINK, CREATE | EXCL, near + info)


def brought_up(index: int, more: bytes = b"") -> bytes:
    return message(RTM_NEWLINK, 0, link(0, 0, index, IFF_UP, IFF_UP) + more)


def opened() -> socket.socket:
    """Return a netlink socket in the thread's network namespace."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    made.setsockopt(270, 12, 1)  # SOL_NETLINK, NETLINK_GET_STRICT_CHK
    for force in (32, 33):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
        made.setsockopt(socket.SOL_SOCKET, force, 1 << 20)
    return made


def send(at: socket.socket, messages: list[bytes]) -> None:
    """Send all messages.

    The last one asks for an acknowledgement. Raises OSError if the kernel refuses any of them.
    """
    for start in range(0, len(messages), BATCH):
        chunk = messages[start : start + BATCH]
        last = bytearray(chunk[-1])
        struct.pack_into("=H", last, 6, struct.unpack_from("=H", last, 6)[0] | ACK)
        at.send(b"".join(chunk[:-1]) + last)
        answer = at.recv(65536)
        number = struct.unpack_from("=i", answer, 16)[0]
        if number:
            raise OSError(-number, os.strerror(-number))


def dumped(at: socket.socket, kind: int, payload: bytes) -> Iterator[bytes]:
    """Yield the answers of a dump, without their netlink headers."""
    at.send(message(kind, DUMP, payload))
    while True:
        datagram = at.recv(65536)
        start = 0
        while start < len(datagram):
            size, answer = struct.unpack_from("=IH", datagram, start)
            if answer == 3:
                return
            yield datagram[start + 16 : start + size]
            start += (size + 3) & ~3


def attributes(data: bytes, start: int) -> dict[int, bytes]:
    payloads = {}
    while start + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, start)
        payloads[kind & 0x3FFF] = data[start + 4 : start + size]
        start += (size + 3) & ~3
    return payloads


def netns_here() -> int:
    """Return a file descriptor of the thread's network namespace."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(netns: int) -> None:
    call(libc.setns(netns, CLONE_NEWNET))
