"""Where words go: results to standard output, all else to standard error; colour and progress on a terminal only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from netorch.core import Step
from netorch.errors import NetorchError, Position
from netorch.loading import Loaded
from netorch.render import json, text
from netorch.render.changes import Change

FIRST_LINES = 60
"""Changes that apply and destroy list before they say how many more there are."""


class Output:
    """The two streams of one command."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.json = getattr(options, "output", "text") == "json"
        self.quiet: bool = options.quiet
        self.verbose: bool = options.verbose
        self._bar = False

    @cached_property
    def colour(self) -> bool:
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def result(self, line: str) -> None:
        print(line)

    def note(self, line: str) -> None:
        """For the person at the terminal; nothing that a script would read."""
        self._end_bar()
        if not self.quiet:
            print(line, file=sys.stderr)

    def warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._end_bar()
            print(f"warning: {line}", file=sys.stderr)

    def fail(self, error: NetorchError) -> None:
        self._end_bar()
        if self.json:
            self.result(json.failure(error))
        for line in error.lines():
            print(f"netorch: {line}" if not error.file else line, file=sys.stderr)

    def listing(self, found: Sequence[Change], loaded: Loaded | None = None, *, short: bool = False) -> None:
        """The changes, each a line; `short` cuts a long list unless --verbose was given."""
        place = place_text(loaded) if self.verbose and loaded is not None else lambda _: ""
        lines = list(text.change_lines(found, colour=self.colour, verbose=self.verbose, place=place))
        cut = FIRST_LINES if short and not self.verbose and len(lines) > FIRST_LINES + 10 else len(lines)
        for line in lines[:cut]:
            self.result(line)
        if cut < len(lines):
            self.result(f"… and {len(lines) - cut} more (-v lists them all)")

    def progress(self, done: int, total: int, step: Step) -> None:
        self.bar(done, total, step.resource.title())

    def bar(self, done: int, total: int, what: str) -> None:
        """How far long work is, on a terminal."""
        if self.quiet or self.json or not sys.stderr.isatty() or total < 2:
            return
        width = 30
        filled = min(width, done * width // max(total, 1))
        line = f"[{'#' * filled}{'.' * (width - filled)}] {min(done, total)}/{total} {what}"
        columns = os.get_terminal_size(2).columns
        sys.stderr.write(f"\r\x1b[K{line[: columns - 1]}")
        sys.stderr.flush()
        self._bar = True

    def _end_bar(self) -> None:
        if self._bar:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._bar = False

    done = _end_bar


def place_text(loaded: Loaded) -> Callable[[Change], str]:
    """Change → `FILE:LINE`."""
    find = place_in(loaded)
    return lambda change: f"{loaded.file}:{found.line}" if (found := find(change)) else ""


def place_in(loaded: Loaded) -> Callable[[Change], Position | None]:
    """Change → where its object stands in the file."""
    return lambda change: loaded.where(loaded.desired.origins.get(change.key, ()))
