"""The command line: words to calls, results to text or JSON, errors to an exit status. Imports what a command needs, when it runs."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NoReturn

DEFAULT = "topo.yaml"
"""The file of a command that is given none."""
DONE, FAILED, DIFFERENT, USAGE, INTERRUPTED = 0, 1, 2, 64, 130
"""Exit statuses. 2 means nothing but «differs»: usage errors are 64 (EX_USAGE of sysexits.h)."""


def run() -> NoReturn:
    """The command line as a process. It ends at once: the interpreter takes a fifth of a second to take a large topology apart."""
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    # while there is nothing to roll back: an import that is interrupted in the middle says so at length
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from netorch.cli.parser import WrongUsage, parser

    # a process of seconds that makes next to no cycles: looking for them would take a tenth of its time
    gc.disable()
    words = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    if "_ARGCOMPLETE" in os.environ:
        from netorch.cli.completion import answer

        answer(parser())
    try:
        options = parser(words[0] if words else "").parse(words)
    except WrongUsage as wrong:
        if _asks_for_json(words):
            from netorch.errors import Problem
            from netorch.render import json

            print(json.problem("UsageError", Problem("usage", wrong.what)))
        return USAGE
    except SystemExit as stop:
        return int(stop.code or 0)
    from netorch.cli.ahead import begin

    # the child is forked before anything else has been imported, so that it is small
    options.ahead = begin(options)
    try:
        try:
            from netorch.cli import commands

            commands.prepare(options)
            _trap_signals()
            status = commands.run(options)
            sys.stdout.flush()
            return status
        finally:
            options.ahead.close()
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
        print(
            f"netorch: internal error: {type(error).__name__}: {error}. Run again with --debug to see where.",
            file=sys.stderr,
        )
        return FAILED


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line that cannot be parsed has `-o json` in it."""
    if any(word in ("-ojson", "--output=json") for word in words):
        return True
    return any(pair in (("-o", "json"), ("--output", "json")) for pair in pairwise(words))


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
    for stream in (sys.stdout, sys.stderr):
        # a terminal has its own letters; what is read by programs is UTF-8, as the kernel's names are
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in (
            "utf-8",
            "utf8",
        ):
            stream.reconfigure(
                encoding=None if stream.isatty() else "utf-8", errors="backslashreplace"
            )


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
