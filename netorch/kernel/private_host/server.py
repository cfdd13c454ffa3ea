"""The fork server for private hosts, and the processes of each host.

    program ── fork server ── supervisor ── process 1 of the host ── call server
               (session)      (waits)       (reaps, new PIDs)        (answers calls)

The fork server has loaded the modules that its hosts need, and it has one thread. So forking it is
safe and quick, whatever the program is. Each process dies with the one before it. The fork server
and every call server also end with the program: they watch its pidfd and the end of their socket.
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

from netorch.kernel.journal.write import SETTINGS
from netorch.kernel.private_host.calls import Calls, send_error
from netorch.kernel.private_host.isolate import (
    enter_new_namespaces,
    mount_and_bring_up,
    needs_user_namespace,
)
from netorch.kernel.system.syscalls import die_with_parent

_NAMESPACES = ("user", "pid")


def main(control: int, program: int, calls_module: str) -> None:
    """Run the fork server until the program is gone.

    `control` is a SOCK_SEQPACKET socket. The program sends one socket over it for each host that it
    asks for. `program` is the pidfd of the program. `calls_module` is the module whose CALLS lists
    the functions that can be called in a host.
    """
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # with SIG_IGN the kernel reaps the supervisors
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
                _finally_exit(
                    lambda connection=connection: _supervise(  # type: ignore[misc]
                        connection, program, calls
                    )
                )
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


def _supervise(connection: socket.socket, program: int, calls: Calls) -> None:
    """Run the supervisor: enter the host's namespaces, fork its process 1 and wait for it.

    The supervisor itself stays outside the host's PID namespace.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        die_with_parent()
        user = needs_user_namespace()
        enter_new_namespaces(user)
    except Exception as error:
        send_error(connection, error)
        return
    first = os.fork()
    if first == 0:
        _finally_exit(lambda: _begin(connection, program, user, calls))
    # The connection stays open until the whole host is gone. Its end tells the program that.
    os.waitpid(first, 0)


def _begin(connection: socket.socket, program: int, user: bool, calls: Calls) -> None:
    """Run process 1: reap orphans, and end the whole host when its call server ends."""
    die_with_parent()
    SETTINGS["silent"] = True
    try:
        mount_and_bring_up(user)
    except Exception as error:
        send_error(connection, error)
        return
    call_server = os.fork()
    if call_server == 0:
        _finally_exit(lambda: _serve(connection, program, calls))
    connection.close()
    with suppress(ChildProcessError):
        while os.wait()[0] != call_server:
            pass


def _serve(connection: socket.socket, program: int, calls: Calls) -> None:
    """Run the call server: send descriptors of the namespaces, then answer calls.

    Each call has a thread and a socket of its own.
    """
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
