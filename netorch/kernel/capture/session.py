"""Captures the packets of interfaces of several nodes, in the order of their time stamps.

It follows the nodes: interfaces and namespaces that appear later are captured too.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from netorch.errors import LacksError, NetorchError, Problem, did_you_mean, listing
from netorch.immutable import Value, replace
from netorch.kernel.capture import pcapng
from netorch.kernel.capture.pcapng import Statistics
from netorch.kernel.capture.ring import RETIRE, Packet, Ring, Unsuitable
from netorch.kernel.namespaces.attach import NotAttached, open_namespace
from netorch.kernel.namespaces.own_thread import run_in_new_thread
from netorch.kernel.reader import dump_links
from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.nsfs import RUN_NETNS, inode_of
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.sockets import socket
from netorch.kernel.system.syscalls import setns
from netorch.netlink.constants import IFF_UP, NETLINK_ROUTE

if TYPE_CHECKING:
    from netorch.kernel.capture.libpcap import Program
    from netorch.values.snapshot import LinkRecord

_LOOPBACK = "lo"
_HOLD = round((2 * RETIRE + 0.1) * 1e9)
"""The nanoseconds that a packet waits for earlier ones of other interfaces.

The kernel may take twice RETIRE to pass on a packet.
"""
_TICK = 0.05
_LOOK = 0.5
"""The seconds after which the names of the namespaces are looked up again."""
_LOOK_AT_ENGINE = 3.0
_ALL_RINGS, _LARGEST, _SMALLEST = 64 << 20, 8 << 20, 1 << 18
"""Bytes of memory of all rings together, and of one."""
_FEW, _THREADS = 4, 32
_RTMGRP_LINK = 1
_EVENTS = 1 << 16
_FILES = {"netns": f"{RUN_NETNS}/{{}}", "path": "{}", "pid": "/proc/{}/ns/net"}
"""How a namespace is looked up → its file."""


Item = TypeVar("Item")
Result = TypeVar("Result")


class Target(Value):
    """Interfaces of a node."""

    node: str
    how: str
    """How the namespace of the node is looked up, and by which value (`open_namespace`)."""
    what: str
    names: frozenset[str] = frozenset()
    """Interfaces of the node."""
    all: bool = False
    """Whether to capture all other interfaces too, except lo."""


class Events(Value):
    """What happened since the last reading."""

    packets: Sequence[Packet] = ()
    """Packets, in the order of their time stamps."""
    opened: tuple[str, ...] = ()
    """Interfaces, as `r1:eth0`, whose capture has begun."""
    gone: tuple[str, ...] = ()
    """Interfaces that do not exist any more."""
    unsuitable: tuple[tuple[str, str], ...] = ()
    """Interfaces that cannot be captured, and why."""


class _Place:
    """The namespace of a target while it is open."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.fd = -1
        self.inode = (0, 0)
        self.rings: dict[tuple[int, str], Ring] = {}
        """The rings by index and name of their link."""
        self.ignored: set[tuple[int, str]] = set()
        """Links that are not suitable."""
        self.changed = False

    @property
    def is_open(self) -> bool:
        return self.fd != -1

    def open(self) -> None:
        """Open the namespace. Raise NotAttached or OSError."""
        fd = open_namespace(self.target.how, self.target.what)
        self.fd, self.inode = fd, inode_of(os.fstat(fd))
        try:
            self.within(self._open_sockets)
        except BaseException:
            os.close(fd)
            self.fd = -1
            raise
        self.changed = True

    def _open_sockets(self) -> None:
        self.rtnl = Rtnl()
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        fd = move_up(socket.socket(socket.AF_NETLINK, kind, NETLINK_ROUTE).detach())
        self.monitor = socket.socket(socket.AF_NETLINK, kind, NETLINK_ROUTE, fileno=fd)
        self.monitor.bind((0, _RTMGRP_LINK))

    def within(self, function: Callable[[], None]) -> None:
        """Run a function in the namespace."""

        def work() -> None:
            setns(self.fd)
            function()

        run_in_new_thread(work)

    def close(self) -> None:
        """Close the namespace, which must have no rings any more."""
        if self.fd != -1:
            self.monitor.close()
            self.rtnl.close()
            os.close(self.fd)
            self.fd = -1
            self.ignored.clear()

    def is_current(self) -> bool:
        """Whether the namespace is still the one of the node."""
        path = _FILES.get(self.target.how)
        if path is None:
            return bool(self.rings)
        try:
            return inode_of(os.stat(path.format(self.target.what))) == self.inode
        except OSError:
            return False

    def drain(self) -> None:
        """Read the notifications about links, whose content does not matter."""
        with suppress(BlockingIOError):
            while True:
                try:
                    self.monitor.recv(_EVENTS)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
        self.changed = True

    def chosen(self, links: Iterable[LinkRecord], idle: frozenset[str]) -> Iterator[LinkRecord]:
        """Yield the links to capture. Those named in `idle` count only while they are up."""
        names, every = self.target.names, self.target.all
        for link in links:
            hidden = link.name == _LOOPBACK or (link.name in idle and not link.flags & IFF_UP)
            if link.name in names or (every and not hidden):
                yield link


