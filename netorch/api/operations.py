"""Compare, converge, take away, for programs: functions of values, that print nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netorch.api.topology import Source, Topology, Variables, load
from netorch.checks.probes import Outcome
from netorch.checks.run import TIMEOUT, run_checks
from netorch.converge.compare import Difference
from netorch.converge.orchestrator import Orchestrator
from netorch.converge.report import Report
from netorch.errors import ConflictError, NetorchError, Problem
from netorch.immutable import Value
from netorch.language.scalars import topology_name
from netorch.render import checks
from netorch.render.changes import Change, changes, summary
from netorch.render.text import change_lines, summarize
from netorch.state.plan import Plan

_IMPATIENCE = 9
"""How often Ctrl-C is pressed in vain."""


class Changes(Value):
    """What differs, or what was done. True if anything; as text it is what `netorch diff` prints.

    `changes` are in the order in which they are done. `notes`: what else happened, such as processes that were ended.
    """

    topology: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there are of each sort: `create`, `update`, `flap`, `replace`, `delete`; none of a sort is not a key."""
        return summary(self.changes)

    def __str__(self) -> str:
        return "\n".join(
            [
                *change_lines(self.changes),
                f"{self.topology}: {summarize(self.changes) or 'in sync'}",
            ]
        )


class Checks(Value):
    """What came of a topology's checks. True if all passed; as text it is what `netorch check` prints.

    `outcomes`: one for each check, and for each ordered pair of a network's members.
    """

    topology: str
    outcomes: tuple[Outcome, ...]
    text: str

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that did not come as wanted, each with its `reason`."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    def __str__(self) -> str:
        return self.text


def diff(source: Source, *, variables: Variables | None = None, name: str | None = None) -> Changes:
    """What `apply` would do; nothing is touched. `source`, `variables` and `name` as `netorch.load` takes them.

    FileError, and ConflictError or LacksError where apply would refuse.
    """
    topology = load(source, variables=variables, name=name)
    with Orchestrator() as lab:
        difference = lab.diff(topology.loaded)
    return _changes(topology.name, difference.plan, difference.warnings)


def apply(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    lock_timeout: float = 10.0,
) -> Changes:
    """Converge the kernel to a topology; what was done. On an error, and on Ctrl-C, the kernel is as it was before.

    `lock_timeout`: seconds to wait for another netorch that changes the same topology. FileError, ConflictError, LacksError,
    LockedError: nothing was touched; KernelRefused: it was rolled back.
    """
    return converge(load(source, variables=variables, name=name), lock_timeout, False)


def check(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    timeout: float = TIMEOUT,
) -> Checks:
    """Try the checks of a topology that is live here, by real packets from inside its nodes. `timeout`: seconds for an answer.

    FileError; NetorchError where a node that they name is not there.
    """
    return try_checks(load(source, variables=variables, name=name), timeout)


def destroy(target: Source, *, lock_timeout: float = 10.0) -> Changes:
    """Remove all that a topology made; what was removed. Nothing to remove is not an error.

    `target` is the name of a topology, the path of its file (with a `/` or a dot in it), or a Topology. FileError, LockedError, and
    KernelRefused for what could not be removed.
    """
    if isinstance(target, str) and "\n" not in target and "/" not in target and "." not in target:
        try:
            topology_name(target)
        except ValueError as error:
            raise NetorchError(Problem("bad-topology-name", str(error), object=target)) from None
        return destroy_by_name(target, lock_timeout)
    return destroy_by_name(load(target).name, lock_timeout)


def converge(topology: Topology, lock_timeout: float, fresh: bool) -> Changes:
    """`apply`, of a topology that is loaded. `fresh`: refuse with ConflictError if it is there already, and leave nothing on Ctrl-C."""
    begun = False

    def planned(difference: Difference) -> None:
        nonlocal begun
        if fresh and difference.is_live:
            what = f"a topology {topology.name!r} is live here already, and is not this program's to take away."
            remedy = f"Give this one another `name`, run it with `private=True`, or remove that one: `netorch destroy {topology.name}`."
            raise ConflictError(
                Problem(
                    "already-live",
                    what,
                    remedy=remedy,
                    object=topology.name,
                    command=f"netorch destroy {topology.name}",
                )
            )
        begun = True

    try:
        with Orchestrator() as lab:
            report = lab.apply(
                topology.loaded, topology.record(), planned=planned, lock_timeout=lock_timeout
            )
        return _of(topology.name, report)
    except KeyboardInterrupt:
        # it may come when all is applied, or twice
        if fresh and begun:
            retry_despite_interrupts(lambda: destroy_by_name(topology.name, lock_timeout))
        raise


def try_checks(topology: Topology, timeout: float) -> Checks:
    """`check`, of a topology that is loaded."""
    from netorch.walk.live import LiveWalks

    loaded = topology.loaded
    with Orchestrator() as lab:
        walks = LiveWalks(lab.kernel, loaded.desired)
        outcomes = run_checks(lab.kernel, loaded, timeout=timeout, recipient=walks.astray)
    said = checks.lines(loaded.desired.checks, outcomes, file=loaded.file)
    return Checks(
        topology.name,
        outcomes,
        "\n".join([*said, f"{topology.name}: {checks.summarize(loaded.desired.checks, outcomes)}"]),
    )


def destroy_by_name(name: str, lock_timeout: float) -> Changes:
    """`destroy`, by name."""
    with Orchestrator() as lab:
        return _of(name, lab.destroy(name, lock_timeout=lock_timeout))


def retry_despite_interrupts(work: Callable[[], object]) -> None:
    """Do what Ctrl-C has stopped half-way, and again if it comes again: what is left then, nobody would take away."""
    for _ in range(_IMPATIENCE):
        try:
            work()
        except KeyboardInterrupt:
            continue
        return
    work()


def _of(name: str, report: Report) -> Changes:
    return _changes(name, report.plan, report.warnings, report.notes)


def _changes(
    name: str,
    plan: Plan,
    warnings: tuple[str, ...] | list[str],
    notes: tuple[str, ...] | list[str] = (),
) -> Changes:
    return Changes(name, tuple(changes(plan)), tuple(warnings), tuple(notes))
