"""Carry out one `apply`: make all of the file, or leave the kernel as it was before.

`Orchestrator.apply` calls the five steps in order. docs/architecture.md describes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from netorch.converge import confirmation, intended
from netorch.converge.attached import forget_left, remember_left
from netorch.converge.compare import Difference, compare
from netorch.converge.concurrent_changes import describe_changes, describe_deviation, name_processes
from netorch.converge.connections import end_wrong_connections
from netorch.converge.execute import INTERRUPTS, ROUNDS, Refusal, deletable_groups, execute
from netorch.converge.in_sync import is_of_record, remember
from netorch.converge.kernel_errors import problems_of
from netorch.converge.moves import moves
from netorch.converge.original_settings import Memory
from netorch.converge.preflight import refuse_other_file
from netorch.converge.previous import Previous, namespaces_of, ownership_of
from netorch.converge.recorded_state import save
from netorch.converge.report import Observers, Report
from netorch.converge.shared_settings import changed_since, places_of, put_back, without_places
from netorch.errors import KernelRefused, NetorchError, Problem
from netorch.immutable import replace
from netorch.kernel.comparison.answers import stamp_of_records
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.error_text import problem_of as problem_of_system
from netorch.kinds.filter import PacketFilter
from netorch.kinds.up import Up
from netorch.resolve.loaded import Loaded
from netorch.state.by_class import of_class
from netorch.state.key import Key
from netorch.state.plan import Plan
from netorch.state.resource import State
from netorch.values.ownership import Adopted, Ownership, identity_text


class Transaction:
    """One apply of one file. The caller holds the topology's lock all the time."""

    def __init__(
        self,
        kernel: LinuxKernel,
        loaded: Loaded,
        record: Record,
        observers: Observers,
        trial: confirmation.Trial | None,
        reset: bool = False,
        leave: Collection[Key] = (),
        adopt: bool = False,
    ) -> None:
        """`reset` ends the intended deviations, so that all becomes as the file says.

        `leave` are keys of objects that stay as they are. With `adopt`, the topology takes over
        objects that netorch did not make.
        """
        desired = loaded.desired
        self.kernel, self.loaded, self.desired = kernel, loaded, desired
        self.observers, self.trial, self.reset = observers, trial, reset
        self.leave, self.adopt = leave, adopt
        # The record has no list of namespaces if some are attached, because `destroy` then needs
        # the file anyway, for the names of the attached ones.
        made = tuple(sorted(namespaces_of(desired))) if not desired.attached else None
        self.record = replace(record, namespaces=made)
        self.watch: confirmation.ConfirmationWatch | None = None
        self.has_begun = False
        """Whether a failure needs a rollback."""
        self._is_rolled_back = False
        self._ended_processes: list[str] = []
        self._looks = 0

    def look_and_plan(self) -> None:
        """Step 1: read the kernel, compare and plan. Raise ConflictError for a conflict."""
        topology = self.desired.topology
        self.observers.phase("reading")
        unconfirmed = confirmation.refuse_pending(topology)
        records.require_usable_path(topology)
        self._before = stamp_of_records()
        self.on_record = Previous.read(topology)
        self.previous = replace(self.on_record, intended=()) if self.reset else self.on_record
        self.first = self.last = compare(
            self.kernel,
            self.desired,
            self.previous,
            self.loaded,
            leave=self.leave,
            adopt=self.adopt,
            records_answers=is_of_record(self.record, self.on_record)
            and not (self.adopt or self.reset or self.leave),
        )
        self.record = replace(self.record, filters=_filters(self.first.desired))
        self._looks += 1
        if self._looks == 1:
            refuse_other_file(self.on_record, self.record, self.loaded, self.first.plan)
            self.observers.compared(self.first)
        damaged = [self.previous.warning] if self.previous.warning else []
        self.report = Report(
            self.first.plan,
            warnings=[*unconfirmed, *self.first.warnings, *damaged],
            notes=[*self._ended()],
            intended=self.first.intended,
            adopted=self.first.adopted,
        )

    def _ended(self) -> Iterator[str]:
        """Yield a sentence for each intended deviation that this apply ends."""
        for deviation in self.on_record.intended:
            if deviation not in self.first.intended:
                place = f"{deviation.node} {deviation.interface}"
                why = (
                    "--reset"
                    if self.reset
                    else intended.why_without_effect(self.desired.state, deviation)
                )
                yield f"{place}: what `{deviation.command}` did at {deviation.clock} ends: {why}"

    @property
    def _changes_intended(self) -> bool:
        """Whether the record of intended deviations has to change."""
        was = self.on_record
        return was.intended != self.first.intended or bool(was.intended_warning)

    @property
    def outcome(self) -> str:
        """What is left after a failure, as the log calls it (`netorch.values.act`)."""
        if not self.has_begun:
            return "refused"
        return "rolled-back" if self._is_rolled_back else "incomplete"

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to change, neither in the kernel nor in the record."""
        last = self.previous.record
        return (
            not self.first.plan
            and not self.first.claims
            and last is not None
            and replace(last, applied=self.record.applied) == self.record
            and self.previous.ownership == self._ownership_after
            and not self._changes_intended
        )

    @property
    def _ownership_after(self) -> Ownership:
        """The record of the topology's own objects after the apply."""
        first = self.first
        after = ownership_of(first.desired, self.last.snapshot, first.mark)
        return after.adopting(self._adopted(first.desired))

    def _adopted(self, state: Collection[Key]) -> Mapping[str, Sequence[Adopted]]:
        """Return the objects of a state that the topology has taken over, now or before."""
        was = self.on_record.ownership
        before = was.adopted if was is not None else {}
        adopted: dict[str, list[Adopted]] = {}
        for label, netns in self.first.snapshot.namespaces.items() if before else ():
            place = identity_text(netns.identity)
            for one in before.get(place, ()):
                kind, *parts = one.name
                if Key(kind, label, *parts) in state:
                    adopted.setdefault(place, []).append(one)
        if self.first.claims:
            from netorch.converge.adopt import originals_of

            for place, more in originals_of(self.first.claims, self.first.snapshot).items():
                adopted.setdefault(place, []).extend(more)
        return adopted

    def remember(self) -> bool:
        """Step 2: write the record and the original values of the sysctls that will change.

        They are written now, because after a crash in a later step they are needed. Returns False
        without having written anything if a shared sysctl has changed since step 1, which has to
        be repeated then.
        """
        from netorch.converge.rollback import Start

        first = self.first
        reclaim = namespaces_of(self.previous.desired) if first.observed.stale else frozenset[str]()
        self.start = Start(self.desired, first, reclaim, self.on_record)
        self.has_begun = True
        needed = places_of(first.desired)
        if not (needed or first.memory.shared):
            self._write_record(first.memory)
            return True
        with records.shared_settings():
            if self._looks < ROUNDS and changed_since(self.kernel, needed, first.snapshot):
                self.has_begun = False
                return False
            memory = self.previous.with_others_now().memory.moved(first.attached.moved)
            given_up = memory.shared - needed
            memory, refusals = put_back(self.kernel, memory, given_up, first.snapshot)
            if refusals:
                raise KernelRefused(
                    _first_of_each_namespace(refusals, self.loaded), self.loaded.file
                )
            self._write_record(memory)
        self.first = replace(first, plan=without_places(first.plan, given_up))
        return True

    def _write_record(self, memory: Memory) -> None:
        from netorch.converge.namespace_remains import remove_names
        from netorch.converge.rollback import roll_back_alone

        name, first, previous, start = self.desired.topology, self.first, self.previous, self.start
        records.keep(name)
        remove_names(
            self.kernel, (first.observed.stale & start.reclaim) - namespaces_of(self.desired)
        )
        if self.trial is not None:
            self.watch = confirmation.ConfirmationWatch(
                name, self.trial, lambda planned: roll_back_alone(start, planned)
            )
        self.memory, self.settings = memory, memory.during(first.desired, first.snapshot)
        if previous.record is not None and previous.record.may_contain("attach"):
            remember_left(name, self.desired, previous.desired)
        known = self.settings if self.settings or previous.settings else None
        # as long as a filter without a mark may exist, the record must not say that all have one
        self.marks_filters = "" in previous.filters.values()
        record = replace(self.record, filters=None) if self.marks_filters else self.record
        state = {**first.observed.state, **first.desired}
        ownership = ownership_of(state, first.snapshot, first.mark).adopting(self._adopted(state))
        self.ownership = ownership.also(previous.ownership)
        records.write_record(name, record, known, self.ownership)
        if self._changes_intended:
            intended.write(name, first.intended)
        self.previous = previous.rewritten(record, self.desired, self.settings, self.ownership)

    def carry_out(self) -> None:
        """Steps 3 and 4: carry out the plan, then read and plan again until nothing differs.

        The next round makes again what the kernel deleted as a side effect.
        """
        from netorch.converge.namespace_remains import end_processes_of

        desired, now, report = self.desired, self.first, self.report
        if now.claims:
            now = self._compare_again(None, self._adopt())
        begin = now
        late = bridges_that_come_up_late(now.plan)
        while now.plan:
            plan = now.plan
            if now is begin:
                plan = without_steps(plan, late)
            unexpected = without_steps(plan, late)
            if unexpected:
                if report.rounds == ROUNDS:
                    raise self._does_not_stay(now)
                report.rounds += 1
                if now is not begin:
                    report.notes += describe_changes(unexpected, now.snapshot)
            else:
                late = frozenset()
            self.observers.phase("making")
            self._ended_processes += (ended := end_processes_of(plan, now.snapshot))
            report.notes += ended
            run = execute(
                self.kernel,
                plan,
                groups=deletable_groups(plan, now.snapshot, desired.mark.group),
                reclaim=self.start.reclaim,
                progress=self.observers.progress,
            )
            self.observers.phase("verifying")
            if run.refusals:
                raise KernelRefused(
                    _first_of_each_namespace(run.refusals, self.loaded), self.loaded.file
                )
            now = self._compare_again(now)
        self.last = now
        self.kernel.announce_moves(
            moves(self.first.plan, self.first.observed.state, now.observed.state)
        )
        report.warnings += end_wrong_connections(
            self.kernel, desired.topology, self.first.snapshot, now.snapshot
        )

    def _adopt(self) -> Mapping[Key, str]:
        """Put the marks on the objects that the topology takes over.

        Return for each why it may lack its mark nevertheless.
        """
        from netorch.converge import adopt

        self.observers.phase("adopting")
        if refusals := adopt.put(self.kernel, self.first.claims):
            raise KernelRefused(_first_of_each_namespace(refusals, self.loaded), self.loaded.file)
        return {one.key: one.resource.KEEPS_MARK for one in self.first.claims}

    def _compare_again(
        self, before: Difference | None, not_marked: Mapping[Key, str] | None = None
    ) -> Difference:
        self.previous = self.previous.with_others_now()
        return compare(
            self.kernel,
            self.desired,
            self.previous,
            self.loaded,
            attached=self.first.attached,
            before=before,
            leave=self.leave,
            not_marked=not_marked,
        )

    def roll_back(self, error: BaseException) -> BaseException:
        """Step 5: roll back. Returns the error to raise, which says how the rollback ended."""
        from netorch.converge.rollback import ROLLED_BACK

        self.observers.phase("rolling back")
        problems = self._roll_back_despite_interrupts()
        self._is_rolled_back = not problems
        if self.watch is not None:
            self.watch.call_off()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error = NetorchError(problem_of_system(error))
        if isinstance(error, NetorchError):
            processes = [
                Problem("rolled-back", f"{text}: netorch does not start it again.")
                for text in self._ended_processes
            ]
            after = (*(problems or [ROLLED_BACK]), *processes)
            return type(error)((*error.problems, *after), error.file)
        if problems:
            return KernelRefused(
                [Problem("interrupted", "interrupted."), *problems], self.loaded.file
            )
        return error

    def _roll_back_despite_interrupts(self) -> list[Problem]:
        """Roll back, and start again whenever Ctrl-C interrupts it, so that it is complete."""
        from netorch.converge.rollback import NOT_ROLLED_BACK, roll_back

        failures = 0
        for _ in range(INTERRUPTS):
            try:
                return roll_back(self.kernel, self.start, self.previous)
            except KeyboardInterrupt:
                continue
            except NetorchError as stuck:
                return [NOT_ROLLED_BACK, *stuck.problems]
            except OSError as stuck:
                # a limit may be free again when the rollback has deleted something
                failures += 1
                if failures == ROUNDS:
                    return [NOT_ROLLED_BACK, problem_of_system(stuck)]
        raise KeyboardInterrupt

    def finish(self) -> Report:
        """Delete what only a rollback needs, or start the time to confirm if there is one."""
        self.report.changed = True
        first, name = self.first, self.desired.topology
        needed = self.memory.after(first.desired, first.snapshot)
        if needed != self.settings:
            records.write_sysctls(name, needed)
        if self.ownership != (ownership := self._ownership_after):
            records.write_ownership(name, ownership)
        if self.marks_filters:
            records.write_record(name, self.record)
        if self.watch is not None:
            self.report.confirm_until = self.watch.begin()
            self.report.token = self.watch.token
        else:
            records.forget_previous(name)
        forget_left(name)
        self.save_state()
        return self.report

    def save_state(self) -> None:
        """Save the resolved state for later commands, which need not load the file then."""
        save(self.desired.topology, self.record, self.loaded)

    def remember_comparison(self) -> None:
        """Store the comparison of an apply that has nothing to do, for the next one."""
        if not (self.report.warnings or self.report.notes):
            remember(self.first, self.desired, self.record, self._before, is_apply=True)

    def _does_not_stay(self, now: Difference) -> KernelRefused:
        problems = [
            Problem(
                "does-not-stay",
                f"{step.resource.title()}: does not stay as netorch sets it: "
                f"{describe_deviation(step)}.",
                self.loaded.where(self.desired.origins.get(step.key, ())),
                object=step.resource.title(),
            )
            for step in now.plan.steps
        ]
        question = "Does another program on this machine change it?"
        who = " ".join([question, *name_processes(now.plan.steps, now.snapshot)])
        return KernelRefused(
            [*dict.fromkeys(problems), Problem("does-not-stay", who)], self.loaded.file
        )


