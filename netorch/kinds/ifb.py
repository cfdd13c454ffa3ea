"""Intermediate functional blocks, on which incoming traffic can be queued and shaped
(drivers/net/ifb.c).
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from netorch.kinds.base.standalone import StandaloneLink, StandaloneModel
from netorch.language.scalars import LARGEST_MTU, AnyMtu
from netorch.state.registry import interface_model, observed
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


@interface_model("ifb")
class IfbModel(StandaloneModel):
    """An intermediate functional block. Packets that are redirected to it pass its qdisc and then
    continue on their way. This makes it possible to queue and shape incoming traffic.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Ifb
    kind: Literal["ifb"] = "ifb"
    mtu: AnyMtu | None = Field(None, description="MTU in bytes, without an upper limit (1500).")
