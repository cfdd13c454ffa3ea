"""Networks, published ports and `nat` lists to the neutral rules of each owner's packet filter, and the settings they need.

What is answered is let through first; what a network's mode and isolation allow comes next; the rest of what would enter or
leave a network's bridge is dropped. Everything else on the machine is none of our business and meets no rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

from netorch.kinds.forwardaccept import ForwardAccept
from netorch.kinds.packetfilter import PacketFilter
from netorch.kinds.route import IPV6_METRIC, Route
from netorch.kinds.sysctl import Sysctl
from netorch.nat.ruleset import Chain, DestinationTo, Match, Not, Rule, Ruleset, SourceTo, Verdict
from netorch.netlink.constants import AF_INET6, RTN_LOCAL
from netorch.publish import NatWords, PublishWords, shown
from netorch.requests import Hop, RouteSpec
from netorch.resolve.draft import Draft, Path, Site
from netorch.resolve.networks import Segment
from netorch.words import Address

LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
MULTICAST = {4: ip_network("224.0.0.0/4"), 6: ip_network("ff00::/8")}
LOCAL_TABLE = 255
ANSWERS = ("established", "related")
LEADING_OUT = {"nat", "routed"}


@dataclass(frozen=True, slots=True)
class Published:
    """A published port with both its ends known. `address` None is every address of the owner."""

    words: PublishWords
    node: str
    segment: Segment
    version: int
    address: Address | None
    target: Address
    path: Path


@dataclass(slots=True)
class Filter:
    """What one namespace's filter is made of."""

    site: Site
    segments: list[Segment] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)


def filters(draft: Draft, segments: dict[str, Segment]) -> Iterator[tuple[Site, Ruleset]]:
    """Each namespace that gets rules, with them."""
    found: dict[str, Filter] = {}
    for segment in segments.values():
        if not segment.words.is_segment and not segment.words.is_bridged:
            found.setdefault(segment.owner.name, Filter(segment.owner)).segments.append(segment)
    for site in list(draft.sites.values()):
        for entry in _published(draft, site, segments):
            found[entry.segment.owner.name].published.append(entry)
        if site.words.nat:
            found.setdefault(site.name, Filter(site))
    for filter_ in found.values():
        _check_published(draft, filter_)
        _prepare(draft, filter_)
        rules = (*_translations(draft, filter_), *_policy(filter_))
        if rules:
            yield filter_.site, rules


def put_filter(draft: Draft, site: Site, rules: Ruleset) -> None:
    """The filter as a resource. Its text is the neutral rules', until the kernel says them in its own words."""
    text = "\n".join(map(repr, rules))
    draft.put(PacketFilter(site.label, draft.topology.backend.nat, draft.mark.topology, text, rules), site.path)


def put_accepts(draft: Draft, segments: dict[str, Segment]) -> None:
    """A word for each bridge where others may filter. In a namespace of our own a firewall is part of what is tried out there."""
    for segment in segments.values():
        if segment.owner.created:
            continue
        leads = tuple(version for version in (4, 6) if segment.words.mode_of(version) in LEADING_OUT and segment.subnet_of(version))
        for bridge in segment.bridges:
            # further bridges only pass frames on to the first
            versions = leads if bridge is segment.root else ()
            draft.put(ForwardAccept(segment.owner.label, bridge.dev, draft.mark.topology, versions), segment.path)


def _published(draft: Draft, site: Site, segments: dict[str, Segment]) -> Iterator[Published]:
    for index, words in enumerate(site.words.publish):
        path: Path = (*site.path, "publish", index)
        mine = {name: segments[name] for name in site.words.networks if name in segments}
        if words.network is not None and words.network not in mine:
            draft.unknown((*path, "network"), f"among the networks of {site.name},", words.network, mine)
            continue
        chosen = [mine[words.network]] if words.network else [entry for entry in mine.values() if "nat" in entry.words.modes]
        if not chosen:
            draft.complain(path, f"{site.name} publishes a port, but is in no network of mode nat", "Join one, or name the `network`.")
            continue
        segment = chosen[0]
        if not segment.words.modes & LEADING_OUT:
            draft.complain(path, f"network {segment.name} is {segment.words.mode_of(4)}: nobody outside reaches what it would publish")
            continue
        versions = {words.address.version} if words.address is not None else {4, 6}
        targets = [(version, target) for version in sorted(versions) if (target := _member_address(segment, site, version))]
        if not targets:
            draft.complain(path, f"{site.name} has no address in network {segment.name} that could be published")
        address = words.address if words.address is not None and not words.address.is_unspecified else None
        for version, target in targets:
            yield Published(words, site.name, segment, version, address, target, path)


