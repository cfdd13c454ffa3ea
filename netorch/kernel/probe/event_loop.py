"""Sends probes and receives their answers in one event loop over the sockets of all namespaces.

The sockets are raw sockets and TCP sockets (raw(7), icmp(7), tcp(7)). Only a part of them is open
at a time. A socket stays in the namespace in which it was opened, whichever thread uses it. So the
loop can run in the caller's thread, where Ctrl-C ends it.
"""

from __future__ import annotations

import errno
import heapq
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from netorch.immutable import Value
from netorch.kernel.probe import icmp
from netorch.kernel.probe.icmp import ReceivedMessage
from netorch.kernel.probe.probes import Address, NeighbourTrace, Probe, Reply, Sort

QUIET = 1.0
"""Seconds to wait for an answer to a probe that expects silence."""
WINDOW = 256
"""The number of probes that may be young at a time."""
ENTRIES = 640
"""The number of entries in neighbour tables that probes may have made and not deleted yet.

A pair of neighbours takes two entries of a table that all namespaces share, and that holds 1,024
entries by default.
"""
AHEAD = 64
"""The number of probes whose neighbours' MACs are entered together."""
DELETED = 64
"""The least number of neighbour entries that are deleted together."""
CONFIRMATION = 0.03
"""Seconds after an answer in which the neighbour also confirms the MAC that was entered for it.

The kernel asks the neighbour at its next tick, which is 10 ms away at most.
"""
YOUNG = 0.1
"""Seconds for which a probe without an answer is young.

After them it makes room for other probes, but its answer is still received.
"""
TURN = 8
"""Packets to send before the next look for answers.

With more, round trip times would include the time that answers wait here.
"""
_RETRY_DELAYS = (0.2, 0.3, 0.5, 2.2)
"""Seconds from one packet of a probe to the next. The last value is repeated.

After an ICMP error the last value is used at once. Linux sends a host at most one such error a
second (icmp_ratelimit), some only every two seconds, and none to a host that asks more often.
"""

_PROGRESS = 0.2
"""Seconds between two progress reports."""

_STOPPED = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EACCES,
    errno.EPERM,
    errno.EINVAL,
    errno.ENETDOWN,
    errno.EMSGSIZE,
)
"""Error numbers with which the node's own routes, filter or links refuse a packet.

Any other error number tells nothing about the network.
"""

Key = tuple[str, int]
"""A namespace's label and the IP version."""
SocketRequest = tuple[str, int, int]
"""A socket to open: label, IP version, IPPROTO_…"""


class KernelAccess(Value):
    """The functions that need another namespace."""

    sockets: Callable[[Sequence[SocketRequest]], list[socket.socket | OSError]]
    """Open sockets; an OSError stands for each that cannot be opened."""
    index: Callable[[str, str], int]
    """Return the index of a link by label and name; 0 if there is none."""
    mtu: Callable[[str, Address], int]
    """Return the largest packet in bytes that a namespace can send to an address, 0 if unknown."""
    enter: Callable[[Sequence[NeighbourTrace]], None]
    """Make neighbour entries with a MAC that the kernel asks the neighbour to confirm."""
    forget: Callable[[Sequence[NeighbourTrace]], Collection[NeighbourTrace]]
    """Delete neighbour entries, and return those whose MAC the neighbour has not confirmed."""


@dataclass(slots=True, eq=False)
class _Run:
    """A probe in progress."""

    probe: Probe
    number: int
    """The probe's position in the list of probes."""
    key: Key
    begun: float = -1.0
    """When it was first sent, in seconds of the monotonic clock; negative before that."""
    sends: int = 0
    """How many times it was sent."""
    young: bool = False
    """Whether it counts towards WINDOW."""
    hint: Reply | None = None
    """The latest result that is not final, such as an ICMP error."""
    reply: Reply | None = None
    """The final result."""
    tcp: socket.socket | None = None
    port: int = 0
    """The source port of the TCP connection in progress."""
    icmp_error: bool = False
    """Whether an ICMP error about the TCP connection in progress has arrived."""


@dataclass(slots=True, eq=False)
class _RawSocket:
    """A namespace's raw socket for one IP version."""

    socket: socket.socket
    ident: int
    """The identifier of its echo requests."""
    seq: int = 0
    """The sequence number of the latest echo request."""
    sent: dict[int, tuple[_Run, float]] = field(default_factory=dict)
    """Sequence number → the probe, and when the request was sent."""
    ports: dict[int, _Run] = field(default_factory=dict)
    """Source port → the probe of the TCP connection in progress."""


