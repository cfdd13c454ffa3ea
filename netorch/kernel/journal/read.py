"""Reads acts back: with `journalctl`, or from the files of syslog if there is no journal."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from netorch.errors import NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.journal import native, syslog
from netorch.kernel.journal.write import JOURNAL, SYSLOG
from netorch.values.act import Act, Caller

JOURNALS = ("/var/log/journal", "/run/log/journal")
"""Folders of which one has files on a machine with a journal."""
FILES = ("/var/log/syslog.1", "/var/log/syslog", "/var/log/messages.1", "/var/log/messages")
"""The files to which syslog usually writes such lines, the older one first."""
MOST_BYTES = 64 * 1024 * 1024
"""The bytes at the end of such a file that are read."""
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where the programs of systemd are."""

_SORTS = ("create", "update", "flap", "replace", "delete")
_TEXTS = ("VERSION", "ACT", "TOPOLOGY", "OUTCOME", "REASON", "CODES", "SECONDS", "TRIAL")
_FIELDS = (
    "__REALTIME_TIMESTAMP",
    "_SYSTEMD_UNIT",
    *(
        f"NETORCH_{name}"
        for name in (
            *_TEXTS,
            *(sort.upper() for sort in _SORTS),
            *("FILE", "DIGEST", "MACHINE", "UID", "LOGINUID", "SUDO_USER"),
        )
    ),
)


class History(Value):
    """The acts that a log has."""

    acts: tuple[Act, ...]
    """The last ones that were asked for, the oldest first."""
    source: str
    """`journal` or `syslog`."""
    more: bool = False
    """Whether there are older ones that were not asked for."""
    grows: bool = True
    """Whether a log takes further acts now."""


def history(topology: str | None, most: int, since: float | None) -> History:
    """Return the last `most` acts, of one topology or of all, since a time in seconds since 1970.

    Raise NetorchError if this machine has no log, or if it cannot be read.
    """
    runs = os.path.lexists(JOURNAL)
    if runs or any(map(_has_files, JOURNALS)):
        acts, source = _from_journal(topology, most + 1, since), "journal"
    else:
        acts, source = _from_syslog(topology, most + 1, since), "syslog"
    grows = runs or os.path.lexists(SYSLOG)
    return History(tuple(acts[-most:]), source, len(acts) > most, grows)


def _has_files(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def _from_journal(topology: str | None, most: int, since: float | None) -> list[Act]:
    import subprocess

    words = ["journalctl", "--output=json", "--no-pager", "--quiet", "--reverse"]
    words += [f"--lines={most}", f"--output-fields={','.join(_FIELDS)}"]
    # the journal itself notes the user, so nobody but root can write such an entry
    words += ["_UID=0", f"MESSAGE_ID={native.MESSAGE_ID}"]
    if topology is not None:
        words.append(f"NETORCH_TOPOLOGY={topology}")
    if since is not None:
        words.append(f"--since=@{since:.6f}")
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False
        )
    except OSError as error:
        raise _unreadable(f"journalctl: {error.strerror}") from None
    if done.returncode != 0 and done.stderr:
        raise _unreadable(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    acts = [act for line in done.stdout.splitlines() if (act := act_of_entry(line)) is not None]
    if not acts and os.geteuid() != 0:
        what = "the journal shows nothing of netorch, but perhaps not to you."
        remedy = "Run it with sudo, or as a member of the group `systemd-journal`."
        raise NetorchError(Problem("not-root", what, remedy=remedy))
    return acts[::-1]


def _unreadable(reason: str) -> NetorchError:
    what = f"the journal cannot be read: {reason}."
    remedy = "Try `journalctl --verify`."
    return NetorchError(Problem("log-unreadable", what, None, remedy, "", "journalctl --verify"))


def act_of_entry(line: bytes) -> Act | None:
    """Return the act in a line of `journalctl -o json`, or None if it does not have one."""
    try:
        entry = json.loads(line)
        return _act(entry) if isinstance(entry, dict) else None
    except ValueError:
        return None


def _act(entry: Mapping[str, Any]) -> Act | None:
    def text(name: str) -> str:
        return _text(entry.get(f"NETORCH_{name}"))

    def number(name: str) -> int | None:
        return int(value) if (value := text(name)).isascii() and value.isdecimal() else None

    if not (text("ACT") and text("TOPOLOGY") and text("OUTCOME")):
        return None
    counts = {sort: count for sort in _SORTS if (count := number(sort.upper())) is not None}
    return Act(
        act=text("ACT"),
        topology=text("TOPOLOGY"),
        outcome=text("OUTCOME"),
        reason=text("REASON"),
        codes=tuple(text("CODES").split()),
        counts=counts,
        seconds=_float(text("SECONDS")),
        trial=_float(text("TRIAL")),
        file=text("FILE"),
        digest=text("DIGEST"),
        machine=text("MACHINE"),
        caller=Caller(number("UID") or 0, number("LOGINUID"), text("SUDO_USER")),
        time=int(_text(entry.get("__REALTIME_TIMESTAMP")) or 0) / 1_000_000,
        version=text("VERSION"),
        unit=_text(entry.get("_SYSTEMD_UNIT")),
    )


def _text(value: object) -> str:
    """Return the text of a value of `journalctl -o json`.

    That is a text, a list of bytes if it is not UTF-8 or not printable, a list of values if the
    entry has the field several times, or None if it is too long.
    """
    match value:
        case str():
            return value
        case [int(), *_]:
            numbers = [number for number in value if isinstance(number, int)]
            with suppress(ValueError):
                return bytes(numbers).decode("utf-8", "surrogateescape")
        case [first, *_]:
            return _text(first)
    return ""


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _from_syslog(topology: str | None, most: int, since: float | None) -> list[Act]:
    acts: list[Act] = []
    refused: list[str] = []
    files = [path for path in FILES if os.path.exists(path)]
    for path in files:
        try:
            acts += acts_of_lines(_lines(path))
        except OSError as error:
            refused.append(f"{path}: {error.strerror}")
    if not files:
        what = "this machine has no journal, and no log file where syslog usually writes."
        remedy = "If syslog runs here, look for `netorch[` in its files."
        raise NetorchError(Problem("no-log", what, remedy=remedy))
    if refused and not acts:
        what = f"the log cannot be read: {', '.join(refused)}."
        raise NetorchError(Problem("log-unreadable", what, remedy="Run it with sudo."))
    return sorted(
        (
            act
            for act in acts
            if topology in (None, act.topology) and (since is None or act.time >= since)
        ),
        key=lambda act: act.time,
    )[-most:]


def _lines(path: str) -> Iterator[str]:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return
        file.seek(max(0, status.st_size - MOST_BYTES))
        for line in file:
            if b" netorch[" in line:
                yield line.decode("utf-8", "replace").rstrip("\n")


def acts_of_lines(lines: Iterable[str]) -> Sequence[Act]:
    """Return the acts in lines of syslog. They cannot tell the unit, and anybody may write one."""
    return [replace(act, unit="") for line in lines if (act := syslog.act_of(line)) is not None]
