"""Topologies on this machine: compare, converge, take away. What the commands call; it prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from netorch.converge import trial
from netorch.converge.attached import forget_left, reach, reach_on_record, remember_left, with_left
from netorch.converge.compare import (
    Difference,
    cautions,
    compare,
    everything,
    namespaces_of,
    recorded,
    reload,
    towards,
)
from netorch.converge.concurrent_changes import deviation, mended, suspects
from netorch.converge.execute import Progress, Refusal, deletable_groups, execute, nothing
from netorch.converge.refusals import problem_of
from netorch.errors import KernelRefused, NetorchError, Problem
from netorch.kernel.door import LinuxKernel
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.processes.members import end_processes
from netorch.kinds.netns import netns_key
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.core import HOST, Key, Plan, Resource, shown
from netorch.state.planner import plan as make_plan
from netorch.values.frozen import frozen
from netorch.values.marks import ALIAS, Mark, read_alias
from netorch.values.requests import NetnsDel
from netorch.values.snapshot import Scope, Snapshot

if TYPE_CHECKING:
    from netorch.kernel.spares import Spares
    from netorch.kernel.twin import Twin

ROUNDS = 4
"""Looks that an apply takes at what the kernel made of its steps before it gives up."""


@dataclass(slots=True)
class Report:
    """What a command did: the first plan, how many rounds it took, what it had to say."""

    plan: Plan
    rounds: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    confirm_until: float | None = None


@frozen
class Start:
    """Where an apply began: all that leads back there. `record` and `settings` are what stood under /run/netorch."""

    desired: Desired
    first: Difference
    reclaim: frozenset[str]
    record: Record | None
    settings: records.Originals


@frozen
class Live:
    """A topology that is on this machine. `attached`: label → what the node is attached to, `docker:mybox`."""

    name: str
    record: Record | None
    state: Mapping[Key, Resource]
    difference: Plan | None
    warnings: tuple[str, ...] = ()
    attached: Mapping[str, str] = field(default_factory=dict)


class Lab:
    """The topologies of this machine, through one kernel door. A context manager."""

    def __init__(
        self,
        kernel: LinuxKernel | None = None,
        *,
        looked: Callable[[int, int], None] = lambda *_: None,
        twin: Twin | None = None,
        since: records.Stamp | None = None,
        spares: Spares | None = None,
    ) -> None:
        """`looked` hears, in another thread, how many namespaces have been read and how many there are.

        `twin`: a process that helps to look. `since`: the stamp of the topology's lock when it began, if it has begun. `spares`:
        namespaces made ahead.
        """
        self.kernel = kernel or LinuxKernel(looked, twin, spares)
        self._since = since

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.kernel.close()

    def diff(self, loaded: Loaded) -> Difference:
        """What apply would do. ConflictError where something of others is in the way."""
        return compare(self.kernel, loaded.desired, loaded)

    def apply(
        self,
        loaded: Loaded,
        record: Record,
        *,
        keep_partial: bool = False,
        progress: Progress = nothing,
        phase: Callable[[str], None] = lambda _: None,
        planned: Callable[[Difference], None] = lambda _: None,
        lock_timeout: float = 10.0,
        confirm_within: float | None = None,
    ) -> Report:
        """Converge the kernel to the file, or leave it as it was. `planned` sees the plan before anything changes.

        `phase` hears what is being done, and `progress` how much of it.
        `confirm_within`: seconds after which all of it is taken back, unless `confirm` is called before.
        """
        desired = loaded.desired
        # with namespaces of others in it, whoever takes it away has to know them too, and loads the file
        record = replace(
            record,
            namespaces=tuple(sorted(namespaces_of(desired))) if not desired.attached else None,
        )
        phase("waiting for the lock")
        with records.lock(desired.topology, lock_timeout) as stamp:
            self._seen_before(stamp)
            phase("reading")
            unconfirmed = trial.refuse_pending(desired.topology)
            first = compare(self.kernel, desired, loaded)
            planned(first)
            report = Report(first.plan, warnings=[*unconfirmed, *first.warnings])
            before, warning = records.read_record(desired.topology)
            report.warnings += [warning] if warning else []
            if (
                not first.plan
                and before is not None
                and replace(before, applied=record.applied) == record
            ):
                return report
            reclaim = (
                namespaces_of(recorded(desired.topology, before))
                if first.observed.stale
                else frozenset()
            )
            left = sorted((first.observed.stale & reclaim) - namespaces_of(desired))
            self.kernel.transact({label: [NetnsDel(label)] for label in left}, left)
            start = Start(
                desired, first, reclaim, before, records.read_sysctls(desired.topology)[0]
            )
            watch = (
                trial.Watch(desired.topology, confirm_within, lambda: take_back(start))
                if confirm_within is not None
                else None
            )
            # ahead of the first step: a crash must find here which values were there before, and which names are ours
            if during := first.memory.during(first.wanted, first.snapshot):
                records.write_sysctls(desired.topology, during)
            if before is not None and before.may_say("attach"):
                remember_left(desired.topology, desired, recorded(desired.topology, before))
            records.write_record(desired.topology, record)
            try:
                self._converge(loaded, first, report, reclaim, progress, phase)
            except BaseException as error:
                if keep_partial:
                    raise
                phase("rolling back")
                try:
                    problems = self.take_back(start)
                except NetorchError as stuck:
                    problems = [
                        Problem("not-rolled-back", "Not everything could be rolled back:"),
                        *stuck.problems,
                    ]
                if watch is not None:
                    watch.call_off()
                if not isinstance(error, NetorchError):
                    if problems:
                        raise KernelRefused(
                            [Problem("interrupted", "interrupted."), *problems], loaded.file
                        ) from None
                    raise
                raise type(error)(
                    (*error.problems, *(problems or [_ROLLED_BACK])), error.file
                ) from None
            if during:
                records.write_sysctls(
                    desired.topology, first.memory.after(first.wanted, first.snapshot)
                )
            forget_left(desired.topology)
            if watch is not None:
                report.confirm_until = watch.begin()
            return report

    def take_back(self, start: Start) -> list[Problem]:
        """Back to where an apply began, under /run/netorch too; what could not be brought back."""
        name = start.desired.topology
        self.kernel.spare()
        problems = self._roll_back(start.desired, start.first, start.reclaim)
        if start.record is None:
            records.remove_record(name)
        else:
            records.write_record(name, start.record)
            records.write_sysctls(name, start.settings)
            forget_left(name)
        return problems

    def destroy(
        self,
        name: str,
        *,
        progress: Progress = nothing,
        phase: Callable[[str], None] = lambda _: None,
        planned: Callable[[Plan], None] = lambda _: None,
        lock_timeout: float = 10.0,
        brief: bool = False,
    ) -> Report:
        """Take away all that topology `name` has on this machine, with or without a record of it. `brief`: the plan need not say what goes
        with its namespaces.
        """
        mark = Mark(name)
        phase("waiting for the lock")
        with records.lock(name, lock_timeout) as stamp:
            self._seen_before(stamp)
            phase("reading")
            record, warning = records.read_record(name)
            within = reach_on_record(self.kernel, name, record) or reach(
                self.kernel, mark, with_left(name, recorded(name, record))
            )
            reclaim = within.names if within.known else frozenset()
            snapshot, observed = everything(self.kernel, mark, within, brief)
            plan = make_plan(observed.state, {})
            planned(plan)
            report = Report(
                plan,
                warnings=[
                    *([warning] if warning else []),
                    *within.warnings,
                    *cautions(plan, snapshot, name),
                ],
            )
            if plan and (gone := sorted(reclaim - snapshot.namespaces.keys() - {HOST})):
                names = ", ".join(map(shown, gone))
                report.warnings.append(
                    f"{names}: no namespace of that name is there; somebody else deleted it, or it was never made"
                )
            if record is None and any(
                netns_key(key.netns) not in observed.state for key in observed.state
            ):
                report.notes.append(
                    f"no record of {name} was left in /run/netorch: sysctls that it set on the host stay as they are"
                )
            problems: list[Problem] = []
            while plan and report.rounds < ROUNDS:
                report.rounds += 1
                phase("removing")
                self._end_processes(plan, snapshot, report)
                groups = deletable_groups(plan, snapshot, mark.group)
                run = execute(
                    self.kernel,
                    plan,
                    groups=groups,
                    reclaim=reclaim,
                    keep_going=True,
                    progress=progress,
                )
                problems = [_refused(refusal, None) for refusal in run.refusals]
                phase("verifying")
                snapshot, observed = everything(self.kernel, mark, within, brief)
                plan = make_plan(observed.state, {})
            if plan:
                raise KernelRefused(
                    [
                        *problems,
                        *(
                            Problem(
                                "not-removed",
                                f"{step.resource.title()} is still there.",
                                object=step.resource.title(),
                            )
                            for step in plan.steps
                        ),
                    ]
                )
            stale = sorted(
                label
                for label, alias in snapshot.strangers.items()
                if alias is None and label in reclaim
            )
            self.kernel.transact({label: [NetnsDel(label)] for label in stale}, stale)
            records.remove_record(name)
            return report

    def _seen_before(self, stamp: records.Stamp) -> None:
        """What was read before the lock was there counts if nobody else has had it since."""
        if self._since is not None and self._since != stamp:
            self.kernel.alone()

    def names(self) -> list[str]:
        """Every topology with a record or a mark on this machine, sorted."""
        names = set(records.applied_names())
        for netns in self.kernel.read(Scope(ALIAS)).namespaces.values():
            names |= {
                topology for link in netns.links if (topology := read_alias(link.alias).topology)
            }
        return sorted(names)

    def labels(self) -> list[str]:
        """The namespaces that netorch made, whichever topology they belong to."""
        return [label for label in self.kernel.read(Scope(ALIAS)).namespaces if label != HOST]

    def live(self) -> list[Live]:
        """Every topology as it is now."""
        return [self.look(name) for name in self.names()]

    def look(self, name: str) -> Live:
        """One topology as it is now, compared with the file that was applied last."""
        record, warning = records.read_record(name)
        warnings = [warning] if warning else []
        difference: Plan | None = None
        if record is not None:
            try:
                difference = compare(self.kernel, reload(name, record).desired, None).plan
            except NetorchError as error:
                warnings += error.lines()
        desired = with_left(name, recorded(name, record))
        within = reach(self.kernel, Mark(name), desired)
        _, observed = everything(self.kernel, Mark(name), within)
        attached = (
            {label: ":".join(how) for label, how in desired.attached.items()}
            if desired is not None
            else {}
        )
        return Live(
            name, record, observed.state, difference, (*warnings, *within.warnings), attached
        )

    def _converge(
        self,
        loaded: Loaded,
        first: Difference,
        report: Report,
        reclaim: frozenset[str],
        progress: Progress,
        phase: Callable[[str], None],
    ) -> None:
        """Steps, then a look at what became of them; what the kernel took along on the way is mended in the next round."""
        desired, now = loaded.desired, first
        while now.plan:
            if report.rounds == ROUNDS:
                places = [
                    (step, loaded.where(desired.origins.get(step.key, ())))
                    for step in now.plan.steps
                ]
                problems = [
                    Problem(
                        "does-not-stay",
                        f"{step.resource.title()} does not stay as it was set: {deviation(step)}.",
                        where,
                        object=step.resource.title(),
                    )
                    for step, where in places
                ]
                who = " ".join(
                    [
                        "Does something else on this machine change it?",
                        *suspects(now.plan.steps, now.snapshot),
                    ]
                )
                raise KernelRefused(
                    [*dict.fromkeys(problems), Problem("does-not-stay", who)], loaded.file
                )
            if now is not first:
                report.notes += mended(now.plan, now.snapshot)
            report.rounds += 1
            phase("making")
            self._end_processes(now.plan, now.snapshot, report)
            groups = deletable_groups(now.plan, now.snapshot, desired.mark.group)
            run = execute(self.kernel, now.plan, groups=groups, reclaim=reclaim, progress=progress)
            phase("verifying")
            if run.refusals:
                raise KernelRefused(_refusals(run.refusals, loaded), loaded.file)
            now = compare(self.kernel, desired, loaded, first.attached, now)

    def _roll_back(
        self, desired: Desired, before: Difference, reclaim: frozenset[str]
    ) -> list[Problem]:
        """Back to what was there; what could not be brought back."""
        # half a pair that somebody had taken apart cannot be made again
        target = {
            key: resource
            for key, resource in before.observed.state.items()
            if not isinstance(resource, Veth) or resource.peer != UNKNOWN
        }
        ours = reclaim | (namespaces_of(desired) - before.observed.stale)
        problems: list[Problem] = []
        for _ in range(ROUNDS):
            plan, snapshot = towards(self.kernel, desired, target, before.attached)
            if not plan:
                stale = sorted(
                    label
                    for label, alias in snapshot.strangers.items()
                    if alias is None and label in ours
                )
                self.kernel.transact({label: [NetnsDel(label)] for label in stale}, stale)
                return []
            groups = deletable_groups(plan, snapshot, desired.mark.group)
            run = execute(self.kernel, plan, groups=groups, reclaim=ours, keep_going=True)
            problems = [_refused(refusal, None) for refusal in run.refusals]
        return [Problem("not-rolled-back", "Not everything could be rolled back:"), *problems]

    def _end_processes(self, plan: Plan, snapshot: Snapshot, report: Report) -> None:
        """A namespace outlives its name as long as a process is in it."""
        leaving = [
            step.key.netns
            for step in plan.deletes
            if step.key.kind == "netns" and step.key.netns in snapshot.namespaces
        ]
        report.notes += [
            f"ended process {text}"
            for text in end_processes(snapshot.namespaces[label].inode for label in leaving)
        ]


def take_back(start: Start) -> list[Problem]:
    """The same from another process, through a door of its own."""
    with Lab() as lab:
        missing = lab.kernel.attach(start.first.attached.places)
        gone = [
            Problem(
                "namespace-not-seen",
                f"{shown(label)} was not looked into: {error}",
                object=shown(label),
            )
            for label, error in missing.items()
            if error.unsure
        ]
        return [*lab.take_back(start), *gone]


_ROLLED_BACK = Problem("rolled-back", "Rolled back: the kernel is as it was before.")


def _refusals(refusals: list[Refusal], loaded: Loaded) -> list[Problem]:
    """Each refused step once: what follows from the first refusal of a namespace is no news."""
    told: dict[str, Refusal] = {}
    for refusal in refusals:
        told.setdefault(refusal.step.key.netns, refusal)
    return [_refused(refusal, loaded) for refusal in told.values()]


def _refused(refusal: Refusal, loaded: Loaded | None) -> Problem:
    where = loaded.where(loaded.desired.origins.get(refusal.step.key, ())) if loaded else None
    return problem_of(refusal, where)
