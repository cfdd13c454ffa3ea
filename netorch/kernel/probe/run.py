"""Sends probes from namespaces.

The sockets are opened in the worker's thread and used in the caller's.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from netorch.errors import NetorchError, Problem
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.probe import neighbour_cleanup
from netorch.kernel.probe.event_loop import KernelAccess, Prober, SocketRequest
from netorch.kernel.probe.probes import Address, Probe, Reply
from netorch.kernel.probe.sockets import FAMILY, raw_socket, tcp_socket
from netorch.kernel.reader import dump_links
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, attributes

SOCKETS = 1200
"""Sockets that may be open at a time, if the limit on open files allows them."""

Result = TypeVar("Result")


class ProbeCall(Protocol):
    """The type of `Worker.call`."""

    def __call__(self, function: Callable[[], Result]) -> Result: ...


def probe(
    namespaces: Namespaces,
    call: ProbeCall,
    probes: Sequence[Probe],
    patience: float,
    progress: Callable[[int, int], None],
) -> list[Reply]:
    """Send the probes and return their replies, in the same order. See `LinuxKernel.probe`."""
    room = min(SOCKETS, namespaces.capacity // 2)
    before = call(lambda: _prepare(namespaces, probes, room))
    indices: dict[tuple[str, str], int] = {}

    def index(label: str, link: str) -> int:
        if (label, link) not in indices:
            indices[label, link] = call(lambda: _index(namespaces, label, link))
        return indices[label, link]

    kernel = KernelAccess(
        sockets=lambda requests: call(partial(_sockets, namespaces, requests)),
        index=index,
        mtu=lambda label, address: call(partial(_mtu, namespaces, label, address)),
        forget=lambda traces: (
            call(partial(neighbour_cleanup.delete_new_entries, namespaces, before, traces))
            if traces
            else None
        ),
    )
    replies: dict[int, Reply] = {}
    for numbers in chunks(probes, max(1, room * 2 // 5)):
        part = [probes[number] for number in numbers]

        def report(settled: int, before: int = len(replies)) -> None:
            progress(before + settled, len(probes))

        raw_sockets = len({(probe.netns, probe.address.version) for probe in part})
        results = Prober(part, kernel, patience, max(1, room - raw_sockets), report).run()
        replies |= dict(zip(numbers, results, strict=True))
    return [replies[number] for number in range(len(probes))]


def chunks(probes: Sequence[Probe], sources: int) -> Iterable[list[int]]:
    """Yield the numbers of probes in chunks of at most `sources` namespaces.

    All probes of a namespace are in the same chunk, and so are all probes of a group.
    """
    labels: dict[str, list[int]] = {}
    for number, probe in enumerate(probes):
        labels.setdefault(probe.netns, []).append(number)
    lists = list(labels.values())
    for first in range(0, len(lists), sources):
        yield sorted(number for numbers in lists[first : first + sources] for number in numbers)


def _prepare(namespaces: Namespaces, probes: Sequence[Probe], room: int) -> neighbour_cleanup.Known:
    namespaces.round += 1
    namespaces.make_room(room)
    return neighbour_cleanup.read_entries(
        namespaces, dict.fromkeys(trace.netns for probe in probes for trace in probe.traces)
    )


def _sockets(
    namespaces: Namespaces, requests: Sequence[SocketRequest]
) -> list[socket.socket | OSError]:
    results: list[socket.socket | OSError] = []
    for label, version, protocol in requests:
        try:
            results.append(
                _within(
                    namespaces,
                    label,
                    partial(tcp_socket if protocol == socket.IPPROTO_TCP else raw_socket, version),
                )
            )
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                for opened in results:
                    if isinstance(opened, socket.socket):
                        opened.close()
                rights = "checks send packets of their own, which needs root (CAP_NET_RAW)."
                raise NetorchError(
                    Problem("not-root", rights, remedy="Run it with sudo.")
                ) from None
            results.append(error)
    return results


def _index(namespaces: Namespaces, label: str, link: str) -> int:
    try:
        return _within(namespaces, label, lambda: socket.if_nametoindex(link))
    except OSError:
        return 0


def _mtu(namespaces: Namespaces, label: str, address: Address) -> int:
    """Return the MTU of the link by which packets to the address leave; 0 if it is unknown.

    This is not the path MTU.
    """
    netns = namespaces.find(label)
    if netns is None:
        return 0
    rtnl = namespaces.rtnl(netns)
    payload = struct.pack("=BB10x", FAMILY[address.version], address.max_prefixlen) + attr(
        c.RTA_DST, address.packed
    )
    for answers in rtnl.get(c.RTM_GETROUTE, (payload,)):
        for _, buffer, start, end in answers:
            index = int.from_bytes(
                attributes(buffer, start + 12, end).get(c.RTA_OIF, b""), sys.byteorder
            )
            return next((link.mtu for link in dump_links(rtnl) if link.index == index), 0)
    return 0


def _within(namespaces: Namespaces, label: str, act: Callable[[], Result]) -> Result:
    netns = namespaces.find(label)
    if netns is None:
        raise OSError(errno.ENOENT, "the namespace is gone", label)
    namespaces.enter(netns)
    return act()
