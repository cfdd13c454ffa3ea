"""`exec`: run a command in a node."""

from __future__ import annotations

import argparse

from netorch.cli.command import NODES, Command
from netorch.cli.options import NodeOptions, add_node_options

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class ExecOptions(NodeOptions):
    argv: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_node_options(parser)
    parser.add_argument(
        "argv", nargs=argparse.REMAINDER, metavar="CMD", help="command with its arguments"
    )


def _argv(options: ExecOptions) -> list[str]:
    return options.argv[1:] if options.argv[:1] == ["--"] else options.argv


def shortcut(options: ExecOptions) -> Exception | None:
    from netorch.cli.enter import enter_on_record

    return enter_on_record(options.node, options.name, _argv(options))


def run(options: ExecOptions, output: Output) -> int:
    from netorch.cli.enter import enter

    argv = _argv(options)
    if not argv:
        return output.usage("a command is missing: netorch exec NODE CMD…")
    if any(sign in options.node for sign in "*?["):
        from netorch.cli import exec_many
        from netorch.cli.enter import explained
        from netorch.errors import CommandError

        try:
            return exec_many.run(options.node, options.name, argv)
        except CommandError as error:
            output.fail(explained(error, argv))
            return error.status
    return enter(options.node, options.name, argv, output, options.failure)


COMMAND = Command(
    name="exec",
    summary="run a command in a node, or in each node whose name matches a pattern",
    group=NODES,
    examples=(
        ("exec h1 ping -c 1 h2", "run one command in h1"),
        ("exec 'h*' -- ip -br addr", "run one in each node whose name begins with h"),
    ),
    page="docs/cli.md#exec-and-shell",
    options=ExecOptions,
    add_options=add_options,
    run=run,
    shortcut=shortcut,
    preload=("netorch.cli.nodes", "netorch.cli.enter"),
)
