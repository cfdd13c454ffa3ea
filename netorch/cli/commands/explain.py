"""`explain`: follow a packet between two nodes, or print the commands that make a topology."""

from __future__ import annotations

import argparse

from netorch.cli import DEFAULT
from netorch.cli.command import LOOK, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option, end_of
from netorch.cli.status import DIFFERENT, DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.intended import Deviation
    from netorch.resolve.loaded import Loaded


class ExplainOptions(FileOptions):
    words: list[str]
    """The two ends of a packet's way, or at most one file."""
    marks: bool
    topology: str | None
    """The topology file of the two ends."""
    offline: bool
    tcp: int | None
    """The TCP port that the packet is for; None for an echo request."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE|A B",
        help="topology file; or the source and the target of a packet: NODE, NODE:IF or an address",
    )
    parser.add_argument(
        "--marks",
        action="store_true",
        help="with FILE: include the marks by which netorch recognises the objects later",
    )
    parser.add_argument(
        "--file",
        dest="topology",
        metavar="FILE",
        help="with A B: topology file of the nodes (default: topo.yaml)",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="with A B: follow the packet through the state of the file, not of the kernel",
    )
    parser.add_argument(
        "--tcp",
        type=_port,
        metavar="PORT",
        help="with A B: follow a TCP connection to this port (default: a ping)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between 1 and 65535")
    return int(text)


def run(options: ExplainOptions, output: Output) -> int:
    """Follow a packet if there are two arguments, else print the commands of a file."""
    words = options.words
    if len(words) > 2:
        return output.usage(
            "too many arguments: write netorch explain A B, or netorch explain [FILE]"
        )
    if len(words) == 2 and options.marks:
        return output.usage("--marks needs a file: write netorch explain [FILE] --marks")
    if len(words) == 2:
        return _walk(end_of(words[0]), end_of(words[1]), options, output)
    if options.topology is not None or options.offline or options.tcp is not None:
        return output.usage("--file, --offline and --tcp need two nodes: write netorch explain A B")
    return _script(words[0] if words else None, options, output)


def _walk(source: str, target: str, options: ExplainOptions, output: Output) -> int:
    """Follow a packet and its answer. Returns DONE if both arrive, else DIFFERENT."""
    from pathlib import Path

    from netorch.cli import inputs
    from netorch.errors import NetorchError
    from netorch.render import json
    from netorch.render import walk as render
    from netorch.walk.ends import explain as follow
    from netorch.walk.result import FAILS

    if options.topology is None and options.name is None and not Path(DEFAULT).exists():
        options.name = _live_topology_with(source, target)
    loaded, record = inputs.load_chosen(options.topology, options, live=True, whole=options.offline)
    whole = inputs.whole(loaded, record)
    if options.offline:
        from netorch.walk import from_state

        world = from_state.world(whole, here=options.host or "")
    else:
        from netorch.converge.orchestrator import Orchestrator
        from netorch.walk.live import look

        with Orchestrator() as orchestrator:
            world = look(orchestrator.kernel, loaded.desired, whole=whole)
    try:
        way = follow(world, source, target, options.tcp)
    except NetorchError as error:
        # The error names the file, because the user may have meant another topology that is live.
        raise NetorchError(error.problems, error.file or loaded.file) from None
    intended = () if options.offline else _intended(loaded)
    if output.json:
        document = render.document(way, live=world.live)
        name = loaded.desired.topology
        output.result(json.document(topology=name, **document, intended=json.intended(intended)))
    elif output.quiet:
        if way.outcome == FAILS:
            output.result(render.verdict(way))
    else:
        for line in render.lines(way):
            output.result(line)
        output.intended(intended)
    return DIFFERENT if way.outcome == FAILS else DONE


def _live_topology_with(*ends: str) -> str | None:
    """Return the topology that has the ends of the way, if several are live and one has them."""
    from netorch.cli.nodes import LiveNodes
    from netorch.kernel.files import records

    if len(records.applied_names()) < 2:
        return None
    nodes = LiveNodes(None)
    # an end that no topology has as a node is an address, or a mistake
    owners = [names for end in ends if (names := {*nodes.topologies_of(end.partition(":")[0])})]
    common = set.intersection(*owners) if owners else set()
    return common.pop() if len(common) == 1 else None


def _intended(loaded: Loaded) -> tuple[Deviation, ...]:
    """Return what users have done to the live topology on purpose."""
    from netorch.converge.intended import read, with_intended

    return with_intended(loaded.desired, read(loaded.desired.topology)[0])[1]


def _script(file: str | None, options: ExplainOptions, output: Output) -> int:
    """Print the commands that make a topology, as a shell script, without reading the kernel."""
    from netorch.cli import inputs
    from netorch.render import json
    from netorch.render.script import whole_topology

    hint = f"To follow a packet, write two ends: netorch explain {file} B"
    loaded, _ = inputs.load_chosen(file, options, live=True, hint=hint)
    desired, marks = loaded.desired, options.marks
    if output.json:
        commands = [
            {"section": section.title, "command": command}
            for section in whole_topology.sections(desired, marks=marks)
            for command in section.commands
        ]
        output.result(json.document(topology=desired.topology, marks=marks, commands=commands))
    else:
        for line in whole_topology.lines(desired, loaded.file, marks=marks):
            output.result(line)
    return DONE


COMMAND = Command(
    name="explain",
    summary="explain how a packet gets from node A to node B, or why it does not; "
    "with a FILE, print the commands that make the topology, as a shell script",
    group=LOOK,
    examples=(
        ("explain h1 h2", "the way of a packet from h1 to h2"),
        ("explain lab.yaml", "the commands that would make the topology"),
    ),
    page="docs/explain.md",
    status_2="with A B: the packet, or its answer, does not arrive",
    options=ExplainOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
