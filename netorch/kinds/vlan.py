"""A VLAN device: the frames of one VLAN of its parent, without their tag (net/8021q)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netorch.kind import View, interface_words, observed
from netorch.kinds.solo import Place, SoloLink, SoloWords
from netorch.netlink.codec import u16
from netorch.requests import Attrs
from netorch.snapshot import LinkRecord
from netorch.words import integer

IFLA_VLAN_ID, IFLA_VLAN_PROTOCOL = 1, 5
PROTOCOLS = {"802.1q": b"\x81\x00", "802.1ad": b"\x88\xa8"}


@interface_words("vlan")
class VlanWords(SoloWords):
    """One VLAN of another interface."""

    FAR_PARENT: ClassVar[bool] = True
    kind: Literal["vlan"] = "vlan"
    parent: str = Field(description="The interface whose frames are tagged, `IF` or `NODE:IF`.")
    id: Annotated[int, BeforeValidator(integer(0, 4094))] = Field(description="VLAN number, 0 to 4094.")
    protocol: Literal["802.1q", "802.1ad"] = Field("802.1q", description="Kind of tag (802.1q).")

    def link(self, fields: dict[str, Any], parent: Place | None) -> SoloLink:
        return Vlan(**fields, parent=parent, id=self.id, protocol=self.protocol)


@observed
@dataclass(frozen=True, slots=True)
class Vlan(SoloLink):
    KIND: ClassVar[str] = "vlan"
    id: int = 0
    protocol: str = "802.1q"

    def data(self) -> Attrs:
        return (IFLA_VLAN_ID, u16(self.id)), (IFLA_VLAN_PROTOCOL, PROTOCOLS[self.protocol])

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        names = {payload: name for name, payload in PROTOCOLS.items()}
        return {
            "id": int.from_bytes(link.data.get(IFLA_VLAN_ID, b""), "little"),
            "protocol": names.get(link.data.get(IFLA_VLAN_PROTOCOL, b""), "802.1q"),
        }

    def own(self) -> Mapping[str, str]:
        return {"id": str(self.id)} | ({"protocol": self.protocol} if self.protocol != "802.1q" else {})
