"""The standard streams of the command line: open, encoded as their reader expects, and flushed."""

from __future__ import annotations

import io
import os
import sys


class OutputError(Exception):
    """Standard output cannot be written to; the text is the system's reason."""


def put(line: str) -> None:
    """Print a line of the result. OutputError; BrokenPipeError where nobody reads on."""
    try:
        print(line)
    except OSError as error:
        raise _of_output(error) from None


def flush_output() -> None:
    """Write what was printed. OutputError; BrokenPipeError where nobody reads on."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _of_output(error) from None


def _of_output(error: OSError) -> Exception:
    return error if isinstance(error, BrokenPipeError) else OutputError(error.strerror)


def tell(line: str) -> None:
    """Print a line for the person; where it cannot be written, what is being done goes on all the same."""
    try:
        print(line, file=sys.stderr)
    except OSError:
        return


def open_all() -> None:
    """Lead standard streams that were closed nowhere, and set the encoding of those for output.

    A file that we open would get the number of a closed stream, and then our output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        # A terminal keeps its own encoding. Programs read UTF-8, because the kernel's names are UTF-8.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in (
            "utf-8",
            "utf8",
        ):
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def flush_all() -> None:
    """Flush standard output and standard error, as far as they can still be written to."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue


def silence_output() -> None:
    """Lead standard output nowhere, also for the flush at the interpreter's end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        return
