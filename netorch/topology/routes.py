"""Routes of a node."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from netorch.language.constraints import (
    EachItem,
    Equals,
    HasKey,
    HasValue,
    constraints,
    forbid,
    require,
)
from netorch.language.scalars import (
    U32,
    Destination,
    Flag,
    Gateway,
    InterfaceName,
    IPAddress,
    Model,
    Mtu,
    Table,
    empty_list,
    integer,
    wrong,
)


class HopModel(Model):
    via: Gateway | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Interface; found by the gateway if left out."
    )
    weight: Annotated[int, BeforeValidator(integer(1, 256))] = Field(
        1, description="Share of the traffic (1)."
    )
    onlink: Flag = Field(
        False, description="Take the gateway to be on the link, whatever the addresses say (false)."
    )


class RouteModel(Model):
    """A route, as `ip route add` takes it."""

    to: Destination = Field(description="Destination; an address alone is that host.")
    via: Gateway | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Interface; found by the gateway if left out."
    )
    metric: U32 | None = Field(
        None, description="Preference, the lowest wins (0 for IPv4, 1024 for IPv6)."
    )
    table: Table = Field(
        254,
        description="Routing table; 254 is main (that of the VRF that it leads into, else 254).",
    )
    vrf: InterfaceName | None = Field(
        None,
        description="VRF of this node whose table it is in; where its gateway is looked for, too.",
    )
    src: IPAddress | None = Field(None, description="Source address that programs get by default.")
    onlink: Flag = Field(
        False, description="Take the gateway to be on the link, whatever the addresses say (false)."
    )
    mtu: Mtu | None = Field(None, description="Path MTU of this route; the link's if left out.")
    scope: Literal["global", "link", "host"] | None = Field(
        None, description="Scope; what `ip` would choose if left out."
    )
    type: Literal["unicast", "blackhole", "unreachable", "prohibit"] = Field(
        "unicast",
        description="All but `unicast` refuse what they match: silently, as unreachable, as prohibited (unicast).",
    )
    nexthops: list[HopModel] = Field(
        default_factory=empty_list, description="Several gateways, shared by weight."
    )

    _where_it_leads = constraints(
        forbid(
            "route-hops-and-gateway",
            "a route has either `nexthops`, or `via` and `dev`",
            HasValue("nexthops") & (HasValue("via") | HasValue("dev") | Equals("onlink", True)),
        ),
        forbid(
            "route-leads-nowhere",
            "a {type} route leads nowhere: no `via`, `dev` or `nexthops`",
            ~Equals("type", "unicast") & (HasValue("nexthops") | HasValue("via") | HasValue("dev")),
        ),
        require(
            "route-needs-gateway",
            "a route needs `via`, `dev` or `nexthops`",
            HasValue("nexthops") | HasValue("via") | HasValue("dev"),
            when=Equals("type", "unicast"),
        ),
        EachItem(
            "nexthops",
            HopModel,
            require(
                "hop-needs-gateway",
                "a next hop needs `via` or `dev`",
                HasValue("via") | HasValue("dev"),
            ),
        ),
        forbid(
            "route-vrf-and-table",
            "a route has either a `vrf` or a `table`",
            HasValue("vrf") & HasKey("table"),
        ),
        require(
            "route-onlink-needs-gateway",
            "`onlink` needs `via` and `dev`",
            HasValue("via") & HasValue("dev"),
            when=Equals("onlink", True),
        ),
    )

    @model_validator(mode="after")
    def _one_ip_version(self) -> Self:
        versions = {item.version for item in (self.to, self.src) if item is not None}
        # an IPv4 route may have an IPv6 gateway (RFC 5549), but not the reverse
        if len(versions) > 1 or (6 in versions and 4 in self._gateway_versions):
            wrong("IPv4 and IPv6 are mixed in one route", "mixed-families")
        return self

    @property
    def version(self) -> int:
        """4 or 6: that of the destination or the source; of a default route 4 if one of its gateways is of IPv4."""
        for item in (self.to, self.src):
            if item is not None:
                return item.version
        if self.via is not None:
            return self.via.version
        return min(self._gateway_versions, default=4)

    @property
    def _gateway_versions(self) -> frozenset[int]:
        gateways = (self.via, *(hop.via for hop in self.nexthops))
        return frozenset(gateway.version for gateway in gateways if gateway is not None)
