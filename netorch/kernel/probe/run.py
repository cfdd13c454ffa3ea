"""Sends probes from namespaces.

The sockets are opened in the worker's thread and used in the caller's.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from netorch.errors import NetorchError, Problem
from netorch.immutable import replace
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.probe import neighbour_entries
from netorch.kernel.probe.event_loop import WINDOW, KernelAccess, Prober, SocketRequest
from netorch.kernel.probe.probes import Address, NeighbourTrace, Probe, Reply, Sort
from netorch.kernel.probe.sockets import FAMILY, raw_socket, tcp_socket
from netorch.kernel.reader import dump_links
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, attributes

SOCKETS = 1200
"""Sockets that may be open at a time, if the limit on open files allows them."""

SWEEP = 1.0
"""Seconds in which an answer may arrive before the other probes of a large network are sent.

A probe without an answer is then tried again, at a time when its neighbour entries can stay.
"""
TILE = 8
"""The probes of a large network are sent in groups: from so many nodes to so many others.

So the netlink requests for neighbour entries have several entries each.
"""
TOGETHER = 512
"""The number of neighbour entries of the probes that are tried again at the same time."""
SAMPLES = 2
"""The number of probes of each node that are tried again first. The others of a node are only tried
again if one of these is answered.
"""

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
    prober = _Probing(namespaces, call, probes, room, before, progress)
    numbers = in_tiles(probes)
    doubtful = prober.run(numbers, lambda probe: min(patience, SWEEP) if probe.traces else patience)
    if any(probe.traces for probe in probes):
        prober.try_again(numbers, doubtful, patience)
    return [prober.replies[number] for number in range(len(probes))]


def is_open(probe: Probe, reply: Reply) -> bool:
    """Tell whether another try could have another result, because the entries can stay then."""
    return bool(probe.traces) and (
        reply.sort is Sort.SILENT
        or (reply.sort is Sort.UNREACHABLE and probe.expects_answer)
        or (reply.sort is Sort.UNSENT and reply.errno == errno.ENOBUFS)
        # IPv6 reports a full neighbour table like this
        or (reply.sort is Sort.STOPPED and reply.errno == errno.EINVAL)
    )


def in_tiles(probes: Sequence[Probe]) -> list[int]:
    """Return the numbers of the probes in the order in which they are sent."""
    places: dict[str, int] = {}
    for probe in probes:
        if probe.traces:
            places.setdefault(probe.netns, len(places))

    def place(number: int) -> tuple[int, ...]:
        traces = probes[number].traces
        if not traces:
            return ()
        ends = sorted(places.get(trace.netns, 0) for trace in (traces[0], traces[-1]))
        return (*(end // TILE for end in ends), *ends)

    return sorted(range(len(probes)), key=place)


def sample(probes: Sequence[Probe], numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return as many of the numbers as can be tried at once, and the others.

    Each node is in a few of the first if possible.
    """
    counts: Counter[str] = Counter()
    chosen: list[int] = []
    others: list[int] = []
    for number in numbers:
        ends = {trace.netns for trace in probes[number].traces}
        if any(counts[end] < SAMPLES for end in ends):
            counts.update(ends)
            chosen.append(number)
        else:
            others.append(number)
    first, *rest = batches(probes, [*chosen, *others])
    return first, [number for batch in rest for number in batch]


def batches(probes: Sequence[Probe], numbers: Sequence[int]) -> list[list[int]]:
    """Divide the numbers into batches whose neighbour entries can exist at the same time."""
    result: list[list[int]] = [[]]
    traces: set[NeighbourTrace] = set()
    for number in numbers:
        traces.update(probes[number].traces)
        if len(traces) > TOGETHER:
            result.append([])
            traces = set(probes[number].traces)
        result[-1].append(number)
    return result


def with_way_back(probes: Sequence[Probe], chosen: Collection[int]) -> list[int]:
    """Return the numbers of these probes, and of those in the opposite direction.

    A node also learns a MAC when its neighbour asks for its own.
    """
    pairs = {frozenset(probes[number].traces) for number in chosen}
    return [number for number, probe in enumerate(probes) if frozenset(probe.traces) in pairs]


