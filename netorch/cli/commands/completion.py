"""`completion`: print the shell script that completes netorch's command lines."""

from __future__ import annotations

import argparse

from netorch.cli.command import FILES, Command
from netorch.cli.options import Options
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class CompletionOptions(Options):
    shell: str


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=("bash", "zsh", "fish"), help="shell that reads the script"
    )


def run(options: CompletionOptions, output: Output) -> int:
    from argcomplete.shell_integration import shellcode

    script = shellcode(["netorch"], use_defaults=False, shell=options.shell)
    output.result(script.rstrip("\n"))
    return DONE


COMMAND = Command(
    name="completion",
    summary="print the shell script that completes netorch's commands, options and names",
    group=FILES,
    examples=(
        ("completion bash", "print the script for bash"),
        ("completion zsh > ~/.zfunc/_netorch", "install that for zsh"),
    ),
    page="docs/cli.md#completion",
    options=CompletionOptions,
    add_options=add_options,
    run=run,
)
