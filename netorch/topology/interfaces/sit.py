"""The keys of a tunnel that carries IPv6 packets in IPv4."""

from typing import Annotated, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.sit import Sit
from netorch.language.model import Before, Field
from netorch.language.scalars import integer
from netorch.topology.interfaces.ip_tunnel import IpTunnelModel


class SitModel(IpTunnelModel):
    """A tunnel that carries IPv6 packets in IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Sit
    kind: Literal["sit"] = "sit"
    mtu: Annotated[int, Before(integer(*Sit.MTUS))] | None = Field(
        None, description="MTU in bytes, 1280 to 65555 (by the route to the other end)."
    )
