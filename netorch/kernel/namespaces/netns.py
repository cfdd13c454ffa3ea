"""One network namespace that is open: its file descriptor, its netlink socket, and what is known of its links' indices."""

from __future__ import annotations

import errno
import fcntl
import os

from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import CLONE_NEWNET

_NS_GET_NSTYPE, _NS_GET_USERNS = 0xB703, 0xB701


class OpenNetns:
    """A namespace that is known by label. `next_index` is 0 where the kernel chooses indices, `indices` what is known of them."""

    __slots__ = (
        "complete",
        "fd",
        "indices",
        "inode",
        "label",
        "next_index",
        "pinned",
        "rtnl",
        "seen",
    )

    def __init__(self, label: str, fd: int, inode: tuple[int, int], pinned: bool = False) -> None:
        self.label = label
        self.fd = fd
        self.inode = inode
        self.pinned = pinned
        self.rtnl: Rtnl | None = None
        self.indices: dict[str, int] = {}
        self.next_index = 0
        self.complete = False
        self.seen = 0

    def forget(self) -> None:
        """What is known of the links may be wrong: ask the kernel from now on."""
        self.indices, self.next_index, self.complete = {}, 0, False

    def close(self) -> None:
        if self.rtnl is not None:
            self.rtnl.close()
            self.rtnl = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def netns_fd(path: str, follow: bool) -> int:
    """Open a namespace file; OSError, with EINVAL for anything that is not a network namespace (NS_GET_NSTYPE, ioctl_nsfs(2))."""
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
    """The user namespace that a network namespace belongs to (NS_GET_USERNS, ioctl_nsfs(2)).

    None where that is none below the one of this process.
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
    return status.st_dev, status.st_ino
