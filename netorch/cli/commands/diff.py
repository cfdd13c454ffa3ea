"""`diff`: say what `apply` would do, or what leads from one file to another."""

from __future__ import annotations

import argparse

from netorch.cli.command import Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.cli.output import Output

FORMS = ("text", "json", "github", "markdown")


class DiffOptions(FileOptions):
    file: str | None
    new: str | None
    """The second of two files."""
    out: str | None
    """Where to save the plan."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_file_options(parser)
    add_output_option(
        parser,
        FORMS,
        "form of the output (text); github: annotations for a job, markdown: a comment",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the topology (topo.yaml, or the one that is live here), or the old one of two",
    )
    parser.add_argument(
        "new",
        nargs="?",
        metavar="NEW",
        help="compare FILE with this one, without a look at the kernel",
    )
    parser.add_argument("--out", metavar="PLAN", help="save the plan for `apply --plan PLAN`")


def run(options: DiffOptions, output: Output) -> int:
    from netorch.cli import diff_report

    if options.new is None or options.file is None:
        return diff_report.from_kernel(options, output, options.out)
    if options.out is not None:
        return output.usage("a plan between two files cannot be applied: leave out --out")
    return diff_report.between_files(options.file, options.new, options, output)


COMMAND = Command(
    name="diff",
    summary="say what apply would do; with two files, what leads from one to the other",
    options=DiffOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.diff_report",),
)
