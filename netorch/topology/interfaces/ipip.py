"""The keys of a tunnel that carries IPv4 packets in IPv4."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ipip import Ipip
from netorch.topology.interfaces.ip_tunnel import IpTunnelModel


class IpipModel(IpTunnelModel):
    """A tunnel that carries IPv4 packets in IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Ipip
    kind: Literal["ipip"] = "ipip"
