"""Carry out one `apply`: make all of the file, or leave the kernel as it was before.

`Orchestrator.apply` calls the five steps in order. docs/architecture.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from netorch.converge import confirmation, intended
from netorch.converge.attached import forget_left, remember_left
from netorch.converge.compare import Difference, compare, plan_back
from netorch.converge.concurrent_changes import describe_changes, describe_deviation, name_processes
from netorch.converge.connections import end_wrong_connections
from netorch.converge.execute import INTERRUPTS, ROUNDS, Refusal, deletable_groups, execute
from netorch.converge.kernel_errors import problems_of, reason_of
from netorch.converge.moves import moves
from netorch.converge.original_settings import Memory, Place
from netorch.converge.preflight import refuse_other_file
from netorch.converge.previous import Previous, namespaces_of, ownership_of
from netorch.converge.recorded_state import save
from netorch.converge.report import Observers, Report
from netorch.converge.shared_settings import changed_since, places_of, put_back, without_places
from netorch.errors import KernelRefused, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.processes.members import end_processes
from netorch.kernel.system.error_text import problem_of as problem_of_system
from netorch.kinds.filter import PacketFilter
from netorch.kinds.up import Up
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.key import Key, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Resource, State
from netorch.values.ownership import Adopted, Ownership, identity_text
from netorch.values.requests import NetnsDel, Request
from netorch.values.snapshot import Snapshot

if TYPE_CHECKING:
    from netorch.converge.parts_of_others import Part


class Start(Value):
    """The state in which an apply began, with all that a rollback needs."""

    desired: Desired
    """What the file asks for."""
    first: Difference
    """The comparison from before the first step."""
    reclaim: frozenset[str]
    """The names in /run/netns that a crash left behind and that netorch may take again."""
    previous: Previous
    """What was below /run/netorch."""


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
        self.on_record = Previous.read(topology)
        self.previous = replace(self.on_record, intended=()) if self.reset else self.on_record
        self.first = self.last = compare(
            self.kernel,
            self.desired,
            self.previous,
            self.loaded,
            leave=self.leave,
            adopt=self.adopt,
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
        adopted: dict[str, list[Adopted]] = {}
        for label, netns in self.first.snapshot.namespaces.items():
            place = identity_text(netns.identity)
            for one in was.adopted.get(place, ()) if was is not None else ():
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
        name, first, previous, start = self.desired.topology, self.first, self.previous, self.start
        records.keep(name)
        _remove_names(
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
        announce_moves(self.kernel, self.first.plan, self.first.observed.state, now.observed.state)
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
            after = (*(problems or [_ROLLED_BACK]), *processes)
            return type(error)((*error.problems, *after), error.file)
        if problems:
            return KernelRefused(
                [Problem("interrupted", "interrupted."), *problems], self.loaded.file
            )
        return error

    def _roll_back_despite_interrupts(self) -> list[Problem]:
        """Roll back, and start again whenever Ctrl-C interrupts it, so that it is complete."""
        failures = 0
        for _ in range(INTERRUPTS):
            try:
                return roll_back(self.kernel, self.start, self.previous)
            except KeyboardInterrupt:
                continue
            except NetorchError as stuck:
                return [_NOT_ROLLED_BACK, *stuck.problems]
            except OSError as stuck:
                # a limit may be free again when the rollback has deleted something
                failures += 1
                if failures == ROUNDS:
                    return [_NOT_ROLLED_BACK, problem_of_system(stuck)]
        raise KeyboardInterrupt

    def finish(self) -> Report:
        """Delete what only a rollback needs, or start the time to confirm if there is one."""
        self.report.changed = True
        first, name = self.first, self.desired.topology
        needed = self.memory.after(first.desired, first.snapshot)
        if needed != self.settings:
            records.write_sysctls(name, needed)
        if self.ownership != self._ownership_after:
            records.write_ownership(name, self._ownership_after)
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
    return {
        resource.netns: resource.backend
        for resource in state.values()
        if isinstance(resource, PacketFilter)
    }


_ROLLED_BACK = Problem("rolled-back", "Rolled back: the kernel is as it was before.")
_NOT_ROLLED_BACK = Problem("not-rolled-back", "Not everything could be rolled back:")


def roll_back(
    kernel: LinuxKernel,
    start: Start,
    previous: Previous,
    planned: Callable[[Plan], None] = lambda _: None,
) -> list[Problem]:
    """Restore the kernel and the record from before an apply.

    Returns the problems of what could not be restored. `previous` is what is below /run/netorch
    now. `planned` is called with the plan.
    """
    kernel.close_cached_files()
    name = start.desired.topology
    # a filter that had no mark before the apply has none again afterwards
    filters = {**previous.filters, **start.previous.filters}
    # the objects that come back are the topology's own as soon as they exist
    ownership, known = previous.ownership, start.previous.ownership
    ownership = ownership.also(known) if ownership is not None else known
    previous = replace(previous, filters=filters, ownership=ownership)
    problems = _plan_back_until_done(kernel, start, previous, planned)
    if start.first.claims:
        from netorch.converge import adopt

        refusals = adopt.take_back(kernel, start.first.claims)
        problems += problems_of(refusals, lambda _: None)
    # Neighbours and bridges may have learned addresses and MACs from the failed apply.
    announce_moves(kernel, start.first.plan, start.first.desired, start.first.observed.state)
    before = start.previous
    if before.record is None:
        records.remove_record(name)
    else:
        records.restore_sysctls(name, before.settings)
        # if something of the failed apply is left, the record must contain that, too
        records.restore_ownership(name, ownership if problems else before.ownership)
        intended.restore(name, before.intended)
        records.restore(name, before.record)
        records.forget_previous(name)
        forget_left(name)
    return problems or _bring_parts_back(kernel, start, previous)


def _bring_parts_back(kernel: LinuxKernel, start: Start, previous: Previous) -> list[Problem]:
    """Make again what other programs had on links that the failed apply has deleted.

    Return a problem for each object that netorch cannot make.
    """
    from netorch.converge.parts_of_others import lost_parts

    plan, own = start.first.plan, start.first.observed.state
    dying = (*(step.resource for step in plan.deletes), *plan.implied)
    if not any(one.key.kind in {"link", "netns"} for one in dying):
        return []
    reasons: dict[str, str] = {}
    for rounds in range(ROUNDS):
        _, now = plan_back(kernel, start.desired, previous, own, start.first.attached)
        lost = lost_parts(start.first.snapshot, now, own)
        again = {part.title for part in lost if part.requests}
        if not again or again == reasons.keys() or rounds == ROUNDS - 1:
            break
        # what needs another object that is lost comes back in the next round
        reasons = _make_again(kernel, lost)
    return [_NOT_ROLLED_BACK, *map(_not_made_again(reasons), lost)] if lost else []


def _make_again(kernel: LinuxKernel, lost: Sequence[Part]) -> dict[str, str]:
    """Send the requests of parts. Return the title of each that Linux refuses, and its reason."""
    channels: dict[str, list[Request]] = {}
    owners: dict[int, Part] = {}
    for part in lost:
        channels.setdefault(part.netns, []).extend(part.requests)
        owners |= {id(request): part for request in part.requests}
    failures = kernel.transact(channels)
    return {owners[id(one.request)].title: reason_of(one.sentence, one.errno) for one in failures}


def _not_made_again(reasons: Mapping[str, str]) -> Callable[[Part], Problem]:
    def problem(part: Part) -> Problem:
        why = reasons.get(part.title, "netorch did not make it, and does not know all of it")
        what = f"{part.title} was deleted with {part.link}, and is not there again: {why}."
        return Problem("not-rolled-back", what, object=part.title)

    return problem


def roll_back_alone(start: Start, planned: Callable[[Plan], None]) -> list[Problem]:
    """Roll back from another process, which opens the kernel again. The caller holds the lock."""
    kernel = LinuxKernel()
    try:
        missing = kernel.attach(start.first.attached.places)
        problems = roll_back(kernel, start, Previous.read(start.desired.topology), planned)
    finally:
        kernel.close()
    unseen = {label: error for label, error in missing.items() if error.unsure}
    return [
        *problems,
        *(
            Problem(
                "namespace-not-seen",
                f"{label_text(label)} could not be read: {error}",
                object=label_text(label),
            )
            for label, error in unseen.items()
        ),
    ]


def announce_moves(kernel: LinuxKernel, plan: Plan, before: State, after: State) -> None:
    """Announce to neighbours and bridges what `plan` has moved between the two states."""
    if moved := moves(plan, before, after):
        kernel.announce_moves(moved)


def _plan_back_until_done(
    kernel: LinuxKernel, start: Start, previous: Previous, planned: Callable[[Plan], None]
) -> list[Problem]:
    desired, before = start.desired, start.first
    last = start.previous.desired
    asked = last.state if last is not None else {}
    # a veth without its other end, which somebody had deleted, cannot be made again
    target = {
        key: _as_it_was_made(resource, asked.get(key))
        for key, resource in before.observed.state.items()
        if not isinstance(resource, Veth) or resource.peer != UNKNOWN
    }
    ours = start.reclaim | (namespaces_of(desired) - before.observed.stale)
    claimed = frozenset(one.key for one in before.claims)
    problems: list[Problem] = []
    began: Snapshot | None = None
    for _ in range(ROUNDS):
        previous = previous.with_others_now()
        plan, snapshot = plan_back(kernel, desired, previous, target, before.attached)
        if began is None:
            began = snapshot
            planned(plan)
        previous, given_up, refusals = _bring_settings_back(kernel, start, previous, snapshot)
        plan = _without_new(without_places(plan, given_up), claimed)
        if not plan and not refusals:
            remove_stale_names(kernel, snapshot, ours)
            end_wrong_connections(kernel, desired.topology, began, snapshot)
            return []
        groups = deletable_groups(plan, snapshot, desired.mark.group)
        run = execute(kernel, plan, groups=groups, reclaim=ours, keep_going=True)
        problems = problems_of((*refusals, *run.refusals), lambda _: None)
    return [_NOT_ROLLED_BACK, *problems]


def _as_it_was_made(resource: Resource, asked: Resource | None) -> Resource:
    """Return an object with what no reading shows of it, from the file that was applied last."""
    if isinstance(resource, Up) and isinstance(asked, Up):
        return replace(resource, quick=asked.quick)
    return resource


def _without_new(plan: Plan, claimed: frozenset[Key]) -> Plan:
    """Return a plan that makes none of the objects which the topology wanted to take over.

    They exist, and do not have its marks yet, or Linux did not set them.
    """
    if not claimed:
        return plan
    changes = (step for step in plan.changes if step.before or step.key not in claimed)
    return replace(plan, changes=tuple(changes))


def _bring_settings_back(
    kernel: LinuxKernel, start: Start, previous: Previous, snapshot: Snapshot
) -> tuple[Previous, frozenset[Place], list[Refusal]]:
    """Restore the record of shared sysctls, and set back those that only the failed apply needed.

    Returns `previous` with the new record, the sysctls that are no longer needed, and the requests
    that Linux refused.
    """
    moved, before = start.first.attached.moved, start.first.memory.shared
    now = previous.memory.moved(moved).shared
    if now == before:
        return previous, frozenset(), []
    with records.shared_settings():
        memory = previous.with_others_now().memory.moved(moved)
        _, refusals = put_back(kernel, memory, now - before, snapshot)
        records.restore_sysctls(start.desired.topology, start.previous.settings)
    return previous.with_settings(start.previous.settings), now - before, refusals


def remove_stale_names(kernel: LinuxKernel, snapshot: Snapshot, ours: frozenset[str]) -> None:
    """Delete the names among `ours` in /run/netns that are not namespaces, and empty directories.

    A process that was killed may have left them, before it made anything in them.
    """
    _remove_names(
        kernel,
        {
            label
            for label, alias in snapshot.other_names.items()
            if alias is None and label not in snapshot.foreign_files
        }
        & ours,
    )
    kernel.tidy()


def _remove_names(kernel: LinuxKernel, names: frozenset[str] | set[str]) -> None:
    labels = sorted(names)
    kernel.transact({label: [NetnsDel(label)] for label in labels}, labels)


def end_processes_of(plan: Plan, snapshot: Snapshot) -> list[str]:
    """End the processes in the namespaces that `plan` deletes. Returns a note for each process.

    A namespace outlives its name as long as a process is in it.
    """
    leaving = [
        step.key.netns
        for step in plan.deletes
        if step.key.kind == "netns" and step.key.netns in snapshot.namespaces
    ]
    ended = end_processes(snapshot.namespaces[label].inode for label in leaving)
    return [f"ended process {text}" for text in ended]


def _first_of_each_namespace(refusals: list[Refusal], loaded: Loaded) -> list[Problem]:
    """Return the first refusal of each namespace, because the others follow from it."""
    first: dict[str, Refusal] = {}
    for refusal in refusals:
        first.setdefault(refusal.step.key.netns, refusal)
    origins = loaded.desired.origins
    return problems_of(
        first.values(), lambda refusal: loaded.where(origins.get(refusal.step.key, ()))
    )
