"""GRE tunnels over IPv6 that carry Ethernet frames (net/ipv6/ip6_gre.c)."""

from typing import ClassVar

from netorch.kinds.ip6gre import Ip6gre
from netorch.state.registry import observed


@observed
class Ip6gretap(Ip6gre):
    KIND: ClassVar[str] = "ip6gretap"
    HAS_MAC: ClassVar[bool] = True
