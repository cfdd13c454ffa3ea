"""Refuse an apply before it changes anything: conflicts, hazards, obstacles, missing features."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netorch.converge import hazards
from netorch.converge.foreign_namespaces import absent_links, gateway_obstacles
from netorch.converge.observe import Observed
from netorch.converge.previous import Previous, namespaces_of
from netorch.converge.read import made_by
from netorch.errors import ConflictError, LacksError, Position, Problem
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.filter import publish_key
from netorch.kinds.netns import Netns, netns_key
from netorch.kinds.sysctl import Sysctl, interface_of
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.key import Key
from netorch.state.plan import Plan
from netorch.state.resource import Obstacle, Resource
from netorch.values.marks import NOT_OURS
from netorch.values.requests import Feature
from netorch.values.snapshot import NetnsSnapshot, Snapshot
from netorch.values.sysctl_paths import with_defaults

if TYPE_CHECKING:
    from netorch.converge.adopt import Claim
    from netorch.converge.needs import Shortage


def refuse_conflicts(
    desired: Desired,
    observed: Observed,
    snapshot: Snapshot,
    previous: Previous,
    loaded: Loaded | None,
    reasons: Mapping[Key, str] | None = None,
) -> None:
    """Raise ConflictError for the foreign objects in the place of those that the file asks for.

    `reasons` says, as a clause each, why netorch cannot take them over. None means that the user
    did not ask for that.
    """
    # an empty file that a crashed netorch left in /run/netns is not a foreign object
    left = namespaces_of(previous.desired) if observed.stale else frozenset()
    conflicts = {
        key: whose
        for key, whose in observed.conflicts.items()
        if key.netns not in observed.stale & left
    }
    owners = {key: previous.owner_elsewhere(key, snapshot) for key in conflicts}
    conflicts |= {key: made_by(owner) for key, owner in owners.items() if owner}
    problems: list[Problem] = []
    for key, whose in conflicts.items():
        resource = desired.state[key]
        if any(container in conflicts for container in resource.dies_with):
            continue
        if resource.shares_key and previous.desired is not None and key in previous.desired.state:
            continue  # because it is not new: only a new object must have a key of its own
        title, where = resource.title(), _place(desired, key, loaded)
        remedy = _remedy(desired, key)
        if reasons is not None:
            reason = reasons.get(key, "its kind has no mark")
            what = f"{title}: {whose}, and netorch cannot adopt it: {reason}."
        else:
            from netorch.converge.adopt import reason_against

            what = f"{title}: {whose}."
            if not owners[key] and not reason_against(key, snapshot, desired.state):
                remedy = f"{remedy} Or take it over as it is with `apply --adopt`."
        problems.append(Problem(resource.TAKEN, what, where, remedy, title))
    if problems:
        problems.sort(key=lambda problem: problem.where or Position(0, 0))
        raise ConflictError(problems, _file(loaded))


def refuse_other_file(previous: Previous, record: Record, loaded: Loaded, plan: Plan) -> None:
    """Raise ConflictError if a file without a name would delete the nodes of another file.

    Both then have the name of the file, such as `topo`, in two folders. `record` is that of the
    file to apply.
    """
    last = previous.record
    if (
        last is None
        or record.override is not None
        or "-" in (last.source, record.source)
        or last.source == record.source
    ):
        return
    deleted = sorted(step.key.netns for step in plan.deletes if step.key.kind == "netns")
    if not deleted or loaded.topology.name is not None or not records.has_source(last):
        return
    topology = previous.topology
    what = (
        f"topology {topology!r} is live from {last.source}, and this file has no `name`, so it "
        f"would take its place and delete {', '.join(deleted[:3])}"
        f"{f' and {len(deleted) - 3} more' if len(deleted) > 3 else ''}."
    )
    command = f"netorch destroy {topology}"
    remedy = f"Write `name: …` in this file. To replace that topology, run `{command}` first."
    problem = Problem("name-of-another-file", what, None, remedy, topology, command)
    raise ConflictError(problem, loaded.file)


def _remedy(desired: Desired, key: Key) -> str:
    match desired.origins.get(key):
        case ("nodes", _, "networks", network, *_) if key.kind == "link":
            return (
                f"Choose another interface name with `networks: {{{network}: {{name: …}}}}`, "
                "or remove the existing link first."
            )
        case ("nodes", _, "networks", network, *_) if key.kind == "route":
            return (
                f"Write `networks: {{{network}: {{default_route: false}}}}`, "
                "or remove the existing route first."
            )
    return desired.state[key].REMEDY


def refuse_replacements(
    plan: Plan, claims: Iterable[Claim], desired: Desired, loaded: Loaded | None
) -> None:
    """Raise ConflictError for objects to take over that would have to be replaced."""
    from netorch.converge.adopt import reasons_in_plan

    if problems := [
        Problem(
            desired.state[key].TAKEN,
            f"{desired.state[key].title()}: {NOT_OURS}, and netorch cannot adopt it: {reason}.",
            _place(desired, key, loaded),
            "Write in the file what is there, or remove it first.",
            desired.state[key].title(),
        )
        for key, reason in reasons_in_plan(claims, plan).items()
    ]:
        raise ConflictError(problems, _file(loaded))


def refuse_hazards(
    desired: Desired,
    observed: Observed,
    snapshot: Snapshot,
    previous: Previous,
    loaded: Loaded | None,
) -> list[str]:
    """Raise ConflictError for hazards: what the file would break, or what would break it.

    Returns warnings about live subnets that overlap with something newer. They are not refused, so
    that the topology can still be repaired.
    """
    overlaps = list(hazards.subnet_overlaps(desired, snapshot))
    live = [hazard for hazard in overlaps if _is_live(hazard.key, observed, previous)]
    refused = [
        *(hazard for hazard in overlaps if hazard not in live),
        *hazards.ports_in_use(desired.state, observed.state, snapshot),
        *hazards.ports_of_other_topologies(
            desired.state,
            observed.state,
            lambda: {name: other.state for name, other in previous.others.items()},
        ),
        *hazards.ipv6_turned_off(desired.state, snapshot),
    ]
    problems = []
    for hazard in refused:
        origin = desired.origins.get(
            publish_key(hazard.key.netns, hazard.rule), desired.origins[hazard.key]
        )
        problems.append(hazard.problem(loaded.where(origin) if loaded else None))
    if problems:
        raise ConflictError(problems, _file(loaded))
    return [f"{hazard.object}: {hazard.what}" for hazard in live]


def _is_live(key: Key, observed: Observed, previous: Previous) -> bool:
    """Whether the file that was applied last asked for a key, or the kernel has it."""
    last = previous.desired.state if previous.desired is not None else {}
    return key in observed.state or key in last


def refuse_obstacles(
    plan: Plan,
    snapshot: Snapshot,
    state: Mapping[Key, Resource],
    desired: Desired,
    loaded: Loaded | None,
) -> None:
    """Raise ConflictError for whatever prevents a step of the plan."""
    problems: dict[Obstacle, Problem] = {}
    for resource, obstacle in (
        *(
            (step.resource, obstacle)
            for step in plan.changes
            for obstacle in step.resource.obstacles(snapshot, state)
        ),
        *absent_links(plan, snapshot, state),
        *gateway_obstacles(plan, snapshot, state, desired.mark.protocol),
    ):
        # An obstacle that prevents many steps is reported once, with the first of them.
        if obstacle not in problems:
            code, what, remedy = obstacle
            title, where = resource.title(), _place(desired, resource.key, loaded)
            problems[obstacle] = Problem(code, f"{title}: {what}.", where, remedy, title)
    if problems:
        raise ConflictError(list(problems.values()), _file(loaded))


_OF_THE_MACHINE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""Errors that do not depend on the value. The apply will get and explain them."""


