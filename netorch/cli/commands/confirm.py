"""`confirm`: keep the changes of `apply --confirm-within`."""

from __future__ import annotations

import argparse

from netorch.cli.command import Command
from netorch.cli.options import LockOptions, add_lock_option, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class ConfirmOptions(LockOptions):
    name: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="topology (default: the only one that waits for a confirmation)",
    )


def run(options: ConfirmOptions, output: Output) -> int:
    from netorch.converge import confirmation
    from netorch.errors import NetorchError, Problem
    from netorch.kernel.linux import require_root
    from netorch.render import json

    require_root()
    waiting = confirmation.list_waiting()
    if options.name is None and len(waiting) != 1:
        if not waiting:
            raise NetorchError(
                Problem("nothing-to-confirm", "no topology waits for a confirmation")
            )
        what = f"several topologies wait for a confirmation ({', '.join(waiting)}): specify one"
        raise NetorchError(Problem("several-live", what))
    name = options.name or waiting[0]
    confirmation.confirm(name, options.lock_timeout)
    if output.json:
        output.result(json.document(topology=name, confirmed=True))
    elif not output.quiet:
        output.result(f"{name}: confirmed, the changes stay")
    return DONE


COMMAND = Command(
    name="confirm",
    summary="keep the changes of apply --confirm-within",
    options=ConfirmOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
