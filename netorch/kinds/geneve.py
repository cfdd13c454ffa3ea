"""A Geneve tunnel (RFC 8926, drivers/net/geneve.c): Ethernet frames in UDP, to one other end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from netorch.kind import View, interface_words, observed
from netorch.kinds.solo import Attribute, SoloLink, SoloWords, decoded
from netorch.netlink.forms import ADDRESS, BE16, U8, U32
from netorch.requests import Attrs
from netorch.snapshot import LinkRecord
from netorch.words import IPAddress, Ttl, integer, wrong

IFLA_GENEVE_ID, IFLA_GENEVE_REMOTE, IFLA_GENEVE_TTL, IFLA_GENEVE_PORT = 1, 2, 3, 5
IFLA_GENEVE_REMOTE6, IFLA_GENEVE_TTL_INHERIT = 7, 12


@observed
@dataclass(frozen=True, slots=True)
class Geneve(SoloLink):
    KIND: ClassVar[str] = "geneve"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_GENEVE", "geneve")
    REMEASURES: ClassVar[bool] = True
    UNIQUE: ClassVar[tuple[str, ...]] = ("vni", "remote", "port")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("vni", IFLA_GENEVE_ID, U32),
        Attribute("remote", IFLA_GENEVE_REMOTE, ADDRESS, live=True, number6=IFLA_GENEVE_REMOTE6),
        Attribute("port", IFLA_GENEVE_PORT, BE16),
        Attribute("ttl", IFLA_GENEVE_TTL, U8, live=True),
    )
    vni: int = -1
    remote: str | None = None
    port: int = 6081
    ttl: int | str = 0

    def pairs(self, attribute: Attribute) -> Attrs:
        if attribute.key == "ttl" and self.ttl == "inherit":
            return ((IFLA_GENEVE_TTL_INHERIT, b"\1"),)
        return SoloLink.pairs(self, attribute)

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        if attribute.key == "remote" and (":" in str(self.remote)) != (":" in str(before.remote)):
            return None
        return SoloLink.change(self, attribute, before)

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        found = decoded(cls, link)
        return found | ({"ttl": "inherit"} if any(link.data.get(IFLA_GENEVE_TTL_INHERIT, b"")) else {})


@interface_words("geneve")
class GeneveWords(SoloWords):
    """Ethernet over UDP to one other end."""

    MAKES: ClassVar[type[SoloLink]] = Geneve
    kind: Literal["geneve"] = "geneve"
    vni: Annotated[int, BeforeValidator(integer(0, 2**24 - 1))] = Field(description="Virtual network identifier, 0 to 16777215.")
    remote: IPAddress = Field(description="The other end.")
    port: Annotated[int, BeforeValidator(integer(1, 65535))] = Field(6081, description="UDP port (6081).")
    ttl: Ttl = Field(0, description="Time to live of the outer packets, or `inherit` the inner one's; 0 lets the kernel choose (0).")

    @model_validator(mode="after")
    def _possible(self) -> GeneveWords:
        if self.remote.is_multicast or self.remote.is_unspecified:
            wrong(f"`remote` {self.remote} is no host's address: a geneve tunnel has one other end")
        return self

    def default_mtu(self, parent: int | None) -> int:
        return 0  # the kernel goes by the route to the other end

    def values(self) -> dict[str, Any]:
        return SoloWords.values(self) | {"remote": str(self.remote)}
