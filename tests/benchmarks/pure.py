"""Whether the phases without a kernel have become slower, on fixed topologies: python -m tests.benchmarks.pure [--save] [--strict]

The phases are those of `netorch.converge.orchestrator`: a file is loaded; dumps are decoded, as recorded ones look (tests/recorded/), of as many
namespaces as the topology has; what is in them is observed; a plan is made, of nothing to do and of everything; and the plan of
everything is put into messages. A kernel on paper (tests/benchmarks/paper.py) says what Linux would show of it.

The figures are compared with those in pure.json beside this file; `--save` puts them there instead. What they are is said in
tests/benchmarks/counts.py: `calls` are the same at each run of the same Python, and differ between its versions; ratios of processor
time move by ten per cent from run to run, by more on a machine that is busy. So calls count as changed from 1 % on, and ratios from
25 %. With `--strict` the status is 1 if anything grew by more than that; without, it is 0 whatever was found.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from netorch.converge.observe import observe
from netorch.converge.original_settings import Memory
from netorch.immutable import replace
from netorch.kinds.filter import PacketFilter
from netorch.kinds.forward import keep_needed_accepts
from netorch.netlink.encode import LinkRequest, encode
from netorch.netlink.merge import fold
from netorch.resolve.loader import load
from netorch.state.plan import Plan
from netorch.state.planner import batches, plan
from netorch.state.resource import Resource
from netorch.values.requests import FilterSet
from tests.benchmarks import shapes
from tests.benchmarks.counts import Figure, Work, calls, ratios
from tests.benchmarks.paper import Paper, in_kernel_words
from tests.benchmarks.paperdumps import dumps, read

KEPT = Path(__file__).with_suffix(".json")
SHAPES = {name: shapes.shape(name).text for name in ("star-1000", "fat-tree-8", "ports-1000")}
PHASES = ("load", "decode", "observe", "plan of nothing", "plan of everything", "requests")
NOISE = {"calls": 0.01, "ratio": 0.25}
ROUNDS = 9

Figures = dict[str, dict[str, Figure]]
"""Shape → phase → how much work it was."""


def phases(text: str) -> dict[str, Work]:
    """The phases on one topology, each with what it needs ready. AssertionError if the kernel on paper is wrong about it."""
    data = text.encode()
    desired = load(data, "lab.yaml").desired
    paper = Paper()
    wanted, _ = keep_needed_accepts(
        {key: _listed(resource) for key, resource in desired.state.items()}, paper.snapshot()
    )
    everything = plan({}, wanted)
    paper.take(request for step in everything.changes for request in step.requests())
    like, answers = paper.snapshot(), dumps(paper)
    snapshot = read(answers, like)
    originals = Memory().originals(snapshot, wanted, lambda _: {})
    observed = observe(snapshot, desired.mark, wanted, originals)
    left = plan(observed.state, wanted)
    assert observed.state.keys() == wanted.keys() and not left, [
        str(step.key) for step in left.steps
    ]
    return {
        "load": lambda: load(data, "lab.yaml"),
        "decode": lambda: read(answers, like),
        "observe": lambda: observe(snapshot, desired.mark, wanted, originals),
        "plan of nothing": lambda: plan(observed.state, wanted),
        "plan of everything": lambda: plan({}, wanted),
        "requests": lambda: sum(map(len, sent(everything, paper))),
    }


def _listed(resource: Resource) -> Resource:
    if isinstance(resource, PacketFilter):
        return replace(
            resource, backend="nftables", text=in_kernel_words(resource.topology, resource.rules)
        )
    return resource


def sent(made: Plan, paper: Paper) -> Iterator[bytes]:
    """The messages of a plan, as the writer folds and encodes them, and packet filters as nft takes them."""
    for epoch in batches(made.changes):
        for steps in epoch.values():
            for unit in fold([request for step in steps for request in step.requests()]):
                if isinstance(unit.request, LinkRequest):
                    yield encode(unit.request, 1, 0, paper, unit.also)
                elif isinstance(unit.request, FilterSet):
                    yield in_kernel_words(unit.request.topology, unit.request.rules).encode()


def measured(shapes: Mapping[str, str], rounds: int) -> Figures:
    found: Figures = {}
    for name, text in shapes.items():
        works = phases(text)
        counted = {phase: calls(work) for phase, work in works.items()}
        timed = ratios(works, rounds)
        found[name] = {phase: Figure(counted[phase], round(timed[phase], 4)) for phase in works}
    return found


def table(kept: Figures, now: Figures) -> tuple[list[str], list[str]]:
    """The lines of the table, and what grew."""
    lines = [f"{'':32}{'calls':>12}{'now':>12}{'change':>9}   {'ratio':>8}{'now':>9}{'change':>9}"]
    grown: list[str] = []
    for shape, figures in now.items():
        for phase, figure in figures.items():
            before = kept.get(shape, {}).get(phase)
            line = f"{shape:12}{phase:20}"
            for measure, width, form in (("calls", 12, "d"), ("ratio", 9, ".3f")):
                value = getattr(figure, measure)
                if before is None:
                    line += f"{'–':>{width}}{value:>{width}{form}}{'new':>9}"
                    continue
                old = getattr(before, measure)
                change = value / old - 1 if old else 0.0
                line += f"{old:>{width}{form}}{value:>{width}{form}}{change:>+9.1%}"
                if change > NOISE[measure]:
                    grown.append(f"{shape}, {phase}: {measure} {change:+.1%}")
            lines.append(line)
    return lines, grown


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.pure", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--save", action="store_true", help="keep the figures")
    parser.add_argument("--strict", action="store_true", help="status 1 if something grew")
    options = parser.parse_args(argv)
    version = ".".join(platform.python_version_tuple()[:2])
    now = measured(SHAPES, ROUNDS)
    there = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept = {
        shape: {phase: Figure(**figure) for phase, figure in figures.items()}
        for shape, figures in there.get("figures", {}).items()
    }
    lines, grown = table(kept, now)
    print("\n".join(lines))
    if there and there["python"] != version:
        print(
            f"The kept figures are of Python {there['python']}, these of {version}: their calls are not to be compared."
        )
        grown = [line for line in grown if "calls" not in line]
    print(
        "\n".join(
            ["Grown by more than noise:", *grown] if grown else ["Nothing grew by more than noise."]
        )
    )
    if options.save:
        figures = {
            shape: {phase: asdict(figure) for phase, figure in found.items()}
            for shape, found in now.items()
        }
        KEPT.write_text(json.dumps({"python": version, "figures": figures}, indent=2) + "\n")
    return 1 if options.strict and grown else 0


if __name__ == "__main__":
    sys.exit(main())
