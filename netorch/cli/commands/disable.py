"""`disable`: no longer apply a topology when the machine starts."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import Options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class DisableOptions(Options):
    name: str | None
    watch: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    parser.add_argument("name", nargs="?", metavar="NAME", help="topology")
    parser.add_argument(
        "--watch", action="store_true", help="stop and disable the watch of this machine"
    )


def run(options: DisableOptions, output: Output) -> int:
    from netorch.boot import enable
    from netorch.cli import services
    from netorch.kernel.linux import require_root

    if options.name is None and not options.watch:
        return output.usage("specify a topology, or --watch")
    require_root()
    enable.require_systemd("Without systemd, there is nothing that `netorch enable` has done.")
    if options.name is not None:
        services.check_name(options.name)
    outcome = enable.disable(options.name, options.watch)
    output.print_notes(outcome.warnings, outcome.notes)
    if output.json:
        from netorch.render import json

        output.result(
            json.document(
                topology=options.name,
                units=list(outcome.units),
                changed=outcome.changed,
                notes=list(outcome.notes),
            )
        )
    elif not output.quiet:
        for line in services.sentences_of_disable(options.name, options.watch, outcome):
            output.result(line)
    return DONE


COMMAND = Command(
    name="disable",
    summary="no longer apply a topology when the machine starts; the network stays as it is",
    group=CHANGE,
    examples=(
        ("disable lab", "no longer apply it when the machine starts"),
        ("disable --watch", "no longer put right what drifts"),
    ),
    page="docs/howto/keep-it-so.md",
    options=DisableOptions,
    add_options=add_options,
    run=run,
)
