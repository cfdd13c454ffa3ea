"""Walk over the kernel as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable

from netorch.converge.attached import Attached, attach
from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.resolve.desired import Desired
from netorch.values.snapshot import Scope
from netorch.walk import from_snapshot, from_state
from netorch.walk.ends import UnknownEnd, ask, explain
from netorch.walk.path import walk
from netorch.walk.result import FAILS, Walk
from netorch.walk.world import Address, Place, World

NO_REASON = "the live state shows no reason: a packet and its answer should get through"

_PATIENCE, _PAUSE = 1.0, 0.1
"""Seconds to wait for link-local addresses, and between two looks."""


def look(
    kernel: LinuxKernel,
    desired: Desired,
    attached: Attached | None = None,
    whole: Desired | None = None,
) -> World:
    """Read everything that decides about packets, in the topology's namespaces and on the host.

    If `desired` is the part of one of several machines, what is on the others is from `whole`, the
    state of all machines.

    If an interface has just come up, wait a moment for its link-local address.
    """
    there = attached or attach(kernel, desired, None)
    scope = Scope(
        mark=desired.mark.alias,
        in_full=frozenset(key.netns for key in desired.state if key.kind == "netns"),
        attached=there.labels,
        neighbours=True,
        passage=True,
    )
    asked = from_state.world(desired, whole)
    deadline = time.monotonic() + _PATIENCE
    while True:
        world = from_snapshot.world(kernel.read(scope), desired.mark, asked)
        if not lacks_link_local(world) or time.monotonic() >= deadline:
            return world
        time.sleep(_PAUSE)


def lacks_link_local(world: World) -> bool:
    """Whether an interface with IPv6 is up and has no link-local address that is ready.

    The kernel makes one soon after the interface has come up, and asks for MACs with it.
    """
    return any(
        _lacks_link_local(place)
        for label, place in world.places.items()
        if not world.is_elsewhere(label)
    )


def _lacks_link_local(place: Place) -> bool:
    held = [entry for entry in place.addresses if entry.address.version == 6]
    ready = {entry.iface for entry in held if entry.address.ip.is_link_local and entry.ready}
    others = {entry.iface for entry in held if not entry.address.ip.is_link_local}
    return any(
        iface is not None
        and iface.up
        and iface.arp
        and iface.carrier is not False
        and iface.kind != "loopback"
        and place.settings.own(6, "disable_ipv6", iface.name) == 0
        for iface in map(place.ifaces.get, others - ready)
    )


def why_not(
    kernel: LinuxKernel, desired: Desired, source: str, target: str, tcp: int | None = None
) -> tuple[str, ...]:
    """Return lines that say why one node does not reach another.

    The first lines are the nodes on the path of the packet, and what netorch could not evaluate.
    The last line names the place and the cause. `source` and `target` are as in a check: a node, an
    address, or NODE:IF.
    """
    return LiveWalks(kernel, desired).why_not(source, target, tcp)


class LiveWalks:
    """Follows packets through the state of the kernel, which it reads once, at the first walk."""

    def __init__(
        self, kernel: LinuxKernel, desired: Desired, whole: Callable[[], Desired] | None = None
    ) -> None:
        """`whole` returns the state of all machines, if `desired` is the part of one of them."""
        self._kernel, self._desired, self._whole = kernel, desired, whole
        self._world: World | None = None

    @property
    def world(self) -> World:
        if self._world is None:
            whole = None if self._whole is None else self._whole()
            self._world = look(self._kernel, self._desired, whole=whole)
        return self._world

    def why_not(self, source: str, target: str, tcp: int | None = None) -> tuple[str, ...]:
        """Return why one node does not reach another, like the function `why_not`."""
        try:
            return outcome_lines(explain(self.world, source, target, tcp))
        except NetorchError as error:
            return tuple(error.lines())

    def cause(self, source: str, target: str, tcp: int | None = None) -> tuple[str, ...]:
        """Return the cause why a packet or its answer is lost, or else the remarks of the walk."""
        try:
            result = explain(self.world, source, target, tcp)
        except NetorchError:
            return ()
        return (result.cause,) if result.outcome == FAILS else result.remarks

    def astray(self, source: str, target: str, address: Address, tcp: int) -> str:
        """Return why a packet to an address does not reach the node `target`, or "" if it does.

        The cause may also be that the answer does not come back, or that another node has the
        address, too. `tcp` is a port, or 0 for an echo.
        """
        try:
            asked = ask(self.world, source, str(address), tcp or None)
        except (NetorchError, UnknownEnd) as error:
            return str(error)
        owner = self.world.names.get(target, "")
        return walk(self.world, replace(asked, owner=owner), source, target).cause


def outcome_lines(result: Walk) -> tuple[str, ...]:
    """Return the nodes on the path of a walk, its doubts, and the cause of its end.

    If the packet and its answer arrive, the remarks take the place of the cause.
    """
    legs = [("", result.there), ("back ", result.back)]
    lines = [
        f"{back}{' → '.join(dict.fromkeys(step.node for step in leg.steps))}"
        for back, leg in legs
        if leg is not None and len(leg.steps) > 1
    ]
    if result.cause:
        return (*lines, *result.doubts, result.cause)
    return (*lines, *result.doubts, *(result.remarks or (NO_REASON,)))
