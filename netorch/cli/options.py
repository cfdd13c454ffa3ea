"""Options that several commands have: how the parser learns them, and their values with types.

An options class is what a command gets from the parser: one annotation for each of its options.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # because typing's own costs the import of typing
if TYPE_CHECKING:
    from netorch.parallel_reader.reader import ForkedReader


class Options(argparse.Namespace):
    """The options of every command."""

    command: str
    """The command's name."""
    quiet: bool
    verbose: bool
    debug: bool
    output: str | None = "text"
    """The form of the output; `text` for a command without `-o`."""
    reader: ForkedReader | None
    """A second process that reads namespaces meanwhile. Set by `main`, not by the parser."""


def lists_nothing(options: Options) -> bool:
    """Whether a command prints nothing of what it does, but for errors."""
    return options.quiet and options.output != "json"


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print more: every value, where in the file it stands, and the commands that would do the same",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something fails"
    )


def add_output_option(
    parser: argparse.ArgumentParser,
    forms: tuple[str, ...] = ("text", "json"),
    about: str = "form of the output (text)",
) -> None:
    parser.add_argument("-o", "--output", choices=forms, default="text", help=about)


class FileOptions(Options):
    """The options of a command that loads a topology file."""

    set: list[str]
    """Variables of the file, each `KEY=VALUE`."""
    name: str | None
    """The name of another instance of the same file."""


def add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        metavar="KEY=VALUE",
        help="value of a variable of the file; may be repeated",
    )
    parser.add_argument(
        "--name", help="another instance of the file: its name, and NAME- before what it makes"
    )


class LockOptions(Options):
    """The options of a command that locks a topology."""

    lock_timeout: float
    """Seconds."""


def add_lock_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock-timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="wait for another netorch this long (10)",
    )


class NodeOptions(Options):
    """The options of a command that runs in a node."""

    node: str
    name: str | None
    """The node's topology."""


def add_node_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser, about="form of netorch's own errors (text)")
    parser.add_argument("--name", help="the topology, where several have a node of that name")
    parser.add_argument("node", metavar="NODE", help="the node")


def setting(text: str) -> str:
    """Check a `KEY=VALUE`."""
    name, equals, _ = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return text


def seconds(text: str) -> float:
    """Convert `60` or `60s`."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value
