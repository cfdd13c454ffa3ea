"""The key `tunnels`: how the machines of a topology are connected."""

from pydantic import Field

from netorch.language.scalars import Model
from netorch.topology.interfaces.udp_tunnel import Port, Vni

PORT, VNI = 14789, 10000


class TunnelsModel(Model):
    """The settings of the VXLAN tunnels between the machines."""

    port: Port = Field(
        PORT,
        description="UDP port of the tunnels (14789).",
    )
    vni: Vni = Field(
        VNI,
        description="First network identifier. In the order of the file, networks take every"
        " second one from it on, and links those between (10000).",
    )
