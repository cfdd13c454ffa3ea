"""The common part of IP tunnels: two addresses of one IP version, and a TTL.

For each of these kinds, Linux makes a device of its own in every namespace.
"""

from ipaddress import ip_address
from typing import ClassVar, Self

from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink.attribute_types import ADDRESS, U8
from netorch.values.requests import Attrs

IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL, IFLA_IPTUN_ENCAP_LIMIT = 2, 3, 4, 6
ENCAP_LIMIT = 4
"""How many further tunnels a packet may enter (RFC 2473, 4.1.1); the default of `ip link add`."""
HOP_LIMIT = 64

MADE_BY_LINUX = frozenset(
    ("gre0", "gretap0", "erspan0", "tunl0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0")
)
"""Names of devices that Linux makes in every namespace once their module is loaded."""


def iptunnel_attributes(local: int, remote: int, ttl: int) -> tuple[Attribute, ...]:
    return (
        Attribute("local", local, ADDRESS, live=True),
        Attribute("remote", remote, ADDRESS, live=True),
        Attribute("ttl", ttl, U8, live=True),
    )


IPTUN_ATTRIBUTES = iptunnel_attributes(IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL)


class IpTunnel(StandaloneLink):
    """An IP tunnel. If the file gives no MTU, the kernel chooses it by the route to the other end.

    netorch leaves TOS, path MTU discovery, encapsulation limit and flow label alone.
    """

    HAS_MAC: ClassVar[bool] = False
    REPEATS_ALL: ClassVar[bool] = True
    RECHOOSES_MTU: ClassVar[bool] = True
    RESERVED: ClassVar[frozenset[str]] = MADE_BY_LINUX
    UNIQUE: ClassVar[tuple[str, ...]] = ("local", "remote")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = IPTUN_ATTRIBUTES
    OVER_IPV4: ClassVar[bool] = True
    """Whether the tunnel goes over IPv4."""
    local: str | None = None
    remote: str | None = None
    ttl: int = 0

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        # ip_tunnel_changelink cannot change whether an IPv4 tunnel without Ethernet is
        # point-to-point, broadcast or neither, which follows from the remote address
        if (
            self.OVER_IPV4
            and not self.HAS_MAC
            and _link_type(self.remote) != _link_type(before.remote)
        ):
            return None
        return StandaloneLink.change(self, attribute, before)


def _link_type(remote: str | None) -> str:
    return "none" if remote is None else "group" if ip_address(remote).is_multicast else "host"
