"""GRE tunnels over IPv6 that carry IP packets (net/ipv6/ip6_gre.c)."""

from typing import ClassVar, Literal

from pydantic import Field

from netorch.kinds.base.ip_tunnel import ENCAP_LIMIT, HOP_LIMIT
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.gre import IFLA_GRE_ENCAP_LIMIT, GreModel, GreTunnel
from netorch.language.scalars import Ttl
from netorch.netlink.codec import u8
from netorch.state.registry import interface_model, observed
from netorch.values.requests import Attrs


@observed
class Ip6gre(GreTunnel):
    KIND: ClassVar[str] = "ip6gre"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_GRE", "ip6_gre")
    OVER_IPV4: ClassVar[bool] = False
    ttl: int = HOP_LIMIT

    def data(self) -> Attrs:
        return (*GreTunnel.data(self), (IFLA_GRE_ENCAP_LIMIT, u8(ENCAP_LIMIT)))


@interface_model("ip6gre")
class Ip6greModel(GreModel):
    """A GRE tunnel that carries IP packets over IPv6."""

    MAKES: ClassVar[type[StandaloneLink]] = Ip6gre
    VERSION: ClassVar[int] = 6
    TAKES_GROUPS: ClassVar[bool] = False
    kind: Literal["ip6gre"] = "ip6gre"
    ttl: Ttl = Field(
        HOP_LIMIT,
        description="Hop limit of the outer packets. `inherit` or 0 copies it from the inner packet"
        " (64).",
    )
