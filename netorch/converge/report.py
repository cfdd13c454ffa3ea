"""What a command did, and what it says while it does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netorch.converge.execute import Progress, ignore_progress
from netorch.immutable import Value
from netorch.state.plan import Plan

if TYPE_CHECKING:
    from netorch.converge.compare import Difference


@dataclass(slots=True)
class Report:
    """What a command did."""

    plan: Plan
    """The first plan; further rounds may have had plans of their own."""
    rounds: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    confirm_until: float | None = None
    """When an apply on trial is rolled back, in seconds since 1970."""


class Observers(Value):
    """Who hears of a command while it works."""

    phase: Callable[[str], None] = lambda _: None
    """Hears what is being done: `reading`, `making`, `verifying` …"""
    progress: Progress = ignore_progress
    """Hears how many steps are done, how many there are, and the last one."""
    compared: Callable[[Difference], None] = lambda _: None
    """Sees the difference before anything changes; may raise to end the command."""
