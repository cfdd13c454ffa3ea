"""The keys of a tun."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.tuntap import Tun
from netorch.topology.interfaces.tuntap import TunTapModel


class TunModel(TunTapModel):
    """An interface without Ethernet whose other end is a program, such as a VPN."""

    MAKES: ClassVar[type[StandaloneLink]] = Tun
    kind: Literal["tun"] = "tun"
