"""A dummy: a link that swallows what is sent, for addresses that should always be up (drivers/net/dummy.c)."""

from typing import ClassVar, Literal

from pydantic import Field

from netorch.kinds.base.standalone import StandaloneLink, StandaloneModel
from netorch.language.scalars import LARGEST_MTU, AnyMtu
from netorch.state.registry import interface_model, observed


@observed
class Dummy(StandaloneLink):
    KIND: ClassVar[str] = "dummy"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_DUMMY", "dummy")
    MTUS: ClassVar[tuple[int, int]] = (68, LARGEST_MTU)


@interface_model("dummy")
class DummyModel(StandaloneModel):
    """A link that leads nowhere."""

    MAKES: ClassVar[type[StandaloneLink]] = Dummy
    kind: Literal["dummy"] = "dummy"
    mtu: AnyMtu | None = Field(None, description="Bytes, as many as it may be (1500).")
