"""Leaves a line in the log of the machine for each act. Nothing else writes to it.

An apply that finds everything in sync, and a destroy that finds nothing, leave no line: the log
tells what changed, and such commands may run every minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from netorch.converge.report import Report
from netorch.errors import NetorchError, Problem
from netorch.kernel.files.records import Record
from netorch.kernel.journal import write
from netorch.kernel.system.error_text import problem_of
from netorch.state.groups import count, gone_objects
from netorch.state.plan import Plan
from netorch.values.act import DONE, INCOMPLETE, REFUSED, RELEASE, ROLLBACK, Act, Caller
from netorch.values.digest import sha256

MOST = 3
"""The number of problems whose sentences are in the line."""


def record_act(
    act: str,
    topology: str,
    record: Record | None,
    *,
    outcome: str = DONE,
    counts: Callable[[], Mapping[str, int]] = dict,
    problems: Sequence[Problem] = (),
    reason: str = "",
    began: float | None = None,
    trial: float | None = None,
    caller: Caller | None = None,
) -> None:
    """Write one act. It never raises an error, because the act itself is done.

    `counts` returns how many objects changed of each sort. `began` is when the act began, on the
    monotonic clock. `caller` is who asked for it, by default whoever started this process.
    """
    causes = [problem for problem in problems if problem.code != "rolled-back"]
    sentences = [problem.what for problem in causes[:MOST]]
    if len(causes) > MOST:
        sentences.append(f"And {len(causes) - MOST} more.")
    try:
        write.write(
            Act(
                act=act,
                topology=topology,
                outcome=outcome,
                reason=reason or " ".join(sentences),
                codes=tuple(dict.fromkeys(problem.code for problem in causes)),
                counts=counts(),
                seconds=None if began is None else time.monotonic() - began,
                trial=trial,
                file=record.source if record is not None else "",
                digest=_digest(record) if record is not None else "",
                machine=record.machine if record is not None else "",
                caller=caller or write.caller(),
                time=time.time(),
            )
        )
    except Exception:
        # because an error here must not look like one of the act
        return


def record_changes(
    act: str, topology: str, record: Record, report: Report, began: float, trial: float | None
) -> None:
    """Write an apply or a reconcile that changed something."""

    def counts() -> Mapping[str, int]:
        adopted = {"adopt": len(report.adopted)} if report.adopted else {}
        return adopted | dict(count(report.plan))

    record_act(act, topology, record, counts=counts, began=began, trial=trial)


def record_end(act: str, topology: str, report: Report, began: float) -> None:
    """Write a destroy or a release."""

    def counts() -> Mapping[str, int]:
        if act == RELEASE:
            return {"release": len(report.released)}
        return {"delete": gone_objects(report.plan)}

    record_act(act, topology, report.record, counts=counts, began=began)


def record_rollback(
    topology: str,
    record: Record | None,
    plans: Sequence[Plan],
    problems: Sequence[Problem],
    reason: str,
    began: float,
    caller: Caller | None,
) -> None:
    """Write the rollback of an apply on trial. `caller` is who asked for it.

    At the deadline nobody does. Then the line names nobody.
    """
    record_act(
        ROLLBACK,
        topology,
        record,
        outcome=INCOMPLETE if problems else DONE,
        counts=lambda: count(plans[0]) if plans else {},
        problems=problems,
        reason="" if problems else reason,
        began=began,
        caller=caller or Caller(),
    )


def record_failure(
    act: str,
    topology: str,
    record: Record | None,
    outcome: str,
    error: BaseException,
    began: float,
) -> None:
    """Write an act that failed. Ctrl-C before anything has changed leaves no line."""
    if isinstance(error, NetorchError):
        problems = error.problems
    elif isinstance(error, KeyboardInterrupt):
        if outcome == REFUSED:
            return
        problems = (Problem("interrupted", "interrupted."),)
    elif isinstance(error, OSError):
        problems = (problem_of(error),)
    else:
        problems = (Problem("internal-error", f"{type(error).__name__}: {error}"),)
    record_act(act, topology, record, outcome=outcome, problems=problems, began=began)


def _digest(record: Record) -> str:
    return sha256(record.text.encode("utf-8", "surrogateescape")).hexdigest()
