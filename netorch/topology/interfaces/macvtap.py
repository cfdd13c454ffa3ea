"""The keys of a macvtap."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.macvtap import Macvtap
from netorch.topology.interfaces.macvlan_common import MacvlanLike


class MacvtapModel(MacvlanLike):
    """A macvlan for a virtual machine, which opens the file `/dev/tapN`. N is the number of the
    interface, which `ip link` shows. The kernel makes that file, and all nodes share one `/dev`: if
    macvtaps in two nodes have the same number, only the first gets the file. For the other, take
    the device number from `/sys/class/net/IF/macvtap/tapN/dev` in its node and make a file with
    `mknod`.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvtap
    kind: Literal["macvtap"] = "macvtap"
