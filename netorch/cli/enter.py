"""Finds the namespace of a node, and runs a command in it, for `exec` and `shell`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netorch.errors import CommandError, NetorchError, Problem, which_node
from netorch.kernel.files import records
from netorch.kernel.namespaces.attach import NotAttached, open_namespace
from netorch.kernel.processes.enter import enter as become

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.cli.output import Output
    from netorch.converge.attached import NodePlace


def enter(node: str, topology: str | None, argv: Sequence[str], output: Output) -> int:
    """Replace this process by a command in a node.

    Return only if that fails, with the exit status that a shell would use.
    """
    how, what, etc = _place(node, topology)
    try:
        fd = open_namespace(how, what)
    except NotAttached as error:
        raise NetorchError(error.of_node(node)) from None
    sys.stdout.flush()
    try:
        become(fd, etc, argv)
    except CommandError as error:
        output.fail(NetorchError(error.problems))
        return error.status


def _place(node: str, topology: str | None) -> NodePlace:
    """Return the place of a node of a live topology."""
    from netorch.converge.attached import place
    from netorch.converge.orchestrator import Orchestrator
    from netorch.converge.recorded_state import reload

    places: dict[str, NodePlace] = {}
    known: list[str] = []
    for name in records.applied_names() if topology is None else [topology]:
        record, _ = records.read_record(name)
        if record is None:
            continue
        try:
            desired = reload(name, record).desired
        except NetorchError:
            continue
        known += desired.labels
        if (there := place(desired, node)) is not None:
            places[name] = there
    if len({place[:2] for place in places.values()}) == 1:
        return next(iter(places.values()))
    if places:
        raise NetorchError(
            Problem(
                "ambiguous-node",
                f"node {node!r} is in several topologies ({', '.join(places)}): "
                "choose one with --name",
                object=node,
            )
        )
    with Orchestrator() as orchestrator:
        labels = orchestrator.labels()
    if node in labels:
        return "netns", node, node
    what = f"no live topology has a node {node!r}."
    remedy = which_node(node, [*known, *labels]) or "`netorch list` shows the live topologies."
    raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))
