"""/run/netorch/NAME/confirm.json: that a topology's last apply waits to be confirmed, until when, and who watches over it."""

from __future__ import annotations

import time
from typing import Self

from netorch.immutable import Value
from netorch.kernel.files import records
from netorch.values.typed_json import decode, encode

_FILE = "confirm.json"


class Pending(Value):
    """`deadline` counts in seconds of the monotonic clock, which nobody sets; `until` is the same moment for people.

    `watcher` is the process that will roll back, with the time of its start (proc(5), field 22), since numbers come again.
    """

    token: str
    deadline: float
    until: float
    watcher: int = 0
    started: int = 0

    @classmethod
    def new(cls, token: str, seconds: float, watcher: int = 0) -> Self:
        return cls(
            token,
            time.monotonic() + seconds,
            time.time() + seconds,
            watcher,
            _started(watcher) if watcher else 0,
        )

    @property
    def clock(self) -> str:
        return time.strftime("%H:%M:%S", time.localtime(self.until))

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def watched(self) -> bool:
        """Whether the watcher is alive."""
        return bool(self.watcher) and _started(self.watcher) == self.started != 0


def write(name: str, pending: Pending) -> None:
    records.write_file(name, _FILE, encode(pending))


def read(name: str) -> Pending | None:
    """None where nothing waits, or what is there is no record of it."""
    try:
        text = records.read_file(name, _FILE)
        return None if text is None else decode(text, Pending)
    except ValueError:
        return None


def remove(name: str) -> None:
    records.remove_file(name, _FILE)


def _started(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in (b"Z", b"X") else int(words[19])
