"""The keys of a tap."""

from typing import Annotated, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.tuntap import Tap
from netorch.language.model import Before, Field
from netorch.language.scalars import integer
from netorch.topology.interfaces.tuntap import TunTapModel


class TapModel(TunTapModel):
    """An Ethernet interface whose other end is a program, such as a virtual machine."""

    MAKES: ClassVar[type[StandaloneLink]] = Tap
    kind: Literal["tap"] = "tap"
    mtu: Annotated[int, Before(integer(*Tap.MTUS))] | None = Field(
        None, description="MTU in bytes, 68 to 65521 (1500)."
    )
