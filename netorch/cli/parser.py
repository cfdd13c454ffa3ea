"""Makes the parser of the command line from the table of commands."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress

from netorch.cli.command import GROUPS
from netorch.cli.commands import NAMES, find
from netorch.cli.options import Options, add_common_options
from netorch.cli.status import USAGE
from netorch.version import __version__

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from typing import NoReturn

    from netorch.cli.command import Command

_EPILOG = """\
`netorch help COMMAND` shows the options and examples of a command.

exit status:
  0    success; diff: no differences
  1    an error
  2    diff, apply --dry-run, watch --once: differences; check: one failed;
       explain: the packet does not arrive; import: what is lost changes who
       reaches whom
  64   wrong usage
  130  interrupted
exec and shell end with the exit status of their command.

Without FILE, netorch uses topo.yaml in the current folder. If there is none, it
uses the only live topology (except with apply, graph and validate). With `-` it
reads standard input."""

_WITH_VALUE = ("-o", "--output", "--set", "--name", "--host")
"""Options with a value that may stand before the command."""


class WrongUsage(SystemExit):
    """A wrong command line. `what` is the problem, which is on standard error already."""

    def __init__(self, what: str) -> None:
        super().__init__(USAGE)
        self.what = what


COLUMNS = 80
"""The largest width of help."""


class _Formatter(argparse.HelpFormatter):
    """A formatter that finds out the columns of the terminal without `shutil`.

    argparse makes one for each option, even if it prints no help, and importing `shutil` takes as
    long as parsing the command line.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(_columns(), COLUMNS) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:  # because the lines of an epilog are as they must be
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def _first_option(words: Sequence[str]) -> str:
    return next((word.partition("=")[0] for word in words if word.startswith("-")), "")


