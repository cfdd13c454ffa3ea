"""GRE tunnels over IPv6 that carry IP packets (net/ipv6/ip6_gre.c)."""

from typing import ClassVar

from netorch.kinds.base.ip_tunnel import ENCAP_LIMIT, HOP_LIMIT
from netorch.kinds.gre import IFLA_GRE_ENCAP_LIMIT, GreTunnel
from netorch.netlink.codec import u8
from netorch.state.registry import observed
from netorch.values.requests import Attrs


@observed
class Ip6gre(GreTunnel):
    KIND: ClassVar[str] = "ip6gre"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_GRE", "ip6_gre")
    OVER_IPV4: ClassVar[bool] = False
    ttl: int = HOP_LIMIT

    def data(self) -> Attrs:
        return (*GreTunnel.data(self), (IFLA_GRE_ENCAP_LIMIT, u8(ENCAP_LIMIT)))
