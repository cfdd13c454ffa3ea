"""The common part of IP tunnels: two addresses of one IP version, and a TTL.

For each of these kinds, Linux makes a device of its own in every namespace.
"""

from ipaddress import ip_address
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import UNKNOWN, Attribute, ParentPlace, StandaloneLink
from netorch.netlink.attribute_types import ADDRESS, U8
from netorch.state.key import Key
from netorch.state.registry import View
from netorch.values.requests import Attrs
from netorch.values.snapshot import LinkRecord

IFLA_IPTUN_LINK = 1
"""The same number as IFLA_GRE_LINK."""
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
    PARENT_IN: ClassVar[int] = IFLA_IPTUN_LINK
    REBINDS: ClassVar[bool] = True
    UNIQUE: ClassVar[tuple[str, ...]] = ("local", "remote", "parent")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = IPTUN_ATTRIBUTES
    OVER_IPV4: ClassVar[bool] = True
    """Whether the tunnel goes over IPv4."""
    local: str | None = None
    remote: str | None = None
    ttl: int = 0

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        # because the kernel deletes no tunnel with its parent, but leaves it bound to a dead index
        return (link_key(*self.parent),) if self.parent is not None else ()

    @classmethod
    def read_parent(cls, view: View, link: LinkRecord) -> ParentPlace | None:
        # unknown if Linux has deleted the parent, because the tunnel is bound to it nevertheless
        parent = StandaloneLink.read_parent(view, link)
        return UNKNOWN if link.link and parent is None else parent

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
