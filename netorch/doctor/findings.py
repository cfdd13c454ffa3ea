"""What doctor tells, and what it is told from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from netorch.converge.hazards import Hazard
from netorch.immutable import Value, field
from netorch.kernel.machine.facts import Machine
from netorch.kinds.forward import ForwardAccept
from netorch.resolve import Desired
from netorch.state.key import HOST


class Level(Enum):
    """`ERROR`: an apply would fail. `WARNING`: it would go through, and something would not work, or not last. `HANDLED`: netorch
    copes with it by itself.
    """

    ERROR = "error"
    WARNING = "warning"
    HANDLED = "handled"


class Finding(Value):
    """Something in the way."""

    level: Level
    code: str
    """Key of the table in `netorch.errors.codes`."""
    what: str
    command: str = ""
    """What to type against it, "" where the file has to change."""
    remedy: str = ""
    """What there is to say beside the command."""
    object: str = ""
    """What it is about, as in a Problem."""
    check: str = ""


class Situation(Value):
    """All that checks look at: the machine, what is to be on it, and what was tried.

    `topologies`: the topologies that are live, and that of the file as `file`. `backends`: why each backend for NAT does not work, None of
    one that does; empty where nobody could try. `overlaps`: topology → subnets of its networks that the machine has otherwise.
    """

    machine: Machine
    topologies: Mapping[str, Desired] = field(default_factory=dict)
    file: str = ""
    backends: Mapping[str, str | None] = field(default_factory=dict)
    overlaps: Mapping[str, tuple[Hazard, ...]] = field(default_factory=dict)

    def bridges(self) -> list[str]:
        """Those on the host that packets of the topologies go through."""
        found = (
            resource for desired in self.topologies.values() for resource in desired.state.values()
        )
        return list(
            dict.fromkeys(
                accept.bridge
                for accept in found
                if isinstance(accept, ForwardAccept) and accept.netns == HOST
            )
        )

    def namespaces(self) -> int:
        """How many namespaces the topologies make."""
        return sum(
            key.kind == "netns" for desired in self.topologies.values() for key in desired.state
        )
