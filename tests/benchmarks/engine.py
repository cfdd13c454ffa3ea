"""netorch without its command line: what each part takes in a process that has everything imported.

    python -m tests.benchmarks.engine FILE CHANGED     makes FILE's network, changes it to CHANGED's, and takes it away
    python -m tests.benchmarks.engine --pure FILE…     loads and plans each, and touches nothing

Prints a JSON object (with --pure a list of them): part → milliseconds on the clock, and of the processors. Executing is given its plan;
reading and planning are those of a network that is there and equals its file. Destroying ends when the kernel is done with it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from netorch.converge.execute import deletable_groups, execute
from netorch.converge.orchestrator import Orchestrator
from netorch.resolve.loader import Loaded, load
from netorch.state.plan import Plan
from netorch.state.planner import plan as make_plan
from netorch.values.snapshot import Scope, Snapshot
from tests.benchmarks.canary import settle

Result = TypeVar("Result")


class Took(NamedTuple):
    """Milliseconds on the clock, and of the processors."""

    clock: float
    processor: float

    def more(self, other: Took, sign: int = 1) -> Took:
        return Took(self.clock + sign * other.clock, self.processor + sign * other.processor)


def timed(act: Callable[[], Result]) -> tuple[Took, Result]:
    started, spent = time.perf_counter(), time.process_time()
    result = act()
    return Took(
        (time.perf_counter() - started) * 1000, (time.process_time() - spent) * 1000
    ), result


def loaded(file: str) -> Loaded:
    return load(Path(file).read_bytes(), file)


def carry_out(lab: Orchestrator, plan: Plan, groups: dict[str, int] | None = None) -> Took:
    """Executing alone. Exits where anything was refused."""
    took, run = timed(lambda: execute(lab.kernel, plan, groups=groups))
    if run.refusals or not plan:
        sys.exit(f"{len(plan)} steps, {len(run.refusals)} refused: {run.refusals[:3]}")
    return took


def looked(lab: Orchestrator, wanted: Loaded) -> tuple[Took, Took]:
    """Reading, and making the plan of it, for a network that equals its file."""
    reading = Took(0, 0)
    read = lab.kernel.read

    def timed_read(scope: Scope, *kept: Any) -> Snapshot:
        nonlocal reading
        took, snapshot = timed(lambda: read(scope, *kept))
        reading = reading.more(took)
        return snapshot

    lab.kernel.read = timed_read  # type: ignore[method-assign]
    took, difference = timed(lambda: lab.diff(wanted))
    if difference.plan:
        sys.exit(f"it does not equal its file: {difference.plan.steps[:3]}")
    return reading, took.more(reading, -1)


def live(file: str, changed: str) -> dict[str, Took]:
    """The parts of a whole life in this network namespace."""
    parts: dict[str, Took] = {}
    parts["load"], wanted = timed(lambda: loaded(file))
    other = loaded(changed)
    # a door each, as each command has
    with Orchestrator() as lab:
        parts["apply"] = carry_out(lab, lab.diff(wanted).plan)
    with Orchestrator() as lab:
        parts["read"], parts["plan"] = looked(lab, wanted)
    with Orchestrator() as lab:
        parts["change"] = carry_out(lab, lab.diff(other).plan)
    with Orchestrator() as lab:
        difference = lab.diff(other)
        plan = make_plan(difference.observed.state, {})
        groups = deletable_groups(plan, difference.snapshot, other.desired.mark.group)
        parts["destroy"] = carry_out(lab, plan, groups)
        # the namespaces that it holds open have to be given up too
        parts["destroy"] = parts["destroy"].more(timed(lab.kernel.close)[0]).more(timed(settle)[0])
    return parts


def pure(file: str) -> dict[str, Took]:
    """What needs no kernel: load a file, and plan all of it."""
    took, wanted = timed(lambda: loaded(file))
    return {"load": took, "plan": timed(lambda: make_plan({}, wanted.desired.state))[0]}


if __name__ == "__main__":
    gc.disable()  # as the command line does
    if sys.argv[1] == "--pure":
        loaded(sys.argv[2])  # what is only done once is not part of the growth
        print(json.dumps([pure(file) for file in sys.argv[2:]]))
    else:
        print(json.dumps(live(*sys.argv[1:])))
