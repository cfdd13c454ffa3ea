"""The command line. It turns arguments into calls, results into text or JSON, and errors into an
exit status.

It imports the modules of a command only when that command runs, because start-up time counts.
"""

from __future__ import annotations

import gc
import os
import sys

from netorch.cli import failures, signals, streams
from netorch.cli.status import DONE, USAGE
from netorch.version import __version__

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from netorch.cli.options import Options

DEFAULT = "topo.yaml"
"""The file of a command whose user specifies none."""


def run() -> NoReturn:
    """Run the command line and end the process at once.

    The normal end of the interpreter would spend a fifth of a second on freeing a large topology.
    """
    _load_no_plugins_of_pydantic()
    status = main()
    streams.flush_all()
    os._exit(status)


def _load_no_plugins_of_pydantic() -> None:
    """Let pydantic have no plugins.

    It would read the metadata of every package that is installed, at its first model, which is a
    twentieth of what a command on a new file imports. PYDANTIC_DISABLE_PLUGINS does not prevent
    the import of what reads them.
    """
    name = "pydantic.plugin._loader"
    loader = type(sys)(name)
    loader.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules[name] = loader


def _print(line: str) -> int:
    """Print a line, and return the exit status."""
    try:
        streams.put(line)
        streams.flush_output()
    except Exception as error:
        return failures.status_of(error)
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit status."""
    signals.let_interrupts_end()
    # because a short process makes almost no reference cycles, and looking for them would take a
    # tenth of its time
    gc.disable()
    streams.open_all()
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        # here, because the parser takes longer than all the rest of it
        return _print(f"netorch {__version__}")
    from netorch.cli.parser import WrongUsage, parse, parser

    if "_ARGCOMPLETE" in os.environ:
        from netorch.cli.completion import answer

        answer(parser())
    try:
        options = parse(words)
    except WrongUsage as wrong:
        failures.print_usage_problem(wrong.what, words)
        return USAGE
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    try:
        return _run(options)
    except (KeyboardInterrupt, Exception) as error:
        if options.debug and not isinstance(error, failures.EXPECTED):
            raise
        return failures.status_of(error)


def _run(options: Options) -> int:
    """Run a command, by its shortcut if that can do everything. Returns the exit status."""
    from netorch.cli.commands import find

    shortcut = find(options.command).shortcut
    if shortcut is not None:
        done = shortcut(options)
        if isinstance(done, int):
            streams.flush_output()
            return done
        options.failure = done
    from netorch.cli.options import lists_nothing
    from netorch.parallel_reader import begin

    # the reader forks before more is imported, so that its process is small
    options.reader = begin(options, DEFAULT, brief=lists_nothing(options))
    try:
        from netorch.cli.dispatch import execute, prepare

        prepare(options)
        signals.trap()
        status = execute(options)
        streams.flush_output()
        return status
    finally:
        if options.reader is not None:
            options.reader.close()
