"""`list`: the topologies that are live here."""

from __future__ import annotations

from netorch.cli.command import Command
from netorch.cli.options import Options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.cli.output import Output


def run(options: Options, output: Output) -> int:
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import json, live_table

    with Orchestrator() as lab:
        live = lab.live()
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
    summary="list the topologies that are live here",
    options=Options,
    add_options=add_output_option,
    run=run,
    preload=("netorch.cli.inputs",),
)
