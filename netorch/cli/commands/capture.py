"""`capture`: show the packets of nodes, or write them as pcapng."""

from __future__ import annotations

import argparse
import sys

from netorch.cli.command import NODES, Command
from netorch.cli.options import Options, end_of, seconds
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netorch.cli.capture_output import Sink
    from netorch.cli.nodes import LiveNodes
    from netorch.cli.output import Output
    from netorch.kernel.capture.libpcap import Program
    from netorch.kernel.capture.ring import Packet
    from netorch.kernel.capture.session import Events, Session, Target

TEXT, PCAPNG = "text", "pcapng"
_FULL = 262144
"""The default snap length, as that of tcpdump: every packet in full."""


class CaptureOptions(Options):
    node: str
    """A node or interface, as NODE or NODE:IF."""
    rest: list[str]
    """More of them, then the words of a filter."""
    name: str | None
    """The topology of the nodes."""
    file: str | None
    """The pcapng file, `-` for standard output."""
    count: int | None
    duration: float | None
    snap: int


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=(TEXT, PCAPNG),
        help="output format (default: text on a terminal, pcapng otherwise)",
    )
    parser.add_argument(
        "-w",
        "--write",
        dest="file",
        metavar="PATH",
        help="write the packets to a pcapng file, which is overwritten; - is standard output",
    )
    parser.add_argument(
        "-c", "--count", type=_positive, metavar="COUNT", help="end after this many packets"
    )
    parser.add_argument(
        "--duration", type=seconds, metavar="SECONDS", help="end after this many seconds"
    )
    parser.add_argument(
        "-s",
        "--snapshot-length",
        dest="snap",
        type=_snap,
        default=_FULL,
        metavar="SNAPLEN",
        help="capture only so many bytes of each packet (default: all)",
    )
    parser.add_argument(
        "--name", help="topology of the nodes, if several topologies have nodes with these names"
    )
    parser.add_argument(
        "node", metavar="NODE[:IF]", help="a node, for all its interfaces but lo, or an interface"
    )
    parser.add_argument(
        "rest",
        nargs="*",
        metavar="NODE[:IF]|FILTER",
        help="more of them, then a filter in tcpdump's language (as in `icmp and host 10.0.0.1`)",
    )
    # because a filter may stand after options: `r1 -w FILE icmp`
    parser.spreads = "rest"  # type: ignore[attr-defined]


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 62):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of packets from 1 on")
    return int(text)


def _snap(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _FULL):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes from 0 to {_FULL}")
    return int(text) or _FULL


def run(options: CaptureOptions, output: Output) -> int:
    from netorch.cli import signals
    from netorch.cli.capture_output import Lines, Stream
    from netorch.errors import listing
    from netorch.immutable import replace
    from netorch.kernel.linux import require_root

    if options.file == "":
        return output.usage("-w needs the path of a file, or -: netorch capture r1 -w r1.pcapng")
    to_file = options.file not in (None, "-")
    form = options.output or (
        PCAPNG if options.file is not None or not sys.stdout.isatty() else TEXT
    )
    if form == TEXT and options.file is not None:
        return output.usage("-w writes pcapng: leave out `-o text`")
    if form == PCAPNG and not to_file and sys.stdout.isatty():
        return output.usage(
            "standard output is a terminal: write -w FILE, or a pipe as in "
            "netorch capture r1 | wireshark -k -i -"
        )
    require_root()
    with _begin(options) as session:
        start = session.events()
        _report(replace(start, opened=()), output)
        output.note(f"capturing on {listing(start.opened) or 'no interface yet'} (Ctrl-C ends)")
        sink = Lines() if form == TEXT else Stream(options.file or "-", signals.has_arrived)
        _copy(session, sink, options, output)
    return DONE


def _targets(options: CaptureOptions) -> tuple[list[Target], str, Program | None]:
    """Return the interfaces to capture, and the filter, also compiled."""
    from netorch.cli.nodes import LiveNodes
    from netorch.errors import NetorchError
    from netorch.immutable import replace
    from netorch.kernel.capture.libpcap import compile_filter
    from netorch.kernel.capture.session import Target

    nodes = LiveNodes(options.name)
    words = [options.node, *options.rest]
    ends = [end_of(words[0])]
    for place, word in enumerate(words[1:], 2):
        # `host 10.0.0.1` is a filter, although `host` is a node
        after = words[place] if place < len(words) else ""
        if not nodes.has(end_of(word).partition(":")[0]) or _is_address(after):
            break
        ends.append(end_of(word))
    names: dict[tuple[str, str, str], set[str]] = {}
    for end in ends:
        node, colon, interface = end.partition(":")
        how, what, _ = nodes.place(node, f"netorch capture {{}}{colon}{interface}")
        names.setdefault((node, how, what), set()).add(interface)
    targets = [
        Target(node, how, what, frozenset(some - {""}), all="" in some)
        for (node, how, what), some in names.items()
    ]
    filter = " ".join(words[len(ends) :])
    try:
        program = compile_filter(filter, options.snap) if filter else None
    except NetorchError as error:
        # a word that is neither may be a node with a typing mistake
        problem = error.problems[0]
        remedy = ""
        if problem.code == "bad-filter":
            remedy = _meant(words[len(ends) :], ends[-1].partition(":")[0], nodes)
        raise NetorchError(replace(problem, remedy=remedy or problem.remedy)) from None
    return targets, filter, program


