"""Which function does a command; its module is imported when the command runs."""

from __future__ import annotations

import argparse
from importlib import import_module

from netorch.cli import FAILED
from netorch.cli.output import Output
from netorch.errors import NetorchError


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


_COMMANDS = {
    "apply": ("converge", "apply"),
    "check": ("check", "check"),
    "completion": ("completion", "script"),
    "confirm": ("converge", "confirm"),
    "destroy": ("converge", "destroy"),
    "diff": ("converge", "diff"),
    "exec": ("enter", "enter"),
    "list": ("inspect", "listing"),
    "schema": ("editors", "schema"),
    "shell": ("enter", "enter"),
    "show": ("inspect", "show"),
    "validate": ("inspect", "validate"),
}
"""Command: its module in netorch.cli, and its function of (options, output) that gives an exit status."""
