"""Runs the command of the command line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from netorch.cli.commands import find
from netorch.cli.failures import problem_of
from netorch.cli.output import Output
from netorch.cli.status import FAILED
from netorch.cli.streams import OutputError
from netorch.errors import NetorchError

if TYPE_CHECKING:
    from netorch.cli.options import Options

_KINDS = {"interrupted": "Interrupted", "internal-error": "InternalError"}
"""Code of a problem → `error` in the JSON output."""


def prepare(options: Options) -> None:
    """Import the modules that the chosen command always needs."""
    for module in find(options.command).preload:
        import_module(module)


def execute(options: Options) -> int:
    """Run the chosen command. Print a NetorchError on standard error and return status 1."""
    output = Output(options)
    try:
        return find(options.command).run(options, output)
    except NetorchError as error:
        if options.debug:
            raise
        output.fail(error)
        return FAILED
    except (BrokenPipeError, OutputError):
        raise
    except (KeyboardInterrupt, Exception) as error:
        problem = problem_of(error)
        output.broken_off(_KINDS.get(problem.code, "NetorchError"), problem)
        raise
    finally:
        output.done()
