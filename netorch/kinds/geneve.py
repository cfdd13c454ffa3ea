"""Geneve tunnels, which carry Ethernet frames in UDP to one other end.

See RFC 8926 and drivers/net/geneve.c.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from netorch.kinds.base.standalone import Attribute, StandaloneLink, decoded
from netorch.kinds.base.udp_tunnel import Port, UdpTunnelModel
from netorch.language.scalars import IPAddress, integer, wrong
from netorch.netlink.attribute_types import ADDRESS, BE16, U8, U32
from netorch.state.registry import View, interface_model, observed
from netorch.values.requests import Attrs
from netorch.values.snapshot import LinkRecord

IFLA_GENEVE_ID, IFLA_GENEVE_REMOTE, IFLA_GENEVE_TTL, IFLA_GENEVE_PORT = 1, 2, 3, 5
IFLA_GENEVE_REMOTE6, IFLA_GENEVE_TTL_INHERIT = 7, 12
PORT = 6081
LARGEST_OVER_IPV6 = 65465


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


@interface_model("geneve")
class GeneveModel(UdpTunnelModel):
    """A Geneve tunnel: it carries Ethernet frames in UDP to one other end."""

    MAKES: ClassVar[type[StandaloneLink]] = Geneve
    UDP_PORT: ClassVar[int] = PORT
    kind: Literal["geneve"] = "geneve"
    remote: IPAddress = Field(description="Address of the other end.")
    mtu: Annotated[int, BeforeValidator(integer(*Geneve.MTUS))] | None = Field(
        None,
        description="MTU in bytes, 68 to 65485, or to 65465 over IPv6 (by the route to the other"
        " end).",
    )
    udp_port: Port | None = Field(None, serialization_alias="port", description="UDP port (6081).")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.remote.is_multicast or self.remote.is_unspecified:
            wrong(f"{self.remote} is not the address of a host, which the `remote` of geneve needs")
        if self.remote.version == 6 and self.mtu is not None and self.mtu > LARGEST_OVER_IPV6:
            wrong(
                f"the MTU of a geneve tunnel over IPv6 is at most {LARGEST_OVER_IPV6}",
                "mtu-too-large",
            )
        return self

    def default_mtu(self, parent: int | None) -> int:
        return 0  # not known, because the kernel chooses it by the route to the other end

    def values(self) -> dict[str, Any]:
        return {"vni": self.vni, "remote": str(self.remote), "port": self.on_port, "ttl": self.ttl}
