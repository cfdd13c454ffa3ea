"""Options that several commands have: functions that add them to a parser, and typed classes for
their values.

A command receives an instance of its options class from the parser. The class has one annotation
for each option.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # because importing `typing` takes time
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
    """The output format. It is `text` for a command without `-o`."""
    reader: ForkedReader | None
    """A second process that reads namespaces at the same time. `main` sets it, not the parser."""
    failure: Exception | None = None
    """The error of the command's shortcut. `main` sets it, not the parser."""


def lists_nothing(options: Options) -> bool:
    """Whether a command prints nothing but errors."""
    return options.quiet and options.output != "json"


def add_common_options(parser: argparse.ArgumentParser, verbose: str) -> None:
    """Add the options of every command. `verbose` is the help of -v; it is hidden if that is ""."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help=verbose or argparse.SUPPRESS,
    )
    parser.add_argument("--debug", action="store_true", help="print a traceback after an error")


MOST_FORMS = 4
"""The number of formats that have room in the name of the option. `help` names more of them."""


def add_output_option(
    parser: argparse.ArgumentParser,
    forms: tuple[str, ...] = ("text", "json"),
    about: str = "output format (default: text)",
) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=forms,
        default="text",
        help=about,
        metavar="FORMAT" if len(forms) > MOST_FORMS else None,
    )


class FileOptions(Options):
    """The options of a command that loads a topology file."""

    set: list[str]
    """Variables of the file, each `KEY=VALUE`."""
    name: str | None
    """The name of another instance of the same file."""
    host: str | None
    """The name that this machine has in `hosts` of the file."""


def add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        metavar="KEY=VALUE",
        help="set a variable of the file; may be repeated",
    )
    parser.add_argument(
        "--name",
        help="use another instance of the file: a topology called NAME, whose namespaces begin "
        "with NAME-",
    )
    add_host_option(parser)


def add_host_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        metavar="MACHINE",
        help="which machine of the file's `hosts` this is (default: the one whose address it has)",
    )


class LockOptions(Options):
    """The options of a command that locks a topology."""

    lock_timeout: float
    """The number of seconds to wait for the lock of the topology."""


def add_lock_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock-timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="wait this long while another netorch changes the topology (default: 10)",
    )


class NodeOptions(Options):
    """The options of a command that runs in a node."""

    node: str
    name: str | None
    """The topology of the node."""


def add_node_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser, about="format of netorch's own errors (default: text)")
    parser.add_argument(
        "--name", help="topology of the node, if several topologies have a node with this name"
    )
    parser.add_argument("node", metavar="NODE", help="name of the node")


def add_end_options(parser: argparse.ArgumentParser) -> None:
    """Add the interface of a live topology, and the topology that it is in."""
    parser.add_argument(
        "--name", help="topology of the node, if several topologies have a node with this name"
    )
    parser.add_argument("end", type=end_of, metavar="NODE:IF", help="interface of a node")


def end_of(word: str) -> str:
    """Return NODE:IF for NODE/IF, which is how the output of netorch names interfaces.

    Any other word, such as a subnet, is returned as it is.
    """
    node, _, interface = word.partition("/")
    if word.count("/") != 1 or ":" in word or not node.strip(".") or not interface:
        return word
    is_address = "." in node and node.replace(".", "").isdecimal()
    return word if is_address else f"{node}:{interface}"


def setting(text: str) -> str:
    """Return `text` if it is of the form `KEY=VALUE`."""
    name, equals, _ = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return text


def count(text: str) -> int:
    """Convert a number, which is at least 1."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 1 and 1000000")
    return int(text)


def seconds(text: str) -> float:
    """Convert `60` or `60s` to seconds."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value
