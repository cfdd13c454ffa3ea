"""Prints why a command failed, and chooses the exit status."""

from __future__ import annotations

from itertools import pairwise

from netorch.cli import signals
from netorch.cli.status import FAILED, INTERRUPTED
from netorch.cli.streams import OutputError, put, silence_output, tell

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.errors import Problem


EXPECTED = (KeyboardInterrupt, BrokenPipeError, OutputError, RecursionError, MemoryError)
"""Exceptions that are not bugs of netorch. `--debug` prints no traceback for them."""


def status_of(error: BaseException) -> int:
    """Print why a command ended. Returns the exit status."""
    if isinstance(error, BrokenPipeError):
        silence_output()
        return FAILED
    if isinstance(error, OutputError):
        silence_output()
        tell(f"netorch: standard output: {error}")
        return FAILED
    problem = problem_of(error)
    if problem.code == "interrupted":
        tell("netorch: interrupted")
        return INTERRUPTED
    tell(f"netorch: {problem.text()}")
    return FAILED


def problem_of(error: BaseException) -> Problem:
    """Return the problem of an exception that is not a NetorchError.

    It is an error of the operating system, or a bug of netorch.
    """
    from netorch.errors import Problem

    if isinstance(error, KeyboardInterrupt) or signals.has_arrived():
        # pydantic and other libraries in C may replace a KeyboardInterrupt by another error
        return Problem("interrupted", "interrupted.")
    if isinstance(error, RecursionError):
        return Problem("no-memory", "the file is nested too deeply.")
    if isinstance(error, MemoryError):
        return Problem(
            "no-memory", "there is not enough memory.", remedy="Free memory, or raise `ulimit -v`."
        )
    if isinstance(error, ImportError):
        remedy = "Raise `ulimit -v` if memory is short, or install netorch again."
        return Problem("not-loaded", f"a part of netorch cannot be loaded: {error}.", remedy=remedy)
    if isinstance(error, OSError):
        from netorch.kernel.system import error_text

        return error_text.problem_of(error)
    again = "Run again with --debug to see where."
    what = f"internal error: {type(error).__name__}: {error}."
    return Problem("internal-error", what, remedy=again)


def print_usage_problem(what: str, words: Sequence[str]) -> None:
    """Print the JSON document for a command line that cannot be parsed, if it contains `-o json`.

    The problem is on standard error already.
    """
    if _asks_for_json(words):
        from netorch.errors import Problem
        from netorch.render import json

        try:
            put(json.problem("UsageError", Problem("usage", what)))
        except (OSError, OutputError) as error:
            tell(f"netorch: standard output: {error}")


def _asks_for_json(words: Sequence[str]) -> bool:
    if any(word in ("-ojson", "--output=json") for word in words):
        return True
    pairs = pairwise(words)
    return any(pair in (("-o", "json"), ("--output", "json")) for pair in pairs)