MANY_PORTS = 500
"""The number of ports from which a bridge comes up after the verification of everything else."""


def bridges_that_come_up_late(plan: Plan) -> frozenset[Key]:
    """Return the keys of the `up` steps of large bridges on which no other step depends.

    When a bridge comes up, each of its nodes announces itself to all the others. A thousand nodes
    keep the kernel busy for a second, in which reading takes twice as long. So netorch reads what
    it has made before that, and afterwards only the namespace of the bridge.
    """
    large = {
        step.key
        for step in plan.changes
        if isinstance(step.after, Up)
        and step.before is None
        and sum(key.kind == "port" for key in step.after.after) >= MANY_PORTS
    }
    if large:
        for step in plan.changes:
            large.difference_update(step.resource.dies_with, step.resource.needs)
    return frozenset(large) if len(large) < len(plan) else frozenset()


def without_steps(plan: Plan, keys: frozenset[Key]) -> Plan:
    """Return a plan without the changes of these keys."""
    if not keys:
        return plan
    return replace(plan, changes=tuple(step for step in plan.changes if step.key not in keys))


def _filters(state: State) -> dict[str, str]:
    """Return label → the backend of its packet filter."""
    return {resource.netns: resource.backend for resource in of_class(state, PacketFilter)}


def _first_of_each_namespace(refusals: list[Refusal], loaded: Loaded) -> list[Problem]:
    """Return the first refusal of each namespace, because the others follow from it."""
    first: dict[str, Refusal] = {}
    for refusal in refusals:
        first.setdefault(refusal.step.key.netns, refusal)
    origins = loaded.desired.origins
    return problems_of(
        first.values(), lambda refusal: loaded.where(origins.get(refusal.step.key, ()))
    )
