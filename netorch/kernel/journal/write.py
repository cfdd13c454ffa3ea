"""Writes an act to the journal, else to syslog, else nowhere. It never fails and never waits."""

from __future__ import annotations

import os
import stat

from netorch.kernel.journal import native
from netorch.kernel.system.sockets import opened, socket
from netorch.values.act import Act, Caller

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
_NO_SESSION = 2**32 - 1
"""The login user ID of a process outside of a session (proc_pid_loginuid(5))."""

SETTINGS = {"silent": False}
"""Whether nothing is to be written by this process and its children.

A private host sets it, because its acts do not concern the machine.
"""


def write(act: Act) -> None:
    """Write an act. If nothing takes it at once, it is lost."""
    if SETTINGS["silent"]:
        return
    try:
        if _is_sound(JOURNAL):
            _send(JOURNAL, native.encode(native.fields(act)))
        elif _is_sound(SYSLOG):
            # here, because few machines have no journal
            from netorch.kernel.journal import syslog

            _send(SYSLOG, syslog.line(act, os.getpid()))
    except (OSError, ValueError):
        return


def _is_sound(path: str) -> bool:
    """Whether the path is a socket of root.

    In a user namespace, the sockets of the machine belong to an unknown user. What a user does in
    a network of their own is not for the machine's log.
    """
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == 0


def _send(path: str, datagram: bytes) -> None:
    with opened(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        connection.sendto(datagram, path)


def caller() -> Caller:
    """Return who started this process."""
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            login = int(file.read())
    except (OSError, ValueError):
        login = _NO_SESSION
    return Caller(
        os.getuid(),
        None if login == _NO_SESSION else login,
        os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER") or "",
    )
