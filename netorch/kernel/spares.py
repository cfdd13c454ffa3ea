"""Namespaces without a name, made by a second process ahead of their use: making one takes the kernel longer than all else about a node,
and it can do that on another processor while this one still loads the file.

They come through a socket (unix(7), SCM_RIGHTS), each as two descriptors: the namespace, and an rtnetlink socket in it. What is never
taken is gone when the socket is closed, however the process ends.
"""

from __future__ import annotations

import os
import resource
import socket
from collections import deque
from contextlib import suppress

from netorch.kernel.namespaces.catalog import OWN_NETNS
from netorch.kernel.processes.child import end, forked
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare

_AT_ONCE = 32
"""Namespaces in a message; it takes 253 descriptors at most (SCM_MAX_FD)."""
_FILES = 1024
"""Open files that are no namespace's, amply."""


def affordable(count: int) -> bool:
    """Whether so many may be open, with as many on their way."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard == resource.RLIM_INFINITY or 4 * count + _FILES <= hard


class Spares:
    """So many namespaces. Not for a process that has other threads."""

    def __init__(self, count: int) -> None:
        """Fork. OSError if there can be no further process."""
        self._ready: deque[tuple[int, int]] = deque()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._pid = forked(lambda: self._live(theirs, count))
        except BaseException:
            self._socket.close()
            theirs.close()
            raise
        theirs.close()

    def _live(self, to: socket.socket, count: int) -> None:
        """The child's life."""
        self._socket.close()
        _make(to, count)

    def take(self) -> tuple[int, Rtnl] | None:
        """A namespace and a socket in it; None when there are no more. Waits for the next one to be made."""
        if not self._ready and self._pid > 0:
            with suppress(OSError):
                _, fds, _, _ = socket.recv_fds(
                    self._socket, 1, 2 * _AT_ONCE, socket.MSG_CMSG_CLOEXEC
                )
                if len(fds) % 2:
                    # no more files may be open
                    os.close(fds.pop())
                self._ready.extend(zip(fds[::2], fds[1::2], strict=True))
        if not self._ready:
            self.close()
            return None
        netns, rtnl = self._ready.popleft()
        return netns, Rtnl(adopted=rtnl)

    def close(self) -> None:
        """Give up what was not taken. May be called twice."""
        while self._ready:
            for fd in self._ready.popleft():
                os.close(fd)
        pid, self._pid = self._pid, -1
        if pid > 0:
            end(pid)
            self._socket.close()


def _make(to: socket.socket, count: int) -> None:
    """So many namespaces, as far as it goes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    while count > 0:
        made: list[int] = []
        try:
            for _ in range(min(_AT_ONCE, count)):
                unshare(CLONE_NEWNET)
                made += (os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC), Rtnl().detach())
        finally:
            if made:
                socket.send_fds(to, [b"."], made[: len(made) // 2 * 2])
        for fd in made:
            os.close(fd)
        count -= _AT_ONCE