def refuse_sysctls(
    kernel: LinuxKernel, plan: Plan, snapshot: Snapshot, desired: Desired, loaded: Loaded | None
) -> None:
    """Raise ConflictError for sysctls that Linux does not have, or whose value it refuses."""
    steps = [
        step.after
        for step in plan.changes
        if isinstance(step.after, Sysctl) and "sysctls" in desired.origins.get(step.key, ())
    ]
    trials = {sysctl.key: sysctl.trial() for sysctl in steps}
    refused = kernel.refused_sysctls(dict.fromkeys(trials.values())) if trials else {}
    problems: list[Problem] = []
    for sysctl in steps:
        key = sysctl.key
        number, other = refused.get(trials[key], (0, ""))
        netns = snapshot.namespaces.get(key.netns)
        if netns_key(key.netns) not in desired.state and netns is not None:
            missing = not any(path in netns.sysctls for path in with_defaults(sysctl.paths))
            number = errno.ENOENT if missing else 0 if number == errno.ENOENT else number
        exceeds = _exceeds_link(sysctl, desired, netns)
        if number in _OF_THE_MACHINE or not (number or other or exceeds):
            continue
        title, refusal = sysctl.title(), f"Linux does not accept {sysctl.value!r}"
        if number == errno.ENOENT:
            code, what = "no-such-sysctl", "Linux has no such setting in a network namespace"
        elif number or not other:
            code, what = "value-refused", refusal
        else:
            code, what = "value-refused", f"{refusal}, but changes it to {other!r}"
        problems.append(
            Problem(code, f"{title}: {what}.", _place(desired, key, loaded), object=title)
        )
    if problems:
        raise ConflictError(problems, _file(loaded))


