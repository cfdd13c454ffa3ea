"""A macvlan: a link of its own on another one's wire, told apart by its MAC (drivers/net/macvlan.c)."""

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
"""The mode in which a parent has this one link, and both have one MAC."""

MacvlanMode = Literal["bridge", "private", "vepa", "passthru"]


@stacked
@observed
class Macvlan(StackedLink):
    """In passthru the MAC is the parent's and not managed here: to set it would set the parent's."""

    KIND: ClassVar[str] = "macvlan"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_MACVLAN", "macvlan")
    RX_HANDLER: ClassVar[str] = "macvlan"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("mode", IFLA_MACVLAN_MODE, choice(MODES, 4), live=True),
    )
    mode: str = "vepa"

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # a class with slots is made anew, and `super()` alone means the one before
        for link in super(Macvlan, cls).observe(view):  # noqa: UP008
            assert isinstance(link, Macvlan)
            yield replace(link, mac="") if link.mode == ALONE else link

    def update(self, before: Self) -> Sequence[Request] | None:
        # macvlan_changelink takes no link into passthru or out of it
        if self.mode != before.mode and ALONE in {self.mode, before.mode}:
            return None
        return StandaloneLink.update(self, before)

    def incompatibility(self, other: StackedLink) -> str:
        if ALONE in {self.mode, other.mode} and self.RX_HANDLER == other.RX_HANDLER:
            return "in mode passthru a link has its parent to itself"
        return StackedLink.incompatibility(self, other)


class MacvlanLike(StackedModel):
    """The words of a macvlan and of a macvtap."""

    parent: PlaceName = Field(description="The interface on whose wire it is, `IF` or `NODE:IF`.")
    mode: MacvlanMode = Field(
        "vepa",
        description="How it is with others on the same parent: `bridge` they reach one another, `private` they never do, `vepa` by way of"
        " a switch outside that sends back what is for them, `passthru` there is no other one; into and out of `passthru` the link is"
        " made anew (vepa).",
    )

    def link(self, fields: LinkFields, parent: ParentPlace | None) -> StandaloneLink:
        return StackedModel.link(self, fields | ({"mac": ""} if self.mode == ALONE else {}), parent)


@interface_model("macvlan")
class MacvlanModel(MacvlanLike):
    """A link with a MAC of its own on the wire of another one: how a container gets onto the segment that a NIC is on. It never reaches
    the parent itself, nor the parent it.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvlan
    kind: Literal["macvlan"] = "macvlan"
