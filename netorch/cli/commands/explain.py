"""`explain`: the way of a packet between two nodes, or what a person would type for a file."""

from __future__ import annotations

import argparse

from netorch.cli.command import Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option
from netorch.cli.status import DIFFERENT, DONE

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.cli.output import Output


class ExplainOptions(FileOptions):
    words: list[str]
    """Two ends of a way, or at most one file."""
    marks: bool
    topology: str | None
    """The file of a way's two ends."""
    offline: bool
    tcp: int | None
    """A port."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE|A B",
        help="the topology; or from where and to where: NODE, NODE:IF or an address",
    )
    parser.add_argument(
        "--marks",
        action="store_true",
        help="FILE: with the marks by which netorch knows it for its own afterwards",
    )
    parser.add_argument(
        "--file",
        dest="topology",
        metavar="FILE",
        help="A B: the topology that the nodes are of (topo.yaml)",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="A B: go by what the file asks for, without a look at the kernel",
    )
    parser.add_argument(
        "--tcp",
        type=_port,
        metavar="PORT",
        help="A B: a TCP connection to this port (an ICMP echo)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between 1 and 65535")
    return int(text)


def run(options: ExplainOptions, output: Output) -> int:
    """Two words are a walk, one or none a file's commands."""
    words = options.words
    if len(words) > 2:
        return output.usage("at most two words: netorch explain A B, or netorch explain [FILE]")
    if len(words) == 2 and options.marks:
        return output.usage("--marks goes with a file: netorch explain [FILE]")
    if len(words) == 2:
        return _walk(words[0], words[1], options, output)
    if options.topology is not None or options.offline or options.tcp is not None:
        return output.usage("--file, --offline and --tcp go with two nodes: netorch explain A B")
    return _script(words[0] if words else None, options, output)


def _walk(source: str, target: str, options: ExplainOptions, output: Output) -> int:
    """There and back. DONE if the packet and its answer get through, DIFFERENT if not."""
    from netorch.cli import inputs
    from netorch.errors import NetorchError
    from netorch.render import json
    from netorch.render import walk as render
    from netorch.walk.ends import explain as follow
    from netorch.walk.result import FAILS

    loaded, _ = inputs.load_chosen(options.topology, options, live=True)
    if options.offline:
        from netorch.walk import from_state

        world = from_state.world(loaded.desired)
    else:
        from netorch.converge.orchestrator import Orchestrator
        from netorch.walk.live import look

        with Orchestrator() as lab:
            world = look(lab.kernel, loaded.desired)
    try:
        way = follow(world, source, target, options.tcp)
    except NetorchError as error:
        # which topology that was is not plain where topo.yaml is here and another one is live
        raise NetorchError(error.problems, error.file or loaded.file) from None
    if output.json:
        document = render.document(way, live=world.live)
        output.result(json.document(topology=loaded.desired.topology, **document))
    elif output.quiet:
        if way.outcome == FAILS:
            output.result(render.verdict(way))
    else:
        for line in render.lines(way):
            output.result(line)
    return DIFFERENT if way.outcome == FAILS else DONE


def _script(file: str | None, options: ExplainOptions, output: Output) -> int:
    """The commands that make a file's topology, as a shell script. It looks at no kernel."""
    from netorch.cli import inputs
    from netorch.render import json
    from netorch.render.script import whole_topology

    hint = f"The way of a packet has two ends: netorch explain {file} B"
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
    summary="say how a packet gets from node A to node B, or why it does not; "
    "with a FILE, print the commands that make it, as a shell script",
    options=ExplainOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
