"""Carries probes out: one event loop over the sockets of all namespaces, with few of them open at a time (raw(7), icmp(7), tcp(7)).

A socket that was opened in a namespace stays there, so the loop runs in the caller's thread, and Ctrl-C ends it.
"""

from __future__ import annotations

import errno
import heapq
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from netorch.immutable import Value
from netorch.kernel.probe import icmp
from netorch.kernel.probe.icmp import Heard
from netorch.kernel.probe.probes import Address, NeighbourTrace, Probe, Reply, Sort

QUIET = 1.0
"""Seconds without an answer that count as none, where none is wanted."""
WINDOW = 256
"""Probes that may be young at a time. A pair of neighbours takes two entries of the one table that all namespaces share, which
holds 1,024 unless somebody has set it otherwise.
"""
YOUNG = 0.1
"""Seconds after which a probe without an answer makes room for others; it is listened for all the same."""
TURN = 8
"""Packets that are sent before the next look at what arrived, so that round trips are not those of the queue here."""
_AGAIN = (0.2, 0.3, 0.5, 2.2)
"""Seconds to the next packet; the last one goes on, and holds at once for what was told to be unreachable. Linux says so once a second at
most to whom (icmp_ratelimit), some of it once in two, and to those who ask more often not at all.
"""

_TELLING = 0.2
"""Seconds between two words of how far it is."""

_STOPPED = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EACCES,
    errno.EPERM,
    errno.EINVAL,
    errno.ENETDOWN,
    errno.EMSGSIZE,
)
"""What the node's own routes, filter and links say to a packet; any other refusal says nothing of the network."""

Key = tuple[str, int]
"""A namespace's label and the IP version."""
SocketRequest = tuple[str, int, int]
"""A socket to open: label, IP version, IPPROTO_…"""


class KernelAccess(Value):
    """What needs another namespace: `sockets` opens them there, an OSError for each that cannot be, `index` numbers a link of one (0 if
    there is none), `mtu` tells how large a packet it lets out to an address (0 if that is unknown), `forget` takes traces away.
    """

    sockets: Callable[[Sequence[SocketRequest]], list[socket.socket | OSError]]
    index: Callable[[str, str], int]
    mtu: Callable[[str, Address], int]
    forget: Callable[[Sequence[NeighbourTrace]], None]


@dataclass(slots=True, eq=False)
class _Run:
    """A probe under way. `hint`: the last thing that was heard that is no answer. `young`: it takes room in the window.
    `told`: ICMP spoke of the connect that is under way.
    """

    probe: Probe
    number: int
    key: Key
    begun: float = -1.0
    sends: int = 0
    young: bool = False
    hint: Reply | None = None
    reply: Reply | None = None
    tcp: socket.socket | None = None
    port: int = 0
    told: bool = False


@dataclass(slots=True, eq=False)
class _Ear:
    """A namespace's raw socket of one IP version. `sent`: sequence number → whose it was, and when."""

    socket: socket.socket
    ident: int
    seq: int = 0
    sent: dict[int, tuple[_Run, float]] = field(default_factory=dict)
    ports: dict[int, _Run] = field(default_factory=dict)


