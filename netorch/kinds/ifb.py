"""Intermediate functional blocks, on which incoming traffic can be queued and shaped
(drivers/net/ifb.c).
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from netorch.kinds.base.standalone import StandaloneLink
from netorch.language.limits import LARGEST_MTU
from netorch.state.registry import observed
from netorch.values.requests import Request


@observed
class Ifb(StandaloneLink):
    KIND: ClassVar[str] = "ifb"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_IFB", "ifb")
    MTUS: ClassVar[tuple[int, int]] = (68, LARGEST_MTU)
    QUEUE: ClassVar[int] = 32

    def update(self, before: Self) -> Sequence[Request] | None:
        # a new MAC replaces the link, because the driver has no ndo_set_mac_address
        return None if self.mac != before.mac else StandaloneLink.update(self, before)
