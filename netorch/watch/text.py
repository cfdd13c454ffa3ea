"""Writes events as lines for people, and as JSON for programs."""

from __future__ import annotations

import json
import time
from typing import Any

from netorch.render.text import count_text
from netorch.watch.events import NOBODY, Actor, Change, Event, Sort

COLOURS = {
    Sort.DRIFT: "33",
    Sort.FAILED: "31",
    Sort.GAVE_UP: "31",
    Sort.COMMAND: "31",
    Sort.RESTORED: "32",
    Sort.IN_SYNC: "32",
    Sort.RECONCILED: "32",
    Sort.INTENDED: "36",
}
"""The colour of an event on a terminal."""
_MOST_LINES = 20
"""The most lines of a file that the JSON of an event has."""


def line(event: Event) -> str:
    """Return an event as a line: time, topology, and a sentence."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.time))
    subject = ": ".join(filter(None, (event.topology, event.object)))
    return f"{clock} {subject}: {_sentence(event)}" if subject else f"{clock} {_sentence(event)}"


def _sentence(event: Event) -> str:
    match event.sort:
        case Sort.WATCH:
            return "is watched from now on"
        case Sort.DRIFT:
            return f"{_drift(event)}{_by(event)}"
        case Sort.INTENDED:
            return f"intended: {event.reason}"
        case Sort.RESTORED:
            return f"{_restored(event)}{_by(event)}"
        case Sort.IN_SYNC:
            return "in sync again"
        case Sort.APPLIED:
            return f"a file was applied{_by(event)}"
        case Sort.DESTROYED:
            return f"was destroyed{_by(event)}"
        case Sort.RECONCILED:
            return f"put right: {event.reason}"
        case Sort.FAILED | Sort.GAVE_UP | Sort.COMMAND | Sort.NOTE:
            return event.reason
    raise AssertionError(event.sort)


def _drift(event: Event) -> str:
    if event.change is Change.MISSING:
        more = len(event.consequences)
        return f"is missing, and {count_text(more, 'object')} with it" if more else "is missing"
    if event.change is Change.UNEXPECTED:
        return "exists, but is not in the file"
    if event.missing_lines or event.extra_lines:
        lacks, has = len(event.missing_lines), len(event.extra_lines)
        words = [
            f"lacks {count_text(lacks, 'line')}" if lacks else "",
            f"has {count_text(has, 'line')} that {'is' if has == 1 else 'are'} not in the file"
            if has
            else "",
        ]
        return " and ".join(filter(None, words))
    if not event.attribute:
        return "differs from the file"
    return f"{event.attribute} changed from {_value(event.before)} to {_value(event.after)}"


def _restored(event: Event) -> str:
    if event.change is None:
        return event.reason
    if event.change is Change.MISSING:
        return "exists again"
    if event.change is Change.UNEXPECTED:
        return "does not exist any more"
    if not event.attribute or event.missing_lines or event.extra_lines:
        return "is as in the file again"
    return f"{event.attribute} is {_value(event.after)} again"


def _value(value: str | None) -> str:
    return "none" if value is None else value


def _by(event: Event) -> str:
    if event.who == NOBODY:
        return ""
    command = f": {event.reason}" if event.reason else ""
    return f", by {event.who.text}{command}"


def as_json(event: Event) -> str:
    """Return an event as one line of JSON, which docs/json.md documents."""
    return json.dumps(fields(event), ensure_ascii=False)


def fields(event: Event) -> dict[str, Any]:
    """Return the fields of the JSON object of an event."""
    return {
        "version": 1,
        "time": rfc3339(event.time),
        "topology": event.topology or None,
        "event": event.sort.value,
        "object": event.object or None,
        "kind": event.kind or None,
        "change": event.change.value if event.change is not None else None,
        "attribute": event.attribute or None,
        "before": event.before,
        "after": event.after,
        "missing_lines": list(event.missing_lines[:_MOST_LINES]),
        "extra_lines": list(event.extra_lines[:_MOST_LINES]),
        "consequences": list(event.consequences),
        "who": None if event.who == NOBODY else _who(event.who),
        "reason": event.reason or None,
        "text": _sentence(event),
    }


def _who(who: Actor) -> dict[str, Any]:
    return {
        "pid": who.pid or None,
        "command": who.command or None,
        "user": who.user or None,
        "protocol": who.protocol or None,
    }


def rfc3339(seconds: float) -> str:
    """Return a time in UTC with milliseconds, as in RFC 3339."""
    whole, fraction = divmod(round(seconds * 1000), 1000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{fraction:03}Z", time.gmtime(whole))
