"""Tunnels that carry IPv4 and IPv6 packets in IPv6 (RFC 2473, net/ipv6/ip6_tunnel.c)."""

from typing import ClassVar

from netorch.kinds.base.ip_tunnel import ENCAP_LIMIT, HOP_LIMIT, IFLA_IPTUN_ENCAP_LIMIT, IpTunnel
from netorch.netlink.codec import u8
from netorch.state.registry import observed
from netorch.values.requests import Attrs


@observed
class Ip6tnl(IpTunnel):
    KIND: ClassVar[str] = "ip6tnl"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_TUNNEL", "ip6_tunnel")
    OVER_IPV4: ClassVar[bool] = False
    ttl: int = HOP_LIMIT

    def data(self) -> Attrs:
        return (*IpTunnel.data(self), (IFLA_IPTUN_ENCAP_LIMIT, u8(ENCAP_LIMIT)))
