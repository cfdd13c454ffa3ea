"""How time and memory grow with the size of a network, and how those of the floor grow.

    python -m tests.benchmarks.scale [--quick] [--shapes ring,routes] [--size N] [--json FILE]

Needs root. Each size of each shape has a private host. It prints a table in Markdown: for each
operation the processor time at the largest size, and the exponent of the growth without the start
at the last doubling of the size (1 means linear); in parentheses the ratio to the floor and the
exponent of the floor. A shape whose links this kernel does not have is left out. The exit status is
0 unless something did not work.

    python -m tests.benchmarks.scale floor create|read|destroy SHAPE SIZE [FOLDER]

does the work of the floor in the network where it is started: bare netlink messages, and `nft -f`
for packet filters, whose tables are files in FOLDER.
"""

from __future__ import annotations

import argparse
import compileall
import json
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import netorch
from tests.benchmarks import floor, raw
from tests.benchmarks.machine import CommandFailed, Machine, Ran, machine
from tests.benchmarks.scale_shapes import KEY_FILE, SCALED, Scaled
from tests.benchmarks.teardown import settle

TOPOLOGY, BASE, CHANGED, EMPTY = "scale", "base.yaml", "changed.yaml", "empty.yaml"
OPERATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "apply": (("apply", "--quiet", BASE), "create"),
    "diff": (("diff", BASE), "read"),
    "change": (("apply", "--quiet", CHANGED), ""),
    "destroy": (("destroy", "--quiet", TOPOLOGY), "destroy"),
}
"""Operation → its words, and the floor that does the same work."""
FLOORS = ("create", "read", "destroy")
SHORT, SHORT_FLOOR = 0.05, 0.005
"""Seconds of processor time that are too short to compare, of a command and of the floor."""
LACKING = re.compile("this kernel has no [^:]*")
KEY = "WG9hZHNjYWxlLW5vdC1hLXNlY3JldC1rZXktMzJieXQ="


@dataclass(slots=True)
class Figures:
    """The measurements of one size: what was measured → seconds, or kilobytes."""

    clock: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)


# the floor


def _nft(folder: Path) -> None:
    """Load the table of each namespace that has one."""
    for table in sorted(folder.iterdir()):
        label = table.name
        enter = () if label == "host" else ("nsenter", f"--net={floor.RUN_NETNS}/{label}")
        subprocess.run([*enter, "nft", "-f", str(table)], check=True)


def bare(what: str, scaled: Scaled, size: int, folder: Path | None) -> None:
    """Do the work of the floor."""
    assert scaled.bare is not None
    one = scaled.bare(size)
    here = raw.netns_here()
    if what == "create":
        places = floor.namespaces(one.nodes)
        for name, messages in one.build(places):
            if name:
                raw.send(places[name].at, messages)
            else:
                with raw.opened() as at:
                    raw.send(at, messages)
        if folder is not None:
            _nft(folder)
    elif what == "read":
        kinds = [raw.RTM_GETLINK, raw.RTM_GETADDR, raw.RTM_GETROUTE, RTM_GETRULE, RTM_GETNEIGH]
        for name in ("", *one.nodes):
            with floor.entered(name) if name else raw.opened() as at:
                for kind, size_of_header in zip(kinds, (16, 8, 12, 12, 12), strict=True):
                    for data in raw.dumped(at, kind, bytes(size_of_header)):
                        raw.attributes(data, size_of_header)
        raw.enter(here)
    else:
        with raw.opened() as at, suppress(OSError):  # there may be no link on the host
            raw.send(at, [raw.message(raw.RTM_DELLINK, 0, raw.link(0, 0, 0, 0, 0) + floor.GROUP)])
        for name in one.nodes:
            path = f"{floor.RUN_NETNS}/{name}"
            raw.call(raw.libc.umount2(path.encode(), raw.MNT_DETACH))
            os.unlink(path)
        settle()


RTM_GETRULE, RTM_GETNEIGH = 34, 30


def run_floor(what: str, name: str, size: str, folder: str = "") -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started, spent = time.perf_counter(), time.process_time()
    bare(what, SCALED[name], int(size), Path(folder) if folder else None)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = time.process_time() - spent + children.ru_utime + children.ru_stime
    print(f"{time.perf_counter() - started:.4f} {processor:.4f}")


# measuring


def _note(into: Figures, what: str, ran: Ran) -> None:
    into.clock[what] = ran.milliseconds / 1000
    into.processor[what] = ran.processor_milliseconds / 1000
    into.peak[what] = ran.peak_kilobytes


def _tables(here: Machine, folder: Path) -> None:
    """Write the tables of the host and of the node `box` into `folder`."""
    folder.mkdir()
    names = here.run("ls", floor.RUN_NETNS).out.split()
    for label in ("host", *(name for name in names if name == "box")):
        enter = () if label == "host" else ("nsenter", f"--net={floor.RUN_NETNS}/{label}")
        nft = (*enter, "nft", "list", "tables")
        if f"netorch_{TOPOLOGY}" in here.host.run(*nft).stdout:
            text = here.host.run(*nft[:-1], "table", "inet", f"netorch_{TOPOLOGY}").stdout
            (folder / label).write_text(text)


