"""Reads and writes /run/netorch/NAME/confirm.json, which exists while an apply has to be confirmed.

It holds the deadline and the process that rolls back at the deadline.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Self

from netorch.errors import Problem
from netorch.immutable import Value
from netorch.kernel.files import records
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.values.act import Caller
from netorch.values.typed_json import decode, encode

_FILE = "confirm.json"


class Pending(Value):
    """An `apply` that waits for its confirmation."""

    token: str
    """A text that distinguishes this `apply` from a later one of the same topology."""
    deadline: float
    """The moment of the rollback, in seconds of the monotonic clock, which nobody can set."""
    until: float
    """The same moment in seconds since 1970, for messages."""
    watcher: int = 0
    """The PID of the process that will roll back; 0 if there is none yet."""
    started: int = 0
    """Start time of that process (proc(5), field 22), because PIDs are used again."""
    undo: bool = False
    """Whether somebody asks that process to roll back at once, and to write the outcome."""
    caller: Caller | None = None
    """Who asks for that; None if nobody does."""

    @classmethod
    def new(cls, token: str, seconds: float, watcher: int = 0) -> Self:
        """Return a pending confirmation whose deadline is in `seconds` seconds."""
        return cls(
            token,
            time.monotonic() + seconds,
            time.time() + seconds,
            watcher,
            start_time(watcher) if watcher else 0,
        )

    @property
    def clock(self) -> str:
        """The deadline as local time, `HH:MM:SS`."""
        return time.strftime("%H:%M:%S", time.localtime(self.until))

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def watched(self) -> bool:
        """Whether the process that will roll back is alive."""
        return bool(self.watcher) and start_time(self.watcher) == self.started != 0


class Outcome(Value):
    """What the process did that somebody asked to roll back at once."""

    problems: tuple[Problem, ...]
    """What could not be rolled back."""
    changes: str
    """The changes of the rollback, in the form of the command that applied."""


def write(name: str, pending: Pending) -> None:
    """Write that the topology's last apply waits for its confirmation."""
    records.write_file(name, _FILE, encode(pending))


def read(name: str) -> Pending | None:
    """Return the pending confirmation; None if there is none or its file cannot be decoded."""
    try:
        text = records.read_file(name, _FILE)
        return None if text is None else decode(text, Pending)
    except ValueError:
        return None


def remove(name: str) -> None:
    """Remove the pending confirmation."""
    records.remove_file(name, _FILE)


def write_outcome(token: str, outcome: Outcome) -> None:
    """Write the outcome of a rollback, outside of the record, which may be gone by then."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_outcome(token), flags, 0o600), "w", encoding="utf-8") as file:
        file.write(encode(outcome))


def take_outcome(token: str) -> Outcome | None:
    """Return the outcome of a rollback, and remove it; None if there is none."""
    path = _outcome(token)
    try:
        with open(path, encoding="utf-8") as file:
            outcome = decode(file.read(), Outcome)
    except (OSError, ValueError):
        outcome = None
    with suppress(OSError):
        os.unlink(path)
    return outcome


def _outcome(token: str) -> str:
    return f"{RUN_NETORCH}/.undone-{token}"


def start_time(pid: int) -> int:
    """Return when a process started (proc(5), field 22), 0 if it does not run."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in (b"Z", b"X") else int(words[19])
