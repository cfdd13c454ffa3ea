"""Tunnels that carry IPv6 packets in IPv4 (RFC 4213, net/ipv6/sit.c)."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.ip_tunnel import IpTunnel, IpTunnelModel
from netorch.kinds.base.standalone import StandaloneLink
from netorch.language.scalars import integer
from netorch.state.registry import interface_model, observed


@observed
class Sit(IpTunnel):
    KIND: ClassVar[str] = "sit"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_SIT", "sit")
    MTUS: ClassVar[tuple[int, int]] = (1280, 65555)


@interface_model("sit")
class SitModel(IpTunnelModel):
    """A tunnel that carries IPv6 packets in IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Sit
    kind: Literal["sit"] = "sit"
    mtu: Annotated[int, BeforeValidator(integer(*Sit.MTUS))] | None = Field(
        None, description="MTU in bytes, 1280 to 65555 (by the route to the other end)."
    )
