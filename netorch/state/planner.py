"""Compare two states and put the changes in an order that the kernel accepts. Pure, and linear in the size of the states.

Three laws hold (tests/unit/state/test_plan_laws.py): replaying `plan(a, b)` on `a` gives `b`; `plan(a, a)` is empty; and from
whatever any prefix of a plan leaves behind, a new plan still reaches `b`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence, Set

from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource, State


def plan(observed: State, desired: State) -> Plan:
    """The steps from `observed` to `desired`."""
    others = {
        key for key, before in observed.items() if key in desired and desired[key].differs(before)
    }
    doomed = [
        key
        for key, before in observed.items()
        if key not in desired or (key in others and _needs_replacement(before, desired[key]))
    ]
    doomed += _claim_holders(observed, desired, frozenset(doomed))
    dying = _dying_with(observed, doomed) if doomed else {}
    deletes, implied = _deletes(observed, dying, desired)
    resets = _resets(observed, desired, others - dying.keys())
    return Plan(deletes, _changes(observed, desired, dying, others, resets), implied)


def replay(state: State, steps: Iterable[Step]) -> State:
    """What the kernel would have after `steps`, by the rules that the planner believes in."""
    result = dict(state)
    for step in steps:
        if step.after is None:
            for key in _dying_with(result, [step.key]):
                result.pop(key, None)
        else:
            result[step.key] = step.after
    return result


def ordered(state: State, selected: Container[Key] | None = None) -> list[Key]:
    """Keys so that what a resource needs or lives within comes before it, else as the state has them.

    `selected`: these are enough, with what they need and live within.
    """
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
                if dependency in done or dependency not in state:
                    continue
                if dependency in open_keys:
                    raise ValueError(f"{key} and {dependency} need each other")
                open_keys.add(dependency)
                stack.append((dependency, iter(_dependencies(state[dependency]))))
                break
            else:
                stack.pop()
                open_keys.discard(key)
                done.add(key)
                order.append(key)
    return order


def batches(steps: Sequence[Step], *, deleting: bool = False) -> list[dict[str, list[Step]]]:
    """Steps grouped for sending: what is in one epoch may run at once, one ordered list a namespace.

    A dependency in the same namespace is kept by the order of its list; one in another namespace puts a barrier between.
    Deletes depend the other way round: a container waits for what needs it.
    """
    level: dict[Key, int] = {}
    grouped: list[dict[str, list[Step]]] = []
    for step in steps:
        resource = step.resource
        key = resource.key
        mine, netns = level.get(key, 0), key.netns
        for dependency in _dependencies(resource):
            apart = dependency.netns != netns
            if deleting:
                level[dependency] = max(level.get(dependency, 0), mine + apart)
            elif dependency in level:
                mine = max(mine, level[dependency] + apart)
        if not deleting:
            level[key] = mine
        while len(grouped) <= mine:
            grouped.append({})
        grouped[mine].setdefault(netns, []).append(step)
    return grouped


def _dependencies(resource: Resource) -> tuple[Key, ...]:
    return resource.dies_with + resource.needs


def _needs_replacement(before: Resource, after: Resource) -> bool:
    """Whether only a replacement makes the one of the other."""
    return type(before) is not type(after) or after.update(before) is None


def _claim_holders(observed: State, desired: State, doomed: frozenset[Key]) -> list[Key]:
    """What is to give up in place what another one is to have: it goes first instead, since an order need not exist (two that swap)."""
    held = {
        claim: key
        for key, before in observed.items()
        if key in desired
        and key not in doomed
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


def _dying_with(state: State, roots: Sequence[Key]) -> dict[Key, Key | None]:
    """Return what the kernel removes together with the roots: key → the key that takes it along.

    The value is None for a root.
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
    dying: dict[Key, Key | None] = dict.fromkeys(roots)
    queue = list(roots)
    while queue:
        container = queue.pop()
        lost = children.get(container, [])
        if container in state and (support := state[container].keeps_alive) is not None:
            supporters[support] -= 1
            if not supporters[support]:
                lost = lost + [
                    key
                    for key in dependents.get(support, ())
                    if not any(map(supporters.get, state[key].depends_on_any))
                ]
        for child in lost:
            if child not in dying:
                dying[child] = container
                queue.append(child)
    return dying


def _deletes(
    observed: State, dying: Mapping[Key, Key | None], desired: State
) -> tuple[tuple[Step, ...], tuple[Resource, ...]]:
    steps: list[Step] = []
    implied: list[Resource] = []
    if not dying:
        return (), ()
    alone: set[Key] = set()
    for key, resource in observed.items():
        if key not in dying:
            continue
        for container in resource.dies_with:
            # what holds its container takes its leave before it
            if container in dying and container not in resource.deleted_before:
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
        steps.append(Step(resource, None, kind, dying[key]))
    return tuple(steps), tuple(implied)


def _resets(observed: State, desired: State, updated: Set[Key]) -> dict[Key, Key]:
    """What is as desired, and what the kernel sets anew with an update in place: key → the key of the update."""
    causes = [key for key in updated if desired[key].resets_others(observed[key])]
    if not causes:
        return {}
    within = {key.netns for key in causes}
    return {
        key: cause
        for key, resource in desired.items()
        if key.netns in within and key in observed and key not in updated
        for cause in causes
        if cause.netns == key.netns and resource.is_reset_by(observed[cause], desired[cause])
    }


def _changes(
    observed: State,
    desired: State,
    dying: Mapping[Key, Key | None],
    others: Set[Key],
    resets: Mapping[Key, Key],
) -> tuple[Step, ...]:
    pending = {key for key in desired if key in others or key in dying or key not in observed}
    pending |= resets.keys()
    if not pending:
        return ()
    steps: list[Step] = []
    for key in ordered(desired, pending):
        if key not in pending:
            continue
        after, before = desired[key], observed.get(key)
        if key in dying:
            steps.append(Step(None, after, Disruption.REPLACE, dying[key]))
        elif key in resets:
            steps.append(Step(None, after, Disruption.REPLACE, resets[key]))
        elif before is None:
            steps.append(Step(None, after, after.CREATION))
        else:
            steps.append(Step(before, after, after.disruption(before)))
    return tuple(steps)
