"""A look at the kernel through the eyes of one topology: what is there of it, what differs, what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from netorch import hazards
from netorch.core import HOST, Key, Plan, Resource
from netorch.errors import ConflictError, LacksError, NetorchError, Problem
from netorch.kernel import records
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.records import Record
from netorch.kinds.forwardaccept import where_dropped
from netorch.kinds.packetfilter import PacketFilter, publish_key
from netorch.load import Loaded, load
from netorch.marks import Mark, read_alias
from netorch.memory import Memory, recall
from netorch.observe import Observed, observe
from netorch.plan import plan as make_plan
from netorch.requests import Feature
from netorch.resolve import Desired
from netorch.snapshot import Scope, Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the kernel stands, what the file asks for, and the plan between the two."""

    plan: Plan
    observed: Observed
    snapshot: Snapshot
    memory: Memory
    wanted: Mapping[Key, Resource]
    warnings: tuple[str, ...] = ()


def compare(kernel: LinuxKernel, desired: Desired, loaded: Loaded | None) -> Difference:
    """What apply would do. ConflictError where something of others is in the way; `loaded` gives errors their place."""
    memory, warnings = remember(desired.topology)
    snapshot = kernel.read(_scope(desired.mark, desired.state, desired.attached, memory))
    _check_attached(desired, snapshot, loaded)
    mine, strange = _without_strange_files(desired, snapshot)
    wanted, unfiltered = _in_kernel_words(kernel, mine)
    if settings := [*hazards.routers(wanted, snapshot, memory), *hazards.bare_bridges(wanted, kernel.pristine_sysctls)]:
        # first, so that forwarding finds it done
        wanted = {**{resource.key: resource for resource in settings}, **wanted}
        snapshot = kernel.read(_scope(desired.mark, wanted, desired.attached, memory))
    wanted, walls = where_dropped(wanted, snapshot)
    observed = _observe(kernel, desired.mark, snapshot, wanted, memory)
    _refuse_conflicts(desired, observed, loaded)
    _refuse_hazards(desired, observed, snapshot, loaded)
    plan = make_plan(observed.state, wanted)
    _refuse_lacking(kernel, plan, desired, loaded)
    lost = (*hazards.missing_addresses(wanted, snapshot), *hazards.lost_at_loopback(wanted, snapshot))
    said = (*warnings, *strange, *unfiltered, *walls, *lost)
    return Difference(plan, observed, snapshot, memory, wanted, said)


def towards(kernel: LinuxKernel, desired: Desired, target: Mapping[Key, Resource]) -> tuple[Plan, Snapshot]:
    """The plan to `target`, a state of the same topology from before, out of whatever is there now."""
    memory, _ = remember(desired.topology)
    wanted = {**target, **desired.state}
    snapshot = kernel.read(_scope(desired.mark, wanted, desired.attached, memory))
    observed = _observe(kernel, desired.mark, snapshot, wanted, memory)
    return make_plan(observed.state, target), snapshot


def everything(kernel: LinuxKernel, mark: Mark, record: Record | None) -> tuple[Snapshot, Observed]:
    """All that carries the marks of a topology, wherever it is: without a usable record every named namespace is looked into,
    and those without a name that a cable of ours leads to.
    """
    memory, _ = remember(mark.topology)
    desired = recorded(mark.topology, record)
    if desired is not None:
        scope = _scope(mark, desired.state, desired.attached, memory)
    else:
        first = kernel.read(Scope(mark.alias))
        wanted = frozenset(name for name, alias in first.strangers.items() if alias is not None)
        attached = {f"@{path}": path for path in kernel.led_to(_cables(first, mark)).values()}
        scope = replace(_scope(mark, {}, {}, memory), wanted=wanted, attached=attached)
    snapshot = kernel.read(scope)
    return snapshot, _observe(kernel, mark, snapshot, {}, memory)


