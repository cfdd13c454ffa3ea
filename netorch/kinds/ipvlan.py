"""ipvlans: links that share the MAC address of their parent and are distinguished by their IP
addresses (drivers/net/ipvlan).
"""

import errno
from typing import ClassVar, Literal

from netorch.kinds.base.stacked import StackedLink
from netorch.kinds.base.standalone import Attribute
from netorch.netlink.attribute_types import choice
from netorch.netlink.codec import u16
from netorch.state.registry import observed
from netorch.values.requests import Feature, LinkAdd

IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS = 1, 2
MODES = {"l2": 0, "l3": 1, "l3s": 2}
FLAGS = {"bridge": 0, "private": 1, "vepa": 2}
ENOTSUPP = 524
"""The error of ipvlan_l3s.h in a kernel without l3s. errno(3) does not have this number."""

IpvlanMode = Literal["l2", "l3", "l3s"]

L3S = Feature(
    "ipvlan mode l3s",
    "CONFIG_IPVLAN_L3S",
    "",
    (
        LinkAdd("", "probe1", "veth"),
        LinkAdd(
            "",
            "probe0",
            "ipvlan",
            data=((IFLA_IPVLAN_MODE, u16(MODES["l3s"])),),
            parent=("", "probe1"),
        ),
    ),
    frozenset((errno.EOPNOTSUPP, ENOTSUPP)),
)


@observed
class Ipvlan(StackedLink):
    """An ipvlan.

    Changing its mode or flags changes those of all ipvlans on the same parent.
    """

    KIND: ClassVar[str] = "ipvlan"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IPVLAN", "ipvlan")
    RX_HANDLER: ClassVar[str] = "ipvlan"
    HAS_MAC: ClassVar[bool] = False
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("mode", IFLA_IPVLAN_MODE, choice(MODES, 2), live=True),
        Attribute("flags", IFLA_IPVLAN_FLAGS, choice(FLAGS, 2), live=True),
    )
    mode: str = "l3"
    flags: str = "bridge"

    @property
    def features(self) -> tuple[Feature, ...]:
        return (*self.kernel_features(), *((L3S,) if self.mode == "l3s" else ()))

    def incompatibility(self, other: StackedLink) -> str:
        if isinstance(other, Ipvlan) and (self.mode, self.flags) != (other.mode, other.flags):
            return (
                "all ipvlans of a parent have the same mode and flags:"
                f" {self.mode} {self.flags} or {other.mode} {other.flags}"
            )
        return StackedLink.incompatibility(self, other)