def _member_address(segment: Segment, site: Site, version: int) -> Address | None:
    for member in segment.members:
        if member.iface.site is site:
            for entry in (member.iface.front or member.iface).addresses:
                if entry.interface.version == version and not entry.interface.ip.is_link_local:
                    return entry.interface.ip
    return None


def _prepare(draft: Draft, filter_: Filter) -> None:
    """What published ports need beside rules: way back to the port that asked, and 127.0.0.1 routed to the bridge."""
    for entry in filter_.published:
        for member in entry.segment.members:
            if member.iface.site.name == entry.node and member.iface.peer is not None:
                member.iface.peer.hairpin = True
        if entry.version == 4:
            path = f"net/ipv4/conf/{entry.segment.root.dev}/route_localnet"
            draft.put(Sysctl(filter_.site.label, (path,), "1"), entry.path)
        else:
            _loopback_route(draft, filter_, entry)


def _loopback_route(draft: Draft, filter_: Filter, entry: Published) -> None:
    """Answers to ::1 come in by the bridge, where the kernel takes it for local only if a route says so: one a bridge, each with
    a metric of its own. A bridge that hands IPv6 to the packet filter would lose them before: br_netfilter is off in new owners.
    """
    metric = IPV6_METRIC + 1 + filter_.segments.index(entry.segment)
    hops = (Hop(None, entry.segment.root.dev),)
    spec = RouteSpec(AF_INET6, LOOPBACK[6].network_address.packed, 128, LOCAL_TABLE, metric, RTN_LOCAL, 0, draft.mark.protocol, hops)
    draft.put(Route(filter_.site.label, spec), entry.path)
    filter_.site.bridges_bare = True


def _check_published(draft: Draft, filter_: Filter) -> None:
    """One port has one target; an entry for a certain address may stand beside one for all of them."""
    for index, entry in enumerate(filter_.published):
        for earlier in filter_.published[:index]:
            same = (earlier.words.proto, earlier.version, earlier.address) == (entry.words.proto, entry.version, entry.address)
            first, second = earlier.words.port, entry.words.port
            if same and first[0] <= second[1] and second[0] <= first[1] and earlier.path != entry.path:
                draft.complain(
                    entry.path,
                    f"{entry.node} publishes {entry.words.proto} port {shown(second)} on {filter_.site.name}, "
                    f"where {earlier.node} publishes {shown(first)} already",
                )
                break


def _translations(draft: Draft, filter_: Filter) -> Iterator[Rule]:
    # an entry for one address goes before those for all of them
    for entry in sorted(filter_.published, key=lambda entry: entry.address is None):
        words = entry.words
        text = f"publish {entry.node} {shown(words.port)}:{shown(words.to)}/{words.proto}"
        where = ip_network(entry.address) if entry.address is not None else None
        act = DestinationTo(entry.target, words.to)
        match = Match(destination=where, protocol=words.proto, port=words.port, local=True)
        if entry.address is None or not entry.address.is_loopback:
            yield Rule(entry.version, Chain.PREROUTING, match, act, text)
        yield Rule(entry.version, Chain.OUTPUT, match, act, text)
    for index, nat in enumerate(filter_.site.words.nat):
        yield from _own(draft, filter_.site, nat, (*filter_.site.path, "nat", index))
    for segment in filter_.segments:
        bridge = segment.root.dev
        for subnet in segment.words.subnet:
            version = subnet.version
            hairpin = any(entry.segment is segment and entry.version == version for entry in filter_.published)
            if hairpin:
                # its own answer would not come back through here: the owner stands in for the one who asks
                back = Match(oif=bridge, source=subnet, translated=True)
                yield Rule(version, Chain.POSTROUTING, back, Verdict.MASQUERADE, f"{segment.name}: members to published ports")
                near = Match(oif=bridge, source=LOOPBACK[version], translated=True)
                yield Rule(version, Chain.POSTROUTING, near, Verdict.MASQUERADE, f"{segment.name}: from loopback to published ports")
            if segment.words.mode_of(version) == "nat":
                out = Match(oif=Not(bridge), source=subnet, destination=Not(MULTICAST[version]))
                egress = segment.words.egress_of(version)
                leave = SourceTo(egress) if egress is not None else Verdict.MASQUERADE
                yield Rule(version, Chain.POSTROUTING, out, leave, f"{segment.name}: out")


