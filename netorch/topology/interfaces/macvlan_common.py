"""The keys that macvlan and macvtap have in common."""

from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.standalone import ParentPlace, StandaloneLink
from netorch.kinds.macvlan import ALONE, MacvlanMode
from netorch.language.model import Field
from netorch.topology.interfaces.stacked import StackedModel
from netorch.topology.interfaces.standalone import PlaceName


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
