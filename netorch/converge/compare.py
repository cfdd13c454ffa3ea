"""The file against the kernel: what differs, and the plan from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from netorch.converge import hazards
from netorch.converge.attached import Attached, attach, check_attached
from netorch.converge.observe import Observed, observe
from netorch.converge.original_settings import Memory
from netorch.converge.previous import Previous
from netorch.converge.read import observe_ours, scope
from netorch.converge.refuse import (
    refuse_conflicts,
    refuse_hazards,
    refuse_lacking,
    refuse_obstacles,
)
from netorch.converge.unchanged import lost_an_end, resources_of_untouched, untouched, without
from netorch.errors import NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.door import LinuxKernel
from netorch.kernel.links import nics
from netorch.kinds.file import NodeFile
from netorch.kinds.filter import PacketFilter
from netorch.kinds.forward import keep_needed_accepts
from netorch.kinds.physical import Physical
from netorch.nat.languages import AUTO
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.key import Key
from netorch.state.plan import Plan
from netorch.state.planner import plan as make_plan
from netorch.state.resource import Resource
from netorch.values.snapshot import Snapshot


class Difference(Value):
    """Where the kernel stands, what the file asks for, and the plan between the two. `attached` says in which namespaces of others."""

    plan: Plan
    observed: Observed
    snapshot: Snapshot
    memory: Memory
    wanted: Mapping[Key, Resource]
    attached: Attached
    warnings: tuple[str, ...] = ()


def compare(
    kernel: LinuxKernel,
    desired: Desired,
    previous: Previous,
    loaded: Loaded | None,
    *,
    attached: Attached | None = None,
    before: Difference | None = None,
) -> Difference:
    """What apply would do. ConflictError where something of others is in the way.

    `loaded` gives errors their place in the file. Without `attached` the names of namespaces of
    others are looked up anew. `before` is what was found before its plan was carried out: of what
    no step of that plan has touched, only files are read again.
    """
    kept = untouched(before.plan, before.snapshot) if before is not None else None
    attached = attached or attach(kernel, desired, previous.attached)
    memory = previous.memory.moved(attached.moved)
    snapshot = kernel.read(scope(previous, desired.state, attached.labels, memory), kept)
    check_attached(desired, attached, snapshot, loaded)
    state: Mapping[Key, Resource]
    state, strange_files = _without_strange_files(desired, snapshot)
    state, answer_warnings = _with_answers(kernel, desired, state, loaded)
    state, unfiltered = _in_kernel_words(kernel, state)
    if settings := [
        *hazards.routers(state, snapshot, memory),
        *hazards.bare_bridges(state, kernel.pristine_sysctls),
    ]:
        # first, because forwarding must not begin before they are set
        state = {**{resource.key: resource for resource in settings}, **state}
        snapshot = kernel.read(scope(previous, state, attached.labels, memory), kept)
    state, walls = keep_needed_accepts(state, snapshot)
    same = (
        resources_of_untouched(before.observed, kept, snapshot)
        if before is not None and kept
        else {}
    )
    observed = observe_ours(kernel, previous, snapshot, state, memory, same)
    if before is not None and lost_an_end(same, before.observed.state, observed.state):
        return compare(kernel, desired, previous, loaded, attached=attached)
    state = _as_it_is(previous, observed, state)
    refuse_conflicts(desired, observed, previous, loaded)
    refuse_hazards(desired, observed, snapshot, previous, loaded)
    plan = make_plan(without(same, observed.state), without(same, state))
    refuse_obstacles(plan, snapshot, state, desired, loaded)
    refuse_lacking(kernel, plan, desired, loaded)
    warnings = (
        *attached.warnings,
        *((previous.settings_warning,) if previous.settings_warning else ()),
        *strange_files,
        *answer_warnings,
        *unfiltered,
        *walls,
        *hazards.missing_addresses(state, snapshot),
        *hazards.lost_at_loopback(state, snapshot),
        *cautions(plan, snapshot, desired.topology),
    )
    return Difference(plan, observed, snapshot, memory, state, attached, warnings)


def plan_back(
    kernel: LinuxKernel,
    desired: Desired,
    previous: Previous,
    target: Mapping[Key, Resource],
    attached: Attached,
) -> tuple[Plan, Snapshot]:
    """The plan to `target`, a state of the same topology from before, out of whatever is there now."""
    memory = previous.memory.moved(attached.moved)
    state = {**target, **desired.state}
    snapshot = kernel.read(scope(previous, state, attached.labels, memory))
    observed = observe_ours(kernel, previous, snapshot, state, memory)
    return make_plan(observed.state, target), snapshot


def _with_answers(
    kernel: LinuxKernel, desired: Desired, state: Mapping[Key, Resource], loaded: Loaded | None
) -> tuple[Mapping[Key, Resource], list[str]]:
    """The state with what only this machine can tell; a NetorchError of all that it cannot, and its warnings."""
    asking = {key: asked for key, resource in state.items() if (asked := resource.questions)}
    if not asking:
        return state, []
    answers = kernel.answers(
        [question for asked in asking.values() for question in asked], desired.folder
    )
    problems: list[Problem] = []
    for key, asked in asking.items():
        title = state[key].title()
        for question in asked:
            answer = answers[question]
            if answer.problem:
                path = (*desired.origins.get(key, ()), question.word)
                where = loaded.where(path) if loaded else None
                what = f"{title}: {answer.problem}."
                problems.append(Problem(answer.code, what, where, answer.remedy, title))
    if problems:
        raise NetorchError(problems, loaded.file if loaded else "")
    known = {key: state[key].with_answers(answers) for key in asking}
    return {**state, **known}, list(
        dict.fromkeys(answer.warning for answer in answers.values() if answer.warning)
    )


def _in_kernel_words(
    kernel: LinuxKernel, wanted: Mapping[Key, Resource]
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Packet filters as the kernel would list them, by which alone they can be compared; and what cannot be filtered here."""
    filters = {
        key: resource for key, resource in wanted.items() if isinstance(resource, PacketFilter)
    }
    if not filters:
        return wanted, []
    choice = next(iter(filters.values())).backend
    try:
        backend = kernel.filter_backend(choice)
    except NetorchError as error:
        if choice != AUTO or any(resource.translates for resource in filters.values()):
            raise
        # nothing leads out, so there is no way round what is not dropped but a route that a member makes itself
        missing = " ".join(error.lines())
        return {key: resource for key, resource in wanted.items() if key not in filters}, [
            f"networks are kept apart by routes alone: {missing}"
        ]
    said = {
        key: replace(
            resource,
            backend=backend,
            text=kernel.filter_text(backend, resource.topology, resource.rules),
        )
        for key, resource in filters.items()
    }
    return {**wanted, **said}, []


