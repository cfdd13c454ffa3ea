"""Calls from one process to another over a socket: a function by its name, its arguments and its result pickled, open files beside it.

Both ends are one program, which made the socket for itself: nobody else can write to it.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netorch.errors import KernelRefused, NetorchError, Problem
from netorch.values.frozen import frozen

_CHUNK = 1 << 20
_MOST_FDS = 16


@frozen
class Files:
    """A result that is open files: their descriptors here, which `send` closes, and others there."""

    fds: tuple[int, ...]


def ask(
    connection: socket.socket, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[bool, Any]:
    """Have the other end call it: True and its result, or False and the exception that it raised. OSError if it is gone."""
    connection.sendall(pickle.dumps((function, arguments)))
    connection.shutdown(socket.SHUT_WR)
    return receive(connection)


def answer(connection: socket.socket) -> None:
    """Do what the other end asks for, once."""
    try:
        try:
            function, arguments = pickle.loads(_all(connection))
            result = function(*arguments)
        except BaseException as error:
            fail(connection, error)
            return
        send(connection, result)
    except OSError:
        # the other end does not wait any more
        return
    finally:
        connection.close()


def send(connection: socket.socket, result: Any) -> None:
    fds = result.fds if isinstance(result, Files) else ()
    try:
        socket.send_fds(connection, [b"+"], fds)
    finally:
        for fd in fds:
            os.close(fd)
    if not fds:
        connection.sendall(pickle.dumps(result))
    connection.shutdown(socket.SHUT_WR)


def fail(connection: socket.socket, error: BaseException) -> None:
    try:
        failure = pickle.dumps(error)
        pickle.loads(failure)
    except Exception:
        failure = pickle.dumps(
            NetorchError(Problem("internal-error", f"{type(error).__name__}: {error}"))
        )
    connection.sendall(b"-" + failure)
    connection.shutdown(socket.SHUT_WR)


def told(failure: bytes) -> BaseException:
    """The exception that `fail` sent, less its sign."""
    error: BaseException = pickle.loads(failure)
    return error


def receive(connection: socket.socket) -> tuple[bool, Any]:
    """As `ask`; a result that is Files holds descriptors of this process."""
    sign, fds, flags, _ = socket.recv_fds(connection, 1, _MOST_FDS)
    if flags & socket.MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        what = "this process may not have more open files."
        raise KernelRefused(
            Problem(
                "file-limit",
                what,
                remedy="Raise the limit, `ulimit -n`, or close some.",
                command="ulimit -n",
            )
        )
    if not sign:
        raise ConnectionError("the other process is gone")
    rest = _all(connection)
    if sign == b"-":
        return False, told(rest)
    for fd in fds:
        os.set_inheritable(fd, False)
    return True, Files(tuple(fds)) if fds else pickle.loads(rest)


def wait(connection: socket.socket) -> None:
    """For the end of a call of whose result nobody wants to know."""
    with suppress(OSError):
        # a request that is not whole begins nothing
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(_CHUNK):
            pass


def _all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(_CHUNK):
        parts.append(part)
    return b"".join(parts)
