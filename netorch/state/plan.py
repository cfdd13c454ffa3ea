"""What changes a state: ordered steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netorch.immutable import Value
from netorch.state.key import Key
from netorch.state.resource import Disruption, Resource

if TYPE_CHECKING:
    from netorch.values.requests import Request


class Step(Value):
    """One act of a plan: a delete has `before` alone, a create `after` alone, an update both."""

    before: Resource | None
    after: Resource | None
    disruption: Disruption
    cause: Key | None = None
    """The key whose end makes this step necessary, where the two states alone do not show why."""

    @property
    def resource(self) -> Resource:
        found = self.after if self.after is not None else self.before
        assert found is not None
        return found

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
    """Creates and updates. What a resource needs comes before it."""
    implied: tuple[Resource, ...] = ()
    """Resources that go with a deleted one, and so need no step of their own."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.deletes + self.changes

    def __bool__(self) -> bool:
        return bool(self.deletes or self.changes)

    def __len__(self) -> int:
        return len(self.deletes) + len(self.changes)
