"""What a command that came to no result prints for the person, and its exit status."""

from __future__ import annotations

import errno
import sys
from itertools import pairwise

from netorch.cli.status import FAILED, INTERRUPTED
from netorch.cli.streams import silence_output

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from collections.abc import Sequence


EXPECTED = (KeyboardInterrupt, BrokenPipeError, RecursionError, MemoryError)
"""What ends a command without being a fault of netorch: `--debug` shows no traceback of it."""


def status_of(error: BaseException) -> int:
    """Print why a command ended. Returns the exit status."""
    if isinstance(error, BrokenPipeError):
        silence_output()
        return FAILED
    if isinstance(error, KeyboardInterrupt):
        what, status = "interrupted", INTERRUPTED
    elif isinstance(error, RecursionError):
        what, status = "the file is nested too deeply", FAILED
    elif isinstance(error, MemoryError):
        what, status = "there is not enough memory", FAILED
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        silence_output()
        what, status = f"standard output: {error.strerror}", FAILED
    else:
        again = "Run again with --debug to see where."
        what, status = f"internal error: {type(error).__name__}: {error}. {again}", FAILED
    print(f"netorch: {what}", file=sys.stderr)
    return status


def print_usage_problem(what: str, words: Sequence[str]) -> None:
    """Print the document of a command line that cannot be parsed, if it has `-o json` in it.

    Standard error has the problem already.
    """
    if _asks_for_json(words):
        from netorch.errors import Problem
        from netorch.render import json

        print(json.problem("UsageError", Problem("usage", what)))


def _asks_for_json(words: Sequence[str]) -> bool:
    if any(word in ("-ojson", "--output=json") for word in words):
        return True
    pairs = pairwise(words)
    return any(pair in (("-o", "json"), ("--output", "json")) for pair in pairs)
