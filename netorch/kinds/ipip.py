"""Tunnels that carry IPv4 packets in IPv4 (RFC 2003, net/ipv4/ipip.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.ip_tunnel import IpTunnel, IpTunnelModel
from netorch.kinds.base.standalone import StandaloneLink
from netorch.state.registry import interface_model, observed


@observed
class Ipip(IpTunnel):
    KIND: ClassVar[str] = "ipip"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_IPIP", "ipip")


@interface_model("ipip")
class IpipModel(IpTunnelModel):
    """A tunnel that carries IPv4 packets in IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Ipip
    kind: Literal["ipip"] = "ipip"