def _cables(snapshot: Snapshot, mark: Mark) -> dict[str, set[int]]:
    """Label → the namespaces, by the numbers they have there, that our links to attached nodes end in."""
    found: dict[str, set[int]] = {}
    for label, netns in snapshot.namespaces.items():
        for link in netns.links:
            peer = read_alias(link.alias).peer
            if mark.owns_alias(link.alias) and peer is not None and peer[0].startswith("@") and link.link_netnsid is not None:
                found.setdefault(label, set()).add(link.link_netnsid)
    return found


def remember(topology: str) -> tuple[Memory, list[str]]:
    """The settings from before, and what is wrong with their record."""
    ours, warning = records.read_sysctls(topology)
    others = [records.read_sysctls(name)[0] for name in records.applied_names() if name != topology]
    return recall(ours, others), [warning] if warning else []


def reload(name: str, record: Record) -> Loaded:
    """The file that was applied last, as it was then."""
    loaded = load(record.text.encode("utf-8", "surrogateescape"), record.source, record.variables, record.override)
    if loaded.desired.topology != name:
        raise NetorchError(f"the record of {name!r} holds another topology, {loaded.desired.topology!r}")
    return loaded


def recorded(name: str, record: Record | None) -> Desired | None:
    """What the file that was applied last asks for; None without a usable record of it."""
    try:
        return reload(name, record).desired if record is not None else None
    except NetorchError:
        return None


def namespaces_of(desired: Desired | None) -> frozenset[str]:
    """The names in /run/netns that a file makes."""
    return frozenset(key.netns for key in desired.state if key.kind == "netns") if desired is not None else frozenset()


def namespace_path(how: str, what: str) -> str:
    """The namespace file that an `attach` means."""
    return {"netns": f"/run/netns/{what}", "pid": f"/proc/{what}/ns/net"}.get(how, what)


def _observe(kernel: LinuxKernel, mark: Mark, snapshot: Snapshot, wanted: Mapping[Key, Resource], memory: Memory) -> Observed:
    observed = observe(snapshot, mark, wanted, memory.originals(snapshot, wanted, kernel.pristine_sysctls))
    namesakes = [name for name in records.applied_names() if name != mark.topology and Mark(name).protocol == mark.protocol]
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
            claims |= {key: name for key in desired.state if key.netns == HOST and key.kind in {"address", "route", "rule"}}
    return claims


def _claimed(topology: str) -> str:
    return f"topology {topology!r} made it"


def _scope(mark: Mark, state: Mapping[Key, Resource], attached: Mapping[str, tuple[str, str]], memory: Memory) -> Scope:
    return Scope(
        mark=mark.alias,
        wanted=frozenset(key.netns for key in state if key.kind == "netns"),
        attached={label: namespace_path(*how) for label, how in attached.items()},
        sysctls=memory.paths(state),
        topology=mark.topology,
        filters=frozenset(key.netns for key in state if key.kind == "filter"),
        forwards=frozenset(key.netns for key in state if key.kind == "forward"),
    )


def _in_kernel_words(kernel: LinuxKernel, wanted: Mapping[Key, Resource]) -> tuple[Mapping[Key, Resource], list[str]]:
    """Packet filters as the kernel would list them, by which alone they can be compared; and what cannot be filtered here."""
    filters = {key: resource for key, resource in wanted.items() if isinstance(resource, PacketFilter)}
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
        key: replace(resource, backend=backend, text=kernel.filter_text(backend, resource.topology, resource.rules))
        for key, resource in filters.items()
    }
    return {**wanted, **said}, []


def _refuse_conflicts(desired: Desired, observed: Observed, loaded: Loaded | None) -> None:
    # an empty file that a crash of ours left in /run/netns is no stranger
    left = namespaces_of(recorded(desired.topology, records.read_record(desired.topology)[0])) if observed.stale else frozenset()
    strangers = {key: whose for key, whose in observed.strangers.items() if key.netns not in observed.stale & left}
    claims = _claims(name for name in records.applied_names() if name != desired.topology) if strangers else {}
    strangers |= {key: _claimed(claims[key]) for key in strangers if key in claims}
    problems = [
        Problem(
            f"{desired.state[key].title()}: {whose}.",
            loaded.where(desired.origins.get(key, ())) if loaded else None,
            desired.state[key].WAY_OUT,
        )
        for key, whose in strangers.items()
        if not any(container in strangers for container in desired.state[key].within)
    ]
    if problems:
        raise ConflictError(problems, loaded.file if loaded else "")


