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
"""The work of the child: it takes the parent's order and yields answers."""


class Child:
    """A forked process that waits for an order, does its work, and then sends all answers.

    Make one only while this process has a single thread. `close` ends the child.
    """

    def __init__(self, prepare: Callable[[], Work]) -> None:
        """Fork the child, which calls `prepare` at once.

        `prepare` returns the function that the child calls with the parent's order when it arrives.
        Raise OSError if the fork fails.
        """
        self._ordered = False
        fds: list[int] = []
        try:
            fds += os.pipe()
            fds += os.pipe()
            order, self._order, self._answers, answers = fds
            self._pid = fork(lambda: self._run(prepare, order, answers))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        os.close(order)
        os.close(answers)

    def _run(self, prepare: Callable[[], Work], order: int, answers: int) -> None:
        """Run the child from its fork to its end."""
        os.close(self._order)
        os.close(self._answers)
        work = prepare()
        # the order has its length, because its end would not arrive while another process that its
        # parent has forked meanwhile has the pipe, too
        with os.fdopen(order, "rb") as orders:
            length = orders.read(_LENGTH.size)
            if len(length) < _LENGTH.size:
                return
            text = orders.read(*_LENGTH.unpack(length))
        data = bytearray()
        for answer in work(text):
            data += _LENGTH.pack(len(answer)) + answer
        with os.fdopen(answers, "wb") as stream:
            stream.write(data)

    @property
    def pid(self) -> int:
        """The process ID of the child, or -1 after `close`."""
        return self._pid

    def begin(self, order: bytes) -> None:
        """Send the order to the child. A second order is ignored."""
        if not self._ordered:
            self._ordered = True
            with suppress(BrokenPipeError), os.fdopen(self._order, "wb") as orders:
                orders.write(_LENGTH.pack(len(order)) + order)

    def answers(self) -> Iterator[bytes]:
        """Wait for the end of the work and yield the answers.

        If the child fails, yield the complete answers that arrived.
        """
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
        """End the child, also during its work. A second call does nothing."""
        if self._pid < 0:
            return
        pid, self._pid = self._pid, -1
        if not self._ordered:
            os.close(self._order)
        os.close(self._answers)
        end(pid)


def fork(work: Callable[[], None]) -> int:
    """Fork a child that calls `work` and exits. Returns its process ID.

    The child prints no errors, because after a failure its parent does the same work and reports
    the same error.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        gc.disable()
        work()
    finally:
        os._exit(0)


def end(pid: int) -> None:
    """Kill a child of this process if it still runs, and reap it."""
    # ChildProcessError is not a failure, because the kernel reaps the children of a process that
    # ignores SIGCHLD. The process ID may then belong to another process.
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
