"""Entries of `hosts`: the machines over which a topology is spread."""

from pydantic import Field

from netorch.language.scalars import IPAddress, Model, Mtu

MTU = 1500


class HostModel(Model):
    """A machine that has a part of the topology."""

    address: IPAddress = Field(
        description="The machine's own address, IPv4 or IPv6, at which the tunnels from the other"
        " machines arrive."
    )
    mtu: Mtu = Field(
        MTU,
        description="Size in bytes of the largest packet that the network between the machines"
        " takes from this one (1500).",
    )
