"""How the work of one machine grows with the number of machines of a topology.

    python -m tests.benchmarks.many_machines [--quick] [--shapes racks,network] [--json FILE]

Nothing is made: a topology of 10, 100 and 1,000 machines with 100 nodes each is resolved and
divided. It prints a table in Markdown. Each row has processes of its own, because the memory of a
process is only known at its largest. `racks` is a leaf-spine: on each machine a leaf with a network
of its own, and a link from the leaf to each of four spines. In `network` all nodes are members of
one network.

    python -m tests.benchmarks.many_machines one SHAPE MACHINES MACHINE|all

prints the figures of one process as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from math import log
from pathlib import Path
from typing import Any

from netorch.kinds.file import NodeFile
from netorch.resolve.loader import load
from netorch.resolve.machines import partition
from netorch.resolve.per_machine import shares

NODES, SPINES = 100, 4
SIZES, QUICK_SIZES = (10, 100, 1000), (5, 10)
MOST_ENTRIES = 2_000_000
"""The most entries of forwarding databases, of all machines together, that fit into memory."""
ALL = "all"
HEADER = (
    "shape",
    "machines",
    "load its part",
    "memory",
    "load all",
    "memory of all",
    "divide",
    "objects",
    "tunnels",
    "most tunnels",
    "entries",
    "hosts files",
)

Figures = dict[str, Any]


def hosts(machines: int) -> str:
    return "name: many\nhosts:\n" + "".join(
        f"  m{number}: {{address: 192.168.{number >> 8}.{number & 255}}}\n"
        for number in range(1, machines + 1)
    )


def racks(machines: int) -> str:
    """Return a leaf-spine, whose spines are on the first machines."""
    nodes, networks, links = [], [], []
    for number in range(1, machines + 1):
        high, low = number >> 8, number & 255
        has_spine = number <= SPINES
        if has_spine:
            nodes.append(f"  spine{number}: {{on: m{number}, forwarding: true}}\n")
        nodes.append(
            f"  leaf{number}: {{on: m{number}, forwarding: true, networks: [rack{number}]}}\n"
            f"  'h{number}-[1-{NODES - 1 - has_spine}]': {{on: m{number}, networks: [rack{number}]}}\n"
        )
        networks.append(
            f"  rack{number}: {{subnet: 11.{high}.{low}.0/24, gateway: leaf{number}}}\n"
        )
        links += [
            f"  - {{endpoints: [leaf{number}:s{spine}, spine{spine}:l{number}],"
            f" subnet: 12.{8 * spine + high}.{low}.0/31}}\n"
            for spine in range(1, SPINES + 1)
        ]
    return "".join(
        (hosts(machines), "nodes:\n", *nodes, "networks:\n", *networks, "links:\n", *links)
    )


def network(machines: int) -> str:
    """Return one network over all machines."""
    nodes = "".join(
        f"  'h{number}-[1-{NODES}]': {{on: m{number}, networks: [lan]}}\n"
        for number in range(1, machines + 1)
    )
    return f"{hosts(machines)}nodes:\n{nodes}networks: {{lan: {{subnet: 10.0.0.0/12}}}}\n"


SHAPES: Mapping[str, Callable[[int], str]] = {"racks": racks, "network": network}


def measure(shape: str, machines: int, machine: str) -> Figures:
    """Return the figures of one machine, or of all of them together."""
    text = SHAPES[shape](machines).encode()
    choose = None if machine == ALL else lambda *_: machine
    load(b"name: first\nhosts: {m: {address: 192.0.2.1}}\nnodes: {a: {on: m}}", "first.yaml")
    started = time.process_time()
    desired = load(text, "many.yaml", choose=choose).desired
    figures: Figures = {
        "seconds": time.process_time() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if machine == ALL:
        started = time.process_time()
        partition(desired, f"m{machines}")
        figures["divide"] = time.process_time() - started
    every = shares(desired)
    return figures | {
        "objects": len(desired.state) / len(every),
        "tunnels": statistics.median(share.tunnels for share in every),
        "most": max(share.tunnels for share in every),
        "entries": statistics.median(share.entries for share in every),
        "files": sum(
            len(one.content) for one in desired.state.values() if isinstance(one, NodeFile)
        )
        / len(every)
        / 1e6,
    }


def figures_of(shape: str, machines: int, machine: str) -> Figures:
    """Return the figures that another process measures."""
    words = [sys.executable, "-m", "tests.benchmarks.many_machines", "one"]
    ran = subprocess.run(
        [*words, shape, str(machines), machine], capture_output=True, text=True, check=True
    )
    figures: Figures = json.loads(ran.stdout)
    return figures


def rows(shapes: list[str], sizes: tuple[int, ...]) -> Iterator[Figures]:
    for shape in shapes:
        for machines in sizes:
            row: Figures = {"shape": shape, "machines": machines}
            # the last machine, because the first ones have the spines
            row["part"] = figures_of(shape, machines, f"m{machines}")
            has_room = row["part"]["entries"] * machines <= MOST_ENTRIES
            row["all"] = figures_of(shape, machines, ALL) if has_room else None
            yield row


def cells(row: Figures) -> Iterator[str]:
    part, every = row["part"], row["all"]
    yield row["shape"]
    yield f"{row['machines']:,}"
    yield f"{part['seconds']:.2f} s"
    yield f"{part['megabytes']:,.0f} MB"
    yield f"{every['seconds']:.2f} s" if every else "-"
    yield f"{every['megabytes']:,.0f} MB" if every else "-"
    yield f"{1000 * every['divide']:.1f} ms" if every else "-"
    yield f"{part['objects']:,.0f}"
    yield f"{part['tunnels']:,.0f}"
    yield f"{every['most'] if every else part['most']:,}"
    yield f"{part['entries']:,.0f}"
    yield f"{part['files']:,.1f} MB"


def exponents(entries: list[Figures]) -> Iterator[str]:
    """Yield a line for each shape: the exponent of the time between its last two sizes."""
    for shape in dict.fromkeys(entry["shape"] for entry in entries):
        before, after = [entry for entry in entries if entry["shape"] == shape][-2:]
        seconds = after["part"]["seconds"] / max(before["part"]["seconds"], 1e-3)
        exponent = log(seconds) / log(after["machines"] / before["machines"])
        yield f"{shape}: the time to load a part grows with the exponent {exponent:.2f}"


def main(words: list[str]) -> int:
    if words[:1] == ["one"]:
        print(json.dumps(measure(words[1], int(words[2]), words[3])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    print(f"| {' | '.join(HEADER)} |")
    print(f"| {' | '.join('---' for _ in HEADER)} |")
    entries: list[Figures] = []
    for row in rows(options.shapes.split(","), QUICK_SIZES if options.quick else SIZES):
        entries.append(row)
        print(f"| {' | '.join(cells(row))} |", flush=True)
    print()
    for line in exponents(entries):
        print(line)
    if options.json is not None:
        options.json.write_text(json.dumps(entries, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