class Session:
    """A capture of several nodes. A context manager."""

    def __init__(
        self,
        targets: Sequence[Target],
        snap: int,
        program: Program | None,
        filter: str,
        *,
        idle: frozenset[str] = frozenset(),
    ) -> None:
        """Begin the capture.

        `snap` is the largest number of bytes of a packet. `program` is the compiled `filter`.
        Interfaces with a name of `idle` are captured only while they are up, or if a target names
        them. Raise NetorchError if a node, or an interface that a target names, does not exist.
        """
        self.interfaces: list[pcapng.Interface] = []
        """All interfaces so far. The number of a packet's interface is the place in this list."""
        self._program, self._snap, self._idle = program, snap, idle
        self._filter, self._system = filter, system()
        self._numbers: dict[tuple[str, int], int] = {}
        self._statistics: list[Statistics] = []
        self._pending: list[Packet] = []
        self._offset = _clock_offset()
        self._at_fd: dict[int, _Place | tuple[_Place, Ring]] = {}
        self._places = [_Place(target) for target in targets]
        self._look_at = time.monotonic() + _LOOK
        self._engines_at = time.monotonic() + _LOOK_AT_ENGINE
        self._reader = -1
        self.reader_is_gone = False
        """Whether the reader of `wake_by_reader` is gone."""
        self._closing: list[Ring] = []
        """Rings of interfaces that are gone."""
        self._opened: list[str] = []
        self._gone: list[str] = []
        self._unsuitable: list[tuple[str, str]] = []
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._limits[1], self._limits[1]))
        self._epoll = select.epoll()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sockets and namespaces. Packets that were not read are lost."""
        rings = [ring for place in self._places for ring in place.rings.values()]
        _in_parallel(Ring.close, [*rings, *self._closing])
        self._closing.clear()
        for place in self._places:
            place.rings.clear()
            place.close()
        self._epoll.close()
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)

    def wake_by(self, fd: int) -> None:
        """Let `read` return at once when `fd` is readable."""
        self._epoll.register(fd, select.EPOLLIN)

    def wake_by_reader(self, fd: int) -> None:
        """Let `read` return at once when the reader of the pipe or terminal `fd` is gone."""
        # a plain file has no reader
        with suppress(PermissionError):
            self._epoll.register(fd, 0)
            self._reader = fd

    def read(self, within: float | None = None) -> Events:
        """Wait for packets or changes, at most half a second or `within` seconds, and return them.

        Also return when the session is woken up.
        """
        wait = _TICK if self._pending else _LOOK
        wait = wait if within is None else max(0.0, min(wait, within))
        ready = self._epoll.poll(wait, len(self._at_fd) + 2)
        horizon = time.time_ns() - _HOLD
        for fd, mask in ready:
            match self._at_fd.get(fd):
                case _Place() as place:
                    place.drain()
                case (place, ring):
                    if mask & select.EPOLLERR:
                        ring.clear_error()
                    ring.read(self._pending)
                case None:
                    self.reader_is_gone |= fd == self._reader
        self._follow()
        return self.events(self._due(horizon))

    def finish(self) -> Sequence[Packet]:
        """Return all packets that were received until now, without those that are still coming."""
        now, deadline = time.time_ns(), time.monotonic() + 3 * RETIRE
        # the kernel passes on the last blocks, which are not full, only after some time
        while time.monotonic() < deadline:
            time.sleep(RETIRE / 2)
            for place in self._places:
                for ring in place.rings.values():
                    ring.read(self._pending)
        packets, self._pending = self._pending, []
        packets.sort(key=attrgetter("stamp"))
        return packets[: bisect_left(packets, now, key=attrgetter("stamp"))]

    def statistics(self) -> list[Statistics]:
        """Return the statistics of all interfaces, in their order."""
        for place in self._places:
            for ring in place.rings.values():
                self._add_statistics(ring)
        return self._statistics

    def _begin(self) -> None:
        for place in self._places:
            try:
                place.open()
            except NotAttached as error:
                raise NetorchError(error.of_node(place.target.node)) from None
        links = [(place, dump_links(place.rtnl)) for place in self._places]
        problems = [
            _missing(place.target.node, name, [link.name for link in there])
            for place, there in links
            for name in sorted(place.target.names - {link.name for link in there})
        ]
        if problems:
            raise NetorchError(problems)
        count = sum(len(list(place.chosen(there, self._idle))) for place, there in links)
        self._size = max(_SMALLEST, min(_LARGEST, _ALL_RINGS // max(1, count)))
        for place in self._places:
            self._register(place.monitor.fileno(), place)
        self._update(self._places)
        if self._unsuitable and not self._opened:
            raise NetorchError(
                Problem("not-captured", f"{name} cannot be captured: {why}.", object=name)
                for name, why in self._unsuitable
            )

    def _register(self, fd: int, owner: _Place | tuple[_Place, Ring]) -> None:
        self._epoll.register(fd, select.EPOLLIN)
        self._at_fd[fd] = owner

    def _unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)
        del self._at_fd[fd]

    def _due(self, horizon: int) -> list[Packet]:
        """Remove and return the packets that no earlier one can follow any more."""
        pending, offset = self._pending, _clock_offset()
        pending.sort(key=attrgetter("stamp"))
        # If somebody has set the clock, the stamps cannot be compared with it.
        jumped = abs(offset - self._offset) > _HOLD
        self._offset = offset
        cut = len(pending) if jumped else bisect_left(pending, horizon, key=attrgetter("stamp"))
        packets = pending[:cut]
        del pending[:cut]
        return packets

    def events(self, packets: Sequence[Packet] = ()) -> Events:
        """Return what has happened since the last call, without waiting."""
        events = Events(packets, tuple(self._opened), tuple(self._gone), tuple(self._unsuitable))
        for changes in (self._opened, self._gone, self._unsuitable):
            changes.clear()
        return events

    # following the nodes

    def _follow(self) -> None:
        """Open what is new, and close what is gone."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK
            asks_engines = now >= self._engines_at
            if asks_engines:
                self._engines_at = now + _LOOK_AT_ENGINE
            for place in self._places:
                if place.is_open and not place.is_current():
                    self._leave(place)
                if not place.is_open and (asks_engines or place.target.how in _FILES):
                    with suppress(NotAttached, OSError):
                        place.open()
                        self._register(place.monitor.fileno(), place)
        changed = [place for place in self._places if place.changed and place.is_open]
        if changed:
            self._update(changed)
        # after everything else, because closing a ring takes some time
        if self._closing:
            _in_parallel(Ring.close, self._closing)
            self._closing.clear()

    def _leave(self, place: _Place) -> None:
        """Close a namespace that the node does not have any more."""
        for key in list(place.rings):
            self._end(place, key)
        self._unregister(place.monitor.fileno())
        place.close()

    def _update(self, places: Sequence[_Place]) -> None:
        """Capture exactly those links of these namespaces that exist and are chosen."""
        work: list[tuple[_Place, list[LinkRecord]]] = []
        for place in places:
            place.changed = False
            try:
                links = dump_links(place.rtnl)
            except (OSError, NetorchError):
                # the next notification or look brings it up again
                continue
            chosen = {(link.index, link.name): link for link in place.chosen(links, self._idle)}
            for key in place.rings.keys() - chosen.keys():
                self._end(place, key)
            place.ignored &= chosen.keys()
            known = place.rings.keys() | place.ignored
            if new := [link for key, link in chosen.items() if key not in known]:
                work.append((place, new))
        opened = _in_parallel(lambda one: self._open_rings(*one), work)
        for (place, _), results in zip(work, opened, strict=True):
            for link, result in results:
                self._begin_ring(place, link, result)

    def _open_rings(
        self, place: _Place, links: Sequence[LinkRecord]
    ) -> list[tuple[LinkRecord, Ring | Exception]]:
        """Open the rings of links. Returns each link with its ring or the error."""
        results: list[tuple[LinkRecord, Ring | Exception]] = []

        def work() -> None:
            for link in links:
                try:
                    ring = Ring(link.index, link.name, self._program, self._snap, self._size)
                except (OSError, Unsuitable) as error:
                    results.append((link, error))
                else:
                    results.append((link, ring))

        place.within(work)
        return results

    def _begin_ring(self, place: _Place, link: LinkRecord, result: Ring | Exception) -> None:
        node, key = place.target.node, (link.index, link.name)
        name = f"{node}:{link.name}"
        match result:
            case Ring():
                result.number = self._number(name, link, result.link_type, node)
                place.rings[key] = result
                self._register(result.fileno(), (place, result))
                self._opened.append(name)
            case Unsuitable():
                place.ignored.add(key)
                self._unsuitable.append((name, str(result)))
            case OSError() if result.errno in (errno.ENODEV, errno.ENXIO):
                return  # it is gone, and a notification says what there is now
            case OSError():
                raise _no_socket(result) from result

    def _number(self, name: str, link: LinkRecord, link_type: int, node: str) -> int:
        """Return the number of an interface. One that comes back has the number it had before."""
        number = self._numbers.setdefault((name, link_type), len(self.interfaces))
        if number == len(self.interfaces):
            kind = link.kind or ("loopback" if link.name == _LOOPBACK else "")
            self.interfaces.append(
                pcapng.Interface(
                    name=name,
                    link_type=link_type,
                    description=f"interface {link.name} of node {node}",
                    hardware=kind,
                    mac=link.mac,
                    snap_length=self._snap,
                    filter=self._filter,
                    system=self._system,
                )
            )
            now = time.time_ns()
            self._statistics.append(Statistics(now, now, 0, 0, 0))
        return number

    def _end(self, place: _Place, key: tuple[int, str]) -> None:
        """End the capture of an interface that is gone. Its packets so far count."""
        ring = place.rings.pop(key)
        ring.read(self._pending)
        self._add_statistics(ring)
        self._unregister(ring.fileno())
        self._closing.append(ring)
        self._gone.append(f"{place.target.node}:{key[1]}")

    def _add_statistics(self, ring: Ring) -> None:
        old, (received, dropped) = self._statistics[ring.number], ring.count()
        self._statistics[ring.number] = replace(
            old, end=time.time_ns(), received=old.received + received, dropped=old.dropped + dropped
        )


