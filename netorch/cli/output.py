"""Writes the output of commands: results to standard output, everything else to standard error.

Colour and progress appear on a terminal only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from netorch.cli.status import USAGE
from netorch.cli.streams import put, tell

if TYPE_CHECKING:
    # Most commands print little, and do not need these.
    from netorch.cli.options import Options
    from netorch.cli.progress import Bar
    from netorch.converge.intended import Deviation
    from netorch.errors import NetorchError, Position, Problem
    from netorch.render.changes import Change
    from netorch.resolve.loaded import Loaded
    from netorch.state.plan import Step

FIRST_LINES = 60
"""The number of changes that apply and destroy list before they count the objects of each kind."""


class Output:
    """The output of one command, in the format that `-o` selects."""

    def __init__(self, options: Options) -> None:
        self.form = options.output
        self.json = self.form == "json"
        self.quiet = options.quiet
        self.verbose = options.verbose
        self._command = options.command
        self._phase = ""
        self._has_result = False
        self._bar = None if self.quiet or self.form != "text" else _bar()

    @cached_property
    def colour(self) -> bool:
        return _has_colour(sys.stdout)

    def result(self, line: str) -> None:
        self.done()
        self._has_result = True
        put(line)

    def document(self, content: str | bytes, to: str | None) -> None:
        """Write a result of many lines, or of bytes, to the file of `--to` or standard output."""
        if to is None or to == "-":
            if isinstance(content, str):
                self.result(content)
            else:
                sys.stdout.buffer.write(content)
            return
        from netorch.cli.inputs import printable_name, write

        write(to, f"{content}\n" if isinstance(content, str) else content)
        self.note(f"{printable_name(to)}: written")

    def note(self, line: str) -> None:
        """Print a line for the user on standard error. A script does not need it."""
        self.done()
        if not self.quiet:
            tell(line)

    def warn(self, lines: Iterable[str]) -> None:
        from netorch.errors import printable

        for line in lines:
            self.done()
            if self.form == "github":
                from netorch.render import github

                tell(github.warning(line))
            else:
                tell(printable(f"warning: {line}"))

    def print_notes(self, warnings: Iterable[str], notes: Iterable[str]) -> None:
        """Print the warnings and notes of a command that has finished."""
        self.done()
        self.warn(warnings)
        for note in notes:
            self.note(note)

    def fail(self, error: NetorchError) -> None:
        """Print an error, as lines for the user and in the format that `-o` selects."""
        self.done()
        if self.json:
            from netorch.render import json

            self._failed(json.failure(error))
        elif self.form == "markdown":
            from netorch.render import markdown

            self._failed(markdown.failure(error).rstrip())
        elif self.form == "github":
            from netorch.cli.repository import path_in, set_outputs, summarise
            from netorch.render import github, json, markdown

            for line in github.failure(error, path_in):
                tell(line)
            summarise(markdown.failure(error, markdown.SUMMARY), self.warn)
            set_outputs(lambda: json.failure(error), self.warn)
            return
        elif self.form == "gitlab":
            from netorch.cli.repository import path_in
            from netorch.render import gitlab

            entries = gitlab.of_problems(error.problems, path_in(error.file))
            self._failed(gitlab.report(entries))
        self.say(error)

    def say(self, error: NetorchError) -> None:
        """Print an error as lines for the user."""
        self.done()
        from netorch.render import excerpt

        colour, is_terminal = _has_colour(sys.stderr), sys.stderr.isatty()
        for line in excerpt.report(error, error_columns(), colour=colour, wrap=is_terminal):
            tell(line)

    def confirm(self, question: str) -> bool:
        """Ask the user at a terminal.

        Return True if there is no terminal, because a script cannot answer.
        """
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        self.done()
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def usage(self, what: str) -> int:
        """Print a usage error that the parser cannot find. Returns the exit status."""
        if self.json:
            from netorch.errors import Problem
            from netorch.render import json

            self._failed(json.problem("UsageError", Problem("usage", what)))
        tell(f"netorch {self._command}: {what}")
        return USAGE

    def broken_off(self, kind: str, problem: Problem) -> None:
        """Print the JSON document of a command that did not finish.

        The caller prints the message for the user.
        """
        self.done()
        if self.json:
            from netorch.render import json

            self._failed(json.problem(kind, problem))

    def _failed(self, document: str) -> None:
        # only if nothing was printed yet, because the output is one JSON document
        if not self._has_result:
            self.result(document)

    def listing(
        self,
        differences: Sequence[Change],
        loaded: Loaded | None = None,
        *,
        short: bool = False,
        commands: bool = True,
    ) -> None:
        """Print the changes, one on each line. `short` cuts a long list, except with --verbose.

        Without `commands`, --verbose does not list the shell commands that would do the same.
        """
        if not differences:
            return
        if not self.verbose:
            self._short_listing(differences, by_kind=short)
            return
        from netorch.render import text

        place = place_text(loaded) if self.verbose and loaded is not None else lambda _: ""
        lists_commands = self.verbose and commands
        lines = list(
            text.change_lines(
                differences,
                colour=self.colour,
                verbose=self.verbose,
                place=place,
                commands=shell_commands(loaded) if loaded and lists_commands else lambda _: [],
            )
        )
        for line in lines:
            self.result(line)

    def listing_for_users(self, differences: Sequence[Change], summary: str) -> None:
        """Print the changes and their summary on standard error, beside a result for a program."""
        from netorch.render import compact

        for line in compact.lines(differences):
            self.note(line)
        self.note(summary)

    def _short_listing(self, differences: Sequence[Change], *, by_kind: bool) -> None:
        """Print equal changes as one line. With `by_kind`, count the objects of a long list."""
        from netorch.render import compact

        columns = output_columns() if sys.stdout.isatty() else 0
        many = by_kind and len(differences) > FIRST_LINES + 10
        lines = list(compact.lines(differences, by_kind=many, colour=self.colour, columns=columns))
        cut = FIRST_LINES if by_kind and len(lines) > FIRST_LINES + 10 else len(lines)
        for line in lines[:cut]:
            self.result(line)
        if cut < len(lines):
            self.result(f"… and {len(lines) - cut} more (-v lists them all)")
        elif many and len(lines) < len(differences):
            self.result("(-v lists each of them)")

    def adopted(self, titles: Sequence[str]) -> None:
        """Print the objects that a topology takes over, one line for each, or for each kind."""
        if len(titles) <= FIRST_LINES or self.verbose:
            for title in titles:
                self.result(f"= {title}  as it is")
            return
        # here, because most commands adopt nothing
        from netorch.render.text import count_text

        kinds: dict[str, int] = {}
        for title in titles:
            kind = title.partition(" ")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
        counts = ", ".join(count_text(number, kind) for kind, number in kinds.items())
        self.result(f"= {counts}  as they are (-v lists each of them)")

    def intended(self, deviations: Iterable[Deviation]) -> None:
        """Print what users have done on purpose, one line for each."""
        for deviation in deviations:
            # here, because most topologies have none
            from netorch.errors import printable
            from netorch.render.text import paint

            line = printable(f"! intended: {deviation.text()}")
            self.result(paint(line, "36", self.colour))

    @property
    def columns(self) -> int:
        """The width in which results are wrapped, 0 if they are not, as in a pipe."""
        given = os.environ.get("COLUMNS", "")
        if given.isascii() and given.isdecimal() and int(given):
            return int(given)
        return output_columns() if sys.stdout.isatty() else 0

    def phase(self, name: str) -> None:
        """Show the name of the phase that begins now, on a terminal."""
        self._phase = name
        self._show(name)

    def count_read(self, done: int, total: int) -> None:
        """Show how many namespaces have been read, on a terminal."""
        if done < total:
            self._show(self._phase or "reading", done, total, "namespaces")
        else:
            self._show("comparing")

    def progress(self, done: int, total: int, step: Step) -> None:
        if self._bar is not None:
            self.bar(done, total, step.resource.title())

    def bar(self, done: int, total: int, what: str) -> None:
        """Show how much of long work is done, on a terminal."""
        self._show(self._phase or "making", done, total, what)

    def _show(self, phase: str, done: int = 0, total: int = 0, what: str = "") -> None:
        if self._bar is not None:
            self._bar.at(phase, done, total, what)

    def done(self) -> None:
        """Remove the progress line, because the work has ended or a message follows."""
        if self._bar is not None:
            self._bar.clear()


def _has_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def error_columns() -> int:
    """Return the width of the terminal that shows errors, 80 if it is none."""
    return _columns(sys.stderr)


def output_columns() -> int:
    """Return the width of the terminal that shows the results, 80 if it is none."""
    return _columns(sys.stdout)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (AttributeError, ValueError, OSError):
        return 80


def _bar() -> Bar | None:
    """Return a progress line, or None if it makes no sense here."""
    if not sys.stderr.isatty():
        return None
    from netorch.cli.progress import Bar, is_visible

    return Bar(True) if is_visible() else None


def place_text(loaded: Loaded) -> Callable[[Change], str]:
    """Return a function: change → `FILE:LINE`."""
    find = place_in(loaded)
    return lambda change: f"{loaded.file}:{place.line}" if (place := find(change)) else ""


def place_in(loaded: Loaded) -> Callable[[Change], Position | None]:
    """Return a function: change → the position of its object in the file."""
    return lambda change: loaded.where(loaded.desired.origins.get(change.key, ()))


def shell_commands(loaded: Loaded) -> Callable[[Change], list[str]]:
    """Return a function: change → the shell commands that would make the same change."""
    from netorch.render.script.whole_topology import commands_of

    commands = commands_of(loaded.desired)
    return lambda change: commands(change.steps)
