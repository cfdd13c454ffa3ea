"""One open network namespace: its file descriptor, its netlink socket, its known link indices."""

from __future__ import annotations

import errno
import fcntl
import os

from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import CLONE_NEWNET

_NS_GET_NSTYPE, _NS_GET_USERNS = 0xB703, 0xB701


class OpenNetns:
    """A namespace with a label. `fd` is -1 while it is closed."""

    __slots__ = (
        "complete",
        "fd",
        "indices",
        "inode",
        "label",
        "last_round",
        "next_index",
        "pinned",
        "rtnl",
    )

    def __init__(self, label: str, fd: int, inode: tuple[int, int], pinned: bool = False) -> None:
        self.label = label
        self.fd = fd
        self.inode = inode
        self.pinned = pinned
        self.rtnl: Rtnl | None = None
        self.indices: dict[str, int] = {}
        """Name or altname → index of the links that are known."""
        self.next_index = 0
        """The next index that netorch assigns; 0 if the kernel chooses indices."""
        self.complete = False
        """Whether `indices` holds every link."""
        self.last_round = 0
        """The round in which the name was looked up last."""

    def forget(self) -> None:
        """Forget the links' indices, which may be wrong, and let the kernel choose new ones."""
        self.indices, self.next_index, self.complete = {}, 0, False

    def close(self) -> None:
        """Close the netlink socket and the file descriptor."""
        if self.rtnl is not None:
            self.rtnl.close()
            self.rtnl = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


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
