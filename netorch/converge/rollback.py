"""Undo an apply: the kernel and the record become what they were before it.

`Transaction` loads this module before its first change, because a failure may be that no more files
can be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netorch.converge import intended
from netorch.converge.attached import forget_left
from netorch.converge.compare import Difference, plan_back
from netorch.converge.connections import end_wrong_connections
from netorch.converge.execute import ROUNDS, Refusal, deletable_groups, execute
from netorch.converge.kernel_errors import problems_of, reason_of
from netorch.converge.moves import moves
from netorch.converge.namespace_remains import remove_stale_names
from netorch.converge.original_settings import Place
from netorch.converge.parts_of_others import Part, lost_parts
from netorch.converge.previous import Previous, namespaces_of
from netorch.converge.shared_settings import put_back, without_places
from netorch.errors import Problem
from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.up import Up
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.resolve.desired import Desired
from netorch.state.key import Key, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Resource
from netorch.values.requests import Request
from netorch.values.snapshot import Snapshot

ROLLED_BACK = Problem("rolled-back", "Rolled back: the kernel is as it was before.")
NOT_ROLLED_BACK = Problem("not-rolled-back", "Not everything could be rolled back:")


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
    kernel.announce_moves(moves(start.first.plan, start.first.desired, start.first.observed.state))
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
    return [NOT_ROLLED_BACK, *map(_not_made_again(reasons), lost)] if lost else []


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
    return [NOT_ROLLED_BACK, *problems]


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
