"""`link`: set a link of a live topology down or up on purpose, or flap it."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import (
    LockOptions,
    add_end_options,
    add_lock_option,
    add_output_option,
    count,
)
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.deviate import Outcome
    from netorch.converge.named_interface import Choice

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SHORTEST, LONGEST = 0.1, 86400.0


class LinkOptions(LockOptions):
    end: str
    """The interface, as NODE:IF."""
    action: str
    every: float | None
    """The seconds between two changes of a link that flaps."""
    count: int | None
    """How many times the link goes down."""
    duration: float | None
    """For how many seconds the link flaps."""
    name: str | None
    """The topology of the node."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    add_end_options(parser)
    parser.add_argument("action", choices=("down", "up", "flap"), help="what to do")
    parser.add_argument(
        "every",
        nargs="?",
        type=interval,
        metavar="EVERY",
        help="with flap: change the state each time this has passed, such as `500ms` or `2s`, "
        "until Ctrl-C; then the link is as before",
    )
    parser.add_argument(
        "--count", type=count, metavar="N", help="with flap: end when the link was down N times"
    )
    parser.add_argument(
        "--duration",
        type=interval,
        metavar="TIME",
        help="with flap: end after this time, such as `30s`",
    )
    # because the time may stand after options: `r1:eth0 flap --count 5 2s`
    parser.spreads = "every"  # type: ignore[attr-defined]


def interval(text: str) -> float:
    """Convert `500ms`, `2s` or `2` to seconds."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :] or "s"
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 500ms or 2s: the units are {', '.join(UNITS)}"
        ) from None
    if not SHORTEST <= value <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 100ms and 24h")
    return value


def run(options: LinkOptions, output: Output) -> int:
    from netorch.converge import deviate
    from netorch.converge.named_interface import choose
    from netorch.kernel.linux import LinuxKernel, require_root
    from netorch.kernel.system.user import user_name

    if (options.every is None) == (options.action == "flap"):
        return output.usage("write EVERY with flap, and only there: netorch link r1:eth0 flap 2s")
    if options.action != "flap" and (options.count or options.duration):
        return output.usage(
            "--count and --duration need flap: netorch link r1:eth0 flap 2s --count 5"
        )
    require_root()
    choice = choose(options.end, options.name)
    if options.every is not None:
        return _flap(choice, options.every, options, output)
    edit = (
        deviate.set_down(choice.target, user_name())
        if options.action == "down"
        else deviate.set_up(choice.target)
    )
    with LinuxKernel() as kernel:
        outcome = deviate.deviate(
            kernel,
            choice,
            edit,
            lock_timeout=options.lock_timeout,
            log=f"{choice.target.title} is {options.action}",
        )
    report(outcome, f"is {options.action}", output)
    return DONE


def _flap(choice: Choice, every: float, options: LinkOptions, output: Output) -> int:
    """Flap a link until that ends or is interrupted."""
    import os
    import time

    from netorch.converge.flap import LinkFlap
    from netorch.kernel.system.user import user_name

    target = choice.target
    flap = LinkFlap(
        choice,
        user_name(),
        every,
        os.getpid(),
        lock_timeout=options.lock_timeout,
        notice=lambda words: output.warn([words]),
    )

    def changed(outcome: Outcome, is_down: bool) -> None:
        if not output.json and not output.quiet:
            # a link that was down already has not changed, but this is its time
            at = outcome.at or time.time()
            output.result(f"{clock(at)}  {target.title} is {_state(is_down)}")

    result = flap.run(changed, count=options.count, seconds=options.duration)
    if output.json:
        from netorch.render import json

        output.result(
            json.document(
                topology=target.topology,
                node=target.node,
                interface=target.interface,
                times=result.times,
                state=_state(result.is_down),
            )
        )
    elif not output.quiet:
        times = "once" if result.times == 1 else f"{result.times} times"
        words = f"was down {times}, and is {_state(result.is_down)} as before"
        output.result(f"{target.topology}: {target.title} {words}")
    return DONE


def _state(is_down: bool) -> str:
    return "down" if is_down else "up"


def clock(seconds: float) -> str:
    """Return a time as local time with milliseconds."""
    import time

    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{int(seconds % 1 * 1000):03}"


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
                at=outcome.at or None,
                intended=json.intended(outcome.report.intended),
                changes=json.changes(made),
                summary=json.counts(made),
                warnings=outcome.report.warnings,
            )
        )
    elif not output.quiet:
        output.listing(made, commands=False)
        already = "" if outcome.changed else ", as before"
        output.result(f"{target.topology}: {target.title} {words}{already}")


COMMAND = Command(
    name="link",
    summary="set a link of a live topology down or up on purpose, or flap it",
    group=CHANGE,
    examples=(
        ("link r1:eth0 down", "set the link down, and diff knows that it is on purpose"),
        ("link r1:eth0 flap 2s", "change its state every two seconds, until Ctrl-C"),
    ),
    page="docs/cli.md#link",
    verbose="print what changes in the kernel",
    options=LinkOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.converge.deviate",),
)
