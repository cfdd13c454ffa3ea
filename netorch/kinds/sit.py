"""Tunnels that carry IPv6 packets in IPv4 (RFC 4213, net/ipv6/sit.c)."""

from typing import ClassVar

from netorch.kinds.base.ip_tunnel import IpTunnel
from netorch.state.registry import observed


@observed
class Sit(IpTunnel):
    KIND: ClassVar[str] = "sit"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_SIT", "sit")
    MTUS: ClassVar[tuple[int, int]] = (1280, 65555)
