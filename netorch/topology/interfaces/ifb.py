"""The keys of an intermediate functional block."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ifb import Ifb
from netorch.language.model import Field
from netorch.language.scalars import AnyMtu
from netorch.topology.interfaces.standalone import StandaloneModel


class IfbModel(StandaloneModel):
    """An intermediate functional block. Packets that are redirected to it pass its qdisc and then
    continue on their way. This makes it possible to queue and shape incoming traffic.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Ifb
    kind: Literal["ifb"] = "ifb"
    mtu: AnyMtu | None = Field(None, description="MTU in bytes, without an upper limit (1500).")
