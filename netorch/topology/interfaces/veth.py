"""The keys of one end of a veth pair."""

from typing import Annotated, Literal

from netorch.language.model import Field, Shaped
from netorch.language.scalars import END
from netorch.language.schema_shapes import substituted, text
from netorch.topology.interfaces.common import InterfaceModel


class VethModel(InterfaceModel):
    """One end of a virtual Ethernet cable. `links` and `networks` make such cables too."""

    kind: Literal["veth"] = "veth"
    peer: Annotated[str, Shaped(substituted(text(END, "other end: NODE:IF")))] = Field(
        description="Other end of the cable, `NODE:IF`."
    )
