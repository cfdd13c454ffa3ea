"""IPv6 packets in IPv4 (RFC 4213; net/ipv6/sit.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.ip_tunnel import IpTunnel, IpTunnelWords
from netorch.kinds.base.standalone import StandaloneLink
from netorch.state.registry import interface_words, observed


@observed
class Sit(IpTunnel):
    KIND: ClassVar[str] = "sit"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPV6_SIT", "sit")


@interface_words("sit")
class SitWords(IpTunnelWords):
    """IPv6 packets over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Sit
    kind: Literal["sit"] = "sit"
