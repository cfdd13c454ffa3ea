"""The result of a walk in plain values, and the exception that ends one early."""

from __future__ import annotations

from netorch.immutable import Value
from netorch.walk.frames import MachineCrossing
from netorch.walk.world import Address

ARRIVES, FAILS, LEAVES = "arrives", "fails", "leaves"
"""The outcomes of a walk. A packet that leaves goes to where netorch cannot see."""


class PacketStopped(Exception):
    """Raised where a packet is stopped, with the place and the cause as its text."""

    def __init__(self, cause: str, outcome: str = FAILS) -> None:
        super().__init__(cause)
        self.cause, self.outcome = cause, outcome


class WalkStep(Value):
    """What one namespace does with the packet."""

    node: str
    """The name of the node."""
    text: str
    """The step in words."""
    iif: str = ""
    """The interface by which the packet comes in, "" if it is sent here."""
    oif: str = ""
    """The interface by which it leaves, "" if it ends here."""
    via: str = ""
    """The gateway, "" if the destination is on the link."""
    route: str = ""
    """The route, as `ip route` writes it."""
    notes: tuple[str, ...] = ()
    """What else is done to the packet, in order, such as translations."""
    through: tuple[str, ...] = ()
    """What the packet went through on its way to the next namespace, such as `bridge r1:br0`."""
    crossings: tuple[MachineCrossing, ...] = ()
    """The tunnels between machines among these."""
    machine: str = ""
    """The machine that has the namespace, "" if the file has no `hosts`."""
    by_file: bool = False
    """Whether a live walk goes by the file here, because the machine is another one."""


class Leg(Value):
    """One direction of a walk."""

    steps: tuple[WalkStep, ...]
    outcome: str
    """ARRIVES, FAILS or LEAVES."""
    cause: str = ""
    """Where the packet ends and why, "" if it arrives."""


class Way(Value):
    """One of several ways that a packet may take."""

    text: str
    """The next hops of the way."""
    outcome: str
    """ARRIVES, FAILS or LEAVES."""
    cause: str = ""
    """Why the packet does not arrive, "" if it does."""


class Walk(Value):
    """A packet that was followed to its target, and the answer back."""

    source: str
    """The sender as the user wrote it."""
    target: str
    """The target as the user wrote it."""
    protocol: str
    port: int
    source_address: str
    """The address that the packet is sent from, "" if none was chosen."""
    target_address: str
    there: Leg
    """The packet; if it has several ways, the first one that does not arrive."""
    back: Leg | None
    """The answer; None if the packet does not arrive."""
    doubts: tuple[str, ...] = ()
    """What could stop the packet but could not be evaluated."""
    remarks: tuple[str, ...] = ()
    """Facts that the user should know, although they do not stop the packet."""
    ways: tuple[Way, ...] = ()
    """All ways that the packet may take, if there are several."""
    certain: bool = True
    """Whether the outcome is the same whatever the doubts are about."""

    @property
    def outcome(self) -> str:
        if self.back is None or self.there.outcome != ARRIVES:
            return self.there.outcome
        return self.back.outcome

    @property
    def cause(self) -> str:
        return self.there.cause or (self.back.cause if self.back is not None else "")

    @property
    def differs(self) -> bool:
        """Whether some of several ways arrive and others do not."""
        return len({way.outcome for way in self.ways}) > 1


class PathQuery(Value):
    """What a walk is to follow."""

    label: str
    """The label of the namespace that sends."""
    source: Address | None
    """The address to send from; None if the kernel chooses it."""
    destination: Address
    protocol: str
    port: int = 0
    bound: str = ""
    """The interface or VRF that the sender is bound to, "" for none."""
    owner: str = ""
    """The label of the target node, "" for any node with the address."""
