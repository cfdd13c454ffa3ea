"""check: what a file says of who reaches whom, tried."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from netorch.cli import DIFFERENT, DONE, inputs
from netorch.cli.output import Output
from netorch.errors import NetorchError
from netorch.resolve.loader import Loaded

if TYPE_CHECKING:
    from netorch.converge.orchestrator import Orchestrator


def check(options: argparse.Namespace, output: Output) -> int:
    from netorch.checks.run import TIMEOUT, run_checks
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import checks, json
    from netorch.walk.live import reasons

    loaded, _ = inputs.chosen(options, live=True)
    name = loaded.desired.topology
    started = time.monotonic()
    with Orchestrator() as lab:
        timeout = TIMEOUT if options.timeout is None else options.timeout
        output.phase("checking")
        why = reasons(lab.kernel, loaded.desired)
        outcomes = run_checks(
            lab.kernel,
            loaded,
            timeout=timeout,
            explain=lambda failed: (
                why(failed.source, failed.target, failed.tcp or None) if failed.reachable else ()
            ),
            progress=lambda done, total: output.bar(done, total, "tried"),
        )
        output.done()
        seconds = time.monotonic() - started
        in_sync, warnings = _drift(lab, loaded) if outcomes else (None, [])
    output.warn(warnings)
    passed = all(outcome.passed for outcome in outcomes)
    if output.json:
        output.result(
            json.document(
                topology=name,
                passed=passed,
                checks=checks.rows(loaded.desired.checks, outcomes),
                summary=checks.counts(loaded.desired.checks, outcomes),
                in_sync=in_sync,
                warnings=warnings,
                seconds=round(seconds, 3),
            )
        )
    elif not output.quiet:
        for line in checks.lines(
            loaded.desired.checks,
            outcomes,
            colour=output.colour,
            verbose=output.verbose,
            file=loaded.file,
        ):
            output.result(line)
        duration = f" in {seconds:.2f} s" if outcomes else ""
        output.result(f"{name}: {checks.sum_up(loaded.desired.checks, outcomes)}{duration}")
    return DONE if passed else DIFFERENT


def _drift(lab: Orchestrator, loaded: Loaded) -> tuple[bool | None, list[str]]:
    """Whether the kernel has what the file says, without which a check tells of something else; None if that cannot be said."""
    name = loaded.desired.topology
    try:
        differences = len(lab.diff(loaded).plan)
    except NetorchError as error:
        return None, [
            f"{name}: whether the kernel has what the file says cannot be told: {line}"
            for line in error.lines()
        ]
    if not differences:
        return True, []
    places = "1 place" if differences == 1 else f"{differences} places"
    return False, [
        f"{name}: the kernel differs from the file in {places}, and what was tried is the kernel: `netorch diff` lists them"
    ]
