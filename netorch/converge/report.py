"""The result of a command, and the callbacks that observe it while it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from netorch.converge.execute import Progress, ignore_progress
from netorch.immutable import Value, field
from netorch.state.plan import Plan

if TYPE_CHECKING:
    from netorch.converge.compare import Difference
    from netorch.converge.intended import Deviation
    from netorch.kernel.files.records import Record


class Report(Struct):
    """What a command did."""

    plan: Plan
    """The first plan; further rounds may have had other plans."""
    changed: bool = False
    """Whether anything changed, in the kernel or in the record."""
    rounds: int = 0
    """How many times a plan was carried out until nothing differed."""
    warnings: list[str] = field(default_factory=list)
    """What the user should know."""
    notes: list[str] = field(default_factory=list)
    """What happened on the way, such as a process that was ended."""
    confirm_until: float | None = None
    """When an apply on trial will be rolled back, in seconds since 1970."""
    record: Record | None = None
    """What `destroy` found on record; None if there was none."""
    token: str | None = None
    """A text that distinguishes the trial from others of the same topology."""
    adopted: tuple[str, ...] = ()
    """The titles of the objects that the topology has taken over."""
    released: tuple[str, ...] = ()
    """The titles of the links and namespaces that the topology has given up."""
    intended: tuple[Deviation, ...] = ()
    """What users have done on purpose, and the command has kept."""


class Observers(Value):
    """The functions that a command calls while it works."""

    phase: Callable[[str], None] = lambda _: None
    """Called with what is being done: `reading`, `making`, `verifying` …"""
    progress: Progress = ignore_progress
    """Called with the number of steps done, the number of all steps, and the last step done."""
    compared: Callable[[Difference], None] = lambda _: None
    """Called with the difference before anything changes; may raise to end the command."""
