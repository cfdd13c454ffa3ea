"""Where words go: results to standard output, all else to standard error; colour and progress on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netorch.cli.progress import Bar, is_visible
from netorch.cli.status import USAGE
from netorch.cli.streams import put, tell
from netorch.errors import NetorchError, Position, Problem, printable
from netorch.render import json, text
from netorch.render.changes import Change

if TYPE_CHECKING:
    # a command that loads no file does without the models
    from netorch.cli.options import Options
    from netorch.resolve.loader import Loaded
    from netorch.state.plan import Step

FIRST_LINES = 60
"""Changes that apply and destroy list before they say how many more there are."""


class Output:
    """The two streams of one command. `form`: what -o says."""

    def __init__(self, options: Options) -> None:
        self.form = options.output
        self.json = self.form == "json"
        self.quiet = options.quiet
        self.verbose = options.verbose
        self._command = options.command
        self._phase = ""
        self._told = False
        self._bar = Bar(not self.quiet and self.form == "text" and is_visible())

    @cached_property
    def colour(self) -> bool:
        return (
            sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def result(self, line: str) -> None:
        self.done()
        self._told = True
        put(line)

    def document(self, text: str, to: str | None) -> None:
        """A result of many lines: to standard output, or to the file that `--to` names."""
        if to is None or to == "-":
            self.result(text)
            return
        from netorch.cli.inputs import printable_name, write

        write(to, f"{text}\n")
        self.note(f"{printable_name(to)}: written")

    def note(self, line: str) -> None:
        """For the person at the terminal; nothing that a script would read."""
        self.done()
        if not self.quiet:
            tell(line)

    def warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.done()
            if self.form == "github":
                from netorch.render import github

                tell(github.warning(line))
            else:
                tell(printable(f"warning: {line}"))

    def print_notes(self, warnings: Iterable[str], notes: Iterable[str]) -> None:
        """What a command that is over has to say beside its result."""
        self.done()
        self.warn(warnings)
        for note in notes:
            self.note(note)

    def fail(self, error: NetorchError) -> None:
        """The error in the form that was asked for, in place of the result, and in lines for the person."""
        self.done()
        if self.json:
            self._failed(json.failure(error))
        elif self.form == "markdown":
            from netorch.render import markdown

            self._failed(markdown.failure(error).rstrip())
        elif self.form == "github":
            from netorch.cli.repository import path_in
            from netorch.render import github

            for line in github.failure(error, path_in):
                tell(line)
            return
        self.say(error)

    def say(self, error: NetorchError) -> None:
        """The error in lines for the person."""
        self.done()
        for line in error.lines():
            tell(f"netorch: {line}" if not error.file else line)

    def confirm(self, question: str) -> bool:
        """Ask the person at a terminal; true without one, because a script has decided already."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        self.done()
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def usage(self, what: str) -> int:
        """Wrong usage that only the command itself can tell; its status."""
        if self.json:
            self._failed(json.problem("UsageError", Problem("usage", what)))
        tell(f"netorch {self._command}: {what}")
        return USAGE

    def broken_off(self, kind: str, problem: Problem) -> None:
        """The document of a command that came to no end; whoever ends it has said so to the person."""
        self.done()
        if self.json:
            self._failed(json.problem(kind, problem))

    def _failed(self, document: str) -> None:
        # one document, whatever comes after it
        if not self._told:
            self.result(document)

    def listing(
        self, found: Sequence[Change], loaded: Loaded | None = None, *, short: bool = False
    ) -> None:
        """The changes, each a line; `short` cuts a long list unless --verbose was given."""
        place = place_text(loaded) if self.verbose and loaded is not None else lambda _: ""
        commands = shell_commands(loaded) if self.verbose and loaded is not None else lambda _: []
        lines = list(
            text.change_lines(
                found, colour=self.colour, verbose=self.verbose, place=place, commands=commands
            )
        )
        cut = (
            FIRST_LINES
            if short and not self.verbose and len(lines) > FIRST_LINES + 10
            else len(lines)
        )
        for line in lines[:cut]:
            self.result(line)
        if cut < len(lines):
            self.result(f"… and {len(lines) - cut} more (-v lists them all)")

    def phase(self, name: str) -> None:
        """What is being done from now on, for who waits at a terminal."""
        self._phase = name
        self._bar.at(name)

    def count_read(self, done: int, total: int) -> None:
        """So many namespaces have been read."""
        if done < total:
            self._bar.at(self._phase or "reading", done, total, "namespaces")
        else:
            self._bar.at("comparing")

    def progress(self, done: int, total: int, step: Step) -> None:
        self.bar(done, total, step.resource.title())

    def bar(self, done: int, total: int, what: str) -> None:
        """How far long work is, for who waits at a terminal."""
        self._bar.at(self._phase or "making", done, total, what)

    def done(self) -> None:
        """Nothing is being done any more, or something is to be said."""
        self._bar.clear()


def place_text(loaded: Loaded) -> Callable[[Change], str]:
    """Change → `FILE:LINE`."""
    find = place_in(loaded)
    return lambda change: f"{loaded.file}:{found.line}" if (found := find(change)) else ""


def place_in(loaded: Loaded) -> Callable[[Change], Position | None]:
    """Change → where its object stands in the file."""
    return lambda change: loaded.where(loaded.desired.origins.get(change.key, ()))


def shell_commands(loaded: Loaded) -> Callable[[Change], list[str]]:
    """Change → the commands that would do the same."""
    from netorch.render.script.whole_topology import commands_of

    said = commands_of(loaded.desired)
    return lambda change: said(change.steps)
