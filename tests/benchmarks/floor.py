"""The floor: the least requests that make a network, by raw netlink messages and system calls.

    python -m tests.benchmarks.floor create|read|change|destroy SHAPE

Needs root, and works in the network and mount namespaces in which it is started. SHAPE is star-N,
ring-N or fat-tree-K. It prints the milliseconds between the first and the last system call, and the
milliseconds of processor time in between; the start of Python is not included. `destroy` ends when
the kernel has torn everything down. The floor plans nothing, sets next to no marks, checks nothing
and cannot undo anything. netorch is measured against it.

Its order of requests is the fastest one known: one thread makes all namespaces and holds a socket
in each; a single message makes a veth with both of its ends.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import raw
from tests.benchmarks.raw import (
    CREATE,
    EXCL,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    attr,
    message,
    u32,
)
from tests.benchmarks.shapes import MOVED, Shape, shape
from tests.benchmarks.teardown import settle

RUN_NETNS = "/run/netns"
GROUP = attr(raw.IFLA_GROUP, u32(4711))
ALIAS = attr(raw.IFLA_IFALIAS, b"netorch:floor")
LO, FIRST_INDEX = 1, 16
PORTS, WITH_CABLES = 1000, 960
"""The most ports of a bridge, and of a bridge that is connected to others.

