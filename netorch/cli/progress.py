"""What long work is at, as one line at the end of a terminal that is drawn over and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import time
from unicodedata import category, east_asian_width

from netorch.errors import printable

_WIDTH = 30
_NARROW = 50
"""Columns below which there is no room for a bar beside the words."""

_PAUSE = 1 / 15
"""Seconds between two drawings."""


def is_visible() -> bool:
    """Whether somebody is there to see it: a terminal that can go back in its line, and no robot's."""
    robot = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not robot


class Bar:
    """The line. `at` says what is being done: a phase, how much of it, and of what."""

    def __init__(self, active: bool) -> None:
        self._active = active
        self._drawn = ""
        self._phase = ""
        self._next = 0.0

    def at(self, phase: str, done: int = 0, total: int = 0, what: str = "") -> None:
        """`done` of `total` (0: nobody knows). A new phase is drawn at once, all else when its time has come."""
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
        """Take the line away; what is said next stands in its place."""
        if self._drawn:
            self._drawn = self._phase = ""
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            # the terminal is gone; what is being done goes on
            self._active, self._drawn = False, ""


def line(phase: str, done: int, total: int, what: str, columns: int) -> str:
    """`[####......] making 12/40 veth r1/eth0`, cut to less than so many columns, so that no terminal breaks the line."""
    done = min(done, total)
    filled = done * _WIDTH // total if total else 0
    bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if columns >= _NARROW else ""
    count = f" {done}/{total}" if total else ""
    words = f" {what}" if what else ""
    return cut(printable(f"{bar}{phase}{count}{words}"), columns - 1)


def cut(text: str, columns: int) -> str:
    """As much of the beginning as so many columns of a terminal hold; East Asian letters take two, accents none."""
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
    """Of the terminal; 80 where it does not know."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
