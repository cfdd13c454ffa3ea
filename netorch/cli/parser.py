"""The words of the command line: one function a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from netorch import __version__
from netorch.cli import USAGE

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
        known = list(self._commands)
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
        self._print_message(f"{self.prog}: {message}\n{self.format_usage()}", sys.stderr)
        raise WrongUsage(message)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """All words of a command line. What is too much is told with the usage of its command, not of netorch."""
        options, rest = self.parse_known_args(words)
        if rest:
            command = self._commands[options.command]
            command.error(command.unknown(rest))
        return options

    def unknown(self, rest: Sequence[str]) -> str:
        """Of words that have no place on the command line: what is wrong with the first."""
        option = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
        if not option:
            return f"too many words: {' '.join(rest)}"
        if option in self._option_string_actions:
            return f"{option} stands after the command: {self.prog} {option}"
        from netorch.errors import did_you_mean

        return f"there is no option {option}. {did_you_mean(option, self._option_string_actions)}".rstrip()

    @property
    def _commands(self) -> Mapping[str, Parser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices
        return {}


class Words(NamedTuple):
    """What the functions below make their commands with: `command`, and the options that several have."""

    command: Callable[..., Parser]
    output: Parser
    file: Parser
    lock: Parser


def parser(first: str = "") -> Parser:
    """The whole command line; if its `first` word is a command, no other commands, of which nothing would be said."""
    common = Parser(add_help=False)
    common.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    common.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print more: every value, where in the file it stands, and the commands that would do the same",
    )
    common.add_argument(
        "--debug", action="store_true", help="show a traceback when something fails"
    )
    output = Parser(add_help=False)
    output.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the output (text)"
    )
    file = Parser(add_help=False)
    file.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="value of a variable of the file; may be repeated",
    )
    file.add_argument(
        "--name", help="another instance of the file: its name, and NAME- before what it makes"
    )
    lock = Parser(add_help=False)
    lock.add_argument(
        "--lock-timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="wait for another netorch this long (10)",
    )

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

    def command(name: str, about: str, *parents: Parser) -> Parser:
        made: Parser = commands.add_parser(
            name,
            help=about,
            description=about[:1].upper() + about[1:] + ".",
            parents=[common, *parents],
        )
        return made

    words = Words(command, output, file, lock)
    for add in dict.fromkeys([_COMMANDS[first]] if first in _COMMANDS else _COMMANDS.values()):
        add(words)
    return top


def _apply(words: Words) -> None:
    apply = words.command(
        "apply", "converge the kernel to a file", words.output, words.file, words.lock
    )
    apply.add_argument("file", nargs="?", metavar="FILE", help="the topology (topo.yaml)")
    apply.add_argument(
        "--dry-run", action="store_true", help="only say what would be done, like diff"
    )
    apply.add_argument(
        "--keep-partial",
        action="store_true",
        help="after a failure leave what was done, for a look at it",
    )
    apply.add_argument(
        "--confirm-within",
        type=_seconds,
        metavar="SECONDS",
        help="take all of it back after this time, unless `netorch confirm` is called before (`60s`)",
    )
    apply.add_argument(
        "--plan",
        metavar="PLAN",
        help="do what `diff --out PLAN` said, and refuse if the kernel has moved since",
    )


def _check(words: Words) -> None:
    check = words.command(
        "check", "try by real packets what a file's checks say", words.output, words.file
    )
    check.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the topology (topo.yaml, or the one that is live here)",
    )
    check.add_argument(
        "--timeout",
        type=_patience,
        default=None,
        metavar="SECONDS",
        help="how long an answer may take where one is wanted (5)",
    )


def _confirm(words: Words) -> None:
    confirm = words.command(
        "confirm", "keep what apply --confirm-within did", words.output, words.lock
    )
    confirm.add_argument(
        "name", nargs="?", metavar="NAME", help="the topology (the one that waits)"
    )


def _diff(words: Words) -> None:
    diff = words.command(
        "diff",
        "say what apply would do; with two files, what leads from one to the other",
        words.file,
    )
    forms = ("text", "json", "github", "markdown")
    diff.add_argument(
        "-o",
        "--output",
        choices=forms,
        default="text",
        help="form of the output (text); github: annotations for a job, markdown: a comment",
    )
    diff.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the topology (topo.yaml, or the one that is live here), or the old one of two",
    )
    diff.add_argument(
        "new",
        nargs="?",
        metavar="NEW",
        help="compare FILE with this one, without a look at the kernel",
    )
    diff.add_argument("--out", metavar="PLAN", help="save the plan for `apply --plan PLAN`")


def _destroy(words: Words) -> None:
    destroy = words.command("destroy", "remove all that a topology made", words.output, words.lock)
    destroy.add_argument(
        "target",
        nargs="?",
        metavar="FILE|NAME",
        help="the topology's file or name (topo.yaml, or the one that is live here)",
    )
    destroy.add_argument("--name", help="the instance that was applied with this --name")
    destroy.add_argument("--set", action="append", default=[], help=argparse.SUPPRESS)
    destroy.add_argument("--all", action="store_true", help="every topology that is live here")


def _list(words: Words) -> None:
    words.command("list", "list the topologies that are live here", words.output)


def _show(words: Words) -> None:
    show = words.command("show", "print the live state of a topology as a tree, or as a file again")
    show.add_argument(
        "target",
        nargs="?",
        metavar="NAME|FILE",
        help="the topology (topo.yaml, or the one that is live here)",
    )
    show.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml"),
        default="text",
        help="form of the output (text)",
    )


def _graph(words: Words) -> None:
    graph = words.command(
        "graph", "draw a topology: a file, or what is live and where it has drifted", words.file
    )
    graph.add_argument("file", nargs="?", metavar="FILE", help="the topology (topo.yaml)")
    graph.add_argument(
        "--live",
        nargs="?",
        const="",
        metavar="NAME",
        help="what the kernel has of a topology (the one that is live here), drift in red",
    )
    graph.add_argument(
        "-o",
        "--output",
        choices=("mermaid", "dot", "svg", "html"),
        help="form of the picture (what the suffix of PATH says; without one mermaid); svg and html need netorch[graph]",
    )
    graph.add_argument("--to", metavar="PATH", help="write it to a file instead of standard output")


def _validate(words: Words) -> None:
    validate = words.command(
        "validate", "check files without touching anything", words.output, words.file
    )
    validate.add_argument("files", nargs="*", metavar="FILE", help="topologies (topo.yaml)")


def _explain(words: Words) -> None:
    explain = words.command(
        "explain",
        "say how a packet gets from node A to node B, or why it does not; with a FILE, print the commands that make it, as a shell script",
        words.output,
        words.file,
    )
    explain.add_argument(
        "words",
        nargs="*",
        metavar="FILE|A B",
        help="the topology; or from where and to where: NODE, NODE:IF or an address",
    )
    explain.add_argument(
        "--marks",
        action="store_true",
        help="FILE: with the marks by which netorch knows it for its own afterwards",
    )
    explain.add_argument(
        "--file",
        dest="topology",
        metavar="FILE",
        help="A B: the topology that the nodes are of (topo.yaml)",
    )
    explain.add_argument(
        "--offline",
        action="store_true",
        help="A B: go by what the file asks for, without a look at the kernel",
    )
    explain.add_argument(
        "--tcp",
        type=_port,
        metavar="PORT",
        help="A B: a TCP connection to this port (an ICMP echo)",
    )


def _exec_and_shell(words: Words) -> None:
    for name, about in (("exec", "run a command in a node"), ("shell", "open a shell in a node")):
        run = words.command(name, about)
        run.add_argument(
            "-o",
            "--output",
            choices=("text", "json"),
            default="text",
            help="form of netorch's own errors (text)",
        )
        run.add_argument("--name", help="the topology, where several have a node of that name")
        run.add_argument("node", metavar="NODE", help="the node")
        if name == "exec":
            run.add_argument(
                "argv",
                nargs=argparse.REMAINDER,
                metavar="CMD",
                help="the command with its arguments",
            )


def _schema(words: Words) -> None:
    schema = words.command("schema", "print the JSON Schema of topology files, for editors")
    schema.add_argument("--to", metavar="PATH", help="write it to a file")


def _completion(words: Words) -> None:
    completion = words.command(
        "completion", "print what makes a shell complete netorch's words and names"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def _doctor(words: Words) -> None:
    doctor = words.command(
        "doctor",
        "say what this kernel can do, and what on this machine gets in the way, each with its remedy",
        words.output,
        words.file,
    )
    doctor.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="look for what would keep this topology from being applied, too",
    )


_COMMANDS = {
    "apply": _apply,
    "confirm": _confirm,
    "diff": _diff,
    "destroy": _destroy,
    "list": _list,
    "show": _show,
    "check": _check,
    "explain": _explain,
    "graph": _graph,
    "exec": _exec_and_shell,
    "shell": _exec_and_shell,
    "validate": _validate,
    "doctor": _doctor,
    "schema": _schema,
    "completion": _completion,
}
"""Command: what adds its words, in the order of the help."""


def _setting(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=VALUE")
    return text


def _patience(text: str) -> float:
    value = _seconds(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: no less than 0.1 seconds")
    return value


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port between 1 and 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 0 and 86400")
    return value
