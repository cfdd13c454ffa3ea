"""What a notification of Linux tells. It is a hint to read again, never the state itself."""

from __future__ import annotations

from collections.abc import Sequence

from netorch.immutable import Value

Inode = tuple[int, int]
"""st_dev and st_ino of a namespace."""


class Process(Value):
    """The process that made a change."""

    pid: int
    """Its number; 0 if Linux does not tell."""
    command: str = ""
    """Its name, "" if it has ended."""
    user: str = ""
    """Its user, "" if it has ended."""


class Notification(Value):
    """One change in a namespace."""

    kind: str
    """The kind of object, as in keys: `link`, `address`, `route`, `rule`, `neighbour`, `filter`."""
    name: str = ""
    """What identifies the object: the name of a link, an address, the destination of a route."""
    process: Process | None = None
    protocol: str = ""
    """Which sort of program made it (rtm_protocol), "" if Linux does not tell."""


class News:
    """What has changed since the last time somebody asked."""

    def __init__(self) -> None:
        self.notifications: dict[Inode, list[Notification]] = {}
        """Namespace → what changed in it. Some of a large number are left out."""
        self.lost: set[Inode] = set()
        """Namespaces of which notifications were lost."""
        self.names: set[str] = set()
        """Names in /run/netns that may have changed; "" for all."""
        self.files: set[str] = set()
        """Names in /etc/netns whose files may have changed; "" for all."""
        self.records: set[str] = set()
        """Topologies whose records or locks may have changed; "" for all."""
        self.first = 0.0
        """The time of the first change, of the monotonic clock; 0 if there is none."""
        self.last = 0.0
        """The time of the last change."""

    @property
    def is_empty(self) -> bool:
        return not self.first

    def add(self, inode: Inode, notifications: Sequence[Notification]) -> None:
        """Add changes in a namespace."""
        there = self.notifications.setdefault(inode, [])
        there += notifications[: MOST - len(there)]


MOST = 64
"""The number of notifications of one namespace that are described; the others are counted only."""
