"""GRE tunnels over IPv4 that carry IP packets, and the common part of the GRE kinds.

See RFC 2784, RFC 2890 and net/ipv4/ip_gre.c.
"""

from ipaddress import IPv4Address
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.ip_tunnel import IpTunnel, IpTunnelModel, iptunnel_attributes
from netorch.kinds.base.standalone import Attribute, StandaloneLink, decoded
from netorch.language.scalars import integer
from netorch.language.schema_shapes import IPV4, accepts, whole_number
from netorch.netlink.attribute_types import number
from netorch.state.registry import View, interface_model, observed
from netorch.values.requests import Attrs
from netorch.values.snapshot import LinkRecord

IFLA_GRE_IFLAGS, IFLA_GRE_OFLAGS, IFLA_GRE_IKEY, IFLA_GRE_OKEY = 2, 3, 4, 5
IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, IFLA_GRE_TTL, IFLA_GRE_ENCAP_LIMIT = 6, 7, 8, 11
GRE_KEY = 0x2000

KEY = Attribute("number", IFLA_GRE_OKEY, number(4, "big"), live=True, word="key")


class GreTunnel(IpTunnel):
    """A GRE tunnel."""

    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_IPGRE", "ip_gre")
    UNIQUE: ClassVar[tuple[str, ...]] = ("local", "remote", "number")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        *iptunnel_attributes(IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, IFLA_GRE_TTL),
        KEY,
    )
    number: int | str | None = None
    """The key, which is the same in both directions.

    If somebody has set two different keys, it is a text, which no file can ask for.
    """

    def pairs(self, attribute: Attribute) -> Attrs:
        if attribute is not KEY:
            return StandaloneLink.pairs(self, attribute)
        if not isinstance(self.number, int):
            return ()
        flags, value = GRE_KEY.to_bytes(2, "big"), self.number.to_bytes(4, "big")
        return (
            (IFLA_GRE_IFLAGS, flags),
            (IFLA_GRE_OFLAGS, flags),
            (IFLA_GRE_IKEY, value),
            (IFLA_GRE_OKEY, value),
        )

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        keys = [
            int.from_bytes(link.data.get(value, b""), "big")
            if int.from_bytes(link.data.get(flags, b""), "big") & GRE_KEY
            else None
            for flags, value in ((IFLA_GRE_IFLAGS, IFLA_GRE_IKEY), (IFLA_GRE_OFLAGS, IFLA_GRE_OKEY))
        ]
        return decoded(cls, link) | {
            "number": keys[0] if keys[0] == keys[1] else f"{keys[0]} in, {keys[1]} out"
        }


@observed
class Gre(GreTunnel):
    KIND: ClassVar[str] = "gre"


@accepts(
    whole_number(0, 2**32 - 1, IPV4, "key: a number, or one written like 10.0.0.1")
    | {"examples": [5, "10.0.0.1"]}
)
def key_number(value: object) -> int:
    """Parse a key as `ip tunnel` does: a number, or a number written like an IPv4 address."""
    if isinstance(value, str) and value.count(".") == 3:
        try:
            return int(IPv4Address(value))
        except ValueError:
            pass
    return integer(0, 2**32 - 1)(value)


class GreModel(IpTunnelModel):
    """The keys of a GRE tunnel."""

    TAKES_GROUPS: ClassVar[bool] = True
    key: Annotated[int, BeforeValidator(key_number)] | None = Field(
        None,
        description="Key that distinguishes tunnels between the same ends: a number, which may be"
        " written like `10.0.0.1` (none).",
    )

    def values(self) -> dict[str, Any]:
        return self.addresses_of() | {"number": self.key}


@interface_model("gre")
class GrePacketModel(GreModel):
    """A GRE tunnel that carries IP packets over IPv4."""

    MAKES: ClassVar[type[StandaloneLink]] = Gre
    kind: Literal["gre"] = "gre"
