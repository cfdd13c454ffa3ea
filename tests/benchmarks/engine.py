"""netorch without its command line: what each part takes in a process that has everything imported.

    python -m tests.benchmarks.engine FILE CHANGED     makes FILE's network, changes it to CHANGED's, and takes it away
    python -m tests.benchmarks.engine --pure FILE…     loads and plans each, and touches nothing

Prints a JSON object (with --pure a list of them): part → milliseconds. Executing is given its plan; reading and planning are those of a
network that is there and equals its file. Destroying ends when the kernel is done with it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from netorch.core import Plan
from netorch.execute import deletable_groups, execute
from netorch.lab import Lab
from netorch.loading import Loaded, load
from netorch.plan import plan as make_plan
from tests.benchmarks.canary import settle

Result = TypeVar("Result")


def timed(act: Callable[[], Result]) -> tuple[float, Result]:
    """Milliseconds, and what came of it."""
    started = time.perf_counter()
    result = act()
    return (time.perf_counter() - started) * 1000, result


def loaded(file: str) -> Loaded:
    return load(Path(file).read_bytes(), file)


def carry_out(lab: Lab, plan: Plan, groups: dict[str, int] | None = None) -> float:
    """Milliseconds of executing alone. Exits where anything was refused."""
    took, run = timed(lambda: execute(lab.kernel, plan, groups=groups))
    if run.refusals or not plan:
        sys.exit(f"{len(plan)} steps, {len(run.refusals)} refused: {run.refusals[:3]}")
    return took


def live(file: str, changed: str) -> dict[str, float]:
    """The parts of a whole life in this network namespace."""
    parts: dict[str, float] = {}
    parts["load"], wanted = timed(lambda: loaded(file))
    other = loaded(changed)
    with Lab() as lab:
        parts["apply"] = carry_out(lab, lab.diff(wanted).plan)
    with Lab() as lab:
        reads: list[float] = []
        door, read = lab.kernel, lab.kernel.read

        def timed_read(*words: object) -> object:
            took, snapshot = timed(lambda: read(*words))  # type: ignore[arg-type]
            reads.append(took)
            return snapshot

        door.read = timed_read  # type: ignore[method-assign, assignment]
        took, difference = timed(lambda: lab.diff(wanted))
        if difference.plan:
            sys.exit(f"it does not equal its file: {difference.plan.steps[:3]}")
        parts["read"], parts["plan"] = sum(reads), took - sum(reads)
    with Lab() as lab:
        parts["change"] = carry_out(lab, lab.diff(other).plan)
    with Lab() as lab:
        difference = lab.diff(other)
        plan = make_plan(difference.observed.state, {})
        groups = deletable_groups(plan, difference.snapshot, other.desired.mark.group)
        parts["destroy"] = carry_out(lab, plan, groups)
        # the namespaces that it holds open have to be given up too
        parts["destroy"] += timed(lab.kernel.close)[0] + timed(settle)[0]
    return parts


def pure(file: str) -> dict[str, float]:
    """What needs no kernel: load a file, and plan all of it."""
    load_ms, wanted = timed(lambda: loaded(file))
    return {"load": load_ms, "plan": timed(lambda: make_plan({}, wanted.desired.state))[0]}


if __name__ == "__main__":
    gc.disable()  # as the command line does
    if sys.argv[1] == "--pure":
        loaded(sys.argv[2])  # what is only done once is no part of the growth
        print(json.dumps([pure(file) for file in sys.argv[2:]]))
    else:
        print(json.dumps(live(*sys.argv[1:])))
