"""Geneve tunnels, which carry Ethernet frames in UDP to one other end.

See RFC 8926 and drivers/net/geneve.c.
"""

from typing import Any, ClassVar, Self

from netorch.kinds.base.standalone import Attribute, StandaloneLink, decoded
from netorch.netlink.attribute_types import ADDRESS, BE16, U8, U32
from netorch.state.registry import View, observed
from netorch.values.requests import Attrs
from netorch.values.snapshot import LinkRecord

IFLA_GENEVE_ID, IFLA_GENEVE_REMOTE, IFLA_GENEVE_TTL, IFLA_GENEVE_PORT = 1, 2, 3, 5
IFLA_GENEVE_REMOTE6, IFLA_GENEVE_TTL_INHERIT = 7, 12
PORT = 6081


@observed
class Geneve(StandaloneLink):
    KIND: ClassVar[str] = "geneve"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_GENEVE", "geneve")
    MTUS: ClassVar[tuple[int, int]] = (68, 65485)
    RECHOOSES_MTU: ClassVar[bool] = True
    UNIQUE: ClassVar[tuple[str, ...]] = ("vni", "remote", "port")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("vni", IFLA_GENEVE_ID, U32),
        Attribute("remote", IFLA_GENEVE_REMOTE, ADDRESS, live=True, number6=IFLA_GENEVE_REMOTE6),
        Attribute("port", IFLA_GENEVE_PORT, BE16),
        Attribute("ttl", IFLA_GENEVE_TTL, U8, live=True),
    )
    vni: int = -1
    remote: str | None = None
    port: int = PORT
    ttl: int | str = 0

    def pairs(self, attribute: Attribute) -> Attrs:
        if attribute.key == "ttl" and self.ttl == "inherit":
            return ((IFLA_GENEVE_TTL_INHERIT, b"\1"),)
        return StandaloneLink.pairs(self, attribute)

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        if attribute.key == "remote" and (":" in str(self.remote)) != (":" in str(before.remote)):
            return None
        return StandaloneLink.change(self, attribute, before)

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        fields = decoded(cls, link)
        return fields | (
            {"ttl": "inherit"} if any(link.data.get(IFLA_GENEVE_TTL_INHERIT, b"")) else {}
        )
