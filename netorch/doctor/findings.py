"""Findings, and the situation from which doctor's checks derive them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from netorch.converge.hazards import Hazard
from netorch.immutable import Value, field
from netorch.kernel.machine.facts import Machine
from netorch.kinds.forward import ForwardAccept
from netorch.resolve.desired import Desired
from netorch.state.key import HOST


class Level(Enum):
    """How bad a finding is."""

    ERROR = "error"
    """An `apply` would fail."""
    WARNING = "warning"
    """An `apply` would succeed, but something would not work, or would not keep working."""
    HANDLED = "handled"
    """netorch deals with it by itself."""


class Finding(Value):
    """Something on the machine that is in the way."""

    level: Level
    code: str
    """Key of the table in `netorch.errors.codes`."""
    what: str
    command: str = ""
    """The command that solves it, "" if the file has to change."""
    remedy: str = ""
    """Further advice, in addition to the command."""
    object: str = ""
    """The object that it concerns, as in a Problem."""
    check: str = ""
    """The name of the check that reported it."""


class Situation(Value):
    """All that the checks examine."""

    machine: Machine
    topologies: Mapping[str, Desired] = field(default_factory=dict)
    """Name → desired state of every live topology and of the file's topology."""
    file: str = ""
    """The name of the file's topology, "" if there is no file."""
    backends: Mapping[str, str | None] = field(default_factory=dict)
    """Backend → why it does not work, None if it works. Empty if netorch may not try them."""
    overlaps: Mapping[str, tuple[Hazard, ...]] = field(default_factory=dict)
    """Topology → subnets of its networks that the machine uses for something else."""

    def bridges(self) -> list[str]:
        """Return the host's bridges through which packets of the topologies are forwarded."""
        resources = (
            resource for desired in self.topologies.values() for resource in desired.state.values()
        )
        return list(
            dict.fromkeys(
                accept.bridge
                for accept in resources
                if isinstance(accept, ForwardAccept) and accept.netns == HOST
            )
        )

    def namespaces(self) -> int:
        """Return how many namespaces the topologies have."""
        return sum(
            key.kind == "netns" for desired in self.topologies.values() for key in desired.state
        )