The kernel queues a flooded packet for at most a thousand ports (net.core.netdev_max_backlog). With
more ports, ARP requests would never reach the last one.
"""

GATEWAY = bytes((10, 9, 255, 254))


class Place(NamedTuple):
    """A namespace that is held open."""

    netns: int
    at: socket.socket


class Interface(NamedTuple):
    """The settings of an interface in its node."""

    ifindex: int
    address: bytes
    prefix: int
    up: bool
    """Whether it is up as soon as it exists."""


def on_segment(number: int) -> bytes:
    return bytes((10, 9, number >> 8, number & 255))


def on_cable(number: int) -> tuple[bytes, bytes]:
    """Return the two addresses of cable `number`."""
    start = (10 << 24) + (128 << 16) + 2 * number
    return start.to_bytes(4, "big"), (start + 1).to_bytes(4, "big")


def addressed(kind: int, flags: int, index: int, address: bytes, prefix: int) -> bytes:
    return message(
        kind,
        flags,
        struct.pack("=BBBBI", 2, prefix, 0, 0, index) + attr(1, address) + attr(2, address),
    )


def default_route() -> bytes:
    return message(
        RTM_NEWROUTE,
        CREATE | EXCL,
        struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attr(5, GATEWAY),
    )


def namespaces(names: Sequence[str]) -> dict[str, Place]:
    """Make the namespaces and hold them open."""
    os.makedirs(RUN_NETNS, exist_ok=True)
    shared = raw.MS_SHARED | raw.MS_REC
    if raw.libc.mount(b"", RUN_NETNS.encode(), b"none", shared, None):
        raw.call(
            raw.libc.mount(
                RUN_NETNS.encode(), RUN_NETNS.encode(), b"none", raw.MS_BIND | raw.MS_REC, None
            )
        )
        raw.call(raw.libc.mount(b"", RUN_NETNS.encode(), b"none", shared, None))
    here = raw.netns_here()
    places: dict[str, Place] = {}
    for name in names:
        path = f"{RUN_NETNS}/{name}"
        raw.call(raw.libc.unshare(raw.CLONE_NEWNET))
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))
        raw.call(
            raw.libc.mount(b"/proc/thread-self/ns/net", path.encode(), b"none", raw.MS_BIND, None)
        )
        places[name] = Place(raw.netns_here(), raw.opened())
    raw.enter(here)
    return places


def segment(
    members: Sequence[str], places: Mapping[str, Place]
) -> tuple[list[bytes], dict[str, list[Interface]], list[bytes]]:
    """Return the messages that make the bridges, and a cable from each member to its bridge.

    Also returns the interfaces of each node, and the last messages, which bring the bridges up.
    """
    ports = PORTS if len(members) <= PORTS else WITH_CABLES
    bridges = range(FIRST_INDEX, FIRST_INDEX + 1 + (len(members) - 1) // ports)
    index = bridges.stop
    messages = [
        message(
            RTM_NEWLINK,
            CREATE | EXCL,
            raw.link(0, 0, bridge, 0, 0)
            + raw.text(raw.IFLA_IFNAME, f"br{bridge}")
            + GROUP
            + attr(raw.IFLA_LINKINFO, attr(1, b"bridge")),
        )
        for bridge in bridges
    ]
    interfaces: dict[str, list[Interface]] = {}
    for number, name in enumerate(members, 1):
        master = attr(raw.IFLA_MASTER, u32(bridges[(number - 1) // ports]))
        there = attr(raw.IFLA_NET_NS_FD, u32(places[name].netns)) + GROUP
        messages.append(raw.veth(index, f"v{number}", master + GROUP, FIRST_INDEX, "eth0", there))
        interfaces[name] = [Interface(FIRST_INDEX, on_segment(number), 16, False)]
        index += 1
    for bridge in bridges[1:]:
        master = attr(raw.IFLA_MASTER, u32(bridges[0]))
        messages.append(
            raw.veth(index, f"down{bridge}", master + GROUP, index + 1, f"up{bridge}", GROUP)
        )
        messages.append(raw.brought_up(index + 1, attr(raw.IFLA_MASTER, u32(bridge))))
        index += 2
    return messages, interfaces, [raw.brought_up(bridge) for bridge in bridges]


def cabled(
    network: Shape, places: Mapping[str, Place]
) -> tuple[dict[str, list[bytes]], dict[str, list[Interface]]]:
    """Return the messages that make the cables, and the interfaces of each node.

    Each cable is made in the node at its near end, with the far end directly in the other node.
    """
    interfaces: dict[str, list[Interface]] = {name: [] for name in network.nodes}
    messages: dict[str, list[bytes]] = {}
    for number, cable in enumerate(network.cables):
        near, far = interfaces[cable.near], interfaces[cable.far]
        near_address, far_address = on_cable(number)
        near.append(Interface(FIRST_INDEX + len(near), near_address, 31, True))
        far.append(Interface(FIRST_INDEX + len(far), far_address, 31, False))
        there = attr(raw.IFLA_NET_NS_FD, u32(places[cable.far].netns)) + GROUP
        made = raw.veth(
            near[-1].ifindex,
            cable.near_interface,
            GROUP,
            far[-1].ifindex,
            cable.far_interface,
            there,
        )
        messages.setdefault(cable.near, []).append(made)
    return messages, interfaces


def create(network: Shape) -> None:
    places = namespaces(network.nodes)
    last: list[bytes] = []
    if network.members:
        first, interfaces, last = segment(network.members, places)
        with raw.opened() as at:
            raw.send(at, first)
    else:
        cables, interfaces = cabled(network, places)
        for name, batch in cables.items():
            raw.send(places[name].at, batch)
    for name, place in places.items():
        messages = [raw.brought_up(LO, ALIAS)]
        for interface in interfaces[name]:
            messages += [] if interface.up else [raw.brought_up(interface.ifindex)]
            messages.append(
                addressed(
                    RTM_NEWADDR,
                    CREATE | EXCL,
                    interface.ifindex,
                    interface.address,
                    interface.prefix,
                )
            )
        messages += [default_route()] if network.members else []
        raw.send(place.at, messages)
    if last:
        with raw.opened() as at:
            raw.send(at, last)


def entered(name: str) -> socket.socket:
    """Move the thread into a namespace, and return a socket there."""
    netns = os.open(f"{RUN_NETNS}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        raw.enter(netns)
    finally:
        os.close(netns)
    return raw.opened()


def read(network: Shape) -> None:
    """Read the links, addresses and routes of every namespace, and split them into attributes."""
    here = raw.netns_here()
    asked = (
        (raw.RTM_GETLINK, raw.link(0, 0, 0, 0, 0), 16),
        (raw.RTM_GETADDR, bytes(8), 8),
        (raw.RTM_GETROUTE, bytes(12), 12),
    )
    for name in (None, *network.nodes):
        with entered(name) if name else raw.opened() as at:
            for kind, payload, skip in asked:
                for data in raw.dumped(at, kind, payload):
                    raw.attributes(data, skip)
    raw.enter(here)


def change(network: Shape) -> None:
    """Give the last node, or both ends of the last cable, another address.

    The old address is deleted first, and the kernel deletes its routes with it.
    """
    here = raw.netns_here()
    for name, index, prefix, old, new in moves(network):
        messages = [
            addressed(RTM_DELADDR, 0, index, old, prefix),
            addressed(RTM_NEWADDR, CREATE | EXCL, index, new, prefix),
        ]
        with entered(name) as at:
            raw.send(at, messages + ([default_route()] if network.members else []))
    raw.enter(here)


def moves(network: Shape) -> list[tuple[str, int, int, bytes, bytes]]:
    """Return node, index of the interface, prefix length, old address and new address."""
    if network.members:
        number = len(network.members)
        return [
            (network.members[-1], FIRST_INDEX, 16, on_segment(number), on_segment(number + MOVED))
        ]
    last = len(network.cables) - 1
    ends = [name for cable in network.cables for name in (cable.near, cable.far)]
    # it is the last interface of both nodes
    return [
        (name, FIRST_INDEX - 1 + ends.count(name), 31, old, new)
        for name, old, new in zip(ends[-2:], on_cable(last), on_cable(last + MOVED), strict=True)
    ]


def destroy(network: Shape) -> None:
    """Delete the network.

    One request deletes all cables of a segment by their group; cables between nodes disappear with
    their namespaces.
    """
    if network.members:
        with raw.opened() as at:
            raw.send(at, [message(RTM_DELLINK, 0, raw.link(0, 0, 0, 0, 0) + GROUP)])
    for name in network.nodes:
        path = f"{RUN_NETNS}/{name}"
        raw.call(raw.libc.umount2(path.encode(), raw.MNT_DETACH))
        os.unlink(path)
    settle()


WORK: dict[str, Callable[[Shape], None]] = {
    "create": create,
    "read": read,
    "change": change,
    "destroy": destroy,
}


def main(what: str, name: str) -> None:
    network = shape(name)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started, spent = time.perf_counter(), time.process_time()
    WORK[what](network)
    print(
        f"{(time.perf_counter() - started) * 1000:.3f} {(time.process_time() - spent) * 1000:.3f}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in WORK or not Path("/proc/thread-self").exists():
        sys.exit(__doc__)
    main(*sys.argv[1:])
