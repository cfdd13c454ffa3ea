"""`link`: set a link of a running topology down or up on purpose, or flap it."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import LockOptions, add_lock_option, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.deviate import Outcome


class LinkOptions(LockOptions):
    end: str
    """The interface, as NODE:IF."""
    action: str
    name: str | None
    """The topology of the node."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    parser.add_argument(
        "--name", help="topology of the node, if several topologies have a node with this name"
    )
    parser.add_argument("end", metavar="NODE:IF", help="interface of a node")
    parser.add_argument("action", choices=("down", "up"), help="what to do")


def run(options: LinkOptions, output: Output) -> int:
    from netorch.converge import deviate
    from netorch.kernel.linux import LinuxKernel, require_root
    from netorch.kernel.system.user import user_name

    require_root()
    choice = deviate.choose(options.end, options.name)
    edit = (
        deviate.set_down(choice.target, user_name())
        if options.action == "down"
        else deviate.set_up(choice.target)
    )
    with LinuxKernel() as kernel:
        outcome = deviate.deviate(kernel, choice, edit, lock_timeout=options.lock_timeout)
    report(outcome, options.action, output)
    return DONE


def report(outcome: Outcome, words: str, output: Output) -> None:
    """Print what a command has done on purpose. `words` say how the interface is now."""
    made = []
    if output.json or output.verbose:
        from netorch.render.changes import changes

        made = changes(outcome.report.plan)
    output.print_notes(outcome.report.warnings, outcome.report.notes)
    target = outcome.target
    if output.json:
        from netorch.render import json

        output.result(
            json.document(
                topology=target.topology,
                node=target.node,
                interface=target.interface,
                changed=outcome.changed,
                intended=json.intended(outcome.report.intended),
                changes=json.changes(made),
                summary=json.counts(made),
                warnings=outcome.report.warnings,
            )
        )
    elif not output.quiet:
        output.listing(made, commands=False)
        already = "" if outcome.changed else ", as before"
        output.result(f"{target.topology}: {target.title} is {words}{already}")


COMMAND = Command(
    name="link",
    summary="set a link of a live topology down or up, on purpose",
    group=CHANGE,
    examples=(
        ("link r1:eth0 down", "set the link down, and diff knows that it is on purpose"),
        ("link r1:eth0 up", "set it up again"),
    ),
    page="docs/cli.md#link",
    options=LinkOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.converge.deviate",),
)
