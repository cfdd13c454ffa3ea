"""GRE tunnels over IPv6 that carry Ethernet frames (net/ipv6/ip6_gre.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ip6gre import Ip6gre, Ip6greModel
from netorch.state.registry import interface_model, observed


@observed
class Ip6gretap(Ip6gre):
    KIND: ClassVar[str] = "ip6gretap"
    HAS_MAC: ClassVar[bool] = True


@interface_model("ip6gretap")
class Ip6gretapModel(Ip6greModel):
    """A GRE tunnel that carries Ethernet frames over IPv6."""

    MAKES: ClassVar[type[StandaloneLink]] = Ip6gretap
    kind: Literal["ip6gretap"] = "ip6gretap"  # type: ignore[assignment]
