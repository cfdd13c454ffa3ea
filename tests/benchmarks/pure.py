"""Compare the phases without a kernel with earlier figures, on fixed topologies.

    python -m tests.benchmarks.pure [--save] [--strict]

The phases are those of `netorch.converge.orchestrator`: load a file; decode dumps of as many
namespaces as the topology has, which look like recorded ones (tests/recorded/); observe the
resources in them; make a plan of nothing and a plan of everything; and encode the messages of the
plan of everything. A simulated kernel (tests/benchmarks/simulated.py) provides the dumps that Linux
would return.

The figures are compared with those in pure.json in this folder; `--save` writes the new ones there.
tests/benchmarks/counts.py explains them: `calls` are the same in each run of the same Python, and
differ between its versions; ratios of processor time differ by ten per cent from run to run, and by
more on a busy machine. So calls count as changed from 1 % on, and ratios from 25 %. With `--strict`
the exit status is 1 if a figure grew by more than that. Without it, the exit status is always 0.
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
from tests.benchmarks.simulated import SimulatedKernel, listed_filter
from tests.benchmarks.simulated_dumps import dumps, read

SAVED = Path(__file__).with_suffix(".json")
SHAPES = {name: shapes.shape(name).text for name in ("star-1000", "fat-tree-8", "ports-1000")}
PHASES = ("load", "decode", "observe", "plan of nothing", "plan of everything", "requests")
NOISE = {"calls": 0.01, "ratio": 0.25}
ROUNDS = 9

Figures = dict[str, dict[str, Figure]]
"""Shape → phase → the amount of work."""


def phases(text: str) -> dict[str, Work]:
    """Return the phases on one topology, each with its input ready.

    Raises AssertionError if the simulated kernel is wrong about the topology.
    """
    data = text.encode()
    desired = load(data, "topo.yaml").desired
    kernel = SimulatedKernel()
    resources, _ = keep_needed_accepts(
        {key: _listed(resource) for key, resource in desired.state.items()}, kernel.snapshot()
    )
    whole_plan = plan({}, resources)
    kernel.take(request for step in whole_plan.changes for request in step.requests())
    like, answers = kernel.snapshot(), dumps(kernel)
    snapshot = read(answers, like)
    originals = Memory().originals(snapshot, resources, lambda _: {})
    observed = observe(snapshot, desired.mark, resources, originals)
    rest = plan(observed.state, resources)
    assert observed.state.keys() == resources.keys() and not rest, [
        str(step.key) for step in rest.steps
    ]
    return {
        "load": lambda: load(data, "topo.yaml"),
        "decode": lambda: read(answers, like),
        "observe": lambda: observe(snapshot, desired.mark, resources, originals),
        "plan of nothing": lambda: plan(observed.state, resources),
        "plan of everything": lambda: plan({}, resources),
        "requests": lambda: sum(map(len, sent(whole_plan, kernel))),
    }


def _listed(resource: Resource) -> Resource:
    if isinstance(resource, PacketFilter):
        return replace(
            resource, backend="nftables", text=listed_filter(resource.topology, resource.rules)
        )
    return resource


def sent(made: Plan, kernel: SimulatedKernel) -> Iterator[bytes]:
    """Yield the messages of a plan as netorch sends them.

    They are merged and encoded as the writer does it; packet filters are texts for nft.
    """
    for epoch in batches(made.changes):
        for steps in epoch.values():
            for unit in fold([request for step in steps for request in step.requests()]):
                if isinstance(unit.request, LinkRequest):
                    yield encode(unit.request, 1, 0, kernel, unit.also)
                elif isinstance(unit.request, FilterSet):
                    yield listed_filter(unit.request.topology, unit.request.rules).encode()


def measured(shapes: Mapping[str, str], rounds: int) -> Figures:
    result: Figures = {}
    for name, text in shapes.items():
        works = phases(text)
        counted = {phase: calls(work) for phase, work in works.items()}
        timed = ratios(works, rounds)
        result[name] = {phase: Figure(counted[phase], round(timed[phase], 4)) for phase in works}
    return result


def table(saved: Figures, now: Figures) -> tuple[list[str], list[str]]:
    """Return the lines of the table, and the figures that grew."""
    lines = [f"{'':32}{'calls':>12}{'now':>12}{'change':>9}   {'ratio':>8}{'now':>9}{'change':>9}"]
    grown: list[str] = []
    for shape, figures in now.items():
        for phase, figure in figures.items():
            before = saved.get(shape, {}).get(phase)
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
        prog="python -m tests.benchmarks.pure", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--save", action="store_true", help="save the figures in pure.json")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if something grew"
    )
    options = parser.parse_args(argv)
    version = ".".join(platform.python_version_tuple()[:2])
    now = measured(SHAPES, ROUNDS)
    stored = json.loads(SAVED.read_text()) if SAVED.exists() else {}
    saved = {
        shape: {phase: Figure(**figure) for phase, figure in figures.items()}
        for shape, figures in stored.get("figures", {}).items()
    }
    lines, grown = table(saved, now)
    print("\n".join(lines))
    if stored and stored["python"] != version:
        print(
            f"The saved figures are of Python {stored['python']}, these of {version}: the numbers of calls cannot be compared."
        )
        grown = [line for line in grown if "calls" not in line]
    print(
        "\n".join(
            ["Grown by more than noise:", *grown] if grown else ["Nothing grew by more than noise."]
        )
    )
    if options.save:
        figures = {
            shape: {phase: asdict(figure) for phase, figure in by_phase.items()}
            for shape, by_phase in now.items()
        }
        SAVED.write_text(json.dumps({"python": version, "figures": figures}, indent=2) + "\n")
    return 1 if options.strict and grown else 0


if __name__ == "__main__":
    sys.exit(main())
