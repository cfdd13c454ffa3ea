"""Entries of `hosts`: the machines over which a topology is spread."""

from netorch.language.model import Field, Model
from netorch.language.scalars import IPAddress, Mtu
from netorch.topology.interfaces.peer import PublicKey
from netorch.topology.interfaces.udp_tunnel import Port

MTU = 1500
PORT = 51820


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
    public_key: PublicKey | None = Field(
        None,
        description="Public key of the machine, as `wg pubkey` prints it, if `tunnels` has"
        " `wireguard: true`.",
    )
    port: Port = Field(PORT, description="UDP port of the machine for WireGuard (51820).")
