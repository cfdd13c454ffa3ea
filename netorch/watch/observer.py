"""What a program may connect to a watch: observers of its events, and hooks of a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from netorch.converge.compare import Difference
from netorch.immutable import Value, field
from netorch.watch.events import Event


class Comparison(Value):
    """One comparison of a topology with the kernel."""

    topology: str
    time: float
    """The end of the comparison, in seconds since 1970."""
    seconds: float
    """How long it took."""
    difference: Difference | None
    """What was compared; None if that failed, as `reason` says."""
    drifts: Mapping[str, int]
    """Kind of object → how many objects of it differ. Empty if the topology is in sync."""
    reason: str = ""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """Label of a namespace → the node whose namespace it is."""

    @property
    def in_sync(self) -> bool:
        """Whether the topology could be compared, and nothing differs."""
        return self.difference is not None and not self.drifts


class Reconciliation(Value):
    """One attempt to put a topology right."""

    topology: str
    time: float
    """The end of the attempt, in seconds since 1970."""
    seconds: float
    """How long it took."""
    changes: int
    """How many objects it changed; 0 if it failed."""
    reason: str = ""
    """Why it failed, or ""."""


class Observer(Protocol):
    """Receives everything that happens in a watch. Its methods are called one at a time."""

    def event(self, event: Event) -> None:
        """Receive an event, in the order in which they happen."""

    def comparison(self, comparison: Comparison) -> None:
        """Receive the result of a comparison, also if nothing has changed."""

    def reconciliation(self, reconciliation: Reconciliation) -> None:
        """Receive the result of an attempt to put a topology right."""

    def lost(self, namespaces: int) -> None:
        """Notifications of so many namespaces were lost, so everything in them is read again."""

    def gone(self, topology: str) -> None:
        """A topology is not watched any more."""

    def close(self) -> None:
        """The watch has ended."""


class Silent:
    """An observer that does nothing, as a base class for others."""

    def event(self, event: Event) -> None:
        return

    def comparison(self, comparison: Comparison) -> None:
        return

    def reconciliation(self, reconciliation: Reconciliation) -> None:
        return

    def lost(self, namespaces: int) -> None:
        return

    def gone(self, topology: str) -> None:
        return

    def close(self) -> None:
        return


class Hooks:
    """Tells a service manager about the watch. This class tells nobody."""

    seconds_alive: float = 0.0
    """`alive` has to be called more often than once in so many seconds; 0 if it need not be."""

    def ready(self) -> None:
        """Every topology was compared for the first time."""

    def alive(self) -> None:
        """The watch still works. It is called at least as often as `seconds_alive` asks for."""

    def status(self, text: str) -> None:
        """Describe the watch in one line, such as `2 topologies, in sync`."""

    def stopping(self) -> None:
        """The watch ends."""
