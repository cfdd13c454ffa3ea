"""Finds out which process made a change, while that may still run."""

from __future__ import annotations

import os
from contextlib import suppress

from netorch.kernel.events.notification import Inode, Process
from netorch.kernel.system.user import name_of

_PID_BITS = (1 << 22) - 1
"""The bits of a netlink port that libnl and pyroute2 use for the PID. Others use the PID itself."""
_NEGATIVE = 1 << 31
"""Ports from here on are those that Linux chooses if the PID is taken."""


def process_of(port: int, inode: Inode) -> Process | None:
    """Return the process with a netlink port in a namespace.

    The result has no command if the process has ended, and is None if Linux does not tell who made
    the change. `inode` is that of the namespace.
    """
    if not port:
        return None
    pid = port & _PID_BITS
    if port != pid and not _has_port(pid, port):
        return None if port >= _NEGATIVE else Process(pid)
    return describe(pid, inode)


def describe(pid: int, inode: Inode | None = None, command: str = "") -> Process:
    """Return a process with its name and user, if it still runs.

    With `inode`, the process has to be in that network namespace, because the PID is that of its
    own PID namespace and may mean another process here. With `command`, it has to have this name.
    """
    try:
        # first, because the process may end at any time
        user = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().rstrip("\n")
    except OSError:
        return Process(pid, command)
    if (inode is not None and not _is_in(pid, inode)) or command not in ("", name):
        return Process(pid, command)
    return Process(pid, name, name_of(user) or f"user {user}")


def _is_in(pid: int, inode: Inode) -> bool:
    """Tell whether a thread of the process is in a namespace. A process that has ended may be."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    for thread in threads:
        try:
            status = os.stat(f"/proc/{pid}/task/{thread}/ns/net")
        except FileNotFoundError:
            return True  # it has ended, and so it may have been there
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == inode:
            return True
    return False


def _has_port(pid: int, port: int) -> bool:
    """Tell whether a process has an open netlink socket with this port."""
    with suppress(OSError, ValueError, IndexError):
        inodes = set()
        with open(f"/proc/{pid}/net/netlink", encoding="ascii") as table:
            next(table)
            for line in table:
                fields = line.split()
                if int(fields[2]) == port:
                    inodes.add(f"socket:[{fields[9]}]")
        for fd in os.listdir(f"/proc/{pid}/fd") if inodes else ():
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                    return True
    return False
