"""The keys of a dummy link."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.dummy import Dummy
from netorch.language.model import Field
from netorch.language.scalars import AnyMtu
from netorch.topology.interfaces.standalone import StandaloneModel


class DummyModel(StandaloneModel):
    """A link that drops everything that is sent over it. Use it for addresses that must be
    up at all times.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Dummy
    kind: Literal["dummy"] = "dummy"
    mtu: AnyMtu | None = Field(None, description="MTU in bytes, without an upper limit (1500).")
