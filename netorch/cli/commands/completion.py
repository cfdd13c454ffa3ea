"""`completion`: print what teaches a shell to ask for completions."""

from __future__ import annotations

import argparse

from netorch.cli.command import Command
from netorch.cli.options import Options
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.cli.output import Output


class CompletionOptions(Options):
    shell: str


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def run(options: CompletionOptions, output: Output) -> int:
    from argcomplete.shell_integration import shellcode

    script = shellcode(["netorch"], use_defaults=False, shell=options.shell)
    output.result(script.rstrip("\n"))
    return DONE


COMMAND = Command(
    name="completion",
    summary="print what makes a shell complete netorch's words and names",
    options=CompletionOptions,
    add_options=add_options,
    run=run,
)