def _own(draft: Draft, site: Site, words: NatWords, path: Path) -> Iterator[Rule]:
    if words.masquerade is not None:
        out, source = _interface(site, words.masquerade.out), words.masquerade.source
        for version in (4, 6) if source is None else (source.version,):
            yield Rule(version, Chain.POSTROUTING, Match(oif=out, source=source), Verdict.MASQUERADE, "nat: masquerade")
    if words.snat is not None:
        out, source, to = _interface(site, words.snat.out), words.snat.source, words.snat.to
        if source is not None and source.version != to.version:
            draft.complain(path, f"snat from {source} to {to} mixes IPv4 and IPv6")
        yield Rule(to.version, Chain.POSTROUTING, Match(oif=out, source=source), SourceTo(to), "nat: snat")
    if words.dnat is not None:
        dnat = words.dnat
        target, there = dnat.to
        if dnat.address is not None and dnat.address.version != target.version:  # type: ignore[attr-defined]
            draft.complain(path, f"dnat of {dnat.address} to {target} mixes IPv4 and IPv6")
        match = Match(
            iif=_interface(site, dnat.in_) if dnat.in_ is not None else None,
            destination=ip_network(dnat.address) if dnat.address is not None else None,
            protocol=dnat.proto,
            port=dnat.port,
        )
        act = DestinationTo(target, there)  # type: ignore[arg-type]
        yield Rule(target.version, Chain.PREROUTING, match, act, f"nat: dnat {shown(dnat.port)}")  # type: ignore[attr-defined]


def _interface(site: Site, text: str) -> str | Not:
    name = text.removeprefix("!")
    dev = site.ifaces[name].dev if name in site.ifaces else name
    return Not(dev) if text.startswith("!") else dev


def _policy(filter_: Filter) -> Iterator[Rule]:
    for version in (4, 6):
        here = [segment for segment in filter_.segments if segment.subnet_of(version)]
        for segment in here:
            yield from _entry(segment, here, version)
        for segment in here:
            yield from _forward(segment, here, version)


def _entry(segment: Segment, here: list[Segment], version: int) -> Iterator[Rule]:
    """What members may send to the owner itself: not to its loopback, and to no gateway of a network that is closed to them."""
    bridge = segment.root.dev
    yield Rule(version, Chain.INPUT, Match(iif=bridge, states=ANSWERS), Verdict.ACCEPT, f"{segment.name}: answers")
    if version == 4:
        spoofed = Match(iif=bridge, destination=LOOPBACK[4], translated=False)
        yield Rule(version, Chain.INPUT, spoofed, Verdict.DROP, f"{segment.name}: loopback is the owner's own")
    for other in here:
        if other is not segment and not other.words.is_segment and closed(segment, other):
            for subnet in other.subnet_of(version):
                there = Match(iif=bridge, destination=subnet)
                yield Rule(version, Chain.INPUT, there, Verdict.DROP, f"{segment.name}: not to the gateway of {other.name}")


def _forward(segment: Segment, here: list[Segment], version: int) -> Iterator[Rule]:
    bridge, name, mode = segment.root.dev, segment.name, segment.words.mode_of(version)
    chain = Chain.FORWARD

    def rule(match: Match, act: Verdict, text: str) -> Rule:
        return Rule(version, chain, match, act, f"{name}: {text}")

    yield rule(Match(oif=bridge, states=ANSWERS), Verdict.ACCEPT, "answers to members")
    yield rule(Match(iif=bridge, states=ANSWERS), Verdict.ACCEPT, "answers of members")
    yield rule(Match(iif=bridge, oif=bridge), Verdict.ACCEPT, "among members")
    if mode in LEADING_OUT:
        yield rule(Match(oif=bridge, translated=True), Verdict.ACCEPT, "to published ports")
        yield rule(Match(iif=bridge, translated=True), Verdict.ACCEPT, "to ports that others publish")
    for other in here:
        if other is segment or other.words.mode_of(version) == "segment":
            continue
        if not closed(segment, other) and mode in LEADING_OUT and other.words.mode_of(version) in LEADING_OUT:
            yield rule(Match(iif=other.root.dev, oif=bridge), Verdict.ACCEPT, f"from network {other.name}")
        else:
            yield rule(Match(iif=other.root.dev, oif=bridge), Verdict.DROP, f"not from network {other.name}")
    if mode == "host-only":
        yield rule(Match(oif=bridge), Verdict.DROP, "nothing from beyond")
        yield rule(Match(iif=bridge), Verdict.DROP, "nothing beyond")
    elif mode == "nat":
        yield rule(Match(iif=Not(bridge), oif=bridge), Verdict.DROP, "only what is published")


def closed(one: Segment, other: Segment) -> bool:
    """Whether members of two networks of one owner are kept apart."""
    if other.name in one.words.allow or one.name in other.words.allow:
        return False
    return one.words.is_isolated or other.words.is_isolated
