"""Finds the links to other machines through which no check sends a packet."""

from __future__ import annotations

from netorch.immutable import Value
from netorch.resolve.desired import Desired
from netorch.resolve.per_machine import tunnels
from netorch.state.key import label_text


class UntriedLink(Value):
    """The end of a link to another machine that no check of this machine goes through."""

    name: str
    """The end on this machine."""
    machine: str
    """The machine of the other end."""

    @property
    def sentence(self) -> str:
        return (
            f"{self.name}: nothing was tried over the link to {self.machine}, because its ends"
            " do not both have an address. Write `checks` between nodes behind it."
        )


def untried_links(desired: Desired) -> tuple[UntriedLink, ...]:
    """Return the links without a check of their own, because an end has no address or is down."""
    machines = desired.machines
    if machines is None:
        return ()
    tried = {
        (check.source.label, check.source.link)
        for check in desired.checks
        if check.tunnel and check.source is not None
    }
    names = {str(machine.tunnel_address): machine.name for machine in machines.all.values()}
    return tuple(
        UntriedLink(f"{label_text(key.netns)}:{link.name}", names.get(str(link.remote), ""))
        for key, link in tunnels(desired)
        # the tunnel of a network leads to several machines
        if link.remote and (key.netns, link.name) not in tried
    )
