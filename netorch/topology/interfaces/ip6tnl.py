"""The keys of a tunnel that carries IPv4 and IPv6 packets in IPv6."""

from typing import ClassVar, Literal

from netorch.kinds.base.ip_tunnel import HOP_LIMIT
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ip6tnl import Ip6tnl
from netorch.language.model import Field
from netorch.language.scalars import Ttl
from netorch.topology.interfaces.ip_tunnel import IpTunnelModel


class Ip6tnlModel(IpTunnelModel):
    """A tunnel that carries IPv4 and IPv6 packets in IPv6."""

    MAKES: ClassVar[type[StandaloneLink]] = Ip6tnl
    VERSION: ClassVar[int] = 6
    kind: Literal["ip6tnl"] = "ip6tnl"
    ttl: Ttl = Field(
        HOP_LIMIT,
        description="Hop limit of the outer packets. `inherit` or 0 copies it from the inner packet"
        " (64).",
    )