def _refuse_hazards(desired: Desired, observed: Observed, snapshot: Snapshot, loaded: Loaded | None) -> None:
    found = [
        *hazards.overlaps(desired, snapshot),
        *hazards.obstacles(desired, observed.state, snapshot),
        *hazards.listeners(desired.state, observed.state, snapshot),
        *hazards.published_by_others(desired.state, observed.state, lambda: _others(desired.topology)),
    ]
    if found:
        problems = []
        for hazard in found:
            origin = desired.origins.get(publish_key(hazard.key.netns, hazard.text), desired.origins[hazard.key])
            problems.append(Problem(f"{hazard.what}.", loaded.where(origin) if loaded else None, hazard.remedy))
        raise ConflictError(problems, loaded.file if loaded else "")


def _refuse_lacking(kernel: LinuxKernel, plan: Plan, desired: Desired, loaded: Loaded | None) -> None:
    """What the plan needs of the kernel and it does not have: all of it in one list, before anything is tried."""
    needed: dict[Feature, list[Resource]] = {}
    for step in plan.changes:
        known = step.before.features if step.before is not None else ()
        for feature in step.resource.features:
            if feature not in known:
                needed.setdefault(feature, []).append(step.resource)
    if not needed:
        return
    problems = []
    for feature in kernel.lacking(needed):
        first, *more = needed[feature]
        others = f" and {len(more)} more" if more else ""
        load = f"Load the module (`modprobe {feature.module}`), or take" if feature.module else "Take"
        where = loaded.where(desired.origins.get(first.key, ())) if loaded else None
        what = f"this kernel has no {feature.what}: {first.title()}{others} cannot be made."
        problems.append(Problem(what, where, f"{load} a kernel built with {feature.config}."))
    if problems:
        raise LacksError(problems, loaded.file if loaded else "")


def _others(topology: str) -> dict[str, Mapping[Key, Resource]]:
    """What the other topologies of this machine asked for when they were applied."""
    found = {name: recorded(name, records.read_record(name)[0]) for name in records.applied_names() if name != topology}
    return {name: desired.state for name, desired in found.items() if desired is not None}


def _check_attached(desired: Desired, snapshot: Snapshot, loaded: Loaded | None) -> None:
    problems = []
    nodes = {label: node for node, label in desired.labels.items()}
    seen: dict[tuple[int, int], str] = {snapshot.namespaces[HOST].inode: HOST}
    for label, how in desired.attached.items():
        node = nodes.get(label, label)
        where = loaded.where(("nodes", node, "attach")) if loaded else None
        netns = snapshot.namespaces.get(label)
        if netns is None:
            what = f"node {node}: {namespace_path(*how)} is no network namespace."
            problems.append(Problem(what, where, "Start what it belongs to first, or correct `attach`."))
        elif (other := seen.setdefault(netns.inode, node)) != node:
            problems.append(Problem(f"the nodes {other} and {node} are one and the same namespace", where))
    if problems:
        raise ConflictError(problems, loaded.file if loaded else "")


def _without_strange_files(desired: Desired, snapshot: Snapshot) -> tuple[dict[Key, Resource], list[str]]:
    """Files in /etc/netns that somebody else wrote stay as they are: no conflict, but worth a word."""
    files = {key: resource for key, resource in desired.state.items() if key.kind == "file"}
    strange = {key: whose for key, whose in observe(snapshot, desired.mark, files).strangers.items() if key.kind == "file"} if files else {}
    warnings = sorted(f"{whose}: left as it is" for whose in strange.values())
    return {key: resource for key, resource in desired.state.items() if key not in strange}, warnings
