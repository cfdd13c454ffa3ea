"""Compare the topology file with the kernel, and plan the way from the one to the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from netorch.converge import bridge_filter, hazards
from netorch.converge.attached import Attached, attach, check_attached
from netorch.converge.desired_here import desired_here, further_settings
from netorch.converge.intended import Deviation, with_intended
from netorch.converge.observe import Observed
from netorch.converge.original_settings import Memory
from netorch.converge.own_default_routes import keep_own_default_routes
from netorch.converge.preflight import (
    refuse_conflicts,
    refuse_hazards,
    refuse_lacking,
    refuse_obstacles,
    refuse_replacements,
    refuse_shortages,
    refuse_sysctls,
)
from netorch.converge.previous import Previous
from netorch.converge.read import observe_ours, scope
from netorch.converge.unchanged import (
    Untouched,
    exclude_namespaces,
    lost_its_other_end,
    resources_of_untouched,
    untouched,
)
from netorch.immutable import Value, replace
from netorch.kernel.links import nics
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.forward import keep_needed_accepts, warn_of_own_firewalls
from netorch.kinds.physical import Physical
from netorch.kinds.sysctl import Sysctl
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.by_class import groups_of
from netorch.state.key import HOST, Key
from netorch.state.plan import Plan
from netorch.state.planner import plan as make_plan
from netorch.state.resource import Resource, State
from netorch.values.marks import Mark
from netorch.values.snapshot import Scope, Snapshot

if TYPE_CHECKING:
    from netorch.converge.adopt import Claim, Claims
    from netorch.converge.needs import Shortage


class Difference(Value):
    """What the kernel has, what the file asks for, and the plan from one to the other."""

    plan: Plan
    observed: Observed
    snapshot: Snapshot
    memory: Memory
    desired: Mapping[Key, Resource]
    """What the file asks for, in the terms of this machine."""
    attached: Attached
    """The existing namespaces that the topology is attached to."""
    mark: Mark
    """The marks of the topology, with its protocol number on this machine."""
    warnings: tuple[str, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    """The limits that are probably too low. `warnings` has a sentence for each of them."""
    intended: tuple[Deviation, ...] = ()
    """What users have done on purpose, as far as it has an effect. `desired` contains it already.
    """
    scope: Scope | None = None
    """What was read last, if the answers of the kernel were recorded."""
    claims: tuple[Claim, ...] = ()
    """What the topology takes over. `plan` begins where all of it has the topology's marks."""

    @property
    def adopted(self) -> tuple[str, ...]:
        """The titles of the objects that the topology takes over."""
        return tuple(one.resource.title() for one in self.claims)

    @property
    def is_live(self) -> bool:
        """Whether any object of the topology exists already.

        A sysctl of the file is read whoever has set it, so it counts only if the record says that
        this topology changed it.
        """
        return any(
            not isinstance(resource, Sysctl) or (resource.netns, resource.paths) in self.memory.ours
            for resource in self.observed.state.values()
        )


