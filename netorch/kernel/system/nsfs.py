"""Files that are network namespaces (ioctl_nsfs(2))."""

from __future__ import annotations

import errno
import fcntl
import os

from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.syscalls import CLONE_NEWNET

HOST = "host"
"""The label of the namespace in which netorch was started."""

RUN_NETNS = "/run/netns"
"""The directory of named namespaces."""
OWN_NETNS = "/proc/thread-self/ns/net"
"""The namespace of the calling thread."""

_NS_GET_NSTYPE, _NS_GET_USERNS = 0xB703, 0xB701


def netns_fd(path: str, follow: bool) -> int:
    """Open a network namespace and return its file descriptor.

    Raise OSError if that fails, with EINVAL if it is not a network namespace (NS_GET_NSTYPE,
    ioctl_nsfs(2)). A symbolic link is followed only if `follow` is true.
    """
    fd = os.open(
        path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    )
    try:
        if fcntl.ioctl(fd, _NS_GET_NSTYPE) == CLONE_NEWNET:
            return move_up(fd)
    except OSError:
        pass
    os.close(fd)
    raise OSError(errno.EINVAL, "not a network namespace", path)


def owner_of(fd: int) -> tuple[int, int] | None:
    """Return the inode of the user namespace that owns a network namespace.

    The kernel tells it only if it is that of this process or a descendant (NS_GET_USERNS,
    ioctl_nsfs(2)); otherwise return None.
    """
    try:
        owner = fcntl.ioctl(fd, _NS_GET_USERNS)
    except OSError:
        return None
    try:
        return inode_of(os.fstat(owner))
    finally:
        os.close(owner)


def inode_of(status: os.stat_result) -> tuple[int, int]:
    """Return device and inode number, which together identify a namespace."""
    return status.st_dev, status.st_ino
