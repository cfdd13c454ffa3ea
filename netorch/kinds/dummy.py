"""Dummy links, which drop what is sent over them (drivers/net/dummy.c).

They are for addresses that must be up at all times.
"""

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
    """A link that drops everything that is sent over it. Use it for addresses that must be
    up at all times.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Dummy
    kind: Literal["dummy"] = "dummy"
    mtu: AnyMtu | None = Field(None, description="MTU in bytes, without an upper limit (1500).")