def _in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do something with each item in several threads. Returns the results in the same order.

    The kernel lets each socket of a ring wait until all processors have noticed it, and several can
    wait at once.
    """
    if len(items) <= _FEW:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))


def system() -> str:
    """Return the name and the release of the operating system."""
    names = os.uname()
    return f"{names.sysname} {names.release}"


def _clock_offset() -> int:
    """Return the difference between the clock of time stamps and one that nobody can set."""
    return time.time_ns() - time.monotonic_ns()


def _missing(node: str, name: str, known: Sequence[str]) -> Problem:
    remedy = did_you_mean(name, known) or f"It has {listing(sorted(known))}."
    what = f"node {node} has no interface {name!r}."
    return Problem("no-such-interface", what, remedy=remedy, object=f"{node}:{name}")


def _no_socket(error: OSError) -> Exception:
    """Return the error for a packet socket that Linux refuses."""
    if error.errno == errno.EPERM:
        what = "capturing packets needs root (CAP_NET_RAW)."
        return NetorchError(Problem("not-root", what, remedy="Run it with sudo."))
    if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
        what = "this kernel has no packet sockets (CONFIG_PACKET)."
        command = "modprobe af_packet"
        remedy = f"Load the module: `{command}`."
        return LacksError(Problem("kernel-lacks", what, remedy=remedy, command=command))
    return error