def compare(
    kernel: LinuxKernel,
    desired: Desired,
    previous: Previous,
    loaded: Loaded | None,
    *,
    attached: Attached | None = None,
    before: Difference | None = None,
    changed: Collection[str] | None = None,
    leave: Collection[Key] = (),
    adopt: bool = False,
    not_marked: Mapping[Key, str] | None = None,
    records_answers: bool = False,
) -> Difference:
    """Read the kernel, refuse what cannot be done, and plan the rest.

    Raises ConflictError or LacksError, before anything changes, for what cannot be done. `loaded`
    gives errors their position in the file. Without `attached`, the attached namespaces are looked
    up again. `before` is the comparison whose plan has just been carried out: in the namespaces
    that no step of that plan touched, only files are read again.

    With `changed`, `before` is any earlier comparison with the same file. Of all namespaces except
    the host and the attached ones, only those with these labels may have changed since. `leave`
    are keys of objects that stay as they are, whatever the file asks for. With `adopt`, the
    topology takes over foreign objects in the place of its own: the difference is that after they
    have its marks. `not_marked` are the objects on which marks have just been put, each with the
    reason, as a clause, for which it may lack them nevertheless. With `records_answers`, the
    snapshot has the digests of what the kernel answered.
    """
    file_asks = desired
    desired, deviations = with_intended(desired, previous.intended)
    if before is not None and before.intended != deviations:
        before = None  # because other things are in sync now, wherever nothing has changed
    unchanged = None if before is None else _unchanged(before, changed)
    attached = attached or attach(kernel, desired, previous.attached)
    memory = previous.memory.moved(attached.moved)

    def read(state: Mapping[Key, Resource], known: Untouched | None) -> Snapshot:
        asked = scope(previous, state, attached.labels, memory)
        # netorch puts no rules into the firewalls of its own nodes, but warns of what they drop
        own = asked.forwards | {bridge.netns for bridge in desired.own_bridges}
        asked = replace(asked, forwards=own, unmarked=adopt, answers=records_answers)
        scopes.append(asked)
        return kernel.read(asked, known)

    scopes: list[Scope] = []
    snapshot = read(desired.state, unchanged)
    previous = previous.with_number(snapshot, adopt)
    desired = desired.with_mark(previous.mark)
    check_attached(desired, attached, snapshot, loaded)
    here = desired_here(kernel, desired, snapshot, loaded)
    state = here.state
    if settings := further_settings(kernel, state, snapshot, memory):
        # they come first, because forwarding must not begin before they are set
        state = {**{resource.key: resource for resource in settings}, **state}
        # only the host, and namespaces in which there are further settings, are read again
        snapshot = read(state, snapshot.namespaces)
    state, dropping = keep_needed_accepts(state, snapshot)
    state, default_route_warnings = keep_own_default_routes(desired, state, snapshot)
    same = (
        resources_of_untouched(before.observed, unchanged, snapshot)
        if before is not None and unchanged
        else {}
    )
    observed = observe_ours(kernel, previous, snapshot, state, memory, same)
    if before is not None and (
        lost := lost_its_other_end(same, before.observed.state, observed.state)
    ):
        if changed is None:
            before = None
        else:
            changed = {*changed, *lost}
        return compare(
            kernel,
            file_asks,
            previous,
            loaded,
            attached=attached,
            before=before,
            changed=changed,
            leave=leave,
        )
    claims: Claims | None = None
    if adopt:
        from netorch.converge.adopt import claim

        claims = claim(
            snapshot,
            observed,
            state,
            lambda marked, keys: observe_ours(
                kernel, previous.claiming(keys, observed.state, marked), marked, state, memory
            ),
            previous.owner_elsewhere,
        )
        previous = previous.claiming(
            [one.key for one in claims.claims], observed.state, claims.snapshot
        )
        snapshot, observed = claims.snapshot, claims.observed
    # what differed before still does, where nothing has changed since
    settled = same if before is None or changed is None else _without_steps(same, before)
    state, left_alone = _adapted(previous, observed, state)
    if leave:
        state = _without_changes(state, observed.state, leave)
    reasons = not_marked if claims is None else claims.reasons
    refuse_conflicts(desired, observed, snapshot, previous, loaded, reasons)
    taken = refuse_hazards(desired, observed, snapshot, previous, loaded)
    plan = make_plan(
        exclude_namespaces(settled, observed.state), exclude_namespaces(settled, state)
    )
    if claims is not None:
        refuse_replacements(plan, claims.claims, desired, loaded)
    refuse_obstacles(plan, snapshot, state, desired, loaded)
    # before what needs a namespace for a trial, which the limit may forbid
    shortages = refuse_shortages(kernel, plan, state, loaded) if before is None else []
    # before the sysctls, because some exist only once the kernel has loaded the module
    refuse_lacking(kernel, plan, desired, loaded)
    refuse_sysctls(kernel, plan, snapshot, desired, loaded)
    if any(isinstance(step.after, Sysctl) for step in plan.changes) and memory.others:
        # here, because most plans change no setting that another topology has
        from netorch.converge.contradictory_settings import refuse_contradictions

        refuse_contradictions(plan, snapshot, desired, previous, loaded)
    underlay_warnings: list[str] = []
    if desired.machines is not None:
        # here, because few files have `hosts`
        from netorch.converge.underlay import check_underlay

        underlay_warnings = check_underlay(kernel, desired, observed, plan, snapshot, loaded)
    warnings = (
        *(shortage.warning() for shortage in shortages),
        *attached.warnings,
        *previous.warnings,
        *(loaded.warning_lines if loaded is not None else ()),
        *here.warnings,
        *dropping,
        *default_route_warnings,
        *warn_of_own_firewalls(desired.own_bridges, snapshot),
        *left_alone,
        *underlay_warnings,
        *taken,
        *hazards.warn_of_missing_addresses(state, snapshot),
        *hazards.warn_of_egress(desired, snapshot),
        *hazards.warn_of_missing_interfaces(state, snapshot),
        *hazards.warn_of_listeners(state, observed.state, snapshot),
        *bridge_filter.warn_of_filter(state, snapshot),
        *observed.unproven.values(),
        *cautions(plan, snapshot, observed.state, desired.topology),
    )
    return Difference(
        plan,
        observed,
        snapshot,
        memory,
        state,
        attached,
        previous.mark,
        warnings,
        tuple(shortages),
        deviations,
        scopes[-1] if records_answers else None,
        () if claims is None else claims.claims,
    )


