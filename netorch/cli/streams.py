"""Opens, encodes and flushes the standard streams of the command line."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Mapping


class OutputError(Exception):
    """Standard output cannot be written. The text is the reason from the operating system."""


_ascii = {"out": False, "err": False}
"""Whether standard output and standard error are terminals without Unicode."""

_SIGNS: dict[str, str | int | None] = {
    "…": "...",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": ".",
    "≥": ">=",
    "≤": "<=",
    "─": "-",
    "│": "|",
    "├": "|",
    "└": "`",
    "┌": "+",
    "┐": "+",
    "┘": "+",
    "█": "#",
    "░": ".",
    "✓": "ok",
    "✗": "x",
}
"""Characters in netorch's own words → ASCII."""


def is_without_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale of a terminal has no Unicode. A terminal without a locale has it."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "")
    return bool(locale) and not locale.lower().replace("-", "").endswith("utf8")


def _readable(line: str, stream: str) -> str:
    """Return a line with netorch's own signs in ASCII, if the terminal has no others."""
    return line.translate(str.maketrans(_SIGNS)) if _ascii[stream] else line


def put(line: str) -> None:
    """Print a line of the result.

    Raise OutputError, or BrokenPipeError if the reader has closed the pipe.
    """
    try:
        print(_readable(line, "out"))
    except OSError as error:
        raise _of_output(error) from None


def flush_output() -> None:
    """Flush standard output.

    Raise OutputError, or BrokenPipeError if the reader has closed the pipe.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _of_output(error) from None


def _of_output(error: OSError) -> Exception:
    return error if isinstance(error, BrokenPipeError) else OutputError(error.strerror)


def tell(line: str) -> None:
    """Print a line for the user on standard error. Ignore errors, so that the work continues."""
    try:
        print(_readable(line, "err"), file=sys.stderr)
    except OSError:
        return


def open_all() -> None:
    """Open closed standard streams as /dev/null, and set the encoding of the output streams.

    Otherwise a file that netorch opens could get the number of a closed stream, and then receive
    the output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    if is_without_unicode(os.environ):
        _ascii.update(out=sys.stdout.isatty(), err=sys.stderr.isatty())
    for stream in (sys.stdout, sys.stderr):
        # a terminal keeps its encoding; for other readers the output is UTF-8, like the names in
        # the kernel
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in (
            "utf-8",
            "utf8",
        ):
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def flush_all() -> None:
    """Flush standard output and standard error. Ignore errors."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue


def silence_output() -> None:
    """Redirect standard output to /dev/null, so that the flush at the end does not fail."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        return
