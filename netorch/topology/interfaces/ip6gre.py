"""The keys of a GRE tunnel over IPv6 that carries IP packets."""

from typing import ClassVar, Literal

from netorch.kinds.base.ip_tunnel import HOP_LIMIT
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ip6gre import Ip6gre
from netorch.language.model import Field
from netorch.language.scalars import Ttl
from netorch.topology.interfaces.gre_tunnel import GreModel


class Ip6greModel(GreModel):
    """A GRE tunnel that carries IP packets over IPv6."""

    MAKES: ClassVar[type[StandaloneLink]] = Ip6gre
    VERSION: ClassVar[int] = 6
    TAKES_GROUPS: ClassVar[bool] = False
    kind: Literal["ip6gre"] = "ip6gre"
    ttl: Ttl = Field(
        HOP_LIMIT,
        description="Hop limit of the outer packets. `inherit` or 0 copies it from the inner packet"
        " (64).",
    )
