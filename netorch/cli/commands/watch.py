"""`watch`: tell what drifts, as soon as Linux reports it."""

from __future__ import annotations

import argparse

from netorch.cli.command import LOOK, Command
from netorch.cli.options import Options, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class WatchOptions(Options):
    names: list[str]
    """The topologies; all of this machine if there are none."""
    interval: float
    """Seconds between two looks at what Linux does not report."""
    once: bool
    timeout: float | None
    reconcile: bool
    max_changes: int | None
    exec: list[str]
    """The command to run for each drift, with its arguments."""
    metrics: tuple[str, int] | None
    """The address and port of a server for Prometheus."""
    metrics_file: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser, about="output format (default: text); json: one object on each line")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="topology (default: all of this machine, also those that are applied later)",
    )
    parser.add_argument(
        "--interval",
        type=interval,
        default=30.0,
        metavar="SECONDS",
        help="look this often at what Linux does not report: sysctls, iptables (default: 30)",
    )
    parser.add_argument(
        "--once", action="store_true", help="end with status 2 as soon as something differs"
    )
    parser.add_argument(
        "--timeout", type=interval, metavar="SECONDS", help="end with status 0 after this time"
    )
    parser.add_argument(
        "--metrics",
        type=endpoint,
        metavar="[ADDRESS:]PORT",
        help="serve metrics for Prometheus at this port (default address: 127.0.0.1)",
    )
    parser.add_argument(
        "--metrics-file",
        metavar="PATH",
        help="keep metrics in a file for the textfile collector of node_exporter",
    )
    parser.add_argument(
        "--exec",
        type=words,
        default=[],
        metavar="COMMAND",
        help="run this command for each drift, with the event as JSON on its standard input",
    )
    parser.add_argument(
        "--reconcile", action="store_true", help="put right what drifts, as `apply` would"
    )
    parser.add_argument(
        "--max-changes",
        type=count,
        metavar="N",
        help="with --reconcile: change nothing if more than N objects differ",
    )


def interval(text: str) -> float:
    """Convert `30` or `30s` to seconds, of which there must be more than none."""
    from netorch.cli.options import seconds

    value = seconds(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def endpoint(text: str) -> tuple[str, int]:
    """Convert `9000`, `10.0.0.1:9000` or `[::1]:9000` to an address and a port."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise argparse.ArgumentTypeError(f"{text!r}: write an IPv6 address as [::1]:9000")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not [ADDRESS:]PORT, such as 9000")
    return host or "127.0.0.1", int(port)


def words(text: str) -> list[str]:
    """Split a command line into its words, as a shell does."""
    import shlex

    try:
        result = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if not result:
        raise argparse.ArgumentTypeError("the command is empty")
    return result


def count(text: str) -> int:
    """Convert a number of objects, at least one."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def run(options: WatchOptions, output: Output) -> int:
    from netorch.cli import signals, watch_report
    from netorch.kernel.linux import require_root

    if options.max_changes is not None and not options.reconcile:
        return output.usage("--max-changes needs --reconcile")
    require_root()
    try:
        return watch_report.watch(options, output)
    except KeyboardInterrupt:
        # a service manager ends a service with SIGTERM
        if signals.is_terminated():
            return DONE
        raise


COMMAND = Command(
    name="watch",
    summary="tell what differs from the file that was applied last, as soon as it happens",
    group=LOOK,
    examples=(
        ("watch lab", "report each drift as it happens"),
        ("watch lab -o json", "the same for a program, one document a line"),
    ),
    page="docs/howto/watch.md",
    status_2="with --once: something differs",
    options=WatchOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.watch_report",),
)
