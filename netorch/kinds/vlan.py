"""VLAN links, which carry the frames of one VLAN of their parent without the tag (net/8021q)."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.standalone import Attribute, PlaceName, StandaloneLink, StandaloneModel
from netorch.language.scalars import integer
from netorch.netlink.attribute_types import U16, choice
from netorch.state.registry import interface_model, observed

IFLA_VLAN_ID, IFLA_VLAN_PROTOCOL = 1, 5
PROTOCOLS = {"802.1q": b"\x81\x00", "802.1ad": b"\x88\xa8"}


@observed
class Vlan(StandaloneLink):
    KIND: ClassVar[str] = "vlan"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_VLAN_8021Q", "8021q")
    FITS_PARENT: ClassVar[bool] = True
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("id", IFLA_VLAN_ID, U16),
        Attribute("protocol", IFLA_VLAN_PROTOCOL, choice(PROTOCOLS)),
    )
    id: int = -1
    protocol: str = "802.1q"


@interface_model("vlan")
class VlanModel(StandaloneModel):
    """One VLAN of another interface, its parent. Frames are tagged on the parent only."""

    MAKES: ClassVar[type[StandaloneLink]] = Vlan
    FAR_PARENT: ClassVar[bool] = True
    kind: Literal["vlan"] = "vlan"
    parent: PlaceName = Field(
        description="Parent: the interface that carries the tagged frames, `IF` or `NODE:IF`."
    )
    id: Annotated[int, BeforeValidator(integer(0, 4094))] = Field(
        description="Number of the VLAN, 0 to 4094."
    )
    protocol: Literal["802.1q", "802.1ad"] = Field(
        "802.1q", description="Protocol of the tag (802.1q)."
    )
