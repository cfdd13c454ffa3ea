"""Collects the objects to draw: those of a file, or those of a live topology with its drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netorch.immutable import Value, field
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.render.changes import Change, changes
from netorch.render.graph.picture import Status
from netorch.state.key import HOST, Key, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import Mark
from netorch.values.requests import Attachment

if TYPE_CHECKING:
    from netorch.converge.live import Live
    from netorch.resolve.desired import Desired, Machine
    from netorch.resolve.loaded import Loaded


class Scene(Value, dict=True):
    """The objects to draw."""

    name: str
    """The name of the topology."""
    state: Mapping[Key, Resource]
    """All objects, the missing ones too."""
    loaded: Loaded | None = None
    """The file, None if it is not known any more."""
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    """Label → the `attach` of its node."""
    status: Mapping[Key, Status] = field(default_factory=dict)
    """Object that differs → its status."""
    differences: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    """Object → lines that say how it differs from the file."""
    missing_lines: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    """Object made of lines, such as a packet filter → the lines that it lacks."""
    live: str = ""
    """See `Picture.live`."""
    compared: bool = False
    """See `Picture.compared`."""

    @property
    def desired(self) -> Desired | None:
        return self.loaded.desired if self.loaded is not None else None

    @cached_property
    def fabrics(self) -> frozenset[str]:
        """The labels of the fabrics."""
        own = Mark(self.name).fabric
        return frozenset((own, *(f"{own}.{name}" for name in self.machines)))

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The labels of the machines' own namespaces."""
        return frozenset((HOST, *(f"{HOST}.{name}" for name in self.machines)))

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Name → machine. Empty if the topology is not spread over several."""
        spread = self.desired.machines if self.desired is not None else None
        return spread.all if spread is not None else {}

    @property
    def is_whole(self) -> bool:
        """Whether the objects are those of all machines."""
        spread = self.desired.machines if self.desired is not None else None
        return spread is not None and not spread.here

    def machine_of(self, label: str) -> str:
        """Return the machine that has a namespace, "" if the topology is not spread."""
        spread = self.desired.machines if self.desired is not None else None
        return spread.of_label.get(label, spread.here) if spread is not None else ""

    def machine_of_node(self, name: str) -> str:
        """Return the machine that has a node, "" if the topology is not spread."""
        spread = self.desired.machines if self.desired is not None else None
        return spread.of_node.get(name, spread.here) if spread is not None else ""

    @cached_property
    def at(self) -> Mapping[str, str]:
        """Address at which tunnels end → the machine that has it."""
        return {str(machine.tunnel_address): name for name, machine in self.machines.items()}

    def status_of(self, *keys: Key) -> Status:
        """Return the status of an object and its parts.

        The first key is the object's. If only a part is missing or extra, the object is changed.
        """
        own = [self.status.get(key, Status.OK) for key in keys[:1]]
        further = {self.status.get(key, Status.OK) for key in keys[1:]} - {Status.OK}
        return Status.CHANGED if own == [Status.OK] and further else own[0]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Label → node."""
        return self.desired.nodes if self.desired is not None else {}

    @cached_property
    def second_names(self) -> Mapping[str, str]:
        """Second name of a namespace → the node that has this name."""
        names = self.desired.second_names if self.desired is not None else {}
        return {name: node for node, name in names.items()}

    @cached_property
    def differing(self) -> Mapping[str, Sequence[Key]]:
        """Label → keys of the objects there that differ."""
        by_label: dict[str, list[Key]] = {}
        for key, status in self.status.items():
            if status is not Status.OK:
                by_label.setdefault(key.netns, []).append(key)
        return by_label

    def node(self, label: str) -> str:
        """Return the node whose namespace has this label."""
        return self.names.get(label) or label_text(label)


def of_file(loaded: Loaded) -> Scene:
    """Return the scene of a file, without reading the kernel."""
    return Scene(loaded.desired.topology, loaded.desired.state, loaded, loaded.desired.attached)


def of_kernel(entry: Live, loaded: Loaded | None) -> Scene:
    """Return the scene of a live topology and its drift from `loaded`, the file applied last."""
    plan = entry.difference
    if plan is None:
        why = "not compared with a file" if entry.record is None else "not compared"
        return Scene(entry.name, entry.state, loaded, entry.attached, live=f"live, {why}")
    status = _statuses(plan)
    state = dict(entry.state)
    for step in plan.changes:
        if step.after is not None and (step.key not in state or _has_unknown_peer(state[step.key])):
            state[step.key] = step.after
    live = "live, in sync" if not plan else "live, drifted"
    differing = [change for change in changes(plan) if _is_reported(change.key, status)]
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


def _has_unknown_peer(resource: Resource) -> bool:
    """Whether it is a veth whose other end is unknown, so that no edge could be drawn."""
    return isinstance(resource, Veth) and resource.peer == UNKNOWN


def _statuses(plan: Plan) -> dict[Key, Status]:
    """Return the status of each object that a plan changes.

    The plan would undo the drift: an object that it creates is missing, and one that it deletes is
    extra. An object that is replaced only because of another object is in sync.
    """
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


def _is_reported(key: Key, status: Mapping[Key, Status]) -> bool:
    return status.get(key) is Status.CHANGED or (
        key.kind in {"up", "port", "impair"} and key in status
    )


def _lines(change: Change) -> tuple[str, ...]:
    """Return the differences of an object. Old values are the file's, new ones the kernel's."""
    return (
        *(
            f"{name} {file or 'none'} → {kernel or 'none'}"
            for name, (kernel, file) in change.values.items()
            if kernel != file
        ),
        *(f"missing: {line.strip()}" for line in change.added),
        *(f"extra: {line.strip()}" for line in change.removed),
    )
