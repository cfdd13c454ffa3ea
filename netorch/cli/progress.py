"""Draws the progress of long work as one line on a terminal, and removes it at the end."""

from __future__ import annotations

import os
import sys
import time
from unicodedata import category, east_asian_width

from netorch.errors import printable

_WIDTH = 30
_NARROW = 50
"""The number of columns below which the line has no bar, only text."""

_PAUSE = 1 / 15
"""Seconds between two drawings of the line."""


def is_visible() -> bool:
    """Whether a progress line makes sense: standard error is a terminal that can redraw a line, and
    this is not a CI job.
    """
    is_job = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not is_job


class Bar:
    """A progress line on a terminal."""

    def __init__(self, active: bool) -> None:
        self._active = active
        self._drawn = ""
        self._phase = ""
        self._next = 0.0

    def at(self, phase: str, done: int = 0, total: int = 0, what: str = "") -> None:
        """Show the progress: `done` of `total` steps of a phase. `total` is 0 if it is unknown.

        A new phase is drawn at once. Other calls draw only after a pause.
        """
        if not self._active:
            return
        now = time.monotonic()
        if phase == self._phase and now < self._next:
            return
        self._phase, self._next = phase, now + _PAUSE
        text = line(phase, done, total, what, _columns())
        if text != self._drawn:
            self._write(f"\r\x1b[K{text}")
            self._drawn = text

    def clear(self) -> None:
        """Remove the line, so that the next message takes its place."""
        if self._drawn:
            self._drawn = self._phase = ""
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            # the terminal no longer exists, and the work continues without it
            self._active, self._drawn = False, ""


def line(phase: str, done: int, total: int, what: str, columns: int) -> str:
    """Return a line such as `[####......] making 12/40 veth r1/eth0`.

    It is shorter than `columns`, so that no terminal wraps it.
    """
    done = min(done, total)
    filled = done * _WIDTH // total if total else 0
    bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if columns >= _NARROW else ""
    count = f" {done}/{total}" if total else ""
    words = f" {what}" if what else ""
    return cut(printable(f"{bar}{phase}{count}{words}"), columns - 1)


def cut(text: str, columns: int) -> str:
    """Cut a text to the columns of a terminal.

    East Asian letters take two columns, accents none.
    """
    used = 0
    for place, letter in enumerate(text):
        used += (
            0
            if category(letter) in ("Mn", "Me", "Cf")
            else 2
            if east_asian_width(letter) in "WF"
            else 1
        )
        if used > columns:
            return text[:place]
    return text


def _columns() -> int:
    """Return the number of columns of the terminal, or 80 if it is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
