"""The command line: words to calls, results to text or JSON, errors to an exit status. Imports what a command needs, when it runs."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from netorch import __version__

DONE, FAILED, DIFFERENT, USAGE, INTERRUPTED = 0, 1, 2, 64, 130
"""Exit statuses. 2 means nothing but «differs»: usage errors are 64 (EX_USAGE of sysexits.h)."""

_EPILOG = """\
exit status: 0 done or in sync, 2 diff found differences, 1 anything went wrong,
             64 wrong usage, 130 interrupted; exec and shell pass on the command's own
FILE may be left out: topo.yaml in the current folder, else (but for apply and validate)
the one topology that is live here. `-` reads it from standard input."""


class Parser(argparse.ArgumentParser):
    """argparse with our exit status for wrong usage, and a guess at what was meant."""

    def error(self, message: str) -> NoReturn:
        known = [name for action in self._actions if isinstance(action, argparse._SubParsersAction) for name in action.choices]
        wrong = message.rsplit("invalid choice: ", maxsplit=1)[-1].split("'")[1] if "invalid choice: '" in message else ""
        if wrong and known:
            close = get_close_matches(wrong, known, n=1)
            message = f"there is no command {wrong!r}." + (f" Did you mean {close[0]!r}?" if close else "")
        self.exit(USAGE, f"{self.prog}: {message}\n{self.format_usage()}")


def parser() -> Parser:
    """The whole command line."""
    common = Parser(add_help=False)
    common.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    common.add_argument("-v", "--verbose", action="store_true", help="print every value, and where in the file it stands")
    common.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    output = Parser(add_help=False)
    output.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form of the output (text)")
    file = Parser(add_help=False)
    file.add_argument(
        "--set", action="append", default=[], type=_setting, metavar="KEY=VALUE", help="value of a variable of the file; may be repeated"
    )
    file.add_argument("--name", help="another instance of the file: its name, and NAME- before what it makes")
    lock = Parser(add_help=False)
    lock.add_argument("--lock-timeout", type=_seconds, default=10.0, metavar="SECONDS", help="wait for another netorch this long (10)")

    top = Parser(
        prog="netorch",
        description="Network topologies: one YAML file in, kernel state out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"netorch {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, about: str, *parents: Parser) -> Parser:
        return commands.add_parser(name, help=about, description=about[:1].upper() + about[1:] + ".", parents=[common, *parents])

    apply = command("apply", "converge the kernel to a file", output, file, lock)
    apply.add_argument("file", nargs="?", metavar="FILE", help="the topology (topo.yaml)")
    apply.add_argument("--dry-run", action="store_true", help="only say what would be done, like diff")
    apply.add_argument("--keep-partial", action="store_true", help="after a failure leave what was done, for a look at it")

    apply.add_argument(
        "--confirm-within",
        type=_seconds,
        metavar="SECONDS",
        help="take all of it back after this time, unless `netorch confirm` is called before (`60s`)",
    )

    apply.add_argument("--plan", metavar="PLAN", help="do what `diff --out PLAN` said, and refuse if the kernel has moved since")

    confirm = command("confirm", "keep what apply --confirm-within did", output, lock)
    confirm.add_argument("name", nargs="?", metavar="NAME", help="the topology (the one that waits)")

    diff = command("diff", "say what apply would do; with two files, what leads from one to the other", output, file)
    diff.add_argument("file", nargs="?", metavar="FILE", help="the topology, or the old one of two")
    diff.add_argument("new", nargs="?", metavar="NEW", help="compare FILE with this one, without a look at the kernel")

    diff.add_argument("--out", metavar="PLAN", help="save the plan for `apply --plan PLAN`")

    destroy = command("destroy", "remove all that a topology made", output, lock)
    destroy.add_argument("target", nargs="?", metavar="FILE|NAME", help="the topology's file or name")
    destroy.add_argument("--name", help="the instance that was applied with this --name")
    destroy.add_argument("--set", action="append", default=[], help=argparse.SUPPRESS)
    destroy.add_argument("--all", action="store_true", help="every topology that is live here")

    command("list", "list the topologies that are live here", output)

    show = command("show", "print the live state of a topology as a tree, or as a file again")
    show.add_argument("target", nargs="?", metavar="NAME|FILE", help="the topology (the one that is live here)")
    show.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="form of the output (text)")

    validate = command("validate", "check files without touching anything", output, file)
    validate.add_argument("files", nargs="*", metavar="FILE", help="topologies (topo.yaml)")

    for name, about in (("exec", "run a command in a node"), ("shell", "open a shell in a node")):
        run = command(name, about)
        run.add_argument("--name", help="the topology, where several have a node of that name")
        run.add_argument("node", metavar="NODE", help="the node")
        if name == "exec":
            run.add_argument("argv", nargs=argparse.REMAINDER, metavar="CMD", help="the command with its arguments")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    try:
        options = parser().parse_args(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    _trap_signals()
    try:
        from netorch.cli import commands

        status = commands.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("netorch: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _silence()
        return FAILED
    except RecursionError:
        print("netorch: the file is nested too deeply", file=sys.stderr)
        return FAILED
    except MemoryError:
        print("netorch: there is not enough memory", file=sys.stderr)
        return FAILED
    except Exception as error:
        if options.debug:
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            _silence()
            print(f"netorch: standard output: {error.strerror}", file=sys.stderr)
            return FAILED
        print(f"netorch: internal error: {type(error).__name__}: {error}. Run again with --debug to see where.", file=sys.stderr)
        return FAILED


def _silence() -> None:
    """Standard output leads nowhere from now on, not even at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere, so that no file of ours gets their numbers, and none of our words."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _trap_signals() -> None:
    """The first signal interrupts, so that what was begun is rolled back; later ones wait for that."""
    seen: list[int] = []

    def interrupt(number: int, _: object) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise KeyboardInterrupt
        os.write(2, b"netorch: rolling back, wait\n")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def _setting(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=VALUE")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 0 and 86400")
    return value


__all__ = ["main", "parser"]
