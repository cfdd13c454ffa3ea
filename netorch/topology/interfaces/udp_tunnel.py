"""The keys that tunnels in UDP have in common: a network identifier, a port and a TTL."""

from typing import Annotated, Any, ClassVar

from netorch.language.model import Before, Field, Refused, before
from netorch.language.scalars import Ttl, integer, wrong
from netorch.topology.interfaces.standalone import StandaloneModel

Vni = Annotated[int, Before(integer(0, 2**24 - 1))]
Port = Annotated[int, Before(integer(1, 65535))]


class UdpTunnelModel(StandaloneModel):
    """The common keys of VXLAN and Geneve.

    `port` in the file is the UDP port if it is a number. If it is a mapping, it has the settings
    of a bridge port, as for every interface.
    """

    UDP_PORT: ClassVar[int]
    """The UDP port to use if the file gives none."""
    vni: Vni = Field(description="Network identifier (VNI), 0 to 16777215.")
    udp_port: Port | None = Field(None, serialization_alias="port", description="UDP port.")
    ttl: Ttl = Field(
        0,
        description="Time to live of the outer packets. `inherit` copies it from the inner packet,"
        " and with 0 the kernel chooses it (0).",
    )

    @classmethod
    @before
    def _two_ports(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "udp_port" in value:
            wrong("unknown key 'udp_port'. Write `port`")
        if "port" not in value or isinstance(value["port"], dict):
            return value
        try:
            number = integer(1, 65535)(value["port"])
        except Refused as error:
            wrong(f"port: {error.text}")
        return {key: item for key, item in value.items() if key != "port"} | {"udp_port": number}

    @property
    def on_port(self) -> int:
        return self.UDP_PORT if self.udp_port is None else self.udp_port
