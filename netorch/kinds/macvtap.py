"""macvtaps: macvlans whose frames a program reads and writes through a character device
(drivers/net/macvtap.c).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from netorch.kinds.base.stacked import stacked
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.macvlan import Macvlan, MacvlanLike
from netorch.state.registry import interface_model, observed


@stacked
@observed
class Macvtap(Macvlan):
    KIND: ClassVar[str] = "macvtap"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_MACVTAP", "macvtap")
    QUEUE: ClassVar[int] = 500


@interface_model("macvtap")
class MacvtapModel(MacvlanLike):
    """A macvlan for a virtual machine, which opens the file `/dev/tapN`. N is the number of the
    interface, which `ip link` shows. The kernel makes that file, and all nodes share one `/dev`: if
    macvtaps in two nodes have the same number, only the first gets the file. For the other, take
    the device number from `/sys/class/net/IF/macvtap/tapN/dev` in its node and make a file with
    `mknod`.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvtap
    kind: Literal["macvtap"] = "macvtap"
