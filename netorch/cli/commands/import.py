"""`import`: write the file of another tool as a topology file."""

from __future__ import annotations

import argparse

from netorch.cli.command import FILES, Command
from netorch.cli.options import Options
from netorch.cli.status import DIFFERENT, DONE, FAILED

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.importers.draft import Draft

FORMATS = (
    "compose",
    "docker",
    "podman",
    "cni",
    "containerlab",
    "kathara",
    "graph",
)
"""The words after `--from`, here because the help must not import the importers."""


class ImportOptions(Options):
    sources: list[str]
    live: bool
    """Whether the sources are namespaces of this machine."""
    form: str | None
    """The format of the sources, None to recognise it."""
    run: str | None
    """The shell script that makes what is imported."""
    to: str | None
    """The file to write, None for standard output."""
    name: str | None
    strict: bool
    force: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="file or folder of another tool; - is standard input. Several files of compose are "
        "merged. With --live, a namespace, `host` or a container such as docker:web",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="import namespaces of this machine as they are (default: all with a name, and the "
        "host)",
    )
    parser.add_argument(
        "--from",
        dest="form",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"format of the source: {', '.join(FORMATS)} (default: netorch recognises it)",
    )
    parser.add_argument(
        "--run",
        metavar="SCRIPT",
        help="run a shell script in an empty network of its own, and import what it makes there; "
        "what it does to files, it does to those of this machine",
    )
    parser.add_argument(
        "-o", "--to", metavar="FILE", help="write the topology to a file (default: standard output)"
    )
    parser.add_argument(
        "--name", help="name of the topology (default: the one that the source has)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail, and write nothing, if anything is lost"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="overwrite FILE if it exists already"
    )


def run(options: ImportOptions, output: Output) -> int:
    if options.run is not None and (options.live or options.sources or options.form is not None):
        return output.usage("--run imports what its script makes: leave out SOURCE and --live")
    if options.live and options.form is not None:
        return output.usage("--live reads this machine, and --from is about files: name only one")
    if not options.sources and not options.live and options.run is None:
        return output.usage("name a SOURCE: a file or folder of another tool, or write --live")
    _refuse_to_overwrite(options)
    if options.run is None:
        return _write(options, output)
    import sys

    from netorch.kernel.private_host.once import call_in_private_host

    output.done()
    sys.stdout.flush()
    sys.stderr.flush()
    return call_in_private_host(lambda: _write(options, output))


def _write(options: ImportOptions, output: Output) -> int:
    from netorch.importers.finish import finish, loss_lines

    result = finish(_draft(options))
    output.warn(loss_lines(result.losses))
    name = options.to if options.to not in (None, "-") else "standard output"
    for problem in result.problems:
        output.warn([f"the new file needs a change: {problem.text(name)}"])
    if options.strict and (result.losses or result.problems):
        output.note("nothing is written, because of --strict")
        return FAILED
    output.document(result.text, options.to)
    return DONE if result.is_faithful else DIFFERENT


def _draft(options: ImportOptions) -> Draft:
    if options.run is not None:
        from netorch.importers import live
        from netorch.importers.names import topology_name
        from netorch.importers.script import leave_out_random_macs
        from netorch.kernel.private_host.once import run_script

        text = run_script(options.run)
        stem = options.run.rpartition("/")[2].partition(".")[0]
        draft = live.read([], options.name or topology_name(stem), stays=False)
        draft.source, draft.tool = options.run, "what the script makes"
        leave_out_random_macs(draft, text)
        return draft
    if options.live:
        from netorch.importers import live

        return live.read(options.sources, options.name)
    import os

    from netorch.cli import inputs
    from netorch.importers import formats
    from netorch.kernel.files.source_files import SourceFiles

    data = {"-": inputs.read("-")} if "-" in options.sources else {}
    files = SourceFiles(options.sources, data, os.environ)
    return formats.read(files, options.name, options.form)


def _refuse_to_overwrite(options: ImportOptions) -> None:
    """Raise NetorchError if the file to write exists, because a person may have changed it."""
    import os

    if options.to in (None, "-") or options.force or not os.path.lexists(options.to):
        return
    from netorch.errors import NetorchError, Problem

    what = f"{options.to} exists already."
    raise NetorchError(
        Problem("file-exists", what, remedy="Name another file, or add --force.", object=options.to)
    )


COMMAND = Command(
    name="import",
    summary="write the file of another tool as a topology file",
    group=FILES,
    examples=(
        ("import compose.yaml", "print the networks of a compose file as a topology"),
        ("import --run setup.sh", "print what a shell script makes as a topology"),
    ),
    page="docs/howto/migrate.md",
    status_2="what is lost changes who reaches whom",
    options=ImportOptions,
    add_options=add_options,
    run=run,
)
