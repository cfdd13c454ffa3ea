"""GRE over IPv4 that carries Ethernet frames (net/ipv4/ip_gre.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.gre import GreTunnel, GreWords
from netorch.state.registry import interface_words, observed


@observed
class Gretap(GreTunnel):
    KIND: ClassVar[str] = "gretap"
    HAS_MAC: ClassVar[bool] = True


@interface_words("gretap")
class GretapWords(GreWords):
    """Ethernet frames in GRE, over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Gretap
    kind: Literal["gretap"] = "gretap"
