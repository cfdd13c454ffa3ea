"""One open network namespace: its file descriptor, its netlink socket, its known link indices."""

from __future__ import annotations

import os

from netorch.kernel.system.rtnetlink import Rtnl


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
