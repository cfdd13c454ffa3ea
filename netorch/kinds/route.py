"""Routes of namespaces (rtnetlink(7), RTA_*; ip-route(8))."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.address import address_key, ifaddr_of, ipv4_key
from netorch.kinds.base.link import is_external, link_key
from netorch.kinds.netns import netns_key
from netorch.kinds.up import up_key
from netorch.netlink.codec import as_u32
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    IFLA_VRF_TABLE,
    REJECTING,
    RTN_BLACKHOLE,
    RTN_LOCAL,
    RTN_PROHIBIT,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTPROT_BOOT,
    RTPROT_KERNEL,
    RTPROT_STATIC,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import PROTOCOLS, read_alias
from netorch.values.ownership import Original
from netorch.values.requests import (
    Attrs,
    Encap,
    Feature,
    Hop,
    Request,
    RouteAdd,
    RouteDel,
    RoutePlace,
    RouteSpec,
)
from netorch.values.snapshot import Adoption, LinkRecord, NetnsSnapshot

MAIN = 254
PREFIX_METRIC = 256
"""The metric of IPv6 routes that the kernel makes with addresses (IP6_RT_PRIO_ADDRCONF)."""
IPV6_METRIC = 1024
"""The metric that the kernel gives to an IPv6 route without one (IP6_RT_PRIO_USER)."""

TYPES = {
    "unicast": RTN_UNICAST,
    "local": RTN_LOCAL,
    "blackhole": RTN_BLACKHOLE,
    "unreachable": RTN_UNREACHABLE,
    "prohibit": RTN_PROHIBIT,
}
_TYPE_NAMES = {number: name for name, number in TYPES.items()}


def route_key(netns: str, spec: RouteSpec) -> Key:
    """Return the key of a route, made of the fields by which the kernel distinguishes routes."""
    return _route_key(netns, *spec.place)


@cached_key
def routes_key(netns: str) -> Key:
    """Return the key of all routes of a namespace, for the `needs` of other resources."""
    return Key("routes", netns)


@cached_key
def _route_key(
    netns: str,
    family: int,
    dst: bytes | None,
    length: int,
    table: int,
    metric: int,
    tos: int,
    sources: tuple[bytes, int] | None,
) -> Key:
    default = "default" if family == AF_INET else "default (v6)"
    parts = [default if dst is None else f"{ip_address(dst)}/{length}"]
    if table != MAIN:
        parts.append(f"table {table}")
    if metric != (0 if family == AF_INET else IPV6_METRIC):
        parts.append(f"metric {metric}")
    if tos:
        parts.append(f"tos {tos:#x}")
    if sources is not None:
        parts.append(f"from {ip_address(sources[0])}/{sources[1]}")
    return Key("route", netns, *parts)


@observed
class Route(Resource):
    """A route.

    If a next hop of the desired state has no device, the kernel chooses it. The protocol, which
    says who made the route, is not compared, and neither are flags of next hops that the kernel
    sets, such as linkdown.
    """

    KIND: ClassVar[str] = "route"
    FOREIGN_KIND: ClassVar[str] = "route"
    HINTS: ClassVar[tuple[str, ...]] = ("after", "unsure", "shared", "peers", "yields", "source")
    netns: str
    spec: RouteSpec
    after: tuple[Key, ...] = ()
    """Keys of the resources that make its gateways reachable."""
    siblings: tuple[RouteSpec, ...] = ()
    """Further routes with the same key that belong to the topology, such as a next hop that a user
    has added.
    """
    unsure: tuple[Hop, ...] = ()
    """Next hops that may be foreign, because nothing shows who made them."""
    shared: bool = False
    """Whether there also is a foreign route with the same key."""
    peers: tuple[RouteSpec, ...] = ()
    """Routes to its gateways that the kernel makes, with a delay, for addresses with a peer."""
    yields: bool = False
    """Whether it is left out in a node that has a default route of its own."""
    source: tuple[Key, ...] = ()
    """Keys of the addresses that are its `src`.

    If such an address is deleted, the kernel also deletes an IPv4 route, and removes the `src` of
    an IPv6 route.
    """
    REMEDY: ClassVar[str] = "Give it another metric, or remove the other one first."
    TAKEN: ClassVar[str] = "route-taken"

    @property
    def key(self) -> Key:
        return route_key(self.netns, self.spec)

    @property
    def group_key(self) -> Key:
        return routes_key(self.netns)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        hops = self.spec.hops
        if len(hops) != 1 or not hops[0].dev:
            return netns_key(self.netns), *self.source
        return link_key(self.netns, hops[0].dev), up_key(self.netns, hops[0].dev), *self.source

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        return self.source if self.spec.family == AF_INET6 else ()

    @property
    def needs(self) -> tuple[Key, ...]:
        if len(self.spec.hops) < 2:
            return self.after
        devices = [hop.dev for hop in self.spec.hops if hop.dev]
        return self.after + tuple(
            key for dev in devices for key in (link_key(self.netns, dev), up_key(self.netns, dev))
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        if not self.spec.encaps:
            return ()
        from netorch.kinds.base.encaps import features_of

        needed = (feature for one in self.spec.encaps for feature in features_of(one))
        return tuple(dict.fromkeys(needed))

    @property
    def depends_on_any(self) -> tuple[Key, ...]:
        if self.spec.family != AF_INET:
            return ()
        return tuple(ipv4_key(self.netns, hop.dev) for hop in self.spec.hops if hop.dev)

    @property
    def shares_key(self) -> bool:
        return self.spec.family == AF_INET6

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        ours: dict[RoutePlace, list[RouteSpec]] = {}
        rest: list[RouteSpec] = []
        for spec in view.netns.routes:
            if is_ours(view, spec):
                ours.setdefault(spec.place, []).append(spec)
            else:
                rest.append(spec)
        shared = {place for spec in rest if (place := spec.place) in ours} if ours else ()
        for place, specs in ours.items():
            if len(specs) > 1:
                # netorch's own route first, so that one which a user has added is its sibling
                specs.sort(key=lambda spec: spec.protocol != view.mark.protocol)
            first, *more = map(_normal, specs)
            unsure = tuple(hop for spec in specs for hop in spec.unsure)
            yield cls(
                netns=view.label,
                spec=first,
                siblings=tuple(more),
                unsure=unsure,
                shared=place in shared,
                source=tuple(_sources(view, first)) if first.src is not None else (),
                peers=tuple(_peers(view, first)) if first.family == AF_INET6 else (),
            )

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for spec in view.netns.routes:
            if is_ours(view, spec) or (view.created and spec.family == AF_INET6):
                continue
            key = route_key(view.label, spec)
            yield (
                key,
                f"{label_text(view.label)} has a route {key.name} (protocol {spec.protocol})"
                " and netorch did not make it",
            )

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Resource:
        if not isinstance(before, Route) or not before.unsure:
            return self
        asked = last()
        known = self.spec.hops + (asked.spec.hops if isinstance(asked, Route) else ())
        foreign = tuple(
            hop for hop in before.unsure if not any(_same_hop(mine, hop) for mine in known)
        )
        if not foreign:
            return self
        return replace(self, spec=replace(self.spec, hops=self.spec.hops + foreign), unsure=foreign)

    def left_alone(self) -> str:
        hops = ", ".join(f"{_via(hop)} dev {hop.dev}" for hop in self.unsure)
        return (
            f"{self.title()}: the kernel does not show who added the next hop {hops}:"
            " netorch leaves it alone"
        )

    def differs(self, before: Resource) -> bool:
        if not isinstance(before, Route) or before.siblings != self.siblings:
            return True
        return self.spec != before.spec and not _same_route(self.spec, before.spec)

    def with_number(self, number: int) -> Self:
        return replace(self, spec=replace(self.spec, protocol=number))

    def create(self) -> Iterable[Request]:
        return (*self._to_peers(), RouteAdd(self.netns, self.spec), *self._restore_siblings(()))

    def update(self, before: Self) -> Sequence[Request] | None:
        steps = self._change(before)
        if steps is None:
            return None
        return (*self._to_peers(), *steps, *self._restore_siblings(before.siblings))

    def _restore_siblings(self, there: Collection[RouteSpec]) -> Iterator[RouteAdd]:
        """Return the requests that add the siblings which are not among the routes `there`.

        Only a rollback has siblings to restore, because no file asks for them.
        """
        return (
            RouteAdd(self.netns, spec, append=True) for spec in self.siblings if spec not in there
        )

    def _to_peers(self) -> Iterator[RouteAdd]:
        # Without these requests the kernel makes the routes only after duplicate address detection,
        # even where that is turned off (addrconf_dad_work).
        return (RouteAdd(self.netns, spec, append=True) for spec in self.peers)

    def _change(self, before: Route) -> Sequence[RouteAdd | RouteDel] | None:
        spec, old = self.spec, before.spec
        if spec.family == AF_INET6:
            if spec.type != old.type:
                return None
            if before.shared or before.siblings:
                # Replacing the route would delete the foreign next hops too (fib6_add_rt2node).
                return _leg_by_leg(self.netns, (old, *before.siblings), spec)
            if len(spec.hops) > 1 or len(old.hops) > 1:
                return _without_a_gap(self.netns, old, spec)
        fewer = [RouteDel(self.netns, other) for other in before.siblings]
        if _same_route(spec, old):
            return fewer
        if before.shared:
            # NLM_F_REPLACE would replace the oldest route, whoever made it (fib_table_insert).
            return [*fewer, RouteDel(self.netns, old), RouteAdd(self.netns, spec, append=True)]
        return [*fewer, RouteAdd(self.netns, spec, replace=True)]

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        there = [spec for spec in netns.routes if route_key(netns.label, spec) == self.key]
        if len(there) != 1:
            return "several routes have its destination, table and metric"
        (spec,) = there
        if spec.nexthop:
            return "it uses a nexthop object"
        if spec.unsure:
            return "the kernel does not show who added its next hops"
        if spec.protocol not in {RTPROT_BOOT, RTPROT_STATIC}:
            return f"a program manages it (protocol {spec.protocol})"
        marked = replace(spec, protocol=self.spec.protocol)
        routes = tuple(marked if other is spec else other for other in netns.routes)
        return Adoption(
            replace(netns, routes=routes),
            (RouteAdd(self.netns, marked, replace=True),),
            (RouteAdd(self.netns, spec, replace=True),),
            Original(protocol=spec.protocol),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        if self.spec.protocol not in PROTOCOLS:
            return ()
        protocol = RTPROT_STATIC if original is None else original.protocol
        free = replace(self.spec, protocol=protocol)
        return (RouteAdd(self.netns, free, replace=True),)

    def delete(self) -> Iterable[Request]:
        return tuple(RouteDel(self.netns, spec) for spec in (self.spec, *self.siblings))

    def attributes(self) -> Mapping[str, str]:
        spec = self.spec
        attributes: dict[str, str] = {}
        if spec.type != RTN_UNICAST:
            attributes["type"] = _TYPE_NAMES.get(spec.type, str(spec.type))
        if len(spec.hops) == 1:
            hop = spec.hops[0]
            attributes |= {
                name: text for name, text in (("via", _via(hop)), ("dev", hop.dev or "")) if text
            }
            if hop.encap is not None:
                attributes["encap"] = _encap_text(hop.encap)
            if hop.onlink:
                attributes["onlink"] = "true"
        elif spec.hops:
            attributes["nexthops"] = ", ".join(map(_hop_text, spec.hops))
        if spec.src:
            attributes["src"] = str(ip_address(spec.src))
        if spec.mtu:
            attributes["mtu"] = str(spec.mtu)
        if spec.nexthop:
            attributes["nhid"] = str(spec.nexthop)
        if self.siblings:
            attributes["also"] = ", ".join(map(_sibling_text, self.siblings))
        return attributes

    def title(self) -> str:
        return f"route {label_text(self.netns)} {self.key.name}"


def _encap_text(one: Encap) -> str:
    from netorch.netlink import encap

    return encap.text(one)


def _via(hop: Hop) -> str:
    return str(ip_address(hop.via)) if hop.via else ""


def _hop_text(hop: Hop) -> str:
    before = f"encap {_encap_text(hop.encap)} " if hop.encap is not None else ""
    return f"{before}{_via(hop)} dev {hop.dev} weight {hop.weight}"


def _sibling_text(spec: RouteSpec) -> str:
    if not spec.hops:
        return _TYPE_NAMES.get(spec.type, str(spec.type))
    return ", ".join(
        " ".join(
            word
            for word in (
                f"encap {_encap_text(hop.encap)}" if hop.encap is not None else "",
                f"via {_via(hop)}" if hop.via else "",
                f"dev {hop.dev}",
            )
            if word
        )
        for hop in spec.hops
    )


def _hop_order(hop: Hop) -> tuple[bytes, int, bool, int, Attrs]:
    kind, attrs = (0, ()) if hop.encap is None else (hop.encap.type, hop.encap.attrs)
    return hop.via or b"", hop.weight, hop.onlink, kind, attrs


def _same_hop(mine: Hop, theirs: Hop) -> bool:
    """Return whether `mine`, a next hop of the desired state, is the next hop `theirs`."""
    return mine.via == theirs.via and mine.dev in (None, theirs.dev)


def _same_route(mine: RouteSpec, theirs: RouteSpec) -> bool:
    """Return whether `theirs`, as read, is the route that `mine` asks for, whoever made it."""
    if mine == theirs:
        return True
    if len(mine.hops) == len(theirs.hops):
        pairs = zip(
            sorted(mine.hops, key=_hop_order), sorted(theirs.hops, key=_hop_order), strict=True
        )
        hops = tuple(replace(b, dev=None) if a.dev is None else b for a, b in pairs)
        theirs = replace(theirs, hops=hops)
        mine = replace(mine, hops=tuple(sorted(mine.hops, key=_hop_order)))
    # whatever else somebody has set stays
    return replace(theirs, protocol=mine.protocol, further=mine.further) == mine


def _leg_by_leg(
    netns: str, before: Iterable[RouteSpec], after: RouteSpec
) -> Sequence[RouteAdd | RouteDel]:
    """Return requests that turn the IPv6 routes `before` into `after`, one next hop at a time.

    There is always a route meanwhile, if the two have a next hop in common or a new one can be
    added before the old ones are deleted.
    """
    there, desired = [leg for spec in before for leg in spec.legs], after.legs
    olds, news = _by_gateway(there), _by_gateway(desired)
    missing = [
        leg
        for leg in desired
        if not any(_same_route(leg, other) for other in olds.get(_gateway(leg), ()))
    ]
    gone = [
        leg
        for leg in there
        if not any(_same_route(other, leg) for other in news.get(_gateway(leg), ()))
    ]
    # deleted first, because the kernel refuses a second next hop with the same gateway, however the
    # two differ otherwise (rt6_duplicate_nexthop)
    added = _by_gateway(missing)
    first: list[RouteSpec] = []
    rest: list[RouteSpec] = []
    for leg in gone:
        in_the_way = any(_same_gateway(other, leg) for other in added.get(_gateway(leg), ()))
        (first if in_the_way else rest).append(leg)
    return (
        *(RouteDel(netns, leg) for leg in first),
        *(RouteAdd(netns, leg, append=True) for leg in missing),
        *(RouteDel(netns, leg) for leg in rest),
    )


def _gateway(leg: RouteSpec) -> bytes | None:
    return leg.hops[0].via if len(leg.hops) == 1 else None


def _by_gateway(legs: Iterable[RouteSpec]) -> Mapping[bytes | None, Sequence[RouteSpec]]:
    """Return the routes with one next hop by its gateway, because only such ones can be alike."""
    by_gateway: dict[bytes | None, list[RouteSpec]] = {}
    for leg in legs:
        by_gateway.setdefault(_gateway(leg), []).append(leg)
    return by_gateway


def _without_a_gap(
    netns: str, before: RouteSpec, after: RouteSpec
) -> Sequence[RouteAdd | RouteDel] | None:
    """Return the requests of `_leg_by_leg`, or None if there would be a moment without a route."""
    steps = _leg_by_leg(netns, (before,), after)
    gap = not steps or (isinstance(steps[0], RouteDel) and not _stays(before, after))
    return None if gap else steps


def _stays(before: RouteSpec, after: RouteSpec) -> bool:
    olds = _by_gateway(before.legs)
    return any(
        _same_route(mine, theirs) for mine in after.legs for theirs in olds.get(_gateway(mine), ())
    )


def _same_gateway(mine: RouteSpec, theirs: RouteSpec) -> bool:
    return len(mine.hops) == len(theirs.hops) == 1 and _same_hop(mine.hops[0], theirs.hops[0])


def route_to_peer(peer: bytes, dev: str, table: int) -> RouteSpec:
    """Return the route that the kernel makes for an IPv6 address on `dev` with the peer `peer`.

    See addrconf_prefix_route.
    """
    hops = (Hop(None, dev),)
    return RouteSpec(AF_INET6, peer, 128, table, PREFIX_METRIC, RTN_UNICAST, 0, RTPROT_KERNEL, hops)


def hangs_on_source(spec: RouteSpec, table: int) -> bool:
    """Return whether the kernel deletes a route, or its `src`, together with its source address.

    `table` is the table with the routes of the link that has the address. See fib_sync_down_addr in
    net/ipv4/fib_semantics.c and rt6_remove_prefsrc in net/ipv6/route.c.
    """
    return spec.family == AF_INET6 or spec.table == table


def _sources(view: View, spec: RouteSpec) -> Iterator[Key]:
    for record in view.addresses_by_ip.get(spec.src or b"", ()):
        link = view.links.get(record.index)
        if link is not None and hangs_on_source(spec, _table_of(view, link)):
            yield address_key(view.label, link.name, ifaddr_of(record))


def _table_of(view: View, link: LinkRecord) -> int:
    """Return the table in which the kernel puts the routes for a link's own addresses."""
    vrf = view.links.get(link.master)
    if vrf is None or vrf.kind != "vrf":
        return MAIN
    return as_u32(vrf.data.get(IFLA_VRF_TABLE, bytes(4)))


