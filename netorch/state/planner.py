"""Compare two states and put the changes in an order that the kernel accepts.

The functions do no I/O and take time in proportion to the size of the states. Three laws hold
(tests/unit/state/test_plan_laws.py):

* Replaying `plan(a, b)` on `a` gives `b`.
* `plan(a, a)` is empty.
* If a plan to `b` breaks off after any of its steps, a new plan still reaches `b`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence, Set

from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource, State


def plan(observed: State, desired: State) -> Plan:
    """Return the steps from `observed` to `desired`."""
    changed = {
        key
        for key, before in observed.items()
        if (asked := desired.get(key)) is not None
        and not asked.has_equal_fields(before)
        and asked.differs(before)
    }
    roots = [
        key
        for key, before in observed.items()
        if key not in desired or (key in changed and _needs_replacement(before, desired[key]))
    ]
    roots += _claim_holders(observed, desired, frozenset(roots))
    deleted = deleted_with(observed, roots) if roots else {}
    deletes, implied = _deletes(observed, deleted, desired)
    resets = _resets(observed, desired, changed - deleted.keys())
    return Plan(deletes, _changes(observed, desired, deleted, changed, resets), implied)


def replay(state: State, steps: Iterable[Step]) -> State:
    """Return the state after `steps`, according to the rules by which the planner works."""
    result = dict(state)
    for step in steps:
        if step.after is None:
            for key in deleted_with(result, [step.key]):
                result.pop(key, None)
        else:
            result[step.key] = step.after
    return result


def ordered(state: State, selected: Container[Key] | None = None) -> list[Key]:
    """Return the keys in an order in which the dependencies of a resource come before it.

    Otherwise the order is that of `state`. `selected` limits the result to these keys and their
    dependencies. Raise ValueError if two resources need each other.
    """
    groups = _groups(state.values())
    done: set[Key] = set()
    order: list[Key] = []
    for start in state:
        if start in done or (selected is not None and start not in selected):
            continue
        stack = [(start, iter(_dependencies(state[start])))]
        open_keys = {start}
        while stack:
            key, rest = stack[-1]
            for dependency in rest:
                if dependency in done:
                    continue
                if dependency in state:
                    further: Sequence[Key] = _dependencies(state[dependency])
                elif dependency in groups:
                    further = groups[dependency]
                else:
                    continue
                if dependency in open_keys:
                    raise ValueError(f"{key} and {dependency} need each other")
                open_keys.add(dependency)
                stack.append((dependency, iter(further)))
                break
            else:
                stack.pop()
                open_keys.discard(key)
                done.add(key)
                if key not in groups:
                    order.append(key)
    return order


def _groups(resources: Collection[Resource]) -> Mapping[Key, Sequence[Key]]:
    """Return the keys of each group that a resource may need; none if no resource needs a group."""
    groups: dict[Key, list[Key]] = {}
    if any(kind.NEEDS_GROUPS for kind in {type(resource) for resource in resources}):
        for resource in resources:
            if (group := resource.group_key) is not None:
                groups.setdefault(group, []).append(resource.key)
    return groups


def batches(steps: Sequence[Step], *, deleting: bool = False) -> list[dict[str, list[Step]]]:
    """Group steps for sending. Return a list of epochs, each with one ordered list per namespace.

    The lists of one epoch may run at the same time. A dependency in the same namespace is met by
    the order of its list, one in another namespace by an earlier epoch. For deletes the dependency
    is reversed: a container is deleted after everything that needs it.
    """
    level: dict[Key, int] = {}
    grouped: list[dict[str, list[Step]]] = []
    resources = [step.resource for step in steps]
    group_of = {key: group for group, keys in _groups(resources).items() for key in keys}
    for step, resource in zip(steps, resources, strict=True):
        key = resource.key
        epoch, netns = level.get(key, 0), key.netns
        group = group_of.get(key) if group_of else None
        if deleting and group is not None:
            epoch = max(epoch, level.get(group, 0))
        for dependency in _dependencies(resource):
            elsewhere = dependency.netns != netns
            if deleting:
                level[dependency] = max(level.get(dependency, 0), epoch + elsewhere)
            elif dependency in level:
                epoch = max(epoch, level[dependency] + elsewhere)
        if not deleting:
            level[key] = epoch
            if group is not None:
                level[group] = max(level.get(group, 0), epoch)
        while len(grouped) <= epoch:
            grouped.append({})
        grouped[epoch].setdefault(netns, []).append(step)
    return grouped


def _dependencies(resource: Resource) -> tuple[Key, ...]:
    return resource.dies_with + resource.needs


def _needs_replacement(before: Resource, after: Resource) -> bool:
    """Return whether `before` cannot become `after` in place, so that it has to be replaced."""
    return type(before) is not type(after) or after.update(before) is None


def _claim_holders(observed: State, desired: State, roots: frozenset[Key]) -> list[Key]:
    """Return the keys of resources whose claim passes to another resource.

    These are deleted first instead of updated in place, because there may be no order in which
    updates work: two resources may swap their claims.
    """
    held = {
        claim: key
        for key, before in observed.items()
        if key in desired
        and key not in roots
        and (claim := before.claim) is not None
        and desired[key].claim != claim
    }
    return (
        list(
            {
                held[claim]: None
                for after in desired.values()
                if (claim := after.claim) is not None and claim in held
            }
        )
        if held
        else []
    )


def deleted_with(state: State, roots: Sequence[Key]) -> dict[Key, Key | None]:
    """Return everything that the kernel removes together with the roots.

    Each key is mapped to the key whose deletion removes it, and a root to None.
    """
    children: dict[Key, list[Key]] = defaultdict(list)
    supporters: dict[Key, int] = defaultdict(int)
    dependents: dict[Key, list[Key]] = defaultdict(list)
    for key, resource in state.items():
        for container in resource.dies_with:
            children[container].append(key)
        if resource.paired_key is not None:
            children[resource.paired_key].append(key)
        if resource.keeps_alive is not None:
            supporters[resource.keeps_alive] += 1
        for needed in resource.depends_on_any:
            dependents[needed].append(key)
    supports: dict[Key, int] = {}

    def unsupported(lost: Key) -> Iterator[Key]:
        """Yield the keys that have no support left without this one."""
        for key in dict.fromkeys(dependents.get(lost, ())):
            if key in supports:
                supports[key] -= 1
            else:
                others = {*state[key].depends_on_any} - {lost}
                supports[key] = sum(1 for other in others if supporters.get(other))
            if not supports[key]:
                yield key

    deleted: dict[Key, Key | None] = dict.fromkeys(roots)
    queue = list(roots)
    while queue:
        container = queue.pop()
        orphaned: Sequence[Key] = children.get(container, ())
        if container in state and (support := state[container].keeps_alive) is not None:
            supporters[support] -= 1
            if not supporters[support]:
                orphaned = [*orphaned, *unsupported(support)]
        for child in orphaned:
            if child not in deleted:
                deleted[child] = container
                queue.append(child)
    return deleted


def _deletes(
    observed: State, deleted: Mapping[Key, Key | None], desired: State
) -> tuple[tuple[Step, ...], tuple[Resource, ...]]:
    """Return the steps for `deleted`, and those of its resources that need no step of their own."""
    steps: list[Step] = []
    implied: list[Resource] = []
    if not deleted:
        return (), ()
    alone: set[Key] = set()
    for key, resource in observed.items():
        if key not in deleted:
            continue
        for container in resource.dies_with:
            # A resource that names the container in `deleted_before` needs a step of its own,
            # because it has to be deleted while the container still exists.
            if container in deleted and container not in resource.deleted_before:
                implied.append(resource)
                break
        else:
            alone.add(key)
    sent: set[Key] = set()
    for key in reversed(ordered(observed, alone)):
        if key not in alone:
            continue
        resource = observed[key]
        if resource.paired_key in sent:
            implied.append(resource)
            continue
        sent.add(key)
        kind = Disruption.REPLACE if key in desired else Disruption.DELETE
        steps.append(Step(resource, None, kind, deleted[key]))
    return tuple(steps), tuple(implied)


def _resets(observed: State, desired: State, updated: Set[Key]) -> dict[Key, Key]:
    """Return the resources that are as desired, but that the kernel resets during an update.

    The result maps the key of each to the key of the resource that is updated in place.
    """
    causes = {key for key in updated if desired[key].resets_others(observed[key])}
    if not causes:
        return {}
    within = {key.netns for key in causes}
    return {
        key: cause
        for key, resource in desired.items()
        if key.netns in within and key in observed and key not in updated
        for cause in resource.reset_with
        if cause in causes and resource.is_reset_by(observed[cause], desired[cause])
    }


def _changes(
    observed: State,
    desired: State,
    deleted: Mapping[Key, Key | None],
    changed: Set[Key],
    resets: Mapping[Key, Key],
) -> tuple[Step, ...]:
    pending = {key for key in desired if key in changed or key in deleted or key not in observed}
    pending |= resets.keys()
    if not pending:
        return ()
    steps: list[Step] = []
    for key in ordered(desired, pending):
        if key not in pending:
            continue
        after, before = desired[key], observed.get(key)
        if key in deleted:
            steps.append(Step(None, after, Disruption.REPLACE, deleted[key]))
        elif key in resets:
            steps.append(Step(None, after, Disruption.REPLACE, resets[key]))
        elif before is None:
            steps.append(Step(None, after, after.CREATION))
        else:
            steps.append(Step(before, after, after.disruption(before)))
    return tuple(steps)
