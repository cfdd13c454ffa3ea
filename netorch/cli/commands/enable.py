"""`enable`: apply a topology whenever the machine starts, and watch topologies."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class EnableOptions(FileOptions):
    file: str | None
    watch: bool
    now: bool
    """Whether to start the services at once, too."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="topology file, which is copied to /etc/netorch (default: topo.yaml, or none with "
        "--watch)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="put right whatever drifts in the topologies of this machine",
    )
    parser.add_argument("--now", action="store_true", help="start the services at once, too")


def run(options: EnableOptions, output: Output) -> int:
    from netorch.boot import enable
    from netorch.cli import services
    from netorch.kernel.linux import require_root

    require_root()
    output.phase("reading the file")
    # before systemd, because a file that is wrong is wrong on every machine
    request = services.request(options)
    enable.require_systemd(services.without_systemd(options.file))
    output.phase("enabling")
    outcome = enable.enable(request)
    output.print_notes(outcome.warnings, outcome.notes)
    if output.json:
        from netorch.render import json

        output.result(
            json.document(
                topology=services.topology(request),
                file=outcome.path or None,
                units=list(outcome.units),
                changed=outcome.changed,
                started=options.now,
                warnings=list(outcome.warnings),
            )
        )
    elif not output.quiet:
        for line in services.sentences(request, outcome):
            output.result(line)
    return DONE


COMMAND = Command(
    name="enable",
    summary="apply a topology whenever the machine starts, and watch topologies with --watch",
    group=CHANGE,
    examples=(
        ("enable lab.yaml --now", "apply it now, and whenever the machine starts"),
        ("enable --watch --now", "put right what drifts in all topologies"),
    ),
    page="docs/howto/keep-it-so.md",
    options=EnableOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
