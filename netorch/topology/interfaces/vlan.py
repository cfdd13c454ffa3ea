"""The keys of a VLAN link."""

from typing import Annotated, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.vlan import Vlan
from netorch.language.model import Before, Field
from netorch.language.scalars import integer
from netorch.topology.interfaces.standalone import PlaceName, StandaloneModel


class VlanModel(StandaloneModel):
    """One VLAN of another interface, its parent. Frames are tagged on the parent only."""

    MAKES: ClassVar[type[StandaloneLink]] = Vlan
    FAR_PARENT: ClassVar[bool] = True
    kind: Literal["vlan"] = "vlan"
    parent: PlaceName = Field(
        description="Parent: the interface that carries the tagged frames, `IF` or `NODE:IF`."
    )
    id: Annotated[int, Before(integer(0, 4094))] = Field(
        description="Number of the VLAN, 0 to 4094."
    )
    protocol: Literal["802.1q", "802.1ad"] = Field(
        "802.1q", description="Protocol of the tag (802.1q)."
    )