def _meant(words: Sequence[str], node: str, nodes: LiveNodes) -> str:
    """Return what somebody meant whose filter is wrong, "" if netorch does not know it."""
    if words[0] in nodes.interfaces(node):
        return f"Write an interface as {node}:{words[0]}."
    if len(words) > 1 or not words[0].isidentifier():
        return ""
    similar = nodes.suggest(words[0])
    filters = "Filters are in tcpdump's language: `man 7 pcap-filter`."
    return similar or f"If it is an interface, write {node}:{words[0]}. {filters}"


def _is_address(word: str) -> bool:
    from ipaddress import ip_network

    try:
        ip_network(word, strict=False)
    except ValueError:
        return False
    return True


def _begin(options: CaptureOptions) -> Session:
    from netorch.errors import NetorchError, Problem
    from netorch.kernel.capture.session import Session
    from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX

    for word in (options.node, *options.rest):
        if word.endswith(":") and " " not in word:
            what = f"{word!r} names no interface: write NODE or NODE:IF."
            raise NetorchError(Problem("no-such-interface", what, object=word))
    targets, filter, program = _targets(options)
    return Session(targets, options.snap, program, filter, idle=MADE_BY_LINUX)


def _copy(session: Session, sink: Sink, options: CaptureOptions, output: Output) -> None:
    """Copy packets until a signal, the end of the reader, or one of the limits."""
    from netorch.cli import signals
    from netorch.cli.streams import silence_output

    session.wake_by(signals.collect())
    if sink.fd is not None:
        session.wake_by_reader(sink.fd)
    limit = sys.maxsize if options.count is None else options.count
    count = 0
    try:
        sink.begin()
        for packets in _batches(session, options.duration, output):
            chosen = packets[: limit - count]
            sink.write(chosen, session.interfaces)
            count += len(chosen)
            if count == limit:
                break
        sink.end(session.statistics())
    except BrokenPipeError:
        # the usual end of a capture that Wireshark shows
        silence_output()
    dropped = sum(of.dropped for of in session.statistics())
    output.note(f"{count} packet{'s' * (count != 1)}, {dropped} dropped")
    if dropped:
        output.warn(
            [
                f"{dropped} packets were dropped, because they came faster than they could be "
                "written: use a FILTER, or a smaller SNAPLEN (`-s 128`)"
            ]
        )


def _batches(
    session: Session, duration: float | None, output: Output
) -> Iterator[Sequence[Packet]]:
    """Yield packets until a signal, the end of the reader or the end of the time."""
    import time

    from netorch.cli import signals

    end = None if duration is None else time.monotonic() + duration
    # the interfaces of the beginning, at once
    yield ()
    while True:
        events = session.read(None if end is None else end - time.monotonic())
        _report(events, output)
        yield events.packets
        if session.reader_is_gone:
            raise BrokenPipeError
        if signals.has_arrived() or (end is not None and time.monotonic() >= end):
            yield session.finish()
            return


def _report(events: Events, output: Output) -> None:
    """Tell the user which interfaces have appeared or vanished."""
    from netorch.errors import listing

    for name, why in events.unsuitable:
        output.warn([f"{name} is not captured: {why}"])
    if events.gone:
        output.note(f"gone: {listing(events.gone)}")
    if events.opened:
        output.note(f"now also capturing on {listing(events.opened)}")


COMMAND = Command(
    name="capture",
    summary="show the packets of nodes as they pass, or write them as pcapng for Wireshark",
    group=NODES,
    examples=(
        ("capture r1 r2:eth0 icmp", "print the pings of a node and of an interface"),
        ("capture r1 r2 -w lab.pcapng", "write the packets of two nodes for Wireshark"),
    ),
    page="docs/cli.md#capture",
    options=CaptureOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.nodes", "netorch.cli.capture_output", "netorch.kernel.capture.session"),
)
