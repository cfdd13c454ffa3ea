"""Private hosts, from the side of the program that wants one: a machine of its own, with network, mounts and processes."""

from __future__ import annotations

import fcntl
import importlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar, cast

from netorch.errors import KernelRefused, LacksError, NetorchError, Problem
from netorch.kernel.private_host.calls import Calls, Raised, decode_error, wait
from netorch.kernel.processes.spawn import Entrance
from netorch.kernel.system.syscalls import CLONE_NEWPID, CLONE_NEWUSER

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NURSERY = "import sys; sys.path[:] = {path!r}; from netorch.kernel.private_host.server import main; main(3, 4, {calls!r})"
_PATIENCE = 5.0
_lock = threading.Lock()
_nursery: tuple[int, int] | None = None
"""The process that it is for, and its socket."""


def prepare(calls_module: str) -> None:
    """Start the process that private hosts are forked from.

    `calls_module`: the module that it loads, whose CALLS are what a host can be asked for.
    """
    global _nursery  # noqa: PLW0603  one for the process
    with _lock:
        if _nursery is None or _nursery[0] != os.getpid():
            _nursery = os.getpid(), _start(calls_module)


class PrivateHost:
    """A private host, gone with `close` and with this process. A context manager.

    Calls may come from several threads at once.
    """

    def __init__(self, calls_module: str) -> None:
        """`calls_module`: the module whose CALLS are what the host can be asked for.

        LacksError if this machine does not allow it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            _ask_for_host(theirs, calls_module)
        self._calls: Calls = importlib.import_module(calls_module).CALLS
        self._connection = ours
        self._owner = os.getpid()
        self.fds: tuple[int, ...] = ()
        try:
            said, fds, _, _ = socket.recv_fds(ours, 1 << 16, 8)
            if not said:
                raise KernelRefused(
                    Problem("private-host-ended", "the private host ended before it was ready.")
                )
            if said[:1] == b"-":
                raise decode_error(said[1:])
        except BaseException:
            ours.close()
            raise
        for fd in fds:
            os.set_inheritable(fd, False)
        self.fds = tuple(fds)

    @property
    def ours(self) -> bool:
        """False in a process that was forked from the one which the host is for."""
        return os.getpid() == self._owner

    @property
    def way(self) -> Entrance:
        """Its user namespace, if that is not the program's own, and its processes."""
        user, processes = self.fds
        own, there = os.stat("/proc/self/ns/user"), os.fstat(user)
        entered = (
            ()
            if (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)
            else ((CLONE_NEWUSER, user),)
        )
        return (*entered, (CLONE_NEWPID, processes))

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """What `function`, which is in the table of calls, returns or raises there."""
        assert not kwargs
        return cast("Result", self._ask(function, args, to_the_end=False))

    def change(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """`call`, of what changes the kernel: Ctrl-C, of which the host hears nothing, waits for its end."""
        assert not kwargs
        return cast("Result", self._ask(function, args, to_the_end=True))

    def _ask(
        self, function: Callable[..., object], args: tuple[object, ...], *, to_the_end: bool
    ) -> object:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            try:
                with theirs:
                    socket.send_fds(self._connection, [b"?"], [theirs.fileno()])
                return self._calls.ask(ours, function, args)
            except Raised as raised:
                error = raised.error
            except OSError as gone:
                what = "the private host is gone: its processes were ended."
                raise KernelRefused(Problem("private-host-ended", what)) from gone
            except KeyboardInterrupt:
                if to_the_end:
                    wait(ours)
                raise
        raise error

    def close(self) -> None:
        """End all processes of the host; its namespaces go with them. Returns when they are gone.

        One that was orphaned out of it, where nobody reaps orphans, is not waited for longer than a few seconds.
        """
        fds, self.fds = self.fds, ()
        if self.ours:
            with suppress(OSError):
                self._connection.settimeout(_PATIENCE)
                self._connection.shutdown(socket.SHUT_WR)
                while self._connection.recv(1):
                    pass
        self._connection.close()
        for fd in fds:
            os.close(fd)

    def __enter__(self) -> PrivateHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask_for_host(theirs: socket.socket, calls_module: str) -> None:
    """Send the nursery a socket; a nursery that is gone, or is that of a process from which this one was forked, is replaced."""
    global _nursery  # noqa: PLW0603  one for the process
    for last in (False, True):
        prepare(calls_module)
        with _lock:
            assert _nursery is not None
            nursery = socket.socket(fileno=_nursery[1])
            try:
                socket.send_fds(nursery, [b"?"], [theirs.fileno()])
                nursery.detach()
                return
            except OSError as error:
                nursery.close()
                _nursery = None
                if last:
                    raise NetorchError(
                        Problem(
                            "private-host-ended",
                            f"the process that makes private hosts does not live: {error.strerror}.",
                        )
                    ) from error


def _start(calls_module: str) -> int:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    copies: list[int] = []
    with theirs:
        try:
            program = os.pidfd_open(os.getpid())
        except OSError as error:
            raise LacksError(
                Problem(
                    "no-private-host",
                    f"private hosts need pidfd_open(2), since Linux 5.3: {error.strerror}.",
                )
            ) from None
        try:
            # above the numbers that they get there
            copies += [
                fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs.fileno(), program)
            ]
            code = _NURSERY.format(
                path=[os.path.abspath(path) for path in sys.path], calls=calls_module
            )
            null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
            handed = [
                (os.POSIX_SPAWN_DUP2, fd, number) for number, fd in zip((3, 4), copies, strict=True)
            ]
            words = [
                sys.executable,
                "-I",
                *(("-B",) if sys.dont_write_bytecode else ()),
                "-c",
                code,
            ]
            os.posix_spawn(sys.executable, words, os.environ, file_actions=[*null, *handed])
        except OSError as error:
            os.close(ours.detach())
            raise LacksError(
                Problem(
                    "no-private-host",
                    f"private hosts need a Python to start: {sys.executable!r}: {error.strerror}.",
                    object=sys.executable,
                )
            ) from None
        finally:
            for fd in (program, *copies):
                os.close(fd)
    # a number, which nobody is warned of that it is still open at the end
    return ours.detach()


class CurrentHost:
    """The host that this process is on, in the place of a private one."""

    way: Entrance = ()

    def __init__(self) -> None:
        self._owner = os.getpid()

    @property
    def ours(self) -> bool:
        return os.getpid() == self._owner

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        return function(*args, **kwargs)

    change = call

    def close(self) -> None:
        return


Machine = CurrentHost | PrivateHost
