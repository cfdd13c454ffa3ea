"""macvlans: links on a parent that are distinguished by their MAC addresses
(drivers/net/macvlan.c).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from netorch.immutable import replace
from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.stacked import StackedLink, StackedModel, stacked
from netorch.kinds.base.standalone import Attribute, ParentPlace, PlaceName, StandaloneLink
from netorch.netlink.attribute_types import choice
from netorch.state.registry import View, interface_model, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request

IFLA_MACVLAN_MODE = 1
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
ALONE = "passthru"
"""The mode in which a parent has only one macvlan, and both have the same MAC address."""

MacvlanMode = Literal["bridge", "private", "vepa", "passthru"]


@stacked
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


class MacvlanLike(StackedModel):
    """The keys of a macvlan and of a macvtap."""

    parent: PlaceName = Field(
        description="Parent: the interface over which it sends and receives, `IF` or `NODE:IF`."
    )
    mode: MacvlanMode = Field(
        "vepa",
        description="Whether it reaches the other macvlans and macvtaps on its parent. `bridge`:"
        " those in this mode reach each other. `private`: it reaches none. `vepa`: it reaches them"
        " only through an external switch that sends frames back. `passthru`: there are no others."
        " A change to or from `passthru` replaces the link (vepa).",
    )

    def link(self, fields: LinkFields, parent: ParentPlace | None) -> StandaloneLink:
        return StackedModel.link(self, fields | ({"mac": ""} if self.mode == ALONE else {}), parent)


@interface_model("macvlan")
class MacvlanModel(MacvlanLike):
    """A link on another interface, its parent, with a MAC address of its own. It connects a node to
    the segment of a NIC. The link and its parent cannot reach each other.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvlan
    kind: Literal["macvlan"] = "macvlan"
