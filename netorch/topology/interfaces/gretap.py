"""The keys of a GRE tunnel over IPv4 that carries Ethernet frames."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.gretap import Gretap
from netorch.topology.interfaces.gre_tunnel import GreModel


class GretapModel(GreModel):
    """A GRE tunnel that carries Ethernet frames over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Gretap
    kind: Literal["gretap"] = "gretap"