class Prober:
    """Probes of a few namespaces at once. `patience`: seconds for an answer that is wanted; `connections`: TCP sockets that may be open;
    `told` is called with how many are settled, a few times a second.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        kernel: KernelAccess,
        patience: float,
        connections: int,
        told: Callable[[int], None],
    ) -> None:
        self._kernel = kernel
        self._patience = patience
        self._connections = connections
        self._told = told
        self._token = os.urandom(8)
        self._selector = selectors.DefaultSelector()
        self._ears: dict[Key, _Ear | OSError] = {}
        self._runs = [
            _Run(probe, number, (probe.netns, probe.address.version))
            for number, probe in enumerate(probes)
        ]
        self._groups: dict[int, list[_Run]] = {}
        for run in self._runs:
            if run.probe.group >= 0:
                self._groups.setdefault(run.probe.group, []).append(run)
        self._echoes = deque(run for run in self._runs if not run.probe.port)
        self._connects = deque(run for run in self._runs if run.probe.port)
        self._due: list[_Run] = []
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._ticket = 0
        self._young = 0
        self._open = 0
        self._waiting = sum(run.probe.expects_answer for run in self._runs)
        self._listening = len(self._runs) - self._waiting
        self._traces: dict[NeighbourTrace, int] = {}
        self._gone: list[NeighbourTrace] = []
        for probe in probes:
            for trace in probe.traces:
                self._traces[trace] = self._traces.get(trace, 0) + 1

    def run(self) -> list[Reply]:
        """The replies, in the order of the probes."""
        try:
            self._listen()
            self._at(0.0, self._tell)
            while self._waiting or self._listening:
                self._turn()
            return [run.reply or run.hint or Reply(Sort.SILENT) for run in self._runs]
        finally:
            for ear in self._ears.values():
                if isinstance(ear, _Ear):
                    ear.socket.close()
            for run in self._runs:
                if run.tcp is not None:
                    run.tcp.close()
            self._selector.close()
            self._kernel.forget([*self._gone, *self._traces])

    def _listen(self) -> None:
        keys = list(dict.fromkeys(run.key for run in self._runs))
        opened = self._kernel.sockets(
            [(label, version, socket.IPPROTO_ICMP) for label, version in keys]
        )
        for key, found in zip(keys, opened, strict=True):
            if isinstance(found, OSError):
                self._ears[key] = found
                continue
            ear = _Ear(found, int.from_bytes(os.urandom(2)))
            self._ears[key] = ear
            self._selector.register(
                found, selectors.EVENT_READ, lambda key=key, ear=ear: self._hear(key[1], ear)
            )

    # time

    def _turn(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2](now)
        if not self._waiting:
            due, self._due = self._due, []
            for run in due:
                self._settle(run, run.hint or Reply(Sort.SILENT))
        if self._young < WINDOW:
            self._launch(now)
        busy = self._young < WINDOW and (
            self._echoes or (self._connects and self._open < self._connections)
        )
        pause = (
            0.0
            if busy
            else max(0.0, self._timers[0][0] - time.monotonic())
            if self._timers
            else 0.05
        )
        for key, _ in self._selector.select(pause):
            key.data()
        if len(self._gone) >= WINDOW // 2:
            gone, self._gone = self._gone, []
            self._kernel.forget(gone)

    def _tell(self, now: float) -> None:
        self._told(len(self._runs) - self._waiting - self._listening)
        self._at(now + _TELLING, self._tell)

    def _at(self, when: float, what: Callable[[float], None]) -> None:
        self._ticket += 1
        heapq.heappush(self._timers, (when, self._ticket, what))

    def _launch(self, now: float) -> None:
        for run in self._taken(self._echoes, TURN):
            ear = self._begin(run, now)
            if ear is not None:
                self._echo(run, ear)
        connects = [
            run
            for run in self._taken(self._connects, min(TURN, self._connections - self._open))
            if self._begin(run, now)
        ]
        if connects:
            wanted = [
                (run.probe.netns, run.probe.address.version, socket.IPPROTO_TCP) for run in connects
            ]
            for run, opened in zip(connects, self._kernel.sockets(wanted), strict=True):
                self._connect(run, opened)

    def _taken(self, queue: deque[_Run], most: int) -> list[_Run]:
        """The next ones that nothing is known of yet."""
        found: list[_Run] = []
        while queue and len(found) < most:
            run = queue.popleft()
            if run.reply is None:
                found.append(run)
        return found

    def _begin(self, run: _Run, now: float) -> _Ear | None:
        """Room for it; None where its namespace cannot even have a socket."""
        ear = self._ears[run.key]
        if isinstance(ear, OSError):
            self._settle(run, Reply(Sort.UNSENT, errno=ear.errno or 0))
            return None
        if run.begun < 0:
            run.begun = now
            self._at(
                now + (self._patience if run.probe.expects_answer else QUIET),
                lambda _: self._end(run),
            )
        sends = run.sends + 1
        if not run.young:
            run.young = True
            self._young += 1
        self._at(now + YOUNG, lambda _: self._crowded(run) if run.sends == sends else None)
        run.sends = sends
        return ear

    def _crowded(self, run: _Run) -> None:
        """Room for those that wait; on a segment of many, also in the table of neighbours."""
        if run.young and (self._echoes or self._connects):
            self._gone += run.probe.traces
        self._age(run)

    def _age(self, run: _Run) -> None:
        if run.young:
            run.young = False
            self._young -= 1

    def _again(self, run: _Run) -> None:
        pause = _AGAIN[min(run.sends, len(_AGAIN)) - 1]
        queue = self._connects if run.probe.port else self._echoes

        def repeat(now: float) -> None:
            if run.hint is not None and run.hint.sort is Sort.UNREACHABLE and pause < _AGAIN[-1]:
                self._at(now + _AGAIN[-1] - pause, lambda _: queue.appendleft(run))
            else:
                queue.appendleft(run)

        self._at(time.monotonic() + pause, repeat)

    def _end(self, run: _Run) -> None:
        """The time of a probe is over; where silence is wanted, it is listened to until all that is wanted is settled."""
        ear = self._ears[run.key]
        if run.reply is None and isinstance(ear, _Ear):
            self._hear(run.key[1], ear)  # on a busy machine it may be there since long
        if run.probe.expects_answer or run.probe.port:
            self._settle(run, run.hint or Reply(Sort.SILENT))
        else:
            self._due.append(run)

    def _settle(self, run: _Run, reply: Reply) -> None:
        if run.reply is not None:
            return
        run.reply = reply
        self._age(run)
        if run.probe.expects_answer:
            self._waiting -= 1
        else:
            self._listening -= 1
        self._hang_up(run)
        for trace in run.probe.traces:
            self._traces[trace] -= 1
            if not self._traces[trace]:
                del self._traces[trace]
                self._gone.append(trace)
        if reply.sort is Sort.ANSWERED and run.probe.expects_answer:
            for other in self._groups.get(run.probe.group, ()):
                self._settle(other, Reply(Sort.NOT_NEEDED))

    # echo

    def _echo(self, run: _Run, ear: _Ear) -> None:
        probe = run.probe
        ear.seq = ear.seq + 1 & 0xFFFF
        token = self._token + run.number.to_bytes(4)
        packet = icmp.echo(probe.address.version, ear.ident, ear.seq, token, probe.size)
        ear.sent[ear.seq] = (run, time.perf_counter())
        try:
            ear.socket.sendto(packet, self._target(probe, 0))
        except OSError as error:
            self._refused(run, error.errno or 0)
            if error.errno == errno.EMSGSIZE and probe.expects_answer:
                self._settle(
                    run,
                    Reply(
                        Sort.STOPPED,
                        errno=errno.EMSGSIZE,
                        mtu=self._kernel.mtu(probe.netns, probe.address),
                    ),
                )
        else:
            self._sent(run)
        self._again(run)

    def _sent(self, run: _Run) -> None:
        """What the node itself had against it before is no longer true."""
        if run.hint is not None and run.hint.sort is not Sort.UNREACHABLE:
            run.hint = None

    def _refused(self, run: _Run, number: int) -> None:
        run.hint = Reply(Sort.STOPPED if number in _STOPPED else Sort.UNSENT, errno=number)

    def _target(self, probe: Probe, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        if probe.address.version == 4:
            return str(probe.address), port
        index = self._kernel.index(probe.netns, probe.zone) if probe.zone else 0
        if probe.zone and not index:
            raise OSError(errno.ENODEV, "no such link", probe.zone)
        return probe.target, port, 0, index

    def _hear(self, version: int, ear: _Ear) -> None:
        for _ in range(64):
            try:
                data, (sender, *_) = ear.socket.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            now = time.perf_counter()
            found = icmp.parse_reply(version, data, len(self._token) + 4)
            if found is not None:
                self._heard(version, ear, found, sender.partition("%")[0], now)

    def _heard(self, version: int, ear: _Ear, found: Heard, sender: str, now: float) -> None:
        if found.port:
            run = ear.ports.get(found.port)
            sent = now
        elif found.ident != ear.ident or found.seq not in ear.sent:
            return
        else:
            run, sent = ear.sent[found.seq]
        if run is None or run.reply is not None:
            return
        if found.token:
            if found.token == self._token + run.number.to_bytes(4):
                self._settle(run, Reply(Sort.ANSWERED, now - sent, sender=sender))
            return
        if found.target != run.probe.target:
            return
        run.hint = Reply(
            Sort.UNREACHABLE,
            sender=sender,
            icmp=found.icmp,
            mtu=found.mtu,
            own=sender == found.source,
        )
        run.told = True
        too_big = icmp.FRAGMENTATION_NEEDED if version == 4 else icmp.PACKET_TOO_BIG
        if found.icmp == too_big and run.probe.size and run.probe.expects_answer:
            self._settle(run, run.hint)

    # TCP

    def _connect(self, run: _Run, opened: socket.socket | OSError) -> None:
        if isinstance(opened, OSError):
            self._refused(run, opened.errno or 0)
            self._again(run)
            return
        run.tcp, run.told = opened, False
        self._open += 1
        began = time.perf_counter()
        try:
            number = opened.connect_ex(self._target(run.probe, run.probe.port))
        except OSError as error:
            number = error.errno or 0
        run.port = opened.getsockname()[1]
        ear = self._ears[run.key]
        if isinstance(ear, _Ear) and run.port:
            ear.ports[run.port] = run
        if number == errno.EINPROGRESS:
            self._sent(run)
            self._selector.register(
                opened,
                selectors.EVENT_WRITE,
                lambda run=run, began=began: self._connected(run, began),
            )
        else:
            self._concluded(run, number, began)

    def _connected(self, run: _Run, began: float) -> None:
        if run.tcp is None:
            return
        now = time.perf_counter()
        ear = self._ears[run.key]
        if isinstance(ear, _Ear):
            # what ICMP says arrives before TCP's own verdict, and names who says it
            self._hear(run.key[1], ear)
        if run.tcp is not None:
            self._concluded(run, run.tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), began, now)

    def _concluded(self, run: _Run, number: int, began: float, now: float = 0.0) -> None:
        self._hang_up(run)
        if number == 0:
            self._settle(
                run,
                Reply(
                    Sort.ANSWERED,
                    (now or time.perf_counter()) - began,
                    sender=str(run.probe.address),
                ),
            )
        elif number == errno.ECONNREFUSED and not run.told:
            self._settle(run, Reply(Sort.REFUSED, sender=str(run.probe.address)))
        else:
            if not run.told:
                self._refused(run, number)
            self._again(run)

    def _hang_up(self, run: _Run) -> None:
        if run.tcp is not None:
            with suppress(KeyError):
                self._selector.unregister(run.tcp)
            ear = self._ears[run.key]
            if isinstance(ear, _Ear):
                ear.ports.pop(run.port, None)
            run.tcp.close()
            run.tcp = None
            self._open -= 1
