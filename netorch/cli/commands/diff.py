"""`diff`: show the changes that `apply` would make, or the changes from one file to another."""

from __future__ import annotations

import argparse

from netorch.cli.command import ALL_VALUES, LOOK, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output

FORMS = ("text", "json", "github", "gitlab", "markdown")


class DiffOptions(FileOptions):
    file: str | None
    new: str | None
    """The second of two files."""
    out: str | None
    """The file for the plan."""
    adopt: bool
    """Whether the topology takes over objects that netorch did not make."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_file_options(parser)
    add_output_option(
        parser,
        FORMS,
        "output format: text (default), json, github (annotations for a job), gitlab (a Code "
        "Quality report) or markdown (a comment)",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="topology file, or the old of two (default: topo.yaml, else the only live topology)",
    )
    parser.add_argument(
        "new",
        nargs="?",
        metavar="NEW",
        help="new file: compare FILE with it, without reading the kernel",
    )
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="show what `apply --adopt` would take over, and what it would change then",
    )
    parser.add_argument("--out", metavar="PLAN", help="save the plan for `apply --plan PLAN`")


def shortcut(options: DiffOptions) -> int | None:
    if options.new is not None or options.out is not None or options.adopt:
        return None
    from netorch.cli.in_sync import report

    return report(options, options.file, "in sync", changes=False)


def run(options: DiffOptions, output: Output) -> int:
    from netorch.cli import diff_report

    if options.new is None or options.file is None:
        if options.adopt and options.out is not None:
            return output.usage("a saved plan adopts nothing: leave out --out or --adopt")
        return diff_report.from_kernel(options, output, options.out, adopt=options.adopt)
    if options.adopt:
        return output.usage("--adopt concerns what is in the kernel: leave out NEW")
    if options.out is not None:
        return output.usage("a plan between two files cannot be applied: leave out --out")
    return diff_report.between_files(options.file, options.new, options, output)


COMMAND = Command(
    name="diff",
    summary="show the changes that apply would make, or the changes from one file to another",
    group=LOOK,
    examples=(
        ("diff lab.yaml", "what `apply` would change here"),
        ("diff old.yaml new.yaml", "what differs between two files"),
    ),
    page="docs/cli.md#output",
    status_2="something differs",
    verbose=ALL_VALUES,
    options=DiffOptions,
    add_options=add_options,
    run=run,
    shortcut=shortcut,
    preload=("netorch.cli.diff_report",),
)
