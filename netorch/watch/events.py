"""The events that `watch` reports. They are plain values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from netorch.immutable import Value, field, replace


class Sort(Enum):
    """What an event is about. The values are those of `event` in the JSON output."""

    WATCH = "watch"
    """netorch begins to watch a topology."""
    DRIFT = "drift"
    """An object differs from the file that was applied last."""
    INTENDED = "intended"
    """An object differs from the file because a user of netorch wanted that."""
    RESTORED = "restored"
    """An object is as the file says again."""
    IN_SYNC = "in-sync"
    """Nothing differs any more."""
    APPLIED = "applied"
    """Somebody applied a file, which counts from now on."""
    DESTROYED = "destroyed"
    """Somebody destroyed the topology. It is watched again when it is applied again."""
    FAILED = "failed"
    """The topology cannot be compared, or netorch cannot put it right."""
    RECONCILED = "reconciled"
    """netorch has put objects right."""
    GAVE_UP = "gave-up"
    """netorch leaves an object alone, because somebody else keeps changing it."""
    COMMAND = "command"
    """The command of `--exec` failed, or was not run."""
    NOTE = "note"
    """A fact about the watch itself, such as lost notifications."""


class Change(Enum):
    """How an object differs from the file. The values are those of `change` in the JSON output."""

    CHANGED = "changed"
    """The attribute has another value than in the file."""
    MISSING = "missing"
    """The object of the file does not exist."""
    UNEXPECTED = "unexpected"
    """The object exists, with the topology's mark, but is not in the file."""


class Actor(Value):
    """Who changed an object, as far as Linux tells."""

    pid: int = 0
    """The process, 0 if it is not known."""
    command: str = ""
    """The name of the process, "" if it has ended."""
    user: str = ""
    """The user of the process."""
    protocol: str = ""
    """Which sort of program made the route or address, such as `dhcp` or `bird` (rtm_protocol)."""

    @property
    def text(self) -> str:
        """The actor for a message, such as `process 812 (ip) of root`."""
        words = f"process {self.pid}" if self.pid else ""
        if self.pid and self.command:
            words += f" ({self.command})" + (f" of {self.user}" if self.user else "")
        elif self.pid:
            words += ", which has ended"
        protocol = f"protocol {self.protocol}" if self.protocol else ""
        return ", ".join(filter(None, (words, protocol)))


NOBODY = Actor()


class Event(Value):
    """Something that happened to a topology or to one attribute of one of its objects."""

    time: float
    """Seconds since 1970."""
    topology: str
    """The name of the topology, "" for an event of the watch itself."""
    sort: Sort
    object: str = ""
    """The title of the object, such as `veth r1/eth0`, "" for an event of the whole topology."""
    kind: str = ""
    """The kind of the object, as in the JSON output of `diff`: `link`, `address`, `route` …"""
    change: Change | None = None
    """How the object differs, or differed before it was restored."""
    attribute: str = ""
    """The attribute that differs, "" for the object as a whole."""
    before: str | None = None
    """The value of the attribute before the event."""
    after: str | None = None
    """The value of the attribute now."""
    missing_lines: tuple[str, ...] = ()
    """Lines of the file that the object lacks, if it consists of lines."""
    extra_lines: tuple[str, ...] = ()
    """Lines of the object that are not in the file."""
    consequences: tuple[str, ...] = ()
    """Titles of objects that are missing because this one is: the addresses of a link."""
    who: Actor = NOBODY
    reason: str = ""
    """A sentence or clause with more about the event."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects were changed, by sort of change, for an apply of netorch."""

    def at(self, time: float, topology: str) -> Event:
        """Return the event with the time and the topology filled in."""
        return replace(self, time=time, topology=topology)
