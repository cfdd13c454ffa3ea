"""What IP tunnels have in common: two addresses of one IP version, a TTL, and a device that Linux makes by itself."""

from ipaddress import ip_address
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from netorch.kinds.base.standalone import Attribute, StandaloneLink, StandaloneModel
from netorch.language.constraints import HasValue, constraints, require
from netorch.language.scalars import IPAddress, Ttl, wrong
from netorch.netlink.attribute_types import ADDRESS, U8
from netorch.values.requests import Attrs

IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL, IFLA_IPTUN_ENCAP_LIMIT = 2, 3, 4, 6
ENCAP_LIMIT = 4
"""Tunnels that a packet may still enter behind this one (RFC 2473, 4.1.1), as `ip link add` says it."""
HOP_LIMIT = 64

MADE_BY_LINUX = frozenset(
    ("gre0", "gretap0", "erspan0", "tunl0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0")
)
"""Names that appear in every namespace once their module is there."""


def iptunnel_attributes(local: int, remote: int, ttl: int) -> tuple[Attribute, ...]:
    return (
        Attribute("local", local, ADDRESS, live=True),
        Attribute("remote", remote, ADDRESS, live=True),
        Attribute("ttl", ttl, U8, live=True),
    )


IPTUN_ATTRIBUTES = iptunnel_attributes(IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL)


class IpTunnel(StandaloneLink):
    """An MTU that the file does not say is the kernel's choice, by the route to the other end. `FOUR`: it goes over IPv4."""

    HAS_MAC: ClassVar[bool] = False
    WHOLE: ClassVar[bool] = True
    REMEASURES: ClassVar[bool] = True
    RESERVED: ClassVar[frozenset[str]] = MADE_BY_LINUX
    UNIQUE: ClassVar[tuple[str, ...]] = ("local", "remote")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = IPTUN_ATTRIBUTES
    FOUR: ClassVar[bool] = True
    # tos, pmtudisc, encapsulation limit and flow label are left alone
    local: str | None = None
    remote: str | None = None
    ttl: int = 0

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        # over IPv4, what carries packets is point-to-point, broadcast or neither for good (ip_tunnel_changelink)
        if self.FOUR and not self.HAS_MAC and _nature(self.remote) != _nature(before.remote):
            return None
        return StandaloneLink.change(self, attribute, before)


def _nature(remote: str | None) -> str:
    return "none" if remote is None else "group" if ip_address(remote).is_multicast else "host"


class IpTunnelModel(StandaloneModel):
    """`VERSION`: the IP version that it goes over."""

    VERSION: ClassVar[int] = 4
    GROUPS: ClassVar[bool] = False
    local: IPAddress | None = Field(None, description="Its own end's address (any).")
    remote: IPAddress | None = Field(None, description="The other end's address (any).")
    ttl: Ttl = Field(
        0,
        description="Time to live of the outer packets; `inherit` or 0: the inner one's (inherit).",
    )

    @model_validator(mode="before")
    @classmethod
    def _keyless(cls, value: Any) -> Any:
        if isinstance(value, dict) and "key" in value and "key" not in cls.model_fields:
            wrong(f"{value.get('kind')} has no `key` on the wire: gre, gretap and ip6gre have")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        name = self.kind
        for key, end in (("local", self.local), ("remote", self.remote)):
            if end is None:
                continue
            if end.version != self.VERSION:
                wrong(
                    f"{name} goes over IPv{self.VERSION}: `{key}` {end} is an IPv{end.version} address"
                )
            if end.is_unspecified:
                wrong(f"{end} is nobody's address: leave `{key}` out for any")
            if end.is_multicast and not (key == "remote" and self.GROUPS):
                wrong(f"{name} takes no multicast address as `{key}`, as {end} is one")
        return self

    _ends = constraints(
        require(
            "tunnel-needs-end",
            "{kind} needs a `remote` or a `local`: the tunnel without both is Linux's own",
            HasValue("remote") | HasValue("local") | HasValue("key"),
        )
    )

    def default_mtu(self, parent: int | None) -> int:
        return 0

    def addresses_of(self) -> dict[str, Any]:
        """The fields that all of them have."""
        ends = {"local": self.local, "remote": self.remote}
        return {key: None if end is None else str(end) for key, end in ends.items()} | {
            "ttl": 0 if self.ttl == "inherit" else self.ttl
        }

    def values(self) -> dict[str, Any]:
        return self.addresses_of()
