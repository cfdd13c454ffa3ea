"""Writes the acts of the machine's log as a table, and as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netorch.errors import printable
from netorch.values.act import DONE, Act

_HEADER = ("TIME", "NAME", "ACT", "WHO", "FILE", "RESULT")
_SERVICE = ".service"


def row(act: Act, user_name: Callable[[int], str]) -> dict[str, Any]:
    """Return one act for the JSON document."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(act.time)),
        "topology": printable(act.topology),
        "machine": printable(act.machine) or None,
        "act": printable(act.act),
        "outcome": printable(act.outcome),
        "reason": printable(act.reason) or None,
        "codes": [printable(code) for code in act.codes],
        "summary": dict(act.counts),
        "seconds": act.seconds,
        "confirm_within": act.trial,
        "file": printable(act.file) or None,
        "digest": printable(act.digest) or None,
        "user": _user(act, user_name),
        "uid": act.caller.uid,
        "loginuid": act.caller.loginuid,
        "unit": printable(act.unit) or None,
        "netorch": printable(act.version),
    }


def listing(acts: Sequence[Act], user_name: Callable[[int], str], *, full: bool) -> Iterator[str]:
    """Yield the lines of the table, the newest act last.

    Without `full`, a reason is cut after its first sentence, so that an act is a line.
    """
    rows = [_HEADER, *(_cells(act, user_name, full) for act in acts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()


def _cells(act: Act, user_name: Callable[[int], str], full: bool) -> tuple[str, ...]:
    machine = f"@{act.machine}" if act.machine else ""
    cells = (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(act.time)),
        f"{act.topology}{machine}",
        act.act,
        _user(act, user_name),
        act.file or "-",
        _result(act, full),
    )
    return tuple(map(printable, cells))


def _result(act: Act, full: bool) -> str:
    reason = act.reason if full else act.reason.partition(". ")[0]
    if act.outcome != DONE:
        return f"{act.outcome}: {reason}" if reason else act.outcome
    words = [act.changes]
    if act.trial is not None:
        words.append(f"to confirm within {act.trial:g} s")
    words.append(reason)
    return ", ".join(filter(None, words)) or "done"


def _user(act: Act, user_name: Callable[[int], str]) -> str:
    """Return who it was: the user behind sudo, the one who logged in, or the service."""
    caller = act.caller
    if caller.sudo_user:
        return printable(caller.sudo_user)
    if act.unit.endswith(_SERVICE) and caller.loginuid is None:
        return printable(act.unit.removesuffix(_SERVICE))
    number = caller.loginuid if caller.loginuid is not None else caller.uid
    return printable(user_name(number)) or str(number)
