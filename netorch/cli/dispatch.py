"""From option values to the command that runs with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from netorch.cli.commands import find
from netorch.cli.output import Output
from netorch.cli.status import FAILED
from netorch.errors import NetorchError, Problem

if TYPE_CHECKING:
    from netorch.cli.options import Options


def prepare(options: Options) -> None:
    """Import what the chosen command needs at least."""
    for module in find(options.command).preload:
        import_module(module)


def execute(options: Options) -> int:
    """Run the chosen command; expected errors become lines on standard error and status 1."""
    output = Output(options)
    try:
        return find(options.command).run(options, output)
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
