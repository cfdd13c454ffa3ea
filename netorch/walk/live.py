"""A walk over the kernel as it is now."""

from __future__ import annotations

from netorch.attached import Attached, attach
from netorch.errors import NetorchError
from netorch.kernel.linux import LinuxKernel
from netorch.resolve import Desired
from netorch.snapshot import Scope
from netorch.walk import planned, seen
from netorch.walk.ends import explain
from netorch.walk.result import Walk
from netorch.walk.world import World


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
    return seen.world(kernel.read(scope), desired.mark, planned.world(desired))


def why_not(kernel: LinuxKernel, desired: Desired, source: str, target: str, tcp: int | None = None) -> tuple[str, ...]:
    """Why a node does not reach another, in short lines of which the last names the hop and the cause; what could not be found too.

    `source` and `target` as in a check: a node, an address, or NODE:IF.
    """
    try:
        return told(explain(look(kernel, desired), source, target, tcp))
    except NetorchError as error:
        return tuple(error.lines())


def told(found: Walk) -> tuple[str, ...]:
    """The hops in short, the doubts, and at last the cause."""
    legs = [("", found.there), ("back ", found.back)]
    lines = [f"{back}{' → '.join(dict.fromkeys(step.node for step in leg.steps))}" for back, leg in legs if leg is not None and leg.steps]
    cause = found.cause or "the live state shows no reason: a packet and its answer should get through"
    return (*lines, *found.doubts, cause)