def _as_it_is(
    previous: Previous, observed: Observed, state: Mapping[Key, Resource]
) -> Mapping[Key, Resource]:
    """The state to reach, with what is there in the place of what would be just as good."""

    @cache
    def last() -> Mapping[Key, Resource]:
        return previous.desired.state if previous.desired is not None else {}

    def asked(key: Key) -> Resource:
        before, resource = observed.state.get(key), state[key]
        if before is None:
            return resource
        return resource.adapt_to(before, lambda: last().get(key))

    return {key: asked(key) for key in state}


def cautions(plan: Plan, snapshot: Snapshot, topology: str) -> list[str]:
    """What a person should know of a plan."""
    lent = [step.resource for step in plan.deletes if isinstance(step.resource, Physical)]
    known = nics.remembered(topology) if lent else frozenset()
    return [
        *(
            text
            for step in plan.steps
            for text in step.resource.cautions(snapshot, going=step.after is None)
        ),
        *(
            f"{nic.title()}: what it had on the host is not known any more: it goes back bare and down"
            for nic in lent
            if nic.origin not in known
        ),
    ]


def _without_strange_files(
    desired: Desired, snapshot: Snapshot
) -> tuple[dict[Key, Resource], list[str]]:
    """Files in /etc/netns that somebody else wrote stay as they are: no conflict, but worth a word."""
    files = {key: resource for key, resource in desired.state.items() if key.kind == "file"}
    found = observe(snapshot, desired.mark, files, kinds=(NodeFile,)).strangers if files else {}
    strange = {key: whose for key, whose in found.items() if key.kind == "file"}
    warnings = sorted(f"{whose}: left as it is" for whose in strange.values())
    return {
        key: resource for key, resource in desired.state.items() if key not in strange
    }, warnings
