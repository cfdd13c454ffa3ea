"""The keys of a Geneve tunnel."""

from typing import Annotated, Any, ClassVar, Literal, Self

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.geneve import PORT, Geneve
from netorch.language.model import Before, Field, after
from netorch.language.scalars import IPAddress, integer, wrong
from netorch.topology.interfaces.udp_tunnel import Port, UdpTunnelModel

LARGEST_OVER_IPV6 = 65465


class GeneveModel(UdpTunnelModel):
    """A Geneve tunnel: it carries Ethernet frames in UDP to one other end."""

    MAKES: ClassVar[type[StandaloneLink]] = Geneve
    UDP_PORT: ClassVar[int] = PORT
    kind: Literal["geneve"] = "geneve"
    remote: IPAddress = Field(description="Address of the other end.")
    mtu: Annotated[int, Before(integer(*Geneve.MTUS))] | None = Field(
        None,
        description="MTU in bytes, 68 to 65485, or to 65465 over IPv6 (by the route to the other"
        " end).",
    )
    udp_port: Port | None = Field(None, serialization_alias="port", description="UDP port (6081).")

    @after
    def _possible(self) -> Self:
        if self.remote.is_multicast or self.remote.is_unspecified:
            wrong(f"{self.remote} is not the address of a host, which the `remote` of geneve needs")
        if self.remote.version == 6 and self.mtu is not None and self.mtu > LARGEST_OVER_IPV6:
            wrong(
                f"the MTU of a geneve tunnel over IPv6 is at most {LARGEST_OVER_IPV6}",
                "mtu-too-large",
            )
        return self

    def default_mtu(self, parent: int | None) -> int:
        return 0  # not known, because the kernel chooses it by the route to the other end

    def values(self) -> dict[str, Any]:
        return {"vni": self.vni, "remote": str(self.remote), "port": self.on_port, "ttl": self.ttl}
