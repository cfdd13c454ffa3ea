"""`confirm`: keep the changes of `apply --confirm-within`, or undo them."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import LockOptions, add_lock_option, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.kernel.files.pending import Pending


class ConfirmOptions(LockOptions):
    name: str | None
    undo: bool
    dry_run: bool
    token: str
    """The token of the only apply to confirm, or ""."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="topology (default: the only one that waits for a confirmation)",
    )
    parser.add_argument(
        "--undo", action="store_true", help="roll back at once instead, as at the end of the time"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what waits")
    parser.add_argument(
        "--token", default="", help="only the apply that printed this token (with -o json)"
    )


def run(options: ConfirmOptions, output: Output) -> int:
    from netorch.kernel.linux import require_root

    require_root()
    name = _topology(options)
    if name is None:
        return _print(options, output, None, None)
    if options.dry_run:
        return _show(name, options, output)
    return _undo(name, options, output) if options.undo else _confirm(name, options, output)


def _topology(options: ConfirmOptions) -> str | None:
    """Return the name of the topology; None if nothing waits, and nothing was rolled back."""
    from netorch.converge import confirmation
    from netorch.errors import NetorchError, Problem

    if options.name is not None:
        return options.name
    waiting = confirmation.list_waiting()
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        what = f"several topologies wait for a confirmation ({', '.join(waiting)}): specify one"
        raise NetorchError(Problem("several-live", what))
    events = [] if options.undo else confirmation.list_rolled_back()
    if events:
        what = f"no topology waits for a confirmation. The last event: {max(events)}"
        raise NetorchError(Problem("nothing-to-confirm", what))
    return None


def _confirm(name: str, options: ConfirmOptions, output: Output) -> int:
    from netorch.converge import confirmation

    confirmed = confirmation.confirm(name, options.lock_timeout, options.token)
    words = "confirmed, the changes stay" if confirmed else None
    return _print(options, output, name, words, confirmed=confirmed)


def _undo(name: str, options: ConfirmOptions, output: Output) -> int:
    from netorch.converge import confirmation
    from netorch.render import text
    from netorch.render.changes import decode

    outcome = confirmation.undo(name, options.lock_timeout, options.token)
    if outcome is None:
        return _print(options, output, name, None)
    made = decode(outcome.changes or "[]")
    if not output.json:
        output.listing(made, short=True)
    summary = text.summarize(made, done=True) or "nothing differed"
    words = f"undone, {summary}: the kernel is as it was before the apply"
    from netorch.render import json

    return _print(
        options,
        output,
        name,
        words,
        undone=True,
        changes=json.changes(made),
        summary=json.counts(made),
    )


def _show(name: str, options: ConfirmOptions, output: Output) -> int:
    from netorch.converge import confirmation

    look = confirmation.to_undo if options.undo else confirmation.waiting_of
    waiting: Pending | None = look(name, options.token)
    if waiting is None:
        return _print(options, output, name, None)
    return _print(
        options,
        output,
        name,
        f"an apply waits until {waiting.clock} to be confirmed",
        confirmed=not options.undo,
        undone=options.undo,
        seconds_left=round(max(0.0, waiting.left), 3),
    )


def _print(
    options: ConfirmOptions,
    output: Output,
    name: str | None,
    words: str | None,
    **fields: object,
) -> int:
    """Print the result. Without `words`, nothing waits."""
    if output.json:
        from netorch.render import json

        usual = {"confirmed": False, "undone": False, "seconds_left": None}
        content = usual | {"changes": [], "summary": {}} | fields
        output.result(json.document(topology=name, **content))
    elif not output.quiet and name is None:
        output.result("no topology waits for a confirmation")
    elif not output.quiet:
        left = "nothing is undone" if options.undo else "what was applied stays"
        output.result(f"{name}: {words or f'nothing waits to be confirmed, {left}'}")
    return DONE


COMMAND = Command(
    name="confirm",
    summary="keep the changes of apply --confirm-within, or undo them",
    group=CHANGE,
    examples=(
        ("confirm lab", "keep the changes of `apply --confirm-within`"),
        ("confirm lab --undo", "undo them at once"),
    ),
    page="docs/cli.md#confirm",
    verbose="print each change on a line of its own, with every value",
    options=ConfirmOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