def _unchanged(before: Difference, changed: Collection[str] | None) -> Untouched:
    if changed is None:
        return untouched(before.plan, before.snapshot)
    return {
        label: netns
        for label, netns in before.snapshot.namespaces.items()
        if label != HOST and label not in changed
    }


def _without_changes(
    state: Mapping[Key, Resource], now: Mapping[Key, Resource], keys: Collection[Key]
) -> Mapping[Key, Resource]:
    """Return the desired state with these objects as they are now."""
    others = {key: resource for key, resource in state.items() if key not in keys}
    return others | {key: now[key] for key in keys if key in now}


def _without_steps(
    resources: Mapping[str, Sequence[Resource]], before: Difference
) -> Mapping[str, Sequence[Resource]]:
    """Return the namespaces among `resources` in which nothing differed in a comparison."""
    settled = untouched(before.plan, before.snapshot)
    return {label: there for label, there in resources.items() if label in settled}


def plan_back(
    kernel: LinuxKernel,
    desired: Desired,
    previous: Previous,
    target: Mapping[Key, Resource],
    attached: Attached,
) -> tuple[Plan, Snapshot]:
    """Plan the way from what the kernel has now to `target`, an earlier state of the topology."""
    memory = previous.memory.moved(attached.moved)
    state = {**target, **desired.with_mark(previous.mark).state}
    snapshot = kernel.read(scope(previous, state, attached.labels, memory))
    observed = observe_ours(kernel, previous, snapshot, state, memory)
    return make_plan(observed.state, target), snapshot


def _adapted(
    previous: Previous, observed: Observed, state: Mapping[Key, Resource]
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return the desired state, with the kernel's values where they suit the file as well.

    Also returns a sentence for each foreign part that a resource keeps.
    """
    left_alone: list[str] = []

    @cache
    def last() -> Mapping[Key, Resource]:
        return previous.desired.state if previous.desired is not None else {}

    def last_of(key: Key) -> Resource | None:
        return last().get(key)

    different: dict[Key, Resource] = {}
    for cls, resources in groups_of(state).items():
        if cls.adapt_to is Resource.adapt_to:
            continue  # because most classes take over nothing
        for resource in resources:
            key = resource.key
            if (before := observed.state.get(key)) is None:
                continue
            adapted = resource.adapt_to(before, partial(last_of, key))
            if adapted is not resource:
                different[key] = adapted
                if sentence := adapted.left_alone():
                    left_alone.append(sentence)
    return {**state, **different} if different else state, left_alone


def cautions(plan: Plan, snapshot: Snapshot, own: State, topology: str) -> list[str]:
    """Return the warnings about a plan, which is not carried out yet.

    `own` is what the topology has in the snapshot.
    """
    lent = [step.resource for step in plan.deletes if isinstance(step.resource, Physical)]
    known = nics.remembered(topology) if lent else frozenset()
    return [
        *(
            text
            for step in plan.steps
            for text in step.resource.cautions(snapshot, going=step.after is None)
        ),
        *(
            f"{nic.title()}: there is no record of its settings on the host, "
            "so it returns there without addresses and routes, and stays down"
            for nic in lent
            if nic.origin not in known
        ),
        *(
            f"{origin}: the host lent this NIC, but it is neither in its node nor on the host: "
            "netorch leaves it alone"
            for origin, place in snapshot.nics.items()
            if place is None
        ),
        *_of_others(plan, snapshot, own),
    ]


def _of_others(plan: Plan, snapshot: Snapshot, own: State) -> list[str]:
    """Return a warning for each link whose deletion also deletes what is not the topology's."""
    if not (plan.deletes or plan.implied):
        return []
    from netorch.converge.parts_of_others import warnings_of

    return warnings_of(plan, snapshot, own)
