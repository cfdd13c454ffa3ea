"""Benchmarks of netorch against the least work that the kernel must do, and against other tools.

    python -m tests.benchmarks [--quick] [--shapes star-100,ring-100] [--rounds N] [--no-peers]
                               [--json FILE]

Needs root. Each series of measurements has a private host. A slow figure is not an error: the exit
status is 0 unless something did not work.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
from pathlib import Path

import netorch
from tests.benchmarks import report, series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.shapes import Shape, shape, star

SHAPES = ("star-10", "star-100", "star-1000", "star-4000", "ring-1000", "fat-tree-8", "ports-1000")
QUICK = ("star-10", "star-100", "ring-100", "fat-tree-4", "ports-100")
ROUNDS, QUICK_ROUNDS = 5, 2
PURE, QUICK_PURE = (125, 250, 500, 1000, 2000), (10, 20, 40)
"""Sizes of the stars that are loaded and planned without a kernel."""


def shapes(words: str) -> list[Shape]:
    """Return the shapes of a comma-separated list of names."""
    try:
        return [shape(name.strip()) for name in words.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(word: str) -> int:
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError("must be a number of at least 1")
    return int(word)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--shapes",
        type=shapes,
        help=f"comma-separated list of star-N, ring-N, fat-tree-K and ports-N (default: {','.join(SHAPES)})",
    )
    parser.add_argument(
        "--rounds", type=positive, help=f"number of rounds of each shape (default: {ROUNDS})"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"small shapes ({','.join(QUICK)}), {QUICK_ROUNDS} rounds",
    )
    parser.add_argument("--no-peers", action="store_true", help="do not measure other tools")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures to this file, too"
    )
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root: it makes network namespaces")
    # an installed package is compiled, and its start is the one that users wait for
    compileall.compile_dir(Path(netorch.__file__).parent, quiet=1)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    results = report.Results(peers=not options.no_peers)
    say("loading and planning")
    results.pure = series.pure([star(size) for size in (QUICK_PURE if options.quick else PURE)])
    for one in options.shapes or [shape(name) for name in (QUICK if options.quick else SHAPES)]:
        results.sizes[one.name] = one.size
        done, failed = series.measure(one, rounds, () if options.no_peers else PEERS, say)
        results.rounds[one.name] = done
        if failed:
            results.failed[one.name] = failed
    print(report.table(results))
    if options.json is not None:
        options.json.write_text(json.dumps(report.document(results), indent=1) + "\n")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
