"""`show`: print the live state of a topology, as a tree or as a topology file."""

from __future__ import annotations

import argparse

from netorch.cli.command import LOOK, Command
from netorch.cli.options import Options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.live import Live
    from netorch.converge.orchestrator import Orchestrator
    from netorch.kernel.files.records import Record


class ShowOptions(Options):
    target: str | None
    """A file or the name of a topology."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="?",
        metavar="NAME|FILE",
        help="name of a topology, or its file (default: topo.yaml, else the only live topology)",
    )
    add_output_option(parser, ("text", "json", "yaml"))


def run(options: ShowOptions, output: Output) -> int:
    from netorch.cli import inputs
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import json, live_table, tree

    name = inputs.topology_of(options.target)
    with Orchestrator() as orchestrator:
        entry = orchestrator.look(name)
        if options.output == "yaml" and entry.is_live:
            return _show_as_file(orchestrator, entry, output)
    output.warn(entry.warnings)
    if not entry.is_live:
        raise inputs.not_live(name)
    if output.json:
        output.result(json.document(**live_table.row(entry), resources=tree.resources(entry.state)))
    else:
        for line in tree.lines(entry):
            output.result(line)
    return DONE


def _show_as_file(orchestrator: Orchestrator, entry: Live, output: Output) -> int:
    from netorch.converge.file_words import in_file_words
    from netorch.converge.previous import recorded
    from netorch.render import topology_file

    desired = recorded(entry.name, entry.record)
    if entry.record is not None and desired is not None and desired.machines is not None:
        return _show_spread_file(entry, entry.record, output)
    live, intended = entry.state, []
    if desired is not None and entry.intended:
        from netorch.converge.intended import without_intended

        live = without_intended(live, desired.state, entry.intended)
        intended = [f"{one.text()}, which is not in this file" for one in entry.intended]
    state, warnings = in_file_words(orchestrator.kernel, live, desired)
    output.warn([*entry.warnings, *intended, *warnings, *topology_file.left_out(entry.state)])
    prefix = desired.prefix if desired else ""
    output.result(topology_file.topology(entry.name, state, prefix, entry.attached))
    return DONE


def _show_spread_file(entry: Live, record: Record, output: Output) -> int:
    """Print the file of a topology that is spread over several machines, as it was applied.

    The state of this machine is not enough for a file, because the forwarding databases and the
    numbers of the tunnels come from what is on the others.
    """
    from netorch.converge.recorded_state import reload
    from netorch.render.changes import count_differences
    from netorch.render.spread_file import document
    from netorch.render.text import count_text

    output.warn(entry.warnings)
    if entry.difference:
        count = count_text(count_differences(entry.difference), "difference")
        output.warn(
            [
                f"{entry.name} is on several machines, so its file is printed as it was applied,"
                f" without {count} on this machine: `netorch diff {entry.name}`"
            ]
        )
    output.result(document(reload(entry.name, record)))
    return DONE


COMMAND = Command(
    name="show",
    summary="print the live state of a topology, as a tree or as a topology file",
    group=LOOK,
    examples=(
        ("show lab", "the topology as it is in the kernel"),
        ("show lab -o yaml", "the same as a topology file"),
    ),
    page="docs/cli.md#show",
    options=ShowOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