class _Probing:
    """Sends parts of the probes, and has the replies to all of them."""

    def __init__(
        self,
        namespaces: Namespaces,
        call: ProbeCall,
        probes: Sequence[Probe],
        room: int,
        before: neighbour_entries.Known,
        progress: Callable[[int, int], None],
    ) -> None:
        self._probes, self._room, self._progress = probes, room, progress
        self.replies: dict[int, Reply] = {}
        """Number of a probe → its latest reply."""
        indices: dict[tuple[str, str], int] = {}

        def index(label: str, link: str) -> int:
            if (label, link) not in indices:
                indices[label, link] = call(lambda: _index(namespaces, label, link))
            return indices[label, link]

        self._kernel = KernelAccess(
            sockets=lambda requests: call(partial(_sockets, namespaces, requests)),
            index=index,
            mtu=lambda label, address: call(partial(_mtu, namespaces, label, address)),
            enter=lambda traces: call(
                partial(neighbour_entries.enter_macs, namespaces, before, traces)
            ),
            forget=lambda traces: (
                call(partial(neighbour_entries.delete_new_entries, namespaces, before, traces))
                if traces
                else ()
            ),
        )

    def run(
        self,
        numbers: Sequence[int],
        patience: Callable[[Probe], float],
        *,
        again: bool = False,
    ) -> frozenset[int]:
        """Send the probes with these numbers.

        Return the numbers of those whose answers are doubtful (`Prober.doubtful`). With `again`,
        the kernel itself asks for all MACs, and no entry is deleted before its probe is settled.
        """
        doubtful: set[int] = set()
        for part in chunks(self._probes, numbers, max(1, self._room * 2 // 5)):
            probes = [self._probes[number] for number in part]
            if again:
                probes = [_without_macs(probe) for probe in probes]
            finished = len(self.replies.keys() - set(part))

            def report(settled: int, finished: int = finished) -> None:
                self._progress(finished + settled, len(self._probes))

            raw_sockets = len({(probe.netns, probe.address.version) for probe in probes})
            connections = max(1, self._room - raw_sockets)
            window = max(WINDOW, len(probes)) if again else WINDOW
            prober = Prober(probes, self._kernel, patience, connections, report, window)
            self.replies |= dict(zip(part, prober.run(), strict=True))
            doubtful |= {part[place] for place in prober.doubtful}
        return frozenset(doubtful)

    def try_again(self, numbers: Sequence[int], doubtful: Collection[int], patience: float) -> None:
        """Try those probes of large networks again that have a doubtful answer or none.

        Of those without an answer, a few of each node come first. The others follow if that brings
        an answer. Otherwise it is not haste that keeps the answers away.
        """
        open_ones = [
            number for number in numbers if is_open(self._probes[number], self.replies[number])
        ]
        first, rest = sample(self._probes, open_ones)
        self._repeat([*with_way_back(self._probes, doubtful), *first], patience)
        answered = [reply for reply in map(self.replies.get, first) if reply and _is_answer(reply)]
        if answered:
            slowest = max(reply.seconds for reply in answered)
            self._repeat(rest, min(patience, max(SWEEP, 3 * slowest)))

    def _repeat(self, numbers: Sequence[int], patience: float) -> None:
        for batch in batches(self._probes, list(dict.fromkeys(numbers))):
            self.run(batch, lambda _: patience, again=True)


def _is_answer(reply: Reply) -> bool:
    return reply.sort is Sort.ANSWERED


def _without_macs(probe: Probe) -> Probe:
    return replace(probe, traces=tuple(replace(trace, mac=b"") for trace in probe.traces))


def chunks(probes: Sequence[Probe], numbers: Iterable[int], sources: int) -> Iterable[list[int]]:
    """Yield the numbers of probes in chunks of at most `sources` namespaces.

    All probes of a namespace are in the same chunk, and so are all probes of a group. The order
    within a chunk is that of `numbers`.
    """
    chunk_of: dict[str, int] = {}
    parts: dict[int, list[int]] = {}
    for number in numbers:
        chunk = chunk_of.setdefault(probes[number].netns, len(chunk_of) // sources)
        parts.setdefault(chunk, []).append(number)
    yield from parts.values()


def _prepare(namespaces: Namespaces, probes: Sequence[Probe], room: int) -> neighbour_entries.Known:
    namespaces.round += 1
    namespaces.make_room(room)
    return neighbour_entries.read_entries(
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
