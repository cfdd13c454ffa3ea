"""The process that private hosts are forked from, and the processes of one: whoever starts, holds and serves it.

    the program ── nursery ── keeper ── process 1 of the host ── its servant
                   (session)  (waits)   (reaps, new PIDs)        (answers calls)

The nursery has loaded what its hosts need and has one thread, so a fork of it is safe and quick, whatever the program is. Each of them
dies with the one before it, and the nursery and every servant also with the program, by its pidfd and by the end of its socket.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from netorch.kernel.private_host.calls import Calls, send_error
from netorch.kernel.private_host.isolate import furnish, leave, needs_user_namespace
from netorch.kernel.system.syscalls import die_with_parent

_NAMESPACES = ("user", "pid")


def main(control: int, program: int, calls_module: str) -> None:
    """Serve until the program is gone. `control`: a SOCK_SEQPACKET socket, on which each host is asked for with a socket of its own;
    `program`: the pidfd of the program; `calls_module`: the module whose CALLS are what a host can
    be asked for.
    """
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # keepers are reaped by the kernel
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls: Calls = importlib.import_module(calls_module).CALLS
    with socket.socket(fileno=control) as requests:
        while _ready(requests, program):
            _, fds, _, _ = socket.recv_fds(requests, 1, 1)
            if not fds:
                return
            connection = socket.socket(fileno=fds[0])
            if os.fork() == 0:
                requests.close()
                _finally_exit(lambda connection=connection: _keep(connection, program, calls))  # type: ignore[misc]
            connection.close()


def _ready(connection: socket.socket, program: int) -> bool:
    """Wait for a request; False if the program is gone."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(program, select.POLLIN)
    return program not in {fd for fd, _ in poll.poll()}


def _finally_exit(work: Callable[[], None]) -> NoReturn:
    try:
        work()
    finally:
        os._exit(0)


def _keep(connection: socket.socket, program: int, calls: Calls) -> None:
    """The keeper: in the new namespaces, but for the processes', which its child is the first of."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        die_with_parent()
        user = needs_user_namespace()
        leave(user)
    except Exception as error:
        send_error(connection, error)
        return
    first = os.fork()
    if first == 0:
        _finally_exit(lambda: _begin(connection, program, user, calls))
    # the connection stays open until all of the host is gone, which is how the program knows that
    os.waitpid(first, 0)


def _begin(connection: socket.socket, program: int, user: bool, calls: Calls) -> None:
    """Process 1: reaps what others leave, and takes the whole host along when its servant ends."""
    die_with_parent()
    try:
        furnish(user)
    except Exception as error:
        send_error(connection, error)
        return
    servant = os.fork()
    if servant == 0:
        _finally_exit(lambda: _serve(connection, program, calls))
    connection.close()
    with suppress(ChildProcessError):
        while os.wait()[0] != servant:
            pass


def _serve(connection: socket.socket, program: int, calls: Calls) -> None:
    """The servant: says which namespaces there are, then answers calls, each in a thread and on a socket of its own."""
    connection.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _descriptors())])
    while _ready(connection, program):
        _, fds, _, _ = socket.recv_fds(connection, 1, 1)
        if not fds:
            return
        threading.Thread(
            target=calls.answer, args=(socket.socket(fileno=fds[0]),), daemon=True
        ).start()


def _descriptors() -> bytes:
    fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _NAMESPACES]
    return b"".join(fd.to_bytes(4, "little") for fd in fds)
