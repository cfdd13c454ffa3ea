"""macvlans: links on a parent that are distinguished by their MAC addresses
(drivers/net/macvlan.c).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from netorch.immutable import replace
from netorch.kinds.base.stacked import StackedLink
from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink.attribute_types import choice
from netorch.state.registry import View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request

IFLA_MACVLAN_MODE = 1
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
ALONE = "passthru"
"""The mode in which a parent has only one macvlan, and both have the same MAC address."""

MacvlanMode = Literal["bridge", "private", "vepa", "passthru"]


@observed
class Macvlan(StackedLink):
    """A macvlan.

    In mode passthru netorch leaves the MAC address alone, because setting it would set that of the
    parent.
    """

    KIND: ClassVar[str] = "macvlan"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_MACVLAN", "macvlan")
    RX_HANDLER: ClassVar[str] = "macvlan"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("mode", IFLA_MACVLAN_MODE, choice(MODES, 4), live=True),
    )
    mode: str = "vepa"

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # A bare `super()` would refer to the original class, because the class decorator makes a
        # new one with slots.
        for link in super(Macvlan, cls).observe(view):  # noqa: UP008
            assert isinstance(link, Macvlan)
            yield replace(link, mac="") if link.mode == ALONE else link

    def update(self, before: Self) -> Sequence[Request] | None:
        # because macvlan_changelink cannot change a link to passthru or from it
        if self.mode != before.mode and ALONE in {self.mode, before.mode}:
            return None
        return StandaloneLink.update(self, before)

    def incompatibility(self, other: StackedLink) -> str:
        if ALONE in {self.mode, other.mode} and self.RX_HANDLER == other.RX_HANDLER:
            return "a link with the mode passthru must be the only one on its parent"
        return StackedLink.incompatibility(self, other)
