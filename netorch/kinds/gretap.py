"""GRE tunnels over IPv4 that carry Ethernet frames (net/ipv4/ip_gre.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.gre import GreModel, GreTunnel
from netorch.state.registry import interface_model, observed


@observed
class Gretap(GreTunnel):
    KIND: ClassVar[str] = "gretap"
    HAS_MAC: ClassVar[bool] = True


@interface_model("gretap")
class GretapModel(GreModel):
    """A GRE tunnel that carries Ethernet frames over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Gretap
    kind: Literal["gretap"] = "gretap"
