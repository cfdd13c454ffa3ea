"""A walk over the kernel as it is now."""

from __future__ import annotations

from netorch.converge.attached import Attached, attach
from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.resolve import Desired
from netorch.values.snapshot import Scope
from netorch.walk import from_snapshot, from_state
from netorch.walk.ends import UnknownEnd, ask, explain
from netorch.walk.path import walk
from netorch.walk.result import Walk
from netorch.walk.world import Address, World

NO_REASON = "the live state shows no reason: a packet and its answer should get through"


def look(kernel: LinuxKernel, desired: Desired, attached: Attached | None = None) -> World:
    """The kernel's state in every namespace of the topology and on the host, with all that decides about packets."""
    there = attached or attach(kernel, desired, None)
    scope = Scope(
        mark=desired.mark.alias,
        in_full=frozenset(key.netns for key in desired.state if key.kind == "netns"),
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
    return LiveWalks(kernel, desired).why_not(source, target, tcp)


class LiveWalks:
    """Walks over the kernel, which is read once, when the first one is asked for."""

    def __init__(self, kernel: LinuxKernel, desired: Desired) -> None:
        self._kernel, self._desired = kernel, desired
        self._world: World | None = None

    @property
    def world(self) -> World:
        if self._world is None:
            self._world = look(self._kernel, self._desired)
        return self._world

    def why_not(self, source: str, target: str, tcp: int | None = None) -> tuple[str, ...]:
        """Why a node does not reach another, as `why_not`."""
        try:
            return outcome_lines(explain(self.world, source, target, tcp))
        except NetorchError as error:
            return tuple(error.lines())

    def astray(self, source: str, target: str, address: Address, tcp: int) -> str:
        """Why what is sent to an address of the node `target` does not get to it, or its answer not back; "" if it does.

        Others may have the address, too. `tcp`: a port, 0 for an echo.
        """
        try:
            asked = ask(self.world, source, str(address), tcp or None)
        except (NetorchError, UnknownEnd) as error:
            return str(error)
        owner = self.world.names.get(target, "")
        return walk(self.world, replace(asked, owner=owner), source, target).cause


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
