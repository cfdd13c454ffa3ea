"""Dummy links, which drop what is sent over them (drivers/net/dummy.c).

They are for addresses that must be up at all times.
"""

from typing import ClassVar

from netorch.kinds.base.standalone import StandaloneLink
from netorch.language.limits import LARGEST_MTU
from netorch.state.registry import observed


@observed
class Dummy(StandaloneLink):
    KIND: ClassVar[str] = "dummy"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_DUMMY", "dummy")
    MTUS: ClassVar[tuple[int, int]] = (68, LARGEST_MTU)
