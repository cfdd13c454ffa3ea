"""Starts private hosts and calls functions in them, on the side of the program that uses one."""

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

_FORK_SERVER = (
    "import sys; sys.path[:] = {path!r}; "
    "from netorch.kernel.private_host.server import main; main(3, 4, {calls!r})"
)
"""The code of the fork server: the process from which private hosts are forked."""
_PATIENCE = 5.0
_lock = threading.Lock()
_fork_server: tuple[int, int] | None = None
"""The PID of the process that started the fork server, and the descriptor of its socket."""


def prepare(calls_module: str) -> None:
    """Start the fork server, from which private hosts are forked.

    It loads `calls_module`, whose CALLS lists the functions that can be called in a host.
    """
    global _fork_server  # noqa: PLW0603  one for the process
    with _lock:
        if _fork_server is None or _fork_server[0] != os.getpid():
            _fork_server = os.getpid(), _start(calls_module)


class PrivateHost:
    """A private host. It ends with `close` and with this process. A context manager.

    Several threads may call functions in it at the same time.
    """

    def __init__(self, calls_module: str) -> None:
        """Start a private host. Raise LacksError if this machine does not allow it.

        `calls_module` is the module whose CALLS lists the functions that can be called in the host.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            _ask_for_host(theirs, calls_module)
        self._calls: Calls = importlib.import_module(calls_module).CALLS
        self._connection = ours
        self._owner = os.getpid()
        self.fds: tuple[int, ...] = ()
        try:
            answer, fds, _, _ = socket.recv_fds(ours, 1 << 16, 8)
            if not answer:
                raise KernelRefused(
                    Problem("private-host-ended", "the private host ended before it was ready.")
                )
            if answer[:1] == b"-":
                raise decode_error(answer[1:])
        except BaseException:
            ours.close()
            raise
        for fd in fds:
            os.set_inheritable(fd, False)
        self.fds = tuple(fds)

    @property
    def is_owner(self) -> bool:
        """Whether this process made the host. False in a process that was forked from it."""
        return os.getpid() == self._owner

    @property
    def namespaces(self) -> Entrance:
        """The host's user namespace, unless this process is in it too, and the host's PID
        namespace.
        """
        user, processes = self.fds
        own, other = os.stat("/proc/self/ns/user"), os.fstat(user)
        entered = (
            ()
            if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino)
            else ((CLONE_NEWUSER, user),)
        )
        return (*entered, (CLONE_NEWPID, processes))

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call a function of the table in the host, and return or raise what it does."""
        assert not kwargs
        return cast("Result", self._ask(function, args, to_the_end=False))

    def change(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call a function that changes the kernel, as `call` does.

        Ctrl-C waits for the end of the call, because it does not reach the host.
        """
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
        """End all processes of the host and wait for that. The kernel deletes its namespaces then.

        The wait takes at most a few seconds, in case that an orphan of the host is never reaped.
        """
        fds, self.fds = self.fds, ()
        if self.is_owner:
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
    """Send the fork server a socket, on which the new host will answer.

    Start a new fork server if it is gone, or belongs to the process that this one was forked from.
    """
    global _fork_server  # noqa: PLW0603  one for the process
    for last in (False, True):
        prepare(calls_module)
        with _lock:
            assert _fork_server is not None
            server = socket.socket(fileno=_fork_server[1])
            try:
                socket.send_fds(server, [b"?"], [theirs.fileno()])
                server.detach()
                return
            except OSError as error:
                server.close()
                _fork_server = None
                if last:
                    raise NetorchError(
                        Problem(
                            "private-host-ended",
                            "the process that makes private hosts does not start: "
                            f"{error.strerror}.",
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
                    "private hosts need pidfd_open(2), which Linux has since 5.3: "
                    f"{error.strerror}.",
                )
            ) from None
        try:
            # Copies have numbers from 10 on. The child opens or duplicates its descriptors 0 to 4,
            # which would replace a copy with such a number.
            copies += [
                fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs.fileno(), program)
            ]
            code = _FORK_SERVER.format(
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
                    "private hosts need a Python interpreter that starts: "
                    f"{sys.executable!r}: {error.strerror}.",
                    object=sys.executable,
                )
            ) from None
        finally:
            for fd in (program, *copies):
                os.close(fd)
    # Return the file descriptor and not the socket object, because Python would warn about a socket
    # that is still open when the program ends.
    return ours.detach()


class CurrentHost:
    """The host on which this process runs, with the interface of a private one."""

    namespaces: Entrance = ()

    def __init__(self) -> None:
        self._owner = os.getpid()

    @property
    def is_owner(self) -> bool:
        """Whether this process made the object. False in a process that was forked from it."""
        return os.getpid() == self._owner

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call a function."""
        return function(*args, **kwargs)

    change = call

    def close(self) -> None:
        """Do nothing."""
        return


Machine = CurrentHost | PrivateHost
