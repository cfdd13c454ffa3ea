"""Groups the steps of a plan by the objects that users see, and counts these objects."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from netorch.immutable import field
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource

_NEW = {Disruption.CREATE, Disruption.REPLACE}


class Group(Struct):
    """The steps that change one object."""

    disruption: Disruption
    step: Step
    """The step that names the object. In a replacement it is the one that makes it again."""
    steps: list[Step] = field(default_factory=list)
    """All steps, in the plan's order."""
    parts: list[Step] = field(default_factory=list)
    """The steps that make parts of a new object, such as the state of a link."""
    deleted: Resource | None = None
    """The object before a replacement."""
    lost: Resource | None = None
    """The part that the object loses without a step, because something else is deleted."""


def groups(plan: Plan) -> list[Group]:
    """Return a group for each object that a plan changes, in its order.

    An attribute that has a step of its own (state, master) belongs to the group of its object.
    """
    replaced = {step.key for step in plan.changes if step.disruption is Disruption.REPLACE}
    deleted = (
        {
            resource.key: resource
            for resource in (*plan.implied, *(step.resource for step in plan.deletes))
        }
        if replaced
        else {}
    )
    lost_parts = {
        resource.part_of: resource
        for resource in plan.implied
        if resource.part_of is not None and resource.key not in replaced
    }
    by_key: dict[Key, Group] = {}
    by_parent: dict[Key, Group] = {}
    result: list[Group] = []
    deletions: dict[Key, Step] = {}
    for step in plan.steps:
        if step.after is None and step.key in replaced:
            deletions[step.key] = step
            continue
        own = [deletions[step.key], step] if step.key in deletions else [step]
        parent = step.resource.part_of
        if (
            parent is not None
            and step.before is None
            and parent in by_key
            and by_key[parent].disruption in _NEW
        ):
            by_key[parent].parts.append(step)
            by_key[step.key] = by_key[parent]
            by_key[parent].steps += own
            continue
        if parent is not None and step.disruption is Disruption.REPLACE and parent in by_parent:
            # part of the link's change, because the link goes down and up again when it joins or
            # leaves a master
            by_key[step.key] = by_parent[parent]
            by_parent[parent].steps += own
            by_parent[parent].disruption = max(
                by_parent[parent].disruption, Disruption.FLAP, key=list(Disruption).index
            )
            continue
        if parent in lost_parts and step.disruption is Disruption.REPLACE:
            # The change shows the lost master. It took no step of its own, because the master was
            # deleted.
            group = Group(Disruption.FLAP, step, own, lost=lost_parts[parent])
        else:
            before = deleted.get(step.key) if step.after is not None else None
            group = Group(_disruption(step), step, own, deleted=before)
        by_key[step.key] = group
        if parent is not None and parent.kind == "link":
            by_parent[parent] = group
        result.append(group)
    return result


def count(plan: Plan) -> Mapping[str, int]:
    """Return how many objects a plan changes of each sort: `create`, `update`, `flap` …"""
    counts: dict[str, int] = {}
    for group in groups(plan):
        sort = group.disruption.value
        counts[sort] = counts.get(sort, 0) + 1
    return counts


def gone_objects(plan: Plan) -> int:
    """Return how many objects a plan of deletes removes.

    It counts as `groups` counts objects that are made: a part belongs to its object.
    """
    deleted = [*plan.implied, *(step.resource for step in plan.steps)]
    keys = {resource.key for resource in deleted}
    return sum(resource.part_of not in keys for resource in deleted)


def _disruption(step: Step) -> Disruption:
    if (
        step.resource.part_of is None
        or step.resource.part_of.kind != "link"
        or step.key.kind == "link"
        or (step.disruption is Disruption.REPLACE and step.cause is not None)
    ):
        return step.disruption
    # a link that comes up or joins a bridge is updated; one that goes down or leaves a bridge
    # stops traffic
    if step.before is not None and step.after is not None:
        return step.disruption
    if step.before is None and step.disruption is not Disruption.REPLACE:
        return Disruption.UPDATE
    return step.disruption if step.after is not None else step.resource.REMOVAL
