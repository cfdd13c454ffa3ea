"""`doctor`: report what this machine can do, and what would make an apply fail."""

from __future__ import annotations

import argparse

from netorch.cli.command import FILES, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option
from netorch.cli.status import DONE, FAILED

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class DoctorOptions(FileOptions):
    file: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="topology file: also report what would prevent this topology from being applied",
    )


def run(options: DoctorOptions, output: Output) -> int:
    """Run the command. Returns FAILED if something would make an apply fail."""
    from netorch.cli import inputs
    from netorch.doctor import examine
    from netorch.render import doctor as render
    from netorch.render import json

    loaded = inputs.from_file(options.file, options)[0] if options.file is not None else None
    findings = examine(loaded)
    if output.json:
        output.result(json.document(**render.document(findings)))
    else:
        for line in render.lines(
            findings,
            colour=output.colour,
            verbose=output.verbose,
            quiet=output.quiet,
            columns=output.columns,
        ):
            output.result(line)
    return DONE if findings.well else FAILED


COMMAND = Command(
    name="doctor",
    summary="report what this kernel can do, and the problems of this machine with their remedies",
    group=FILES,
    examples=(
        ("doctor", "what this kernel can do, and what is in the way"),
        ("doctor lab.yaml", "what this file needs"),
    ),
    page="docs/cli.md#doctor",
    verbose="print every feature, also with FILE, with its kernel option and module",
    options=DoctorOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
