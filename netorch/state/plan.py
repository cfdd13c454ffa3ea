"""Steps, and plans, which are ordered lists of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netorch.immutable import Value
from netorch.state.key import Key
from netorch.state.resource import Disruption, Resource

if TYPE_CHECKING:
    from netorch.values.requests import Request


class Step(Value):
    """One step of a plan. A delete has only `before`, a create only `after`, an update has both."""

    before: Resource | None
    after: Resource | None
    disruption: Disruption
    cause: Key | None = None
    """The key whose deletion or update makes this step necessary, where the two states alone do not
    show why.
    """

    @property
    def resource(self) -> Resource:
        resource = self.after if self.after is not None else self.before
        assert resource is not None
        return resource

    @property
    def key(self) -> Key:
        return self.resource.key

    def requests(self) -> Iterable[Request]:
        if self.after is None:
            assert self.before is not None
            return self.before.delete()
        if self.before is None:
            return self.after.create()
        update = self.after.update(self.before)
        assert update is not None, f"{self.key}: planned as an update"
        return update


class Plan(Value):
    """Steps in an order that the kernel accepts: deletes first, then creates and updates."""

    deletes: tuple[Step, ...] = ()
    changes: tuple[Step, ...] = ()
    """Creates and updates. A resource comes after the resources that it needs."""
    implied: tuple[Resource, ...] = ()
    """Resources that need no step, because the kernel removes them with a deleted one."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.deletes + self.changes

    def __bool__(self) -> bool:
        return bool(self.deletes or self.changes)

    def __len__(self) -> int:
        return len(self.deletes) + len(self.changes)
