"""VLAN links, which carry the frames of one VLAN of their parent without the tag (net/8021q)."""

from typing import ClassVar

from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink.attribute_types import U16, choice
from netorch.state.registry import observed

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
