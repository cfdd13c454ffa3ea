"""An intermediate functional block: where traffic that is on its way in can be queued and shaped (drivers/net/ifb.c)."""

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
        # the driver has no ndo_set_mac_address
        return None if self.mac != before.mac else StandaloneLink.update(self, before)


@interface_model("ifb")
class IfbModel(StandaloneModel):
    """A link that gives back what is redirected to it, so that queues and filters can be applied to traffic that comes in."""

    MAKES: ClassVar[type[StandaloneLink]] = Ifb
    kind: Literal["ifb"] = "ifb"
    mtu: AnyMtu | None = Field(None, description="Bytes, as many as it may be (1500).")