def _columns() -> int:
    """Return what `shutil.get_terminal_size().columns` returns."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            columns = 0
    return columns or 80


class Parser(argparse.ArgumentParser):
    """An argparse parser with netorch's exit status for wrong usage, and with suggestions."""

    spreads = ""
    """The last arguments, which may be in several places between the options; "" for none."""
    words: Sequence[str] = ()
    """The command line that the parser reads, for error messages."""

    def error(self, message: str) -> NoReturn:
        known = list(self.commands)
        wrong = (
            message.rsplit("invalid choice: ", maxsplit=1)[-1].split("'")[1]
            if "invalid choice: '" in message
            else ""
        )
        if wrong and known:
            from netorch.cli.other_words import WORDS
            from netorch.errors import did_you_mean

            lists = "`netorch --help` lists the commands."
            remedy = WORDS.get(wrong.lower()) or did_you_mean(wrong, known) or lists
            message = f"there is no command {wrong!r}. {remedy}"
        elif wrong:
            message = self._not_one_of(message, wrong)
        elif known and message.endswith("required: COMMAND"):
            message = self._without_command()
        with suppress(OSError):
            self._print_message(f"{self.prog}: {message}\n{self.format_usage()}", sys.stderr)
        raise WrongUsage(message)

    def _without_command(self) -> str:
        """Return the error message for a command line without a command."""
        option = _first_option(self.words)
        if option and not any(
            option in parser._option_string_actions for parser in self.commands.values()
        ):
            suggestion = self._instead_of(option, ()) or "`netorch --help` lists the commands."
            return f"there is no option {option}. {suggestion}"
        remedy = "`netorch --help` lists the commands"
        if option == "-v":
            remedy += ", and `netorch --version` prints the version"
        return f"a command is missing. {remedy}."

    def _not_one_of(self, message: str, wrong: str) -> str:
        """Return the error message for a value that its option does not accept."""
        from netorch.errors import did_you_mean

        for action in self._actions:
            names = "/".join(action.option_strings) or action.metavar or action.dest
            if action.choices is not None and message.startswith(f"argument {names}:"):
                choices = [str(choice) for choice in action.choices]
                guess = did_you_mean(wrong, choices)
                if not guess and not action.option_strings:
                    before = [one.metavar or one.dest for one in self._get_positional_actions()]
                    order = before[: before.index(action.metavar or action.dest)]
                    guess = f"Write `{' '.join(map(str, [self.prog, *order, choices[0]]))}`."
                return f"{names}: {wrong!r} is not one of {', '.join(choices)}. {guess}".rstrip()
        return message

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a command line.

        For arguments that are too many, the error shows the usage of the command, not of netorch.
        """
        self.words = words
        options, rest = self.parse_known_args(words)
        if rest:
            command = self.commands[options.command]
            command.error(command.unknown(rest))
        return options

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse a command line, whose `words` may also stand after options."""
        values, rest = super().parse_known_args(args, namespace)
        # argparse takes optional arguments only from one place (`r1 -w FILE icmp`)
        if not self.spreads or not rest or any(word.startswith("-") for word in rest):
            return values, rest
        before = getattr(values, self.spreads)
        if before is not None and not isinstance(before, list):
            return values, rest
        action = next(one for one in self._actions if one.dest == self.spreads)
        try:
            # one that is not a list takes one word
            taken = self._get_values(action, rest if before is not None else rest[:1])
        except argparse.ArgumentError as error:
            self.error(str(error))
        setattr(values, self.spreads, taken if before is None else [*before, *taken])
        return values, rest[1:] if before is None else []

    def unknown(self, rest: Sequence[str]) -> str:
        """Return the error message for arguments that the command does not accept."""
        option = _first_option(rest)
        if not option:
            from netorch.cli.other_words import TOO_MANY

            remedy = TOO_MANY.get(self.prog.rpartition(" ")[2], "")
            return f"too many arguments: {' '.join(rest)}{remedy and f'. {remedy}'}"
        if option in self._option_string_actions:
            return f"{option} belongs after the command: {self.prog} {option}"
        suggestion = self._instead_of(option, self._option_string_actions)
        return f"there is no option {option}. {suggestion}".rstrip()

    def _instead_of(self, option: str, usable: Container[str]) -> str:
        """Return what to write in place of an unknown option, "" if that is not known.

        A word of another tool stands for one of the options `usable`.
        """
        from netorch.cli.other_words import of_option
        from netorch.errors import did_you_mean

        return of_option(option, usable) or did_you_mean(option, self._option_string_actions)

    def format_help(self) -> str:
        """Return the help. That of netorch has its commands in groups."""
        choices = {
            choice.dest: choice
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for choice in action._choices_actions
        }
        if not choices:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for group in GROUPS:
            formatter.start_section(group)
            formatter.add_arguments(
                [choice for name, choice in choices.items() if find(name).group == group]
            )
            formatter.end_section()
        formatter.start_section("Options")
        formatter.add_arguments([action for action in self._actions if action.option_strings])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    @property
    def commands(self) -> Mapping[str, Parser]:
        """The parsers of the commands, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices
        return {}


def parse(words: Sequence[str]) -> Options:
    """Parse a command line. Returns the values in the options class of its command."""
    _help_with_topic(words)
    words = command_first(words)
    values = parser(words[0] if words else "").parse(words)
    return find(values.command).options(**vars(values))


def _help_with_topic(words: Sequence[str]) -> None:
    """Print the page of `help WORD` and exit, if the word is not a command but has a page."""
    if len(words) != 2 or words[0] != "help" or words[1] in NAMES:
        return
    from netorch.cli.topics import page_of

    if page := page_of(words[1]):
        sys.stdout.write(f"{page} describes `{words[1]}`.\n")
        raise SystemExit(0)


def command_first(words: Sequence[str]) -> list[str]:
    """Return the words with the command first, as in `netorch -v diff`, and for `help diff`."""
    if words and words[0] == "help":
        return [*words[1:2], "--help"]
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _WITH_VALUE else 1
    is_moved = 0 < at < len(words) and words[at] in NAMES
    return [words[at], *words[:at], *words[at + 1 :]] if is_moved else [*words]


def parser(first: str = "") -> Parser:
    """Make the parser of the command line.

    `first` is the first argument. If it is a command, the other commands are left out.
    """
    top = Parser(
        prog="netorch",
        description="Make the network that one YAML file declares in the Linux kernel.",
        epilog=_EPILOG,
        formatter_class=_Formatter,
    )
    top.add_argument("--version", action="version", version=f"netorch {__version__}")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser, prog=top.prog
    )
    for name in _chosen(first):
        command = find(name)
        summary = command.summary
        about = f"{summary[:1].upper()}{summary[1:]}."
        own = commands.add_parser(
            name,
            help=summary,
            description=about,
            epilog=_examples(command),
            formatter_class=_Formatter,
        )
        add_common_options(own, command.verbose)
        command.add_options(own)
    return top


def _examples(command: Command) -> str:
    """Return the end of a command's help: its examples, and its page."""
    lines = ["examples:"]
    for words, about in command.examples:
        lines += [f"  netorch {words}", f"      {about}"]
    if command.status_2:
        lines += ["", "exit status 2:", f"  {command.status_2}"]
    return "\n".join([*lines, "", f"See {command.page} and netorch(1)."])


def _chosen(first: str) -> tuple[str, ...]:
    """Return the commands that the parser needs for this first argument."""
    return (first,) if first in NAMES else NAMES
