"""The native protocol of systemd's journal (systemd.io/JOURNAL_NATIVE_PROTOCOL), without I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from netorch.values.act import DONE, INCOMPLETE, Act

MESSAGE_ID = "5a1f3d0c8b7e4c1f9e0d6b2a4c738e15"
"""The ID that all of netorch's entries in the journal have (`journalctl MESSAGE_ID=…`)."""

LONGEST = 2000
"""The bytes of a value that are written. `journalctl -o json` leaves out much longer ones."""

_ERROR, _WARNING, _NOTICE = 3, 4, 5


def priority(act: Act) -> int:
    """Return the priority of an act (syslog(3)): error, warning or notice."""
    if act.outcome == DONE:
        return _NOTICE
    return _ERROR if act.outcome == INCOMPLETE else _WARNING


def fields(act: Act) -> list[tuple[str, str]]:
    """Return the fields of an act. A field whose value is not known is left out."""
    caller = act.caller
    pairs = [
        ("MESSAGE", act.text()),
        ("PRIORITY", str(priority(act))),
        ("SYSLOG_IDENTIFIER", "netorch"),
        ("MESSAGE_ID", MESSAGE_ID),
        ("NETORCH_VERSION", act.version),
        ("NETORCH_ACT", act.act),
        ("NETORCH_TOPOLOGY", act.topology),
        ("NETORCH_OUTCOME", act.outcome),
        ("NETORCH_REASON", act.reason),
        ("NETORCH_CODES", " ".join(act.codes)),
        *((f"NETORCH_{sort.upper()}", str(number)) for sort, number in act.counts.items()),
        ("NETORCH_SECONDS", "" if act.seconds is None else f"{act.seconds:.3f}"),
        ("NETORCH_TRIAL", "" if act.trial is None else f"{act.trial:g}"),
        ("NETORCH_FILE", act.file),
        ("NETORCH_DIGEST", act.digest),
        ("NETORCH_MACHINE", act.machine),
        ("NETORCH_UID", str(caller.uid)),
        ("NETORCH_LOGINUID", "" if caller.loginuid is None else str(caller.loginuid)),
        ("NETORCH_SUDO_USER", caller.sudo_user),
    ]
    return [(name, value) for name, value in pairs if value]


def encode(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the datagram with these fields.

    A value with a newline is sent with its length, so that it cannot begin another field.
    """
    datagram = b""
    for name, value in pairs:
        data = value.encode("utf-8", "surrogateescape")[:LONGEST]
        key = name.encode("ascii")
        if b"\n" in data:
            datagram += key + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            datagram += key + b"=" + data + b"\n"
    return datagram
