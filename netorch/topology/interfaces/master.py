"""The keys of a kind that is a master: a bridge, a bond or a VRF."""

from typing import Annotated

from netorch.language.model import Before, Field
from netorch.language.scalars import InterfaceName, empty_list, one_or_many
from netorch.topology.interfaces.common import InterfaceModel


class MasterModel(InterfaceModel):
    """The keys of a kind that is a master."""

    members: Annotated[list[InterfaceName], Before(one_or_many)] = Field(
        default_factory=empty_list,
        alias="ports",
        description="Names of its ports, which are interfaces of the same node.",
    )

    @property
    def ports(self) -> tuple[str, ...]:
        return tuple(self.members)