def measure(
    name: str, scaled: Scaled, size: int, say: Callable[[str], None], quiet: bool
) -> Figures:
    """Measure one size of a shape, netorch first."""
    into = Figures()
    files = [
        (BASE, scaled.text(size, False)),
        (CHANGED, scaled.text(size, True)),
        (EMPTY, f"name: {TOPOLOGY}\nnodes: {{}}\n"),
        (KEY_FILE, f"{KEY}\n"),
    ]
    with machine(files, quiet=quiet) as here:
        (here.host.directory / KEY_FILE).chmod(0o600)
        _note(into, "empty", here.python("netorch", "apply", "--quiet", EMPTY))
        tables = here.host.directory / "tables"
        for operation, (words, _) in OPERATIONS.items():
            say(f"{name} {size}: {operation}")
            done = operation == "destroy"
            _note(into, operation, here.python("netorch", *words, settled=done))
            if operation == "apply" and scaled.ruled:
                _tables(here, tables)
        if scaled.bare is None:
            return into
        folder = [str(tables)] if scaled.ruled else []
        for what in FLOORS:
            say(f"{name} {size}: floor {what}")
            words = ("floor", what, name, str(size), *(folder if what == "create" else []))
            clock, processor = here.python("tests.benchmarks.scale", *words).out.split()
            into.clock[f"floor {what}"] = float(clock)
            into.processor[f"floor {what}"] = float(processor)
    return into


# the table


def exponent(costs: Mapping[int, float]) -> float | None:
    """Return the exponent of the size in the cost, from the two largest sizes."""
    sizes = sorted(costs)[-2:]
    if len(sizes) < 2 or not all(costs[size] > 0 for size in sizes):
        return None
    return math.log(costs[sizes[1]] / costs[sizes[0]]) / math.log(sizes[1] / sizes[0])


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _exponents(figures: Mapping[int, Figures], what: str) -> str:
    is_floor = what.startswith("floor")
    costs = {
        size: one.processor[what] - (0 if is_floor else one.processor["empty"])
        for size, one in figures.items()
    }
    shortest = SHORT_FLOOR if is_floor else SHORT
    costs = {size: cost for size, cost in costs.items() if cost > shortest}
    return _number(exponent(costs), 2)


def table(results: Mapping[str, Mapping[int, Figures]]) -> str:
    """Return the table in Markdown."""
    head = ["", *OPERATIONS, "peak MB", "kB each"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for name, figures in results.items():
        size = max(figures)
        one = figures[size]
        cells = [f"{size:,} {SCALED[name].objects}: {name}"]
        for operation, (_, floor_of) in OPERATIONS.items():
            cell = f"{_number(one.processor[operation])} s, {_exponents(figures, operation)}"
            if one.processor.get(f"floor {floor_of}", 0) > SHORT_FLOOR:
                below = one.processor[f"floor {floor_of}"]
                ratio, exponents = one.processor[operation] / below, f"floor {floor_of}"
                cell += f" (× {_number(ratio, 1)}, {_exponents(figures, exponents)})"
            cells.append(cell)
        peak = max(value for what, value in one.peak.items() if what != "empty")
        cells.append(_number(peak / 1024, 0))
        cells.append(_number((peak - one.peak["empty"]) / size, 0))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def details(results: Mapping[str, Mapping[int, Figures]]) -> str:
    """Return all figures as a text in columns."""
    lines = [f"{'shape':18}{'size':>6}  {'':14}{'s':>9}{'cpu s':>9}{'MB':>7}"]
    for name, figures in results.items():
        for size, one in figures.items():
            for what in one.clock:
                peak = f"{one.peak[what] / 1024:7.0f}" if what in one.peak else ""
                clock, processor = one.clock[what], one.processor[what]
                lines.append(f"{name:18}{size:6}  {what:14}{clock:9.2f}{processor:9.2f}{peak}")
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    if words[:1] == ["floor"]:
        run_floor(*words[1:])
        return 0
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scale", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--shapes", default=",".join(SCALED), help="comma-separated list of shapes")
    parser.add_argument("--size", type=int, help="the largest size, for all shapes")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    options = parser.parse_args(words)
    if os.geteuid() != 0:
        parser.error("needs root: it makes network namespaces")
    names = options.shapes.split(",")
    if unknown := [name for name in names if name not in SCALED]:
        parser.error(f"{unknown[0]!r} is not a shape: write {', '.join(SCALED)}")
    compileall.compile_dir(Path(netorch.__file__).parent, quiet=1)
    results: dict[str, dict[int, Figures]] = {}
    failed: list[str] = []
    for name in names:
        scaled = SCALED[name]
        largest = options.size or (scaled.quick if options.quick else scaled.size)
        for size in (largest // 4, largest // 2, largest):
            try:
                results.setdefault(name, {})[size] = measure(
                    name, scaled, size, say, quiet=not options.quick
                )
            except CommandFailed as error:
                if lacking := LACKING.search(str(error)):
                    say(f"{name}: {lacking[0]}")
                    break
                failed.append(f"FAILED {name} {size}: {error}")
                results.pop(name, None)
                say(failed[-1])
                break
        if options.json is not None:
            document = {
                shape: {size: asdict(one) for size, one in figures.items()}
                for shape, figures in results.items()
            }
            options.json.write_text(json.dumps(document, indent=1) + "\n")
    print("\n".join([details(results), "", table(results), *failed]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
