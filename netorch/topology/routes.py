"""Entries of a node's `routes`."""

from typing import Annotated, Any, Literal, Self

from netorch.language.constraints import (
    EachItem,
    Equals,
    HasKey,
    HasValue,
    constraints,
    forbid,
    require,
)
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.scalars import (
    U32,
    Destination,
    Flag,
    Gateway,
    InterfaceName,
    IPAddress,
    Mtu,
    Table,
    empty_list,
    integer,
    wrong,
)
from netorch.topology.late import LateModel

_Encap: Any = Annotated[Any, Plain(LateModel("netorch.topology.encaps", "EncapModel"))]


class HopModel(Model):
    """One of several gateways of a route."""

    via: Gateway | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Outgoing interface (the one whose subnet contains the gateway)."
    )
    weight: Annotated[int, Before(integer(1, 256))] = Field(
        1, description="Share of the traffic, relative to the other next hops (1)."
    )
    onlink: Flag = Field(
        False,
        description="Reach the gateway on the link itself, even if no subnet contains it (false).",
    )
    encap: _Encap = Field(
        None,
        description="What the packets get: labels of MPLS, segments of SRv6 or a tunnel's header.",
    )


class RouteModel(Model):
    """A route, as in `ip route add`."""

    to: Destination = Field(
        description="Destination; an address without prefix length is one host."
    )
    via: Gateway | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Outgoing interface (the one whose subnet contains the gateway)."
    )
    metric: U32 | None = Field(
        None, description="Metric; the lowest one wins (0 for IPv4, 1024 for IPv6)."
    )
    table: Table = Field(
        254,
        description="Routing table; 254 is main (that of the interface's VRF, else 254).",
    )
    vrf: InterfaceName | None = Field(
        None,
        description="VRF of this node whose table gets the route; the gateway is looked up there"
        " too.",
    )
    src: IPAddress | None = Field(
        None, description="Source address of packets whose program does not choose one."
    )
    onlink: Flag = Field(
        False,
        description="Reach the gateway on the link itself, even if no subnet contains it (false).",
    )
    mtu: Mtu | None = Field(None, description="Path MTU of this route (that of the link).")
    scope: Literal["global", "link", "host"] | None = Field(
        None, description="Scope (the one that `ip` would choose)."
    )
    type: Literal["unicast", "blackhole", "unreachable", "prohibit"] = Field(
        "unicast",
        description="All types but `unicast` refuse the packets: silently, as unreachable or as"
        " prohibited (unicast).",
    )
    encap: _Encap = Field(
        None,
        description="What the packets get: labels of MPLS, segments of SRv6 or a tunnel's header.",
    )
    nexthops: list[HopModel] = Field(
        default_factory=empty_list,
        description="Several gateways, which share the traffic by their weights.",
    )

    _where_it_leads = constraints(
        forbid(
            "route-hops-and-gateway",
            "a route with `nexthops` cannot have `via`, `dev` or `onlink`: write these in its"
            " next hops",
            HasValue("nexthops") & (HasValue("via") | HasValue("dev") | Equals("onlink", True)),
        ),
        forbid(
            "route-hops-and-gateway",
            "a route with `nexthops` cannot have `encap`: write it in its next hops",
            HasValue("nexthops") & HasValue("encap"),
        ),
        forbid(
            "encap-contradiction",
            "a route of type {type} cannot have `encap`: it drops the packets",
            ~Equals("type", "unicast") & HasValue("encap"),
        ),
        forbid(
            "route-leads-nowhere",
            "a route of type {type} cannot have `via`, `dev` or `nexthops`: it drops the packets",
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
            "a route cannot have both `vrf` and `table`: a VRF is a table",
            HasValue("vrf") & HasKey("table"),
        ),
        require(
            "route-onlink-needs-gateway",
            "`onlink` needs `via` and `dev`",
            HasValue("via") & HasValue("dev"),
            when=Equals("onlink", True),
        ),
    )

    @after
    def _one_ip_version(self) -> Self:
        versions = {item.version for item in (self.to, self.src) if item is not None}
        # An IPv4 route may have an IPv6 gateway (RFC 5549), but not the other way round.
        if len(versions) > 1 or (6 in versions and 4 in self._gateway_versions):
            wrong(
                "the route mixes IPv4 and IPv6: only its gateways can be of the other version, and"
                " only for an IPv4 route",
                "mixed-families",
            )
        return self

    @after
    def _encap_of_version(self) -> Self:
        for model in (self.encap, *(hop.encap for hop in self.nexthops)):
            if model is None or self.version == 6:
                continue
            if model.seg6local is not None:
                wrong(
                    "`seg6local` needs a destination of IPv6, which is the address of the segment",
                    "encap-contradiction",
                )
            if model.seg6 is not None and model.seg6.mode == "inline":
                wrong(
                    "`mode: inline` adds segments to IPv6 packets only: use `mode: encap` for IPv4",
                    "encap-contradiction",
                )
        return self

    @property
    def version(self) -> int:
        """4 or 6.

        It is the IP version of the destination or of the source. A default route without these is
        of IPv4 if one of its gateways is.
        """
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
