"""Which function does a command; its module is imported when the command runs."""

from __future__ import annotations

import argparse
from importlib import import_module

from netorch.cli import FAILED
from netorch.cli.output import Output
from netorch.errors import NetorchError, Problem


def prepare(options: argparse.Namespace) -> None:
    """Import what the chosen command needs at least."""
    import_module(f"netorch.cli.{_COMMANDS[options.command][0]}")


def run(options: argparse.Namespace) -> int:
    """Run the chosen command; expected errors become lines on standard error and status 1."""
    output = Output(options)
    module, function = _COMMANDS[options.command]
    try:
        return int(getattr(import_module(f"netorch.cli.{module}"), function)(options, output))
    except NetorchError as error:
        if options.debug:
            raise
        output.fail(error)
        return FAILED
    except KeyboardInterrupt:
        output.broken_off("Interrupted", Problem("interrupted", "interrupted."))
        raise
    except (RecursionError, MemoryError):
        what = "the file is nested too deeply, or there is not enough memory."
        output.broken_off("NetorchError", Problem("no-memory", what))
        raise
    except Exception as error:
        if not isinstance(error, OSError) or error.filename is not None:
            problem = Problem("internal-error", f"{type(error).__name__}: {error}")
            output.broken_off("InternalError", problem)
        raise
    finally:
        output.done()


_COMMANDS = {
    "apply": ("converge", "apply"),
    "check": ("check", "check"),
    "completion": ("completion", "script"),
    "confirm": ("converge", "confirm"),
    "destroy": ("converge", "destroy"),
    "diff": ("converge", "diff"),
    "doctor": ("doctor", "doctor"),
    "exec": ("enter", "enter"),
    "explain": ("walk", "explain"),
    "graph": ("graph", "graph"),
    "list": ("inspect", "listing"),
    "schema": ("editors", "schema"),
    "shell": ("enter", "enter"),
    "show": ("inspect", "show"),
    "validate": ("inspect", "validate"),
}
"""Command: its module in netorch.cli, and its function of (options, output) that gives an exit status."""
