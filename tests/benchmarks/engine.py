"""The time of each part of netorch without the command line, in a process that has all imports.

    python -m tests.benchmarks.engine FILE CHANGED
        makes FILE's network, changes it to CHANGED's, and destroys it
    python -m tests.benchmarks.engine --pure FILE…
        loads and plans each file, and touches nothing

It prints a JSON object (with --pure a list of them): part → milliseconds of wall-clock time, and of
processor time. Executing starts with a finished plan. Reading and planning are measured with a
network that equals its file. Destroying ends when the kernel has torn everything down.
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
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from netorch.state.plan import Plan
from netorch.state.planner import plan as make_plan
from netorch.values.snapshot import Scope, Snapshot
from tests.benchmarks.teardown import settle

Result = TypeVar("Result")


class Took(NamedTuple):
    """Milliseconds of wall-clock time, and of processor time."""

    clock: float
    processor: float

    def plus(self, other: Took, sign: int = 1) -> Took:
        return Took(self.clock + sign * other.clock, self.processor + sign * other.processor)


def timed(act: Callable[[], Result]) -> tuple[Took, Result]:
    started, spent = time.perf_counter(), time.process_time()
    result = act()
    return Took(
        (time.perf_counter() - started) * 1000, (time.process_time() - spent) * 1000
    ), result


def loaded(file: str) -> Loaded:
    return load(Path(file).read_bytes(), file)


def carry_out(orchestrator: Orchestrator, plan: Plan, groups: dict[str, int] | None = None) -> Took:
    """Execute a plan, and nothing else. Exits if the kernel refused anything."""
    took, run = timed(lambda: execute(orchestrator.kernel, plan, groups=groups))
    if run.refusals or not plan:
        sys.exit(f"{len(plan)} steps, {len(run.refusals)} refused: {run.refusals[:3]}")
    return took


def read_and_plan(orchestrator: Orchestrator, desired: Loaded) -> tuple[Took, Took]:
    """Return the times of reading, and of making the plan, for a network that equals its file."""
    reading = Took(0, 0)
    read = orchestrator.kernel.read

    def timed_read(scope: Scope, *previous: Any) -> Snapshot:
        nonlocal reading
        took, snapshot = timed(lambda: read(scope, *previous))
        reading = reading.plus(took)
        return snapshot

    orchestrator.kernel.read = timed_read  # type: ignore[method-assign]
    took, difference = timed(lambda: orchestrator.diff(desired))
    if difference.plan:
        sys.exit(f"the network does not equal its file: {difference.plan.steps[:3]}")
    return reading, took.plus(reading, -1)


def live(file: str, changed: str) -> dict[str, Took]:
    """Return the times of the parts of a topology's whole life in this network namespace."""
    parts: dict[str, Took] = {}
    parts["load"], desired = timed(lambda: loaded(file))
    other = loaded(changed)
    # one orchestrator each, as each command has
    with Orchestrator() as orchestrator:
        parts["apply"] = carry_out(orchestrator, orchestrator.diff(desired).plan)
    with Orchestrator() as orchestrator:
        parts["read"], parts["plan"] = read_and_plan(orchestrator, desired)
    with Orchestrator() as orchestrator:
        parts["change"] = carry_out(orchestrator, orchestrator.diff(other).plan)
    with Orchestrator() as orchestrator:
        difference = orchestrator.diff(other)
        plan = make_plan(difference.observed.state, {})
        groups = deletable_groups(plan, difference.snapshot, other.desired.mark.group)
        parts["destroy"] = carry_out(orchestrator, plan, groups)
        # it must release the namespaces that it holds open, too
        parts["destroy"] = (
            parts["destroy"].plus(timed(orchestrator.kernel.close)[0]).plus(timed(settle)[0])
        )
    return parts


def pure(file: str) -> dict[str, Took]:
    """Return the times of the parts that need no kernel: load a file, and plan all of it."""
    took, desired = timed(lambda: loaded(file))
    return {"load": took, "plan": timed(lambda: make_plan({}, desired.desired.state))[0]}


if __name__ == "__main__":
    gc.disable()  # because the command line does so
    if sys.argv[1] == "--pure":
        loaded(sys.argv[2])  # so that work that is done only once does not count as growth
        print(json.dumps([pure(file) for file in sys.argv[2:]]))
    else:
        print(json.dumps(live(*sys.argv[1:])))
