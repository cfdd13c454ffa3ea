"""`show`: print the live state of a topology, as a tree or as a topology file."""

from __future__ import annotations

import argparse

from netorch.cli.command import LOOK, Command
from netorch.cli.options import Options, add_output_option, end_of
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.live import Live
    from netorch.converge.orchestrator import Orchestrator
    from netorch.kernel.files.records import Record
    from netorch.resolve.desired import Desired


class ShowOptions(Options):
    target: str | None
    """A file, the name of a topology, or a node."""
    node: str | None
    """The node, if `target` is the topology."""
    drift: bool
    """Whether to print only what differs from the file."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="?",
        metavar="NAME|FILE|NODE",
        help="name of a topology, its file, or a node (default: topo.yaml, else the only live "
        "topology)",
    )
    parser.add_argument(
        "node", nargs="?", metavar="NODE", help="show only this node of the topology"
    )
    parser.add_argument(
        "--drift", action="store_true", help="print only what differs from the file"
    )
    add_output_option(parser, ("text", "json", "yaml"))


def run(options: ShowOptions, output: Output) -> int:
    from netorch.cli import inputs
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import json, live_table, tree
    from netorch.render.text import summarize

    if options.output == "yaml" and (options.node or options.drift):
        return output.usage("-o yaml writes a whole topology: leave out NODE and --drift")
    name, node = _chosen(options)
    if options.output == "yaml" and node is not None:
        return output.usage(f"{options.target} is a node, and -o yaml writes a whole topology")
    with Orchestrator() as orchestrator:
        entry = orchestrator.look(name)
        if options.output == "yaml" and entry.is_live:
            return _show_as_file(orchestrator, entry, output)
    output.warn(entry.warnings)
    if not entry.is_live:
        raise inputs.not_live(name)
    label = None if node is None else _label_of(entry, node)
    drift = tree.drift(entry, label) if options.drift else []
    if output.json:
        state = entry.state
        if label is not None:
            state = {key: value for key, value in state.items() if key.netns == label}
        more = {"changes": json.changes(drift)} if options.drift else {}
        output.result(
            json.document(
                **live_table.row(entry), resources=tree.resources(state, entry.captions), **more
            )
        )
    elif options.drift:
        output.listing(drift)
        output.intended(one for one in entry.intended if label in (None, one.netns))
        summary = summarize(drift) if drift else "in sync"
        known = entry.difference is not None
        where = name if node is None else f"{name} {node}"
        output.result(f"{where}: {summary if known else 'drift is not known'}")
    else:
        for line in tree.lines(entry, label):
            output.result(line)
    return DONE


def _chosen(options: ShowOptions) -> tuple[str, str | None]:
    """Return the topology that the user means, and the node if it is only one."""
    from netorch.cli import inputs
    from netorch.kernel.files import records

    target = options.target
    for word in filter(None, (target, options.node)):
        _refuse_interface(word)
    if options.node is not None:
        return inputs.topology_of(target), options.node
    name = inputs.topology_of(target)
    if target is None or name != target or target in records.applied_names():
        return name, None
    from netorch.cli.nodes import LiveNodes
    from netorch.errors import NetorchError, Problem

    topologies = LiveNodes(None).topologies_of(target)
    if len(topologies) > 1:
        what = f"node {target!r} is in several topologies ({', '.join(topologies)})."
        remedy = f"Write `netorch show {topologies[0]} {target}`."
        raise NetorchError(Problem("ambiguous-node", what, remedy=remedy, object=target))
    return (topologies[0], target) if topologies else (name, None)


def _refuse_interface(target: str) -> None:
    """Raise NetorchError if `target` is an interface of a live node."""
    from pathlib import Path

    if ":" not in end_of(target) or Path(target).exists():
        return
    from netorch.cli.nodes import LiveNodes
    from netorch.errors import NetorchError, Problem

    if node := LiveNodes(None).node_of_end(target):
        what = f"{target!r} is an interface, and `show` prints whole nodes."
        remedy = f"Write `netorch show {node}`."
        raise NetorchError(Problem("unknown-node", what, None, remedy, target))


def _label_of(entry: Live, node: str) -> str:
    """Return the label of a node. Raise NetorchError if the topology has no such node."""
    from netorch.converge.previous import recorded
    from netorch.errors import NetorchError, Problem, which_node

    desired = recorded(entry.name, entry.record)
    labels = desired.labels if desired is not None else {}
    known = {key.netns for key in entry.state}
    if labels.get(node, node) in known:
        return labels.get(node, node)
    what = f"topology {entry.name!r} has no node {node!r}."
    remedy = which_node(node, labels or known)
    raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))


def _show_as_file(orchestrator: Orchestrator, entry: Live, output: Output) -> int:
    from netorch.converge.file_words import in_file_words
    from netorch.converge.previous import recorded
    from netorch.render import live_file, topology_file

    desired = recorded(entry.name, entry.record)
    if entry.record is not None and desired is not None and desired.machines is not None:
        return _show_spread_file(entry, entry.record, output)
    live, intended = entry.state, []
    if desired is not None and entry.intended:
        from netorch.converge.intended import without_intended

        live = without_intended(live, desired.state, entry.intended)
        intended = [f"{one.text()}, which is not in this file" for one in entry.intended]
    output.warn([*entry.warnings, *intended])
    if entry.record is not None and desired is not None and entry.difference is not None:
        from netorch.converge.recorded_state import reload
        from netorch.render.applied_file import text_of

        loaded = reload(entry.name, entry.record)
        text = text_of(entry.record, loaded)
        if not entry.difference:
            output.result(text)
            return DONE
        state, warnings = in_file_words(orchestrator.kernel, live, desired)
        low = topology_file.LowLevelFile(entry.name, state, desired.prefix, entry.attached)
        file = live_file.write(
            loaded, text, low, entry.difference, lambda loaded: orchestrator.diff(loaded).plan
        )
        output.warn([*warnings, *(f"not in this file: {sentence}" for sentence in file.lost)])
        output.result("\n".join([*live_file.remarks(file.lost), file.text]))
        return DONE
    state, warnings = in_file_words(orchestrator.kernel, live, desired)
    output.warn([*warnings, *topology_file.left_out(entry.state)])
    text = topology_file.topology(
        entry.name,
        state,
        desired.prefix if desired else "",
        entry.attached,
        entry.captions,
        _missing_nodes(entry, desired),
    )
    output.result(text)
    return DONE


def _missing_nodes(entry: Live, desired: Desired | None) -> frozenset[str]:
    """Return the nodes of the file that was applied whose namespaces are missing or foreign."""
    from netorch.state.key import HOST, is_attached

    live = {key.netns for key in entry.state if key.kind in {"netns", "name"}}
    nodes = {} if desired is None else {**desired.labels, **desired.second_names}
    return frozenset(
        node
        for node, label in nodes.items()
        if label != HOST and not is_attached(label) and label not in live
    )


def _show_spread_file(entry: Live, record: Record, output: Output) -> int:
    """Print the file of a topology that is spread over several machines, as it was applied.

    The state of this machine is not enough for a file, because the forwarding databases and the
    numbers of the tunnels come from what is on the others.
    """
    from netorch.converge.recorded_state import reload
    from netorch.render.applied_file import text_of
    from netorch.render.changes import count_differences
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
    output.result(text_of(record, reload(entry.name, record)))
    return DONE


COMMAND = Command(
    name="show",
    summary="print the live state of a topology, as a tree or as a topology file",
    group=LOOK,
    examples=(
        ("show lab", "the topology as it is in the kernel"),
        ("show r1 --drift", "what differs from the file at node r1"),
    ),
    page="docs/cli.md#show",
    verbose="with --drift: print each change on a line of its own, with every value",
    options=ShowOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
