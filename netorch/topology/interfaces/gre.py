"""The keys of a GRE tunnel over IPv4 that carries IP packets."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.gre import Gre
from netorch.topology.interfaces.gre_tunnel import GreModel


class GrePacketModel(GreModel):
    """A GRE tunnel that carries IP packets over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Gre
    kind: Literal["gre"] = "gre"
