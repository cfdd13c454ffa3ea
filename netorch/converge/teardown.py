"""Carry out one `destroy`: delete all that a topology has, with or without a record of it."""

from __future__ import annotations

from collections.abc import Callable

from netorch.converge.attached import Reach, reach, reach_on_record
from netorch.converge.compare import cautions
from netorch.converge.connections import end_wrong_connections
from netorch.converge.execute import ROUNDS, Refusal, deletable_groups, execute
from netorch.converge.kernel_errors import problems_of
from netorch.converge.namespace_remains import end_processes_of, remove_stale_names
from netorch.converge.observe import Observed
from netorch.converge.previous import Previous
from netorch.converge.read import read_all
from netorch.converge.report import Observers, Report
from netorch.converge.shared_settings import put_back, without_places
from netorch.errors import KernelRefused, Problem, did_you_mean
from netorch.kernel.files import records
from netorch.kernel.links import lent, nics
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.filter import foreign_filter_title
from netorch.kinds.netns import netns_key
from netorch.state.key import HOST, label_text
from netorch.state.plan import Plan
from netorch.state.planner import plan as make_plan
from netorch.values.marks import NOT_OURS, Mark
from netorch.values.snapshot import Snapshot

MOST_NAMES = 20
"""The number of names that a warning has at most."""


def tear_down(
    kernel: LinuxKernel,
    name: str,
    observers: Observers,
    planned: Callable[[Plan], None],
    brief: bool,
    report: Report,
) -> None:
    """Delete what topology `name` has, and fill in the report. The caller holds the lock.

    It continues after a refusal, and raises KernelRefused at the end if anything is left. With
    `brief` the plan leaves out objects that the kernel deletes with their namespaces.
    """
    observers.phase("reading")
    previous = Previous.read(name)
    within = reach_of(kernel, previous)
    reclaim = within.names if within.known else frozenset()
    snapshot, observed = read_all(kernel, previous, within, brief)
    began = snapshot
    plan = make_plan(observed.state, {})
    planned(plan)
    report.plan, report.record = plan, previous.record
    report.warnings += [
        *([previous.warning] if previous.warning else []),
        *previous.warnings,
        *within.warnings,
        *observed.unproven.values(),
        *cautions(plan, snapshot, observed.state, name),
        *_missing(plan, reclaim, snapshot),
        *_foreign_filters(observed, snapshot),
        *_second_names(snapshot),
    ]
    report.notes += [*_unrestorable(previous, observed), *_others(previous, plan)]
    problems: list[Problem] = []
    while (plan or previous.memory.shared) and report.rounds < ROUNDS:
        report.rounds += 1
        report.changed = True
        observers.phase("removing")
        report.notes += end_processes_of(plan, snapshot)
        given_up = previous.memory.shared
        previous, refusals = _put_settings_back(kernel, previous, snapshot)
        plan = without_places(plan, given_up)
        run = execute(
            kernel,
            plan,
            groups=deletable_groups(plan, snapshot, Mark(name).group),
            reclaim=reclaim,
            keep_going=True,
            progress=observers.progress,
        )
        problems = problems_of((*refusals, *run.refusals), lambda _: None)
        observers.phase("verifying")
        previous = previous.with_others_now()
        snapshot, observed = read_all(kernel, previous, within, brief)
        plan = make_plan(observed.state, {})
    if plan:
        titles = [step.resource.title() for step in plan.steps]
        left = [Problem("not-removed", f"{title} still exists.", object=title) for title in titles]
        raise KernelRefused([*problems, *left])
    report.warnings += end_wrong_connections(kernel, name, began, snapshot)
    remove_stale_names(kernel, snapshot, reclaim)
    records.remove_record(name, keep=lent.FILE if _may_come_back(name, snapshot) else "")
    report.changed = report.changed or previous.record is not None


