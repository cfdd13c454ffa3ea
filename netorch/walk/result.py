"""What a walk comes to, in plain values, and how one ends early."""

from __future__ import annotations

from netorch.immutable import Value
from netorch.walk.world import Address

ARRIVES, FAILS, LEAVES = "arrives", "fails", "leaves"


class PacketStopped(Exception):
    """The packet goes no further: where and why."""

    def __init__(self, cause: str, outcome: str = FAILS) -> None:
        super().__init__(cause)
        self.cause, self.outcome = cause, outcome


class WalkStep(Value):
    """What one namespace does with the packet. `notes`: translations and the like, in order; `through`: bridges on the way to the next."""

    node: str
    text: str
    iif: str = ""
    oif: str = ""
    via: str = ""
    route: str = ""
    notes: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


class Leg(Value):
    """One direction. `outcome` is arrives, fails or leaves (what is known here); `cause` says where it ends and why, "" if it arrives."""

    steps: tuple[WalkStep, ...]
    outcome: str
    cause: str = ""


class Way(Value):
    """One of several ways that a packet may take. `text`: by which next hops; `cause`: why it does not arrive, "" if it does."""

    text: str
    outcome: str
    cause: str = ""


class Walk(Value):
    """`doubts`: what could stop it and could not be evaluated; `remarks`: what is worth a word though it stops nothing.

    `ways`: all of them, where there are several; `there` and `back` are then one that does not arrive, if there is one. `certain`:
    the doubts, if there are any, change nothing of the outcome.
    """

    source: str
    target: str
    protocol: str
    port: int
    source_address: str
    target_address: str
    there: Leg
    back: Leg | None
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    certain: bool = True

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
    """From where to where: a namespace with an address to send from (None: as it chooses), and bound to an interface's VRF.

    `owner`: the label of the node that is meant, "" for whoever has the address.
    """

    label: str
    source: Address | None
    destination: Address
    protocol: str
    port: int = 0
    bound: str = ""
    owner: str = ""
