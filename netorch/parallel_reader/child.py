"""A forked process that does one piece of work for its parent and never outlives it."""

from __future__ import annotations

import gc
import os
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from netorch.kernel.system.syscalls import die_with_parent

_LENGTH = struct.Struct("=I")

Work = Callable[[bytes], Iterator[bytes]]
"""What the child does: the parent's order to answers."""


class Child:
    """One forked process. It waits for an order, does its work to the end, and then sends all
    answers through a pipe.

    Make it only while the process has one thread. `close` ends it.
    """

    def __init__(self, prepare: Callable[[], Work]) -> None:
        """Fork. The child calls `prepare` at once, and what that returns once there is an order.
        OSError if no process can be made.
        """
        self._ordered = False
        fds: list[int] = []
        try:
            fds += os.pipe()
            fds += os.pipe()
            order, self._order, self._answers, answers = fds
            self._pid = fork(lambda: self._live(prepare, order, answers))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        os.close(order)
        os.close(answers)

    def _live(self, prepare: Callable[[], Work], order: int, answers: int) -> None:
        """What the child does from its fork to its end."""
        os.close(self._order)
        os.close(self._answers)
        work = prepare()
        with os.fdopen(order, "rb") as orders:
            text = orders.read()
        if not text:
            return
        data = bytearray()
        for answer in work(text):
            data += _LENGTH.pack(len(answer)) + answer
        with os.fdopen(answers, "wb") as stream:
            stream.write(data)

    @property
    def pid(self) -> int:
        """Its process ID, -1 after `close`."""
        return self._pid

    def begin(self, order: bytes) -> None:
        """Give the order. A second one is ignored."""
        if not self._ordered:
            self._ordered = True
            with suppress(BrokenPipeError), os.fdopen(self._order, "wb") as orders:
                orders.write(order)

    def answers(self) -> Iterator[bytes]:
        """Wait for the end of the work and yield its answers; after a failure as many as came."""
        with os.fdopen(self._answers, "rb", closefd=False) as stream:
            data = memoryview(stream.read())
        start = _LENGTH.size
        while start <= len(data):
            end = start + _LENGTH.unpack_from(data, start - _LENGTH.size)[0]
            if end > len(data):
                return
            yield data[start:end].tobytes()
            start = end + _LENGTH.size

    def close(self) -> None:
        """End the process, whether its work is done or not. May be called twice."""
        if self._pid < 0:
            return
        pid, self._pid = self._pid, -1
        if not self._ordered:
            os.close(self._order)
        os.close(self._answers)
        end(pid)


def fork(life: Callable[[], None]) -> int:
    """Fork a child that calls `life` and exits. Returns its process ID.

    The child prints nothing, whatever goes wrong in it, because its parent then does the same work
    and meets the same fault.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        gc.disable()
        life()
    finally:
        os._exit(0)


def end(pid: int) -> None:
    """Kill a child of this process, if it still runs, and reap it."""
    # a process whose SIGCHLD is ignored has no child to reap: the kernel did, and the number may be
    # another process's by now
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
