"""GRE tunnels over IPv4 that carry Ethernet frames (net/ipv4/ip_gre.c)."""

from typing import ClassVar

from netorch.kinds.gre import GreTunnel
from netorch.state.registry import observed


@observed
class Gretap(GreTunnel):
    KIND: ClassVar[str] = "gretap"
    HAS_MAC: ClassVar[bool] = True
