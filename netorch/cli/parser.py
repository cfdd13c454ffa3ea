"""The parser of the command line, made from the table of commands."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from netorch.cli.commands import NAMES, find
from netorch.cli.options import Options, add_common_options
from netorch.cli.status import USAGE
from netorch.version import __version__

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

_EPILOG = """\
exit status: 0 done or in sync, 2 diff found differences, check a failure, or explain no way,
             1 anything went wrong, 64 wrong usage, 130 interrupted; exec and shell pass on the command's own
FILE may be left out: topo.yaml in the current folder, else (but for apply, graph and validate)
the one topology that is live here. `-` reads it from standard input."""


class WrongUsage(SystemExit):
    """The command line makes no sense; `what` says why, and standard error has it already."""

    def __init__(self, what: str) -> None:
        super().__init__(USAGE)
        self.what = what


class Parser(argparse.ArgumentParser):
    """argparse with our exit status for wrong usage, and a guess at what was meant."""

    def error(self, message: str) -> NoReturn:
        from netorch.errors import did_you_mean

        known = list(self.commands)
        wrong = (
            message.rsplit("invalid choice: ", maxsplit=1)[-1].split("'")[1]
            if "invalid choice: '" in message
            else ""
        )
        if wrong and known:
            from netorch.errors import did_you_mean

            message = f"there is no command {wrong!r}. {did_you_mean(wrong, known) or '`netorch --help` lists them.'}"
        elif known and message.endswith("required: COMMAND"):
            message = "a command is missing. `netorch --help` lists them."
        with suppress(OSError):
            self._print_message(f"{self.prog}: {message}\n{self.format_usage()}", sys.stderr)
        raise WrongUsage(message)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """All words of a command line. What is too much is told with the usage of its command, not of netorch."""
        options, rest = self.parse_known_args(words)
        if rest:
            command = self.commands[options.command]
            command.error(command.unknown(rest))
        return options

    def unknown(self, rest: Sequence[str]) -> str:
        """Of words that have no place on the command line: what is wrong with the first."""
        from netorch.errors import did_you_mean

        option = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
        if not option:
            return f"too many words: {' '.join(rest)}"
        if option in self._option_string_actions:
            return f"{option} stands after the command: {self.prog} {option}"

        return f"there is no option {option}. {did_you_mean(option, self._option_string_actions)}".rstrip()

    @property
    def commands(self) -> Mapping[str, Parser]:
        """The parsers of the commands, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices
        return {}


def parse(words: Sequence[str]) -> Options:
    """The option values of a command line, in the class that its command declares."""
    values = parser(words[0] if words else "").parse(words)
    return find(values.command).options(**vars(values))


def parser(first: str = "") -> Parser:
    """The whole command line. What its `first` word leaves nothing to say of is left out."""
    top = Parser(
        prog="netorch",
        description="Network topologies: one YAML file in, kernel state out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"netorch {__version__}")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser, prog=top.prog
    )
    for name in _chosen(first):
        command = find(name)
        summary = command.summary
        about = f"{summary[:1].upper()}{summary[1:]}."
        own = commands.add_parser(name, help=summary, description=about)
        add_common_options(own)
        command.add_options(own)
    return top


def _chosen(first: str) -> tuple[str, ...]:
    """The commands that a command line can be about."""
    if first == "--version":
        return ()
    return (first,) if first in NAMES else NAMES