def _peers(view: View, spec: RouteSpec) -> Iterator[RouteSpec]:
    """Yield the routes to those gateways of an IPv6 route that are the peer of an address."""
    for gateway in dict.fromkeys(hop.via for hop in spec.hops if hop.via is not None):
        for record in view.addresses_by_peer.get(gateway, ()):
            link = view.links[record.index]
            yield route_to_peer(record.address, link.name, _table_of(view, link))


def _normal(spec: RouteSpec) -> RouteSpec:
    """Return the route without values that the kernel fills in.

    These are the device lo of a rejecting IPv6 route, and the scopes of rejecting and IPv6 routes.
    """
    if spec.unsure:
        spec = replace(spec, unsure=())
    if spec.type in REJECTING:
        return replace(spec, hops=(), scope=0)
    return replace(spec, scope=0) if spec.family == AF_INET6 else spec


def is_ours(view: View, spec: RouteSpec) -> bool:
    """Return whether a route belongs to the topology.

    Its protocol number and the record decide. In a namespace that netorch made, routes that a user
    has added over the topology's links belong to it too. Routes over a bridge with an uplink do
    not, because they are those of the foreign NIC. Nor do routes that choose the other end of an
    external tunnel: they belong to the program that made them.
    """
    if spec.protocol == view.mark.protocol and (
        view.created or _is_over_our_links(view, spec) or _is_on_record(view, spec)
    ):
        return True
    if not view.created or spec.protocol not in {RTPROT_BOOT, RTPROT_STATIC}:
        return False
    devices = [
        view.by_name[hop.dev]
        for hop in spec.hops
        if hop.dev is not None and hop.dev in view.by_name
    ]
    if any(read_alias(device.alias).uplink for device in devices):
        return False
    if spec.encaps and any(map(is_external, devices)):
        return False
    return all(hop.dev is None or hop.dev == "lo" or hop.dev in view.our_names for hop in spec.hops)


def _is_on_record(view: View, spec: RouteSpec) -> bool:
    key = route_key(view.label, spec)
    return view.is_ours(key.kind, *key.parts)


def _is_over_our_links(view: View, spec: RouteSpec) -> bool:
    """Return whether all its links are the topology's, so that it is deleted with them anyway."""
    return bool(spec.hops) and all(
        hop.dev in view.our_names and not read_alias(view.by_name[hop.dev].alias).uplink
        for hop in spec.hops
        if hop.dev is not None
    )


@reports_unproven
def _in_doubt(view: View) -> Iterator[tuple[Key, str]]:
    """Yield routes with the topology's protocol number that no record confirms."""
    for spec in view.netns.routes:
        if view.is_in_doubt(spec.protocol) and not is_ours(view, spec):
            key = route_key(view.label, spec)
            yield key, view.doubt(f"route {label_text(view.label)} {key.name}")
