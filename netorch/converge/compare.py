"""A look at the kernel through the eyes of one topology: what is there of it, what differs, what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from netorch.converge import hazards
from netorch.converge.attached import LEFT, Attached, Reach, attach, check_attached, with_left
from netorch.converge.observe import Observed, observe
from netorch.converge.original_settings import Memory, recall
from netorch.errors import ConflictError, LacksError, NetorchError, Position, Problem
from netorch.kernel.door import LinuxKernel
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.links import nics
from netorch.kinds.file import NodeFile
from netorch.kinds.filter import PacketFilter, publish_key
from netorch.kinds.forward import where_dropped
from netorch.kinds.physical import Physical
from netorch.kinds.veth import UNKNOWN
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded, load
from netorch.state.core import HOST, Key, Obstacle, Plan, Resource
from netorch.state.planner import plan as make_plan
from netorch.values.frozen import frozen
from netorch.values.marks import Mark
from netorch.values.requests import Feature
from netorch.values.snapshot import NetnsSnapshot, Scope, Snapshot

Kept = Mapping[str, NetnsSnapshot]
"""Label → what was read of a namespace before."""


@frozen
class Difference:
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
    loaded: Loaded | None,
    attached: Attached | None = None,
    before: Difference | None = None,
) -> Difference:
    """What apply would do. ConflictError where something of others is in the way; `loaded` gives errors their place.

    Without `attached` the names of namespaces of others are looked up anew. `before`: what was found before its plan was carried out; of
    what no step of that has touched, only files are looked at again.
    """
    kept = untouched(before) if before is not None else None
    attached = attached or attach(kernel, desired, _before(desired.topology))
    memory, warnings = remember(desired.topology)
    memory = memory.moved(attached.moved)
    snapshot = kernel.read(_scope(desired.mark, desired.state, attached.labels, memory), kept)
    check_attached(desired, attached, snapshot, loaded)
    mine, strange = _without_strange_files(desired, snapshot)
    known, told = _answered(kernel, desired, mine, loaded)
    wanted, unfiltered = _in_kernel_words(kernel, known)
    if settings := [
        *hazards.routers(wanted, snapshot, memory),
        *hazards.bare_bridges(wanted, kernel.pristine_sysctls),
    ]:
        # first, so that forwarding finds it done
        wanted = {**{resource.key: resource for resource in settings}, **wanted}
        snapshot = kernel.read(_scope(desired.mark, wanted, attached.labels, memory), kept)
    wanted, walls = where_dropped(wanted, snapshot)
    same = _same(before, kept, snapshot) if before is not None and kept else {}
    observed = _observe(kernel, desired.mark, snapshot, wanted, memory, same)
    if before is not None and _torn(same, before.observed.state, observed.state):
        return compare(kernel, desired, loaded, attached)
    wanted = _beside(desired, observed, wanted)
    _refuse_conflicts(desired, observed, loaded)
    _refuse_hazards(desired, observed, snapshot, loaded)
    plan = make_plan(_but(same, observed.state), _but(same, wanted))
    _refuse_obstacles(plan, snapshot, wanted, desired, loaded)
    _refuse_lacking(kernel, plan, desired, loaded)
    lost = (
        *hazards.missing_addresses(wanted, snapshot),
        *hazards.lost_at_loopback(wanted, snapshot),
    )
    said = (
        *attached.warnings,
        *warnings,
        *strange,
        *told,
        *unfiltered,
        *walls,
        *lost,
        *cautions(plan, snapshot, desired.topology),
    )
    return Difference(plan, observed, snapshot, memory, wanted, attached, said)


def _same(before: Difference, kept: Kept, snapshot: Snapshot) -> Mapping[str, Sequence[Resource]]:
    """Label → what is there beside files, of the namespaces that were not read again."""
    found: dict[str, list[Resource]] = {
        label: []
        for label, netns in snapshot.namespaces.items()
        if label in kept and netns.links is kept[label].links
    }
    for key, resource in before.observed.state.items():
        if key.netns in found and key.kind != "file":
            found[key.netns].append(resource)
    return found


def _torn(
    same: Mapping[str, Sequence[Resource]],
    before: Mapping[Key, Resource],
    now: Mapping[Key, Resource],
) -> bool:
    """Whether something in these namespaces hangs on what is gone elsewhere, so that it is not what it was."""
    for known in same.values():
        for resource in known:
            for key in (*resource.within, *((resource.twin,) if resource.twin is not None else ())):
                if key.netns not in same and key in before and key not in now:
                    return True
    return False


def _but(same: Mapping[str, object], state: Mapping[Key, Resource]) -> Mapping[Key, Resource]:
    """The state without what is in these namespaces, but with all files."""
    return (
        {
            key: resource
            for key, resource in state.items()
            if key.netns not in same or key.kind == "file"
        }
        if same
        else state
    )


def untouched(before: Difference) -> Kept:
    """The namespaces that no step of a plan was in or led to, as they were before it: a change costs what it changes. Files are no part
    of a namespace, and are read again anyhow.
    """
    plan = before.plan
    touched = {HOST}
    for resource in (*(step.resource for step in plan.steps), *plan.implied):
        if resource.KIND == "file":
            continue
        ends = (
            resource.key,
            *resource.within,
            *resource.needs,
            *((resource.twin,) if resource.twin is not None else ()),
        )
        touched |= {key.netns for key in ends}
    if UNKNOWN[0] in touched:
        return {}
    return {
        label: netns for label, netns in before.snapshot.namespaces.items() if label not in touched
    }


def towards(
    kernel: LinuxKernel, desired: Desired, target: Mapping[Key, Resource], attached: Attached
) -> tuple[Plan, Snapshot]:
    """The plan to `target`, a state of the same topology from before, out of whatever is there now."""
    memory, _ = remember(desired.topology)
    memory = memory.moved(attached.moved)
    wanted = {**target, **desired.state}
    snapshot = kernel.read(_scope(desired.mark, wanted, attached.labels, memory))
    observed = _observe(kernel, desired.mark, snapshot, wanted, memory)
    return make_plan(observed.state, target), snapshot


def everything(
    kernel: LinuxKernel, mark: Mark, reach: Reach, brief: bool = False
) -> tuple[Snapshot, Observed]:
    """All that carries the marks of a topology, wherever that reaches. `brief`: without what goes with its namespaces anyhow."""
    memory, _ = remember(mark.topology)
    scope = _scope(
        mark, reach.desired.state if reach.desired is not None else {}, reach.attached, memory
    )
    if reach.desired is None:
        scope = replace(
            scope, wanted=reach.names, forwards=frozenset() if reach.known else reach.names
        )
    snapshot = kernel.read(replace(scope, brief=brief))
    return snapshot, _observe(kernel, mark, snapshot, {}, memory)


def remember(topology: str) -> tuple[Memory, list[str]]:
    """The settings from before, and what is wrong with their record."""
    ours, warning = records.read_sysctls(topology)
    others = [records.read_sysctls(name)[0] for name in records.applied_names() if name != topology]
    return recall(ours, others), [warning] if warning else []


def _before(topology: str) -> Desired | None:
    """What was applied last, if that was attached anywhere: it is worth the time to read it then."""
    record, _ = records.read_record(topology)
    if record is None or not (
        record.may_say("attach") or records.read_file(topology, LEFT) is not None
    ):
        return None
    return with_left(topology, recorded(topology, record))


def reload(name: str, record: Record) -> Loaded:
    """The file that was applied last, as it was then."""
    loaded = load(
        record.text.encode("utf-8", "surrogateescape"),
        record.source,
        record.variables,
        record.override,
        record.folder or None,
    )
    if loaded.desired.topology != name:
        raise NetorchError(
            Problem(
                "record-damaged",
                f"the record of {name!r} holds another topology, {loaded.desired.topology!r}",
                object=name,
            )
        )
    return loaded


def recorded(name: str, record: Record | None) -> Desired | None:
    """What the file that was applied last asks for; None without a usable record of it."""
    try:
        return reload(name, record).desired if record is not None else None
    except NetorchError:
        return None


def namespaces_of(desired: Desired | None) -> frozenset[str]:
    """The names in /run/netns that a file makes."""
    return (
        frozenset(key.netns for key in desired.state if key.kind == "netns")
        if desired is not None
        else frozenset()
    )


def _observe(
    kernel: LinuxKernel,
    mark: Mark,
    snapshot: Snapshot,
    wanted: Mapping[Key, Resource],
    memory: Memory,
    known: Mapping[str, Sequence[Resource]] | None = None,
) -> Observed:
    observed = observe(
        snapshot,
        mark,
        wanted,
        memory.originals(snapshot, wanted, kernel.pristine_sysctls),
        known=known,
    )
    namesakes = [
        name
        for name in records.applied_names()
        if name != mark.topology and Mark(name).protocol == mark.protocol
    ]
    claimed = _claims(namesakes) if namesakes else {}
    theirs = {key: _claimed(claimed[key]) for key in observed.state if key in claimed}
    if not theirs:
        return observed
    return Observed(
        {key: resource for key, resource in observed.state.items() if key not in theirs},
        {**observed.strangers, **{key: whose for key, whose in theirs.items() if key in wanted}},
        observed.stale,
    )


def _claims(topologies: Iterable[str]) -> dict[Key, str]:
    """What these topologies have on the host without a mark that names them, each with the topology: a number is all there is room for."""
    claims: dict[Key, str] = {}
    for name in topologies:
        desired = recorded(name, records.read_record(name)[0])
        if desired is not None:
            claims |= {
                key: name
                for key in desired.state
                if key.netns == HOST and key.kind in {"address", "route", "rule"}
            }
    return claims


def _claimed(topology: str) -> str:
    return f"topology {topology!r} made it"


def _scope(
    mark: Mark, state: Mapping[Key, Resource], attached: frozenset[str], memory: Memory
) -> Scope:
    sysctls = dict(memory.paths(state))
    for label, paths in hazards.ipv6_switches(state).items():
        sysctls[label] = tuple(dict.fromkeys((*sysctls.get(label, ()), *paths)))
    return Scope(
        mark=mark.alias,
        wanted=frozenset(key.netns for key in state if key.kind == "netns"),
        attached=attached,
        sysctls=sysctls,
        topology=mark.topology,
        filters=frozenset(key.netns for key in state if key.kind == "filter"),
        forwards=frozenset(key.netns for key in state if key.kind == "forward"),
        neighbours=_asks_for("neighbour", "neighbours", mark.topology, state),
        static_macs=_asks_for("mac", "fdb", mark.topology, state),
    )


def _asks_for(kind: str, word: str, topology: str, state: Mapping[Key, Resource]) -> bool:
    """Whether to look for neighbours and the like: their dump is slow where there are many, so only if this file has some, the last
    one may have had, or nothing is known of it.
    """
    if any(key.kind == kind for key in state):
        return True
    record = records.read_record(topology)[0]
    return record is None or record.may_say(word)


def _answered(
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
    known = {key: state[key].answered(answers) for key in asking}
    return {**state, **known}, list(
        dict.fromkeys(answer.warning for answer in answers.values() if answer.warning)
    )


def named(
    kernel: LinuxKernel, state: Mapping[Key, Resource], desired: Desired | None
) -> tuple[Mapping[Key, Resource], list[str]]:
    """What is there in the words of a file, those of `desired` where the kernel has none; and what no file has words for."""
    asked = (
        {key: resource for key, resource in desired.state.items() if resource.questions}
        if desired is not None
        else {}
    )
    folder = desired.folder if desired is not None else ""
    answers = (
        kernel.answers(
            [question for resource in asked.values() for question in resource.questions], folder
        )
        if asked
        else {}
    )
    found: dict[Key, Resource] = {}
    warnings: list[str] = []
    for key, resource in state.items():
        found[key], warning = resource.named(
            asked[key].answered(answers) if key in asked else None, folder
        )
        warnings += [warning] if warning else []
    return found, warnings


def _beside(
    desired: Desired, observed: Observed, wanted: Mapping[Key, Resource]
) -> Mapping[Key, Resource]:
    """What is wanted, as what is there has it where that is as good."""

    @cache
    def last() -> Mapping[Key, Resource]:
        found = recorded(desired.topology, records.read_record(desired.topology)[0])
        return found.state if found is not None else {}

    def asked(key: Key) -> Resource:
        before, resource = observed.state.get(key), wanted[key]
        return resource if before is None else resource.beside(before, lambda: last().get(key))

    return {key: asked(key) for key in wanted}


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
        if choice != "auto" or any(resource.translates for resource in filters.values()):
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


def _refuse_conflicts(desired: Desired, observed: Observed, loaded: Loaded | None) -> None:
    # an empty file that a crash of ours left in /run/netns is no stranger
    left = (
        namespaces_of(recorded(desired.topology, records.read_record(desired.topology)[0]))
        if observed.stale
        else frozenset()
    )
    strangers = {
        key: whose
        for key, whose in observed.strangers.items()
        if key.netns not in observed.stale & left
    }
    claims = (
        _claims(name for name in records.applied_names() if name != desired.topology)
        if strangers
        else {}
    )
    strangers |= {key: _claimed(claims[key]) for key in strangers if key in claims}
    problems: list[Problem] = []
    for key, whose in strangers.items():
        resource = desired.state[key]
        if not any(container in strangers for container in resource.within):
            title = resource.title()
            where = loaded.where(desired.origins.get(key, ())) if loaded else None
            way_out = _way_out(desired, key)
            problems.append(Problem(resource.TAKEN, f"{title}: {whose}.", where, way_out, title))
    if problems:
        raise ConflictError(
            sorted(problems, key=lambda problem: problem.where or Position(0, 0)),
            loaded.file if loaded else "",
        )


def _way_out(desired: Desired, key: Key) -> str:
    match desired.origins.get(key):
        case ("nodes", _, "networks", network) if key.kind == "link":
            return f"Say another name in the membership, `networks: {{{network}: {{name: …}}}}`, or remove it first."
        case ("nodes", _, "networks", network) if key.kind == "route":
            return f"Say `networks: {{{network}: {{default_route: false}}}}`, or remove it first."
    return desired.state[key].WAY_OUT


def _refuse_hazards(
    desired: Desired, observed: Observed, snapshot: Snapshot, loaded: Loaded | None
) -> None:
    found = [
        *hazards.overlaps(desired, snapshot),
        *hazards.listeners(desired.state, observed.state, snapshot),
        *hazards.published_by_others(
            desired.state, observed.state, lambda: _others(desired.topology)
        ),
        *hazards.without_ipv6(desired.state, snapshot),
    ]
    if found:
        problems = []
        for hazard in found:
            origin = desired.origins.get(
                publish_key(hazard.key.netns, hazard.rule), desired.origins[hazard.key]
            )
            problems.append(hazard.problem(loaded.where(origin) if loaded else None))
        raise ConflictError(problems, loaded.file if loaded else "")


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


def _refuse_obstacles(
    plan: Plan,
    snapshot: Snapshot,
    wanted: Mapping[Key, Resource],
    desired: Desired,
    loaded: Loaded | None,
) -> None:
    problems: dict[Obstacle, Problem] = {}
    for step in plan.changes:
        where = loaded.where(desired.origins.get(step.key, ())) if loaded else None
        for obstacle in step.resource.obstacles(snapshot, wanted):
            # one that keeps many out is told of the first
            if obstacle not in problems:
                code, what, remedy = obstacle
                title = step.resource.title()
                problems[obstacle] = Problem(code, f"{title}: {what}.", where, remedy, title)
    if problems:
        raise ConflictError(list(problems.values()), loaded.file if loaded else "")


class Lack(NamedTuple):
    """A feature that the kernel does not have, and what the file needs it for."""

    feature: Feature
    needed_by: tuple[Resource, ...]
    where: Position | None

    def problem(self) -> Problem:
        feature, (first, *more) = self.feature, self.needed_by
        place = "machine" if feature.remedy else "kernel"
        others = f" and {len(more)} more" if more else ""
        what = f"this {place} has no {feature.what}: {first.title()}{others} cannot be made."
        load = f"Load the module (`{feature.command}`), or take" if feature.command else "Take"
        remedy = feature.remedy or f"{load} a kernel built with {feature.config}."
        command = feature.command
        return Problem("kernel-lacks", what, self.where, remedy, feature.what, command)


def _refuse_lacking(
    kernel: LinuxKernel, plan: Plan, desired: Desired, loaded: Loaded | None
) -> None:
    """What the plan needs of the kernel and it does not have: all of it in one list, before anything is tried."""
    needed: dict[Feature, list[Resource]] = {}
    for step in plan.changes:
        known = step.before.features if step.before is not None else ()
        for feature in step.resource.features:
            if feature not in known:
                needed.setdefault(feature, []).append(step.resource)
    if found := _lacks(kernel, needed, desired, loaded):
        problems = [lack.problem() for lack in found]
        raise LacksError(problems, loaded.file if loaded else "")


def lacks(kernel: LinuxKernel, desired: Desired, loaded: Loaded | None) -> list[Lack]:
    """What the file needs of the kernel and it does not have, whatever else may be in its way."""
    needed: dict[Feature, list[Resource]] = {}
    for resource in desired.state.values():
        for feature in resource.features:
            needed.setdefault(feature, []).append(resource)
    return _lacks(kernel, needed, desired, loaded)


def _lacks(
    kernel: LinuxKernel,
    needed: Mapping[Feature, Sequence[Resource]],
    desired: Desired,
    loaded: Loaded | None,
) -> list[Lack]:
    found = []
    for feature in kernel.lacking(needed):
        origin = desired.origins.get(needed[feature][0].key, ())
        where = loaded.where(origin) if loaded else None
        found.append(Lack(feature, tuple(needed[feature]), where))
    return found


def _others(topology: str) -> dict[str, Mapping[Key, Resource]]:
    """What the other topologies of this machine asked for when they were applied."""
    found = {
        name: recorded(name, records.read_record(name)[0])
        for name in records.applied_names()
        if name != topology
    }
    return {name: desired.state for name, desired in found.items() if desired is not None}


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