def _exceeds_link(sysctl: Sysctl, desired: Desired, netns: NetnsSnapshot | None) -> bool:
    """Whether the sysctl is an IPv6 MTU that is larger than the MTU of its link.

    The trial on lo does not find that, because lo has a large MTU (addrconf_sysctl_mtu).
    """
    name = interface_of(sysctl.paths[0])
    if name is None or sysctl.paths != (f"net/ipv6/conf/{name}/mtu",):
        return False
    link = desired.state.get(link_key(sysctl.netns, name))
    mtu = link.mtu if isinstance(link, Link) else 0
    if link is None and netns is not None:
        mtu = next((record.mtu for record in netns.links if record.name == name), 0)
    return bool(mtu) and sysctl.value.isdecimal() and int(sysctl.value) > mtu


def refuse_shortages(
    kernel: LinuxKernel, plan: Plan, state: Mapping[Key, Resource], loaded: Loaded | None
) -> list[Shortage]:
    """Raise LacksError for limits of the machine that are too low for what the plan makes.

    Returns the limits that are only probably too low. A plan that makes no namespace and few links
    is not examined.
    """
    made = [step.after for step in plan.changes if step.before is None and step.after is not None]
    if not made:
        return []
    from netorch.converge.needs import LARGE, needs_of, shortages

    if len(made) < LARGE and not any(type(resource) is Netns for resource in made):
        return []
    deleted = [step.before for step in plan.deletes if step.before is not None]
    needs = needs_of(made, [*deleted, *plan.implied], state.values())
    if needs.namespaces <= 0 and not needs.is_large:
        return []
    limits = kernel.limits(needs.namespaces, everything=needs.is_large)
    low = list(shortages(needs, limits))
    if refused := [shortage.problem() for shortage in low if shortage.certain]:
        raise LacksError(refused, _file(loaded))
    return low


class Lack(NamedTuple):
    """A feature that the kernel lacks, and the resources that need it."""

    feature: Feature
    needed_by: tuple[Resource, ...]
    where: Position | None

    def problem(self) -> Problem:
        """Return the problem that describes the missing feature."""
        feature, (first, *more) = self.feature, self.needed_by
        place = "machine" if feature.remedy else "kernel"
        others = f" and {len(more)} more" if more else ""
        what = f"this {place} has no {feature.what}: {first.title()}{others} cannot be made."
        load = f"Load the module (`{feature.command}`), or use" if feature.command else "Use"
        remedy = feature.remedy or f"{load} a kernel built with {feature.config}."
        return Problem(
            "kernel-lacks", what, self.where, remedy, object=feature.what, command=feature.command
        )


def refuse_lacking(
    kernel: LinuxKernel, plan: Plan, desired: Desired, loaded: Loaded | None
) -> None:
    """Raise LacksError for the features that the plan needs and the kernel lacks."""
    needed: dict[Feature, list[Resource]] = {}
    for step in plan.changes:
        known = step.before.features if step.before is not None else ()
        for feature in step.resource.features:
            if feature not in known:
                needed.setdefault(feature, []).append(step.resource)
    if lacks := _lacking(kernel, needed, desired, loaded):
        raise LacksError([lack.problem() for lack in lacks], _file(loaded))


def lacking(kernel: LinuxKernel, desired: Desired, loaded: Loaded | None) -> list[Lack]:
    """Return the features that the file needs and the kernel lacks, whatever else is wrong."""
    needed: dict[Feature, list[Resource]] = {}
    for resource in desired.state.values():
        for feature in resource.features:
            needed.setdefault(feature, []).append(resource)
    return _lacking(kernel, needed, desired, loaded)


def _lacking(
    kernel: LinuxKernel,
    needed: Mapping[Feature, Sequence[Resource]],
    desired: Desired,
    loaded: Loaded | None,
) -> list[Lack]:
    return [
        Lack(feature, tuple(needed[feature]), _place(desired, needed[feature][0].key, loaded))
        for feature in kernel.lacking(needed)
    ]


def _place(desired: Desired, key: Key, loaded: Loaded | None) -> Position | None:
    return loaded.where(desired.origins.get(key, ())) if loaded else None


def _file(loaded: Loaded | None) -> str:
    return loaded.file if loaded else ""
