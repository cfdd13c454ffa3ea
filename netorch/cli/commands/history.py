"""`history`: list what changed the networks of this machine."""

from __future__ import annotations

import argparse

from netorch.cli.command import LOOK, Command
from netorch.cli.options import Options, add_output_option, count
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class HistoryOptions(Options):
    name: str | None
    lines: int
    """The number of acts to list."""
    since: float | None
    """Only acts since that time, in seconds since 1970."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    parser.add_argument("name", nargs="?", metavar="NAME", help="topology (default: all)")
    parser.add_argument(
        "-n",
        "--lines",
        type=count,
        default=50,
        metavar="N",
        help="list the last N acts (default: 50)",
    )
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="only acts since then: `2h`, `3d`, `yesterday`, `2026-05-01`, `2026-05-01 13:30`",
    )


def moment(text: str) -> float:
    """Convert a time, or how long ago it was, to seconds since 1970."""
    import time
    from datetime import date, datetime, timedelta

    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdecimal() and unit in units:
        return max(0.0, time.time() - int(number) * units[unit])
    days = {"today": 0, "yesterday": 1}
    try:
        if text in days:
            day = date.today() - timedelta(days[text])
            return datetime.combine(day, datetime.min.time()).timestamp()
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as `2h`, `3d`, `yesterday` or `2026-05-01 13:30`"
        ) from None


def run(options: HistoryOptions, output: Output) -> int:
    from netorch.kernel.journal.read import history
    from netorch.kernel.system.user import name_of
    from netorch.render import history as table

    past = history(options.name, options.lines, options.since)
    if output.json:
        from netorch.render import json

        rows = [table.row(act, name_of) for act in past.acts]
        output.result(json.document(history=rows, source=past.source, more=past.more))
        return DONE
    if past.source == "syslog":
        output.note("this machine has no journal, and in the files of syslog anybody can write")
    if not past.grows:
        output.note("no journal or syslog runs here now, so what netorch does is not noted")
    if past.more:
        output.note(f"there are older acts: -n {options.lines * 10} lists more")
    if past.acts:
        for line in table.listing(past.acts, name_of, full=output.verbose):
            output.result(line)
    elif not output.quiet:
        of = f" of {options.name}" if options.name is not None else ""
        since = " since then" if options.since is not None else ""
        output.result(f"no act{of} is in the log{since}")
    return DONE


COMMAND = Command(
    name="history",
    summary="list what has changed the networks of this machine, and who did",
    group=LOOK,
    examples=(
        ("history", "what has changed the networks of this machine"),
        ("history lab", "the same for one topology"),
    ),
    page="docs/cli.md#history",
    verbose="print the whole reason of each act that failed",
    options=HistoryOptions,
    add_options=add_options,
    run=run,
)
