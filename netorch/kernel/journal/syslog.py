"""The line of an act in syslog: a sentence, and the act as JSON behind it. Without I/O."""

from __future__ import annotations

import time

from netorch.immutable import replace
from netorch.kernel.journal.native import LONGEST, priority
from netorch.values.act import Act
from netorch.values.typed_json import decode, encode

_DAEMON = 3 << 3
"""The facility (syslog(3))."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BEGIN = " netorch-act={"
"""What precedes the JSON in a line."""


def line(act: Act, pid: int) -> bytes:
    """Return the datagram for /dev/log."""
    now = time.localtime(act.time)
    clock = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {time.strftime('%H:%M:%S', now)}"
    short = replace(act, reason=act.reason[:LONGEST])
    # JSON has only printable ASCII, so the line stays one
    sentence = "".join(sign if sign.isprintable() else " " for sign in short.text())
    text = f"<{_DAEMON | priority(act)}>{clock} netorch[{pid}]: {sentence}"
    return f"{text}{_BEGIN}{encode(short)[1:]}".encode("utf-8", "replace")


def act_of(text: str) -> Act | None:
    """Return the act in a line of a log file, or None if it has none, or only a part of one."""
    before, begin, rest = text.partition(_BEGIN)
    if not begin or " netorch[" not in f" {before}":
        return None
    try:
        return decode("{" + rest, Act)
    except ValueError:
        return None
