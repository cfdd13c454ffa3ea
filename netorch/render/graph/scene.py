"""What is to be drawn: a file as it is, or what the kernel has of a topology together with what it should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netorch.immutable import Value, field
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.render.changes import Change, changes
from netorch.render.graph.picture import Status
from netorch.state.key import Key, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import Mark
from netorch.values.requests import Attachment

if TYPE_CHECKING:
    from netorch.converge.live import Live
    from netorch.resolve import Desired
    from netorch.resolve.loader import Loaded


class Scene(Value, dict=True):
    """`state`: all that is drawn, also what is missing. `status` has the keys that differ, `differences` what of them does, in lines.
    `lost`: of what is made of lines, such as a packet filter, those that are missing.

    `loaded`: the file; None where nobody knows it any more. `live` and `compared`: see `Picture`.
    """

    name: str
    state: Mapping[Key, Resource]
    loaded: Loaded | None = None
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    status: Mapping[Key, Status] = field(default_factory=dict)
    differences: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    lost: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    live: str = ""
    compared: bool = False

    @property
    def desired(self) -> Desired | None:
        return self.loaded.desired if self.loaded is not None else None

    @property
    def fabric(self) -> str:
        return Mark(self.name).fabric

    def of(self, *keys: Key) -> Status:
        """How a thing made of these stands: without one of them it is another thing, not a missing one."""
        found = [self.status.get(key, Status.OK) for key in keys[:1]]
        further = {self.status.get(key, Status.OK) for key in keys[1:]} - {Status.OK}
        return Status.CHANGED if found == [Status.OK] and further else found[0]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Label → node."""
        return (
            {label: name for name, label in self.desired.labels.items()}
            if self.desired is not None
            else {}
        )

    @cached_property
    def differing(self) -> Mapping[str, Sequence[Key]]:
        """Label → what differs there."""
        found: dict[str, list[Key]] = {}
        for key, status in self.status.items():
            if status is not Status.OK:
                found.setdefault(key.netns, []).append(key)
        return found

    def node(self, label: str) -> str:
        """The node whose namespace this is."""
        return self.names.get(label) or label_text(label)


def of_file(loaded: Loaded) -> Scene:
    """A file, without a look at the kernel."""
    return Scene(loaded.desired.topology, loaded.desired.state, loaded, loaded.desired.attached)


def of_kernel(entry: Live, loaded: Loaded | None) -> Scene:
    """What is live, and where it has drifted from `loaded`, the file that was applied last."""
    plan = entry.difference
    if plan is None:
        why = "not compared with a file" if entry.record is None else "not compared"
        return Scene(entry.name, entry.state, loaded, entry.attached, live=f"live, {why}")
    status = _statuses(plan)
    state = dict(entry.state)
    for step in plan.changes:
        if step.after is not None and (step.key not in state or _is_torn(state[step.key])):
            state[step.key] = step.after
    live = "live, in sync" if not plan else "live, drifted"
    differing = [change for change in changes(plan) if _is_told(change.key, status)]
    return Scene(
        entry.name,
        state,
        loaded,
        entry.attached,
        status,
        {change.key: _lines(change) for change in differing},
        {change.key: change.added for change in differing},
        live,
        True,
    )


def _is_torn(resource: Resource) -> bool:
    """A veth of which nobody knows the other end says nothing of where it leads."""
    return isinstance(resource, Veth) and resource.peer == UNKNOWN


def _statuses(plan: Plan) -> dict[Key, Status]:
    """The plan would mend the drift, so it tells it the other way round. What only goes along with something else is as it should be."""
    status = {
        resource.key: Status.EXTRA
        for resource in (*plan.implied, *(step.resource for step in plan.deletes))
    }
    for step in plan.changes:
        if step.cause is not None and step.disruption is Disruption.REPLACE:
            status.pop(step.key, None)
        elif step.before is not None or step.disruption is Disruption.REPLACE:
            status[step.key] = Status.CHANGED
        else:
            status[step.key] = Status.MISSING
    return status


def _is_told(key: Key, status: Mapping[Key, Status]) -> bool:
    return status.get(key) is Status.CHANGED or (
        key.kind in {"up", "port", "impair"} and key in status
    )


def _lines(change: Change) -> tuple[str, ...]:
    """Old is what was applied, new is what somebody made of it."""
    return (
        *(
            f"{name} {file or 'none'} → {kernel or 'none'}"
            for name, (kernel, file) in change.values.items()
            if kernel != file
        ),
        *(f"missing: {line.strip()}" for line in change.added),
        *(f"extra: {line.strip()}" for line in change.removed),
    )
