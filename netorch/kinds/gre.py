"""GRE tunnels over IPv4 that carry IP packets, and the common part of the GRE kinds.

See RFC 2784, RFC 2890 and net/ipv4/ip_gre.c.
"""

from typing import Any, ClassVar

from netorch.kinds.base.ip_tunnel import IpTunnel, iptunnel_attributes
from netorch.kinds.base.standalone import Attribute, StandaloneLink, decoded
from netorch.netlink.attribute_types import number
from netorch.state.registry import View, observed
from netorch.values.requests import Attrs
from netorch.values.snapshot import LinkRecord

IFLA_GRE_IFLAGS, IFLA_GRE_OFLAGS, IFLA_GRE_IKEY, IFLA_GRE_OKEY = 2, 3, 4, 5
IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, IFLA_GRE_TTL, IFLA_GRE_ENCAP_LIMIT = 6, 7, 8, 11
GRE_KEY = 0x2000

KEY = Attribute("number", IFLA_GRE_OKEY, number(4, "big"), live=True, word="key")


class GreTunnel(IpTunnel):
    """A GRE tunnel."""

    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_IPGRE", "ip_gre")
    FLAGS: ClassVar[int] = GRE_KEY
    """The flags of a tunnel with a key."""
    UNIQUE: ClassVar[tuple[str, ...]] = ("local", "remote", "number", "parent")
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
        flags, value = self.FLAGS.to_bytes(2, "big"), self.number.to_bytes(4, "big")
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