def _put_settings_back(
    kernel: LinuxKernel, previous: Previous, snapshot: Snapshot
) -> tuple[Previous, list[Refusal]]:
    """Set back the sysctls that no other topology needs, and delete them from the record.

    Returns `previous` with the new record, and the requests that Linux refused.
    """
    if not previous.memory.shared:
        return previous, []
    with records.shared_settings():
        memory = previous.with_others_now().memory
        memory, refusals = put_back(kernel, memory, memory.shared, snapshot)
        if memory.shared:
            records.write_sysctls(previous.topology, memory.records)
        else:
            # deleting a record, unlike writing one, works even if the file system is full
            records.forget_sysctls(previous.topology)
    return previous.with_settings(memory.records if memory.shared else {}), refusals


def reach_of(kernel: LinuxKernel, previous: Previous) -> Reach:
    """Find the namespaces in which the topology may have objects.

    They are known by its record if that is enough, else by its file, else by its marks.
    """
    name = previous.topology
    on_record = reach_on_record(kernel, name, previous.record)
    return on_record or reach(kernel, previous.mark, previous.desired_with_left)


def _missing(plan: Plan, reclaim: frozenset[str], snapshot: Snapshot) -> list[str]:
    """Return warnings about recorded namespaces that do not exist."""
    gone = reclaim - snapshot.namespaces.keys() - {HOST}
    invalid = [
        f"/run/netns/{name} is {snapshot.foreign_files[name]}, not a network namespace: "
        "netorch leaves it alone"
        for name in sorted(gone & snapshot.foreign_files.keys())
    ]
    missing = sorted(gone - snapshot.foreign_files.keys())
    if not plan or not missing:
        return invalid
    names = ", ".join(map(label_text, missing[:MOST_NAMES]))
    if more := missing[MOST_NAMES:]:
        names += f" and {len(more)} more"
    return [
        *invalid,
        f"{names}: there is no namespace of that name: "
        "somebody else deleted it, or it was never made",
    ]


def _may_come_back(topology: str, snapshot: Snapshot) -> bool:
    """Whether a lent NIC is missing.

    The record of what it had on the host stays then, because the NIC may come back.
    """
    return any(
        snapshot.nics.get(origin, ("", 0)) is None for origin in nics.hardware_lent(topology)
    )


def _foreign_filters(observed: Observed, snapshot: Snapshot) -> list[str]:
    """Return a warning for each foreign part of a packet filter that has a name like netorch's.

    In a namespace that netorch made it is deleted with the namespace, without a warning.
    """
    return [
        f"{label_text(label)}: netorch leaves {foreign_filter_title(line)} alone, "
        f"because {NOT_OURS}"
        for label, netns in snapshot.namespaces.items()
        if netns_key(label) not in observed.state
        for lines in netns.foreign_filters.values()
        for line in lines
    ]


def _second_names(snapshot: Snapshot) -> list[str]:
    """Return a warning for each second name that somebody gave to a namespace.

    The namespace stays as long as it has a name.
    """
    return [
        f"/run/netns/{name} is another name of the namespace {label!r}: netorch leaves it alone, "
        "so the namespace stays, but empty"
        for name, label in snapshot.second_names.items()
    ]


def _others(previous: Previous, plan: Plan) -> list[str]:
    """Return the live topologies if there is nothing of this one: its name may be misspelt."""
    if plan or previous.record is not None or not previous.names:
        return []
    guess = did_you_mean(previous.topology, previous.names)
    return [f"live topologies: {', '.join(previous.names)}. {guess}".rstrip()]


def _unrestorable(previous: Previous, observed: Observed) -> list[str]:
    """Return a note if the host has objects, but no record has the original values of sysctls."""
    outside = any(netns_key(key.netns) not in observed.state for key in observed.state)
    if previous.record is not None or not outside:
        return []
    return [
        f"{previous.topology}: there is no record in /run/netorch: "
        "sysctls that it set on the host stay as they are"
    ]
