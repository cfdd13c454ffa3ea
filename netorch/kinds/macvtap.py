"""macvtaps: macvlans whose frames a program reads and writes through a character device
(drivers/net/macvtap.c).
"""

from __future__ import annotations

from typing import ClassVar

from netorch.kinds.macvlan import Macvlan
from netorch.state.registry import observed


@observed
class Macvtap(Macvlan):
    KIND: ClassVar[str] = "macvtap"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_MACVTAP", "macvtap")
    QUEUE: ClassVar[int] = 500
