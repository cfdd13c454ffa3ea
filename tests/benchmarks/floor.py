"""The least that the kernel has to be asked for a star: raw netlink messages by struct, the system calls, and nothing else.

    python -m tests.benchmarks.floor create N | read N | change N | destroy N

In the network and mount namespaces that it is started in, as root. Prints the milliseconds between the first system call and the last;
what starts Python is not in them. It plans nothing, marks next to nothing, checks nothing, and cannot undo: it is what netorch is measured by.

The order is the best one known: every namespace is made by one thread, which keeps a socket in each; a veth is one message that names
both ends, their group, the peer's index and a single queue; the bridge comes up after its ports; and each node gets one send.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

RUN_NETNS = "/run/netns"
GROUP = 4711
BRIDGE, FIRST_INDEX = "br0", 16
CLONE_NEWNET, MS_BIND, MS_REC, MS_SHARED, MNT_DETACH = 0x40000000, 4096, 16384, 1 << 20, 2
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE = 16, 17, 18, 20, 21, 22, 24, 26
REQUEST, ACK, DUMP, CREATE, EXCL = 1, 4, 0x300, 0x400, 0x200
IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_GROUP, IFLA_NET_NS_FD, IFLA_TXQ, IFLA_RXQ = 3, 10, 18, 20, 27, 28, 31, 32
IFF_UP = 1
BATCH = 128

libc = ctypes.CDLL(None, use_errno=True)
header = struct.Struct("=IHHII").pack
link = struct.Struct("=BxHiII").pack
u32 = struct.Struct("=I").pack


def call(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def attr(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def message(kind: int, flags: int, payload: bytes) -> bytes:
    return header(16 + len(payload), kind, REQUEST | flags, 0, 0) + payload


def opened() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    made.setsockopt(270, 12, 1)  # SOL_NETLINK, NETLINK_GET_STRICT_CHK
    for force in (32, 33):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
        made.setsockopt(socket.SOL_SOCKET, force, 1 << 20)
    return made


def send(at: socket.socket, messages: list[bytes]) -> None:
    """All of them; the last asks for an acknowledgement, and an error of any raises."""
    for start in range(0, len(messages), BATCH):
        chunk = messages[start : start + BATCH]
        last = bytearray(chunk[-1])
        struct.pack_into("=H", last, 6, struct.unpack_from("=H", last, 6)[0] | ACK)
        at.send(b"".join(chunk[:-1]) + last)
        answer = at.recv(65536)
        number = struct.unpack_from("=i", answer, 16)[0]
        if number:
            raise OSError(-number, os.strerror(-number))


def address(number: int) -> bytes:
    return bytes((10, 9, number >> 8, number & 255))


def route() -> bytes:
    return struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attr(5, bytes((10, 9, 255, 254)))


def create(count: int) -> None:
    os.makedirs(RUN_NETNS, exist_ok=True)
    if libc.mount(b"", RUN_NETNS.encode(), b"none", MS_SHARED | MS_REC, None):
        call(libc.mount(RUN_NETNS.encode(), RUN_NETNS.encode(), b"none", MS_BIND | MS_REC, None))
        call(libc.mount(b"", RUN_NETNS.encode(), b"none", MS_SHARED | MS_REC, None))
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    at_home = opened()
    places: list[tuple[int, socket.socket]] = []
    for number in range(1, count + 1):
        path = f"{RUN_NETNS}/h{number}"
        call(libc.unshare(CLONE_NEWNET))
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))
        call(libc.mount(b"/proc/thread-self/ns/net", path.encode(), b"none", MS_BIND, None))
        places.append((os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), opened()))
    call(libc.setns(here, CLONE_NEWNET))

    bridge = link(0, 0, FIRST_INDEX, 0, 0) + attr(IFLA_IFNAME, b"br0\0") + attr(IFLA_GROUP, u32(GROUP))
    messages = [message(RTM_NEWLINK, CREATE | EXCL, bridge + attr(IFLA_LINKINFO, attr(1, b"bridge")))]
    one = attr(IFLA_TXQ, u32(1)) + attr(IFLA_RXQ, u32(1)) + attr(IFLA_GROUP, u32(GROUP))
    for number, (netns, _) in enumerate(places, 1):
        peer = link(0, 0, FIRST_INDEX, 0, 0) + attr(IFLA_IFNAME, b"eth0\0") + attr(IFLA_NET_NS_FD, u32(netns)) + one
        info = attr(IFLA_LINKINFO, attr(1, b"veth") + attr(2, attr(1, peer)))
        near = link(0, 0, FIRST_INDEX + number, IFF_UP, IFF_UP) + attr(IFLA_IFNAME, f"v{number}\0".encode())
        messages.append(message(RTM_NEWLINK, CREATE | EXCL, near + attr(IFLA_MASTER, u32(FIRST_INDEX)) + one + info))
    messages.append(message(RTM_NEWLINK, 0, link(0, 0, FIRST_INDEX, IFF_UP, IFF_UP)))
    send(at_home, messages)
    alias = attr(IFLA_IFALIAS, b"netorch:star")
    for number, (_, at) in enumerate(places, 1):
        own = struct.pack("=BBBBI", 2, 16, 0, 0, FIRST_INDEX) + attr(1, address(number)) + attr(2, address(number))
        send(
            at,
            [
                message(RTM_NEWLINK, 0, link(0, 0, 1, IFF_UP, IFF_UP) + alias),
                message(RTM_NEWLINK, 0, link(0, 0, FIRST_INDEX, IFF_UP, IFF_UP)),
                message(RTM_NEWADDR, CREATE | EXCL, own),
                message(RTM_NEWROUTE, CREATE | EXCL, route()),
            ],
        )


def entered(number: int) -> socket.socket:
    fd = os.open(f"{RUN_NETNS}/h{number}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        call(libc.setns(fd, CLONE_NEWNET))
    finally:
        os.close(fd)
    return opened()


def dumped(at: socket.socket, kind: int, payload: bytes) -> Iterable[bytes]:
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
    found = {}
    while start + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, start)
        found[kind & 0x3FFF] = data[start + 4 : start + size]
        start += (size + 3) & ~3
    return found


def read(count: int) -> None:
    """The links, addresses and routes of every namespace, split into attributes."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    for number in range(count + 1):
        at = entered(number) if number else opened()
        with at:
            for kind, payload, skip in ((RTM_GETLINK, link(0, 0, 0, 0, 0), 16), (RTM_GETADDR, bytes(8), 8), (RTM_GETROUTE, bytes(12), 12)):
                for data in dumped(at, kind, payload):
                    attributes(data, skip)
    call(libc.setns(here, CLONE_NEWNET))


def change(count: int) -> None:
    """Another address for the last node."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    with entered(count) as at:
        for kind, flags, number in ((RTM_NEWADDR, CREATE | EXCL, count + 5000), (RTM_DELADDR, 0, count)):
            own = struct.pack("=BBBBI", 2, 16, 0, 0, FIRST_INDEX) + attr(1, address(number)) + attr(2, address(number))
            send(at, [message(kind, flags, own)])
    call(libc.setns(here, CLONE_NEWNET))


def destroy(count: int) -> None:
    with opened() as at:
        send(at, [message(RTM_DELLINK, 0, link(0, 0, 0, 0, 0) + attr(IFLA_GROUP, u32(GROUP)))])
    for number in range(1, count + 1):
        path = f"{RUN_NETNS}/h{number}"
        call(libc.umount2(path.encode(), MNT_DETACH))
        os.unlink(path)


WORK: dict[str, Callable[[int], None]] = {"create": create, "read": read, "change": change, "destroy": destroy}


def main(what: str, count: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started = time.perf_counter()
    WORK[what](int(count))
    print(f"{(time.perf_counter() - started) * 1000:.1f}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in WORK or not Path("/proc/thread-self").exists():
        sys.exit(__doc__)
    main(*sys.argv[1:])
