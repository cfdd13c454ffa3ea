"""`shell`: open a shell in a node."""

from __future__ import annotations

import os

from netorch.cli.command import NODES, Command
from netorch.cli.options import NodeOptions, add_node_options

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


def _argv() -> list[str]:
    return [os.environ.get("SHELL") or "/bin/sh"]


def shortcut(options: NodeOptions) -> Exception | None:
    from netorch.cli.enter import enter_on_record

    os.environ["NETORCH_NODE"] = options.node
    return enter_on_record(options.node, options.name, _argv())


def run(options: NodeOptions, output: Output) -> int:
    from netorch.cli.enter import enter

    return enter(options.node, options.name, _argv(), output, options.failure)


COMMAND = Command(
    name="shell",
    summary="open a shell in a node",
    group=NODES,
    examples=(
        ("shell h1", "open a shell in h1"),
        ("shell h1 --name lab", "if several topologies have an h1"),
    ),
    page="docs/cli.md#exec-and-shell",
    options=NodeOptions,
    add_options=add_node_options,
    run=run,
    shortcut=shortcut,
    preload=("netorch.cli.nodes", "netorch.cli.enter"),
)
