"""`list`: list the live topologies."""

from __future__ import annotations

from netorch.cli.command import LOOK, Command
from netorch.cli.options import Options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


def run(options: Options, output: Output) -> int:
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import json, live_table

    with Orchestrator() as orchestrator:
        live = orchestrator.live()
    for entry in live:
        output.warn(entry.warnings)
    if output.json:
        output.result(json.document(topologies=[live_table.row(entry) for entry in live]))
    else:
        for line in live_table.listing(live):
            output.result(line)
    return DONE


COMMAND = Command(
    name="list",
    summary="list the live topologies",
    group=LOOK,
    examples=(
        ("list", "name, size, file and drift of each topology"),
        ("list -o json", "the same for a program"),
    ),
    page="docs/cli.md#the-file",
    options=Options,
    add_options=add_output_option,
    run=run,
    preload=("netorch.cli.inputs",),
)
