"""A walk over the kernel as it is now."""

from __future__ import annotations

from collections.abc import Callable

from netorch.converge.attached import Attached, attach
from netorch.errors import NetorchError
from netorch.kernel.door import LinuxKernel
from netorch.resolve import Desired
from netorch.values.snapshot import Scope
from netorch.walk import from_snapshot, from_state
from netorch.walk.ends import explain
from netorch.walk.result import Walk
from netorch.walk.world import World

NO_REASON = "the live state shows no reason: a packet and its answer should get through"


def look(kernel: LinuxKernel, desired: Desired, attached: Attached | None = None) -> World:
    """The kernel's state in every namespace of the topology and on the host, with all that decides about packets."""
    there = attached or attach(kernel, desired, None)
    scope = Scope(
        mark=desired.mark.alias,
        wanted=frozenset(key.netns for key in desired.state if key.kind == "netns"),
        attached=there.labels,
        neighbours=True,
        passage=True,
    )
    return from_snapshot.world(kernel.read(scope), desired.mark, from_state.world(desired))


def why_not(
    kernel: LinuxKernel, desired: Desired, source: str, target: str, tcp: int | None = None
) -> tuple[str, ...]:
    """Why a node does not reach another, in short lines of which the last names the hop and the cause; what could not be found too.

    `source` and `target` as in a check: a node, an address, or NODE:IF.
    """
    return reasons(kernel, desired)(source, target, tcp)


def reasons(
    kernel: LinuxKernel, desired: Desired
) -> Callable[[str, str, int | None], tuple[str, ...]]:
    """`why_not` for many pairs: the kernel is read once, when the first one is asked for."""
    from_snapshot: list[World] = []

    def why(source: str, target: str, tcp: int | None = None) -> tuple[str, ...]:
        try:
            if not from_snapshot:
                from_snapshot.append(look(kernel, desired))
            return outcome_lines(explain(from_snapshot[0], source, target, tcp))
        except NetorchError as error:
            return tuple(error.lines())

    return why


def outcome_lines(found: Walk) -> tuple[str, ...]:
    """The hops in short, the doubts, and at last the cause; where there is none, what may be one."""
    legs = [("", found.there), ("back ", found.back)]
    lines = [
        f"{back}{' → '.join(dict.fromkeys(step.node for step in leg.steps))}"
        for back, leg in legs
        if leg is not None and len(leg.steps) > 1
    ]
    if found.cause:
        return (*lines, *found.doubts, found.cause)
    return (*lines, *found.doubts, *(found.remarks or (NO_REASON,)))
