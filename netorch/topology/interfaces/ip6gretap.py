"""The keys of a GRE tunnel over IPv6 that carries Ethernet frames."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ip6gretap import Ip6gretap
from netorch.topology.interfaces.ip6gre import Ip6greModel


class Ip6gretapModel(Ip6greModel):
    """A GRE tunnel that carries Ethernet frames over IPv6."""

    MAKES: ClassVar[type[StandaloneLink]] = Ip6gretap
    kind: Literal["ip6gretap"] = "ip6gretap"  # type: ignore[assignment]
