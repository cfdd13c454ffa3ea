"""The keys of a NIC that the host lends to a node."""

from typing import ClassVar, Literal

from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.physical import Physical
from netorch.language.model import Field
from netorch.language.scalars import InterfaceName
from netorch.topology.interfaces.standalone import StandaloneModel
from netorch.values.marks import read_alias


class PhysicalModel(StandaloneModel):
    """A NIC of the host that netorch moves into this node and returns on `destroy`. Settings that
    the file does not give stay as they are.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Physical
    kind: Literal["physical"] = "physical"
    origin: InterfaceName | None = Field(
        None, alias="from", description="Name of the NIC on the host (its name in the node)."
    )

    def taken_from(self, name: str) -> str:
        return self.origin or name

    def default_mtu(self, parent: int | None) -> int:
        return 0

    def link(self, fields: LinkFields, parent: tuple[str, str] | None) -> Physical:
        return Physical(**fields, origin=read_alias(fields["alias"]).origin)
