"""The keys of an ERSPAN tunnel."""

from typing import Annotated, Any, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.erspan import Erspan
from netorch.language.model import Before, Field
from netorch.language.scalars import integer
from netorch.topology.interfaces.gre_tunnel import GreModel


class ErspanModel(GreModel):
    """A GRE tunnel that carries copies of Ethernet frames over IPv4 to where they are looked at
    (ERSPAN type II). To copy what an interface sends, redirect it with `tc … mirred egress mirror`.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Erspan
    TAKES_GROUPS: ClassVar[bool] = False
    kind: Literal["erspan"] = "erspan"
    key: Annotated[int, Before(integer(0, 2**10 - 1))] = Field(
        description="Session, which both ends share, 0 to 1023."
    )
    erspan: Annotated[int, Before(integer(0, 2**20 - 1))] = Field(
        0, description="Index of the copied port, which every copy carries (0)."
    )

    def values(self) -> dict[str, Any]:
        return GreModel.values(self) | {"erspan": self.erspan}
