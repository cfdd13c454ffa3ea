"""A macvtap: a macvlan whose frames a program reads and writes, by a character device (drivers/net/macvtap.c)."""

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
    """A macvlan for a virtual machine, which opens it as `/dev/tapN`, N being the interface's number (`ip link`). The kernel makes that
    file, and there is one `/dev`: of two macvtaps with one number, in two nodes, only the first gets it. The device of the other is
    told by `/sys/class/net/IF/macvtap/tapN/dev` in its node, for `mknod`.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvtap
    kind: Literal["macvtap"] = "macvtap"
