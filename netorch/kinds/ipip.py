"""Tunnels that carry IPv4 packets in IPv4 (RFC 2003, net/ipv4/ipip.c)."""

from typing import ClassVar

from netorch.kinds.base.ip_tunnel import IpTunnel
from netorch.state.registry import observed


@observed
class Ipip(IpTunnel):
    KIND: ClassVar[str] = "ipip"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_IPIP", "ipip")