class Prober:
    """Carries out the probes of several namespaces at once."""

    def __init__(
        self,
        probes: Sequence[Probe],
        kernel: KernelAccess,
        patience: Callable[[Probe], float],
        connections: int,
        report: Callable[[int], None],
        window: int = WINDOW,
    ) -> None:
        """Prepare the probes.

        `patience` returns the seconds to wait for an expected answer. `connections` is the number
        of TCP sockets that may be open at a time. `report` is called a few times a second with the
        number of probes that are settled. If all probes fit in the `window`, their neighbour
        entries stay until they are settled.
        """
        self._kernel = kernel
        self._patience = patience
        self._connections = connections
        self._window = window
        self._report = report
        self._token = os.urandom(8)
        self._selector = selectors.DefaultSelector()
        self._raw_sockets: dict[Key, _RawSocket | OSError] = {}
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
        self._expired: list[_Run] = []
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._ticket = 0
        self._young = 0
        self._open = 0
        self._waiting = sum(run.probe.expects_answer for run in self._runs)
        self._listening = len(self._runs) - self._waiting
        self._traces: dict[NeighbourTrace, int] = {}
        self._expired_traces: deque[tuple[float, NeighbourTrace]] = deque()
        """Traces of finished probes, with the time from which they may be deleted."""
        self._held: set[NeighbourTrace] = set()
        """The traces that exist now."""
        self._entered: set[NeighbourTrace] = set()
        """The traces whose MAC was entered."""
        self._ahead = 0
        """The number of probes to send before the next MACs are entered."""
        self._unconfirmed: set[NeighbourTrace] = set()
        for probe in probes:
            for trace in probe.traces:
                self._traces[trace] = self._traces.get(trace, 0) + 1

    def run(self) -> list[Reply]:
        """Send the probes and return the replies, in the order of the probes."""
        try:
            self._open_raw_sockets()
            self._schedule(0.0, self._report_progress)
            while self._waiting or self._listening:
                self._step()
            if self._entered and self._expired_traces:
                time.sleep(max(0.0, self._expired_traces[-1][0] - time.monotonic()))
            return [run.reply or run.hint or Reply(Sort.SILENT) for run in self._runs]
        finally:
            for raw in self._raw_sockets.values():
                if isinstance(raw, _RawSocket):
                    raw.socket.close()
            for run in self._runs:
                if run.tcp is not None:
                    run.tcp.close()
            self._selector.close()
            traces = {**dict.fromkeys(trace for _, trace in self._expired_traces), **self._traces}
            self._unconfirmed.update(self._kernel.forget(list(traces)))

    @property
    def doubtful(self) -> frozenset[int]:
        """The numbers of answered probes whose neighbour has not confirmed its MAC.

        Their answers prove nothing, because without the entry the node may not get the MAC.
        """
        return frozenset(
            run.number
            for run in self._runs
            if run.reply is not None
            and run.reply.sort is Sort.ANSWERED
            and not self._unconfirmed.isdisjoint(run.probe.traces[:1])
        )

    def _open_raw_sockets(self) -> None:
        keys = list(dict.fromkeys(run.key for run in self._runs))
        opened = self._kernel.sockets(
            [(label, version, socket.IPPROTO_ICMP) for label, version in keys]
        )
        for key, result in zip(keys, opened, strict=True):
            if isinstance(result, OSError):
                self._raw_sockets[key] = result
                continue
            raw = _RawSocket(result, int.from_bytes(os.urandom(2)))
            self._raw_sockets[key] = raw
            self._selector.register(
                result, selectors.EVENT_READ, lambda key=key, raw=raw: self._receive(key[1], raw)
            )

    # scheduling

    def _step(self) -> None:
        """Run due timers, send packets and receive answers."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2](now)
        if not self._waiting:
            due, self._expired = self._expired, []
            for run in due:
                self._settle(run, run.hint or Reply(Sort.SILENT))
        if self._has_room:
            self._launch(now)
        busy = self._has_room and (
            self._echoes or (self._connects and self._open < self._connections)
        )
        pause = (
            0.0
            if busy
            else max(0.0, self._timers[0][0] - time.monotonic())
            if self._timers
            else 0.05
        )
        if self._expired_traces and not self._has_room:
            pause = min(pause, max(0.0, self._expired_traces[0][0] - time.monotonic()))
        for key, _ in self._selector.select(pause):
            key.data()
        self._delete_traces(time.monotonic())

    @property
    def _has_room(self) -> bool:
        """Whether another probe may be sent."""
        return self._young < self._window and len(self._held) < ENTRIES

    def _delete_traces(self, now: float) -> None:
        """Delete the entries of finished probes, many at a time."""
        due = self._expired_traces
        many = DELETED if self._has_room else 1
        if len(due) < many or due[many - 1][0] > now:
            return
        gone: list[NeighbourTrace] = []
        while due and due[0][0] <= now:
            gone.append(due.popleft()[1])
        self._held.difference_update(gone)
        self._unconfirmed.update(self._kernel.forget(gone))

    def _expire(self, trace: NeighbourTrace, now: float) -> None:
        self._expired_traces.append((now + CONFIRMATION, trace))

    def _enter_macs(self) -> None:
        """Enter the MACs of the neighbours of the next probes.

        Otherwise each node would ask all others for the MAC of each: the number of packets would
        grow with the third power of the number of nodes.
        """
        self._ahead = AHEAD
        traces = dict.fromkeys(
            trace
            for run in islice((run for run in self._echoes if run.begun < 0), AHEAD)
            for trace in run.probe.traces
            if trace.mac and trace not in self._entered
        )
        if traces:
            self._entered.update(traces)
            self._held.update(traces)
            self._kernel.enter(list(traces))

    def _report_progress(self, now: float) -> None:
        self._report(len(self._runs) - self._waiting - self._listening)
        self._schedule(now + _PROGRESS, self._report_progress)

    def _schedule(self, when: float, what: Callable[[float], None]) -> None:
        """Call `what` with the current time at `when`, in seconds of the monotonic clock."""
        self._ticket += 1
        heapq.heappush(self._timers, (when, self._ticket, what))

    def _launch(self, now: float) -> None:
        if self._ahead <= 0 and self._echoes:
            self._enter_macs()
        for run in self._next(self._echoes, TURN):
            self._ahead -= run.begun < 0
            raw = self._note_send(run, now)
            if raw is not None:
                self._echo(run, raw)
        connects = [
            run
            for run in self._next(self._connects, min(TURN, self._connections - self._open))
            if self._note_send(run, now)
        ]
        if connects:
            requests = [
                (run.probe.netns, run.probe.address.version, socket.IPPROTO_TCP) for run in connects
            ]
            for run, opened in zip(connects, self._kernel.sockets(requests), strict=True):
                self._connect(run, opened)

    def _next(self, queue: deque[_Run], most: int) -> list[_Run]:
        """Take the next probes without a final result off a queue, at most `most`."""
        runs: list[_Run] = []
        while queue and len(runs) < most:
            run = queue.popleft()
            if run.reply is None:
                runs.append(run)
        return runs

    def _note_send(self, run: _Run, now: float) -> _RawSocket | None:
        """Note that a probe is sent now, and return its raw socket.

        If the socket could not be opened, settle the probe and return None.
        """
        raw = self._raw_sockets[run.key]
        if isinstance(raw, OSError):
            self._settle(run, Reply(Sort.UNSENT, errno=raw.errno or 0))
            return None
        if run.begun < 0:
            run.begun = now
            self._schedule(
                now + (self._patience(run.probe) if run.probe.expects_answer else QUIET),
                lambda _: self._end(run),
            )
        sends = run.sends + 1
        for trace in run.probe.traces:
            if trace not in self._held:
                # the kernel asks for the MAC itself, as there is no entry any more
                self._held.add(trace)
                self._unconfirmed.discard(trace)
        if not run.young:
            run.young = True
            self._young += 1
        self._schedule(now + YOUNG, lambda _: self._make_room(run) if run.sends == sends else None)
        run.sends = sends
        return raw

    def _make_room(self, run: _Run) -> None:
        """Make room for probes that wait, in the window and in the neighbour table."""
        if run.young and (self._echoes or self._connects):
            for trace in run.probe.traces:
                self._expire(trace, 0.0)
        self._leave_window(run)

    def _leave_window(self, run: _Run) -> None:
        if run.young:
            run.young = False
            self._young -= 1

    def _schedule_retry(self, run: _Run) -> None:
        pause = _RETRY_DELAYS[min(run.sends, len(_RETRY_DELAYS)) - 1]
        queue = self._connects if run.probe.port else self._echoes

        def repeat(now: float) -> None:
            if run.reply is not None:
                return
            if (
                run.hint is not None
                and run.hint.sort is Sort.UNREACHABLE
                and pause < _RETRY_DELAYS[-1]
            ):
                self._schedule(now + _RETRY_DELAYS[-1] - pause, lambda _: queue.appendleft(run))
            else:
                queue.appendleft(run)

        self._schedule(time.monotonic() + pause, repeat)

    def _end(self, run: _Run) -> None:
        """Settle a probe whose time is over.

        An echo request that expects silence waits until all probes that expect answers are settled.
        """
        raw = self._raw_sockets[run.key]
        if run.reply is None and isinstance(raw, _RawSocket):
            self._receive(run.key[1], raw)  # on a busy machine the answer may have arrived long ago
        if run.probe.expects_answer or run.probe.port:
            self._settle(run, run.hint or Reply(Sort.SILENT))
        else:
            self._expired.append(run)

    def _settle(self, run: _Run, reply: Reply) -> None:
        if run.reply is not None:
            return
        run.reply = reply
        self._leave_window(run)
        if run.probe.expects_answer:
            self._waiting -= 1
        else:
            self._listening -= 1
        self._close_tcp(run)
        now = time.monotonic() if run.probe.traces else 0.0
        for trace in run.probe.traces:
            self._traces[trace] -= 1
            if not self._traces[trace]:
                del self._traces[trace]
                self._expire(trace, now)
        if reply.sort is Sort.ANSWERED and run.probe.expects_answer:
            for other in self._groups.get(run.probe.group, ()):
                self._settle(other, Reply(Sort.NOT_NEEDED))

    # echo

    def _echo(self, run: _Run, raw: _RawSocket) -> None:
        probe = run.probe
        raw.seq = raw.seq + 1 & 0xFFFF
        token = self._token + run.number.to_bytes(4)
        packet = icmp.echo(probe.address.version, raw.ident, raw.seq, token, probe.size)
        raw.sent[raw.seq] = (run, time.perf_counter())
        try:
            raw.socket.sendto(packet, self._target(probe, 0))
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
        self._schedule_retry(run)

    def _sent(self, run: _Run) -> None:
        """Drop an earlier refusal of the node itself, because it has sent the packet now."""
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

    def _receive(self, version: int, raw: _RawSocket) -> None:
        for _ in range(64):
            try:
                data, (sender, *_) = raw.socket.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            now = time.perf_counter()
            message = icmp.parse_reply(version, data, len(self._token) + 4)
            if message is not None:
                self._received(version, raw, message, sender.partition("%")[0], now)

    def _received(
        self, version: int, raw: _RawSocket, message: ReceivedMessage, sender: str, now: float
    ) -> None:
        if message.port:
            run = raw.ports.get(message.port)
            sent = now
        elif message.ident != raw.ident or message.seq not in raw.sent:
            return
        else:
            run, sent = raw.sent[message.seq]
        if run is None or run.reply is not None:
            return
        if message.token:
            if message.token == self._token + run.number.to_bytes(4):
                self._settle(run, Reply(Sort.ANSWERED, now - sent, sender=sender))
            return
        if message.target != run.probe.target:
            return
        run.hint = Reply(
            Sort.UNREACHABLE,
            sender=sender,
            icmp=message.icmp,
            mtu=message.mtu,
            own=sender == message.source,
        )
        run.icmp_error = True
        too_big = icmp.FRAGMENTATION_NEEDED if version == 4 else icmp.PACKET_TOO_BIG
        if message.icmp == too_big and run.probe.size and run.probe.expects_answer:
            self._settle(run, run.hint)

    # TCP

    def _connect(self, run: _Run, opened: socket.socket | OSError) -> None:
        if isinstance(opened, OSError):
            self._refused(run, opened.errno or 0)
            self._schedule_retry(run)
            return
        run.tcp, run.icmp_error = opened, False
        self._open += 1
        began = time.perf_counter()
        try:
            number = opened.connect_ex(self._target(run.probe, run.probe.port))
        except OSError as error:
            number = error.errno or 0
        run.port = opened.getsockname()[1]
        raw = self._raw_sockets[run.key]
        if isinstance(raw, _RawSocket) and run.port:
            raw.ports[run.port] = run
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
        raw = self._raw_sockets[run.key]
        if isinstance(raw, _RawSocket):
            # an ICMP error arrives before TCP reports the failure, and only it names the sender
            self._receive(run.key[1], raw)
        if run.tcp is not None:
            self._concluded(run, run.tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), began, now)

    def _concluded(self, run: _Run, number: int, began: float, now: float = 0.0) -> None:
        self._close_tcp(run)
        if number == 0:
            self._settle(
                run,
                Reply(
                    Sort.ANSWERED,
                    (now or time.perf_counter()) - began,
                    sender=str(run.probe.address),
                ),
            )
        elif number == errno.ECONNREFUSED and not run.icmp_error:
            self._settle(run, Reply(Sort.REFUSED, sender=str(run.probe.address)))
        else:
            if not run.icmp_error:
                self._refused(run, number)
            self._schedule_retry(run)

    def _close_tcp(self, run: _Run) -> None:
        if run.tcp is not None:
            with suppress(KeyError):
                self._selector.unregister(run.tcp)
            raw = self._raw_sockets[run.key]
            if isinstance(raw, _RawSocket):
                raw.ports.pop(run.port, None)
            run.tcp.close()
            run.tcp = None
            self._open -= 1
