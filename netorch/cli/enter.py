"""exec and shell: which namespace a node's name means, then become the command in it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from netorch.cli.output import Output
from netorch.errors import CommandError, NetorchError, Problem, which_node
from netorch.kernel.files import records
from netorch.kernel.namespaces.attach import NotAttached, open_namespace
from netorch.kernel.processes.enter import enter as become

if TYPE_CHECKING:
    from netorch.converge.attached import Place


def enter(options: argparse.Namespace, output: Output) -> int:
    """Does not return if all goes well; else the status that a shell would give."""
    if options.command == "exec" and not options.argv:
        return output.usage("a command is missing: netorch exec NODE CMD…")
    argv = _argv(options)
    how, what, etc = _place(options.node, options.name)
    try:
        fd = open_namespace(how, what)
    except NotAttached as error:
        raise NetorchError(error.of_node(options.node)) from None
    sys.stdout.flush()
    try:
        become(fd, etc, argv)
    except CommandError as error:
        output.fail(NetorchError(error.problems))
        return error.status


def _argv(options: argparse.Namespace) -> list[str]:
    if options.command == "shell":
        os.environ["NETORCH_NODE"] = options.node
        return [os.environ.get("SHELL") or "/bin/sh"]
    argv: list[str] = options.argv
    return argv[1:] if argv[0] == "--" else argv


def _place(node: str, topology: str | None) -> Place:
    """Where a node of a live topology is."""
    from netorch.converge.attached import place
    from netorch.converge.compare import reload
    from netorch.converge.lab import Lab

    found: dict[str, Place] = {}
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
            found[name] = there
    if len({place[:2] for place in found.values()}) == 1:
        return next(iter(found.values()))
    if found:
        raise NetorchError(
            Problem(
                "ambiguous-node",
                f"several topologies have a node {node!r} ({', '.join(found)}): say which with --name",
                object=node,
            )
        )
    with Lab() as lab:
        labels = lab.labels()
    if node in labels:
        return "netns", node, node
    what = f"no live topology has a node {node!r}."
    remedy = which_node(node, [*known, *labels])
    raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))
