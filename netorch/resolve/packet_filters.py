"""Turn networks, published ports and `nat` lists into packet filter rules that fit both backends.

The rules of an owner first accept answers, then what a network's mode and isolation allow. Then
they drop everything else that would enter or leave a network's bridge. No rule drops or translates
any other traffic of the machine. The rules of a node's `filter` come before them, and its policies
after them (`node_filters`).

The networks of an owner are in sets and maps, so that there are as many entries as networks, and
no rule for each pair of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import collapse_addresses, ip_network
from typing import Any, Literal

from msgspec import Struct

from netorch.firewall.syntax import syntax_of
from netorch.immutable import field, replace
from netorch.kinds.filter import PacketFilter
from netorch.kinds.forward import ForwardAccept
from netorch.language.publish import NatModel, SourceModel, ports_text
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Site
from netorch.resolve.node_filters import node_rules
from netorch.resolve.published_ports import Published, check_published, prepare, published
from netorch.resolve.segment import LEADING_OUT, Segment
from netorch.values.filter_rules import (
    MASQUERADE,
    Address,
    Branch,
    Case,
    Choice,
    DestinationTo,
    FilterRule,
    Group,
    Hook,
    Match,
    Network,
    Not,
    Pairs,
    PortMap,
    PortTarget,
    Ruleset,
    SourceTo,
    Verdict,
    single_rules,
)

LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
MULTICAST = {4: ip_network("224.0.0.0/4"), 6: ip_network("ff00::/8")}
ANSWERS = ("established", "related")
UNTRANSLATED = ("invalid", "untracked")
"""States of packets that no rule translates, because they belong to no connection."""


class Filter(Struct):
    """The parts from which the packet filter of one namespace is made."""

    site: Site
    """The node that has the filter."""
    segments: list[Segment] = field(default_factory=list)
    """The networks that the node owns and that are filtered."""
    published: list[Published] = field(default_factory=list)
    """The ports that members of these networks publish."""


def filters(draft: Draft, segments: dict[str, Segment]) -> Iterator[tuple[Filter, Ruleset]]:
    """Yield the filter of each namespace that gets rules, with the rules."""
    by_node: dict[str, Filter] = {}
    for segment in segments.values():
        if _is_filtered(segment):
            by_node.setdefault(segment.owner.name, Filter(segment.owner)).segments.append(segment)
    for site in list(draft.sites.values()):
        for entry in published(draft, site, segments):
            by_node[entry.segment.owner.name].published.append(entry)
        if site.model.nat or site.model.filter is not None:
            by_node.setdefault(site.name, Filter(site))
    for filter_ in by_node.values():
        check_published(draft, filter_.site, filter_.published)
        prepare(draft, filter_.site, filter_.published)
        translations = tuple(_translations(draft, filter_))
        own, policies = node_rules(draft, filter_.site, segments)
        # The rules of `filter` may let through what a network would drop, and its policies drop
        # only what neither they nor the networks decide.
        rules = (
            *translations,
            *_untranslated(translations),
            *own,
            *_policy(filter_),
            *policies,
        )
        if rules:
            yield filter_, rules


def put_filter(draft: Draft, site: Site, rules: Ruleset) -> None:
    """Put the filter of a node.

    Its text is not what the kernel lists, as long as netorch has not asked the kernel.
    """
    backend, topology = draft.topology.backend.nat, draft.mark.topology
    try:
        text = syntax_of(backend).text_of_rules(topology, rules)
    except ValueError:
        # The rules have an interface name or the like that the backend cannot express. This is an
        # error only when they are loaded.
        text = "\n".join(map(repr, rules))
    asked = site.model.filter is not None and site.model.filter.decides
    draft.put(PacketFilter(site.label, backend, topology, text, rules, asked), site.path)


def put_accepts(draft: Draft, segments: dict[str, Segment]) -> tuple[ForwardAccept, ...]:
    """Put an accept for each bridge on the host or in an attached node, where others may filter.

    Return the accepts for nodes that netorch makes. They are not put into the draft, because a
    firewall in such a node belongs to what its user tests.
    """
    own: list[ForwardAccept] = []
    for segment, accept in _accepts(draft, segments):
        if not segment.owner.created:
            draft.put(accept, segment.path)
        elif not segment.owner.is_fabric:
            own.append(accept)
    return tuple(own)


def _accepts(draft: Draft, segments: dict[str, Segment]) -> Iterator[tuple[Segment, ForwardAccept]]:
    for segment in (
        part for whole in segments.values() for part in (whole.ends.values() or (whole,))
    ):
        leads = tuple(
            version
            for version in (4, 6)
            if segment.model.mode_of(version) in LEADING_OUT and segment.subnet_of(version)
        )
        guarded = tuple(version for version in (4, 6) if segment.subnet_of(version))
        if not _is_filtered(segment):
            guarded = ()
        for bridge in () if segment.model.existing else segment.bridges:
            # Only the first bridge leads to the owner. Further bridges pass frames to the first.
            is_root = bridge is segment.root
            yield (
                segment,
                ForwardAccept(
                    segment.owner.label,
                    bridge.dev,
                    draft.mark.topology,
                    leads=leads if is_root else (),
                    guarded=guarded if is_root else (),
                ),
            )


def _is_filtered(segment: Segment) -> bool:
    return not segment.model.is_segment and not segment.model.is_bridged


def _translations(draft: Draft, filter_: Filter) -> Iterator[FilterRule]:
    yield from _publications(filter_.published)
    for index, nat in enumerate(filter_.site.model.nat):
        yield from _nat_rules(draft, filter_.site, nat, (*filter_.site.path, "nat", index))
    for version in (4, 6):
        yield from _sources(filter_, version)


def _publications(entries: list[Published]) -> Iterator[FilterRule]:
    """Yield the translations to the nodes that publish ports.

    Entries for one address come before those for all addresses, because the first match wins.
    """
    groups: dict[tuple[bool, bool, int, str, bool], list[Published]] = {}
    for entry in entries:
        single = entry.model.owner_port[0] == entry.model.owner_port[1]
        near = entry.address is not None and entry.address.is_loopback
        everywhere = entry.address is None
        place = everywhere, near, entry.version, entry.model.proto, not single
        groups.setdefault(place, []).append(entry)
    for everywhere, near, version, protocol, ranges in sorted(groups):
        here = groups[everywhere, near, version, protocol, ranges]
        hooks = (Hook.OUTPUT,) if near else (Hook.PREROUTING, Hook.OUTPUT)
        match = Match(protocol=protocol, local=True)
        if not ranges:
            kind = "published" if everywhere else "loopback" if near else "addressed"
            ports = tuple(
                PortTarget(
                    entry.address,
                    entry.model.owner_port[0],
                    entry.target,
                    entry.model.to[0],
                    entry.text,
                )
                for entry in here
            )
            act = PortMap(f"{kind}_{protocol}{version}", ports)
            for hook in hooks:
                yield FilterRule(version, hook, match, act)
            continue
        for entry in here:
            where = ip_network(entry.address) if entry.address is not None else None
            of_range = replace(match, destination=where, port=entry.model.owner_port)
            there = DestinationTo(entry.target, entry.model.to)
            for hook in hooks:
                yield FilterRule(version, hook, of_range, there, entry.text)


def _sources(filter_: Filter, version: int) -> Iterator[FilterRule]:
    """Yield the translations of the sources of what members send."""
    natted = [
        segment
        for segment in filter_.segments
        if segment.model.mode_of(version) == "nat" and segment.subnet_of(version)
    ]
    if natted:
        # If a program of the owner connects to another of its programs at the bridge's address,
        # the source is in the subnet and the packets leave by lo. The rules below would translate
        # them.
        yield FilterRule(
            version, Hook.POSTROUTING, Match(oif="lo"), Verdict.RETURN, "the owner to itself"
        )
    publishing = {entry.segment.name for entry in filter_.published if entry.version == version}
    if cases := [
        _hairpin(segment, version) for segment in filter_.segments if segment.name in publishing
    ]:
        choice = Choice(f"hairpin{version}", "oif", tuple(cases))
        yield FilterRule(version, Hook.POSTROUTING, Match(translated=True), choice)
    out: list[Case] = []
    late: list[FilterRule] = []
    # Only networks in different VRFs overlap.
    several = _overlapping([subnet for part in natted for subnet in part.subnet_of(version)])
    for segment in natted:
        rule = _leaving(segment, version)
        for subnet in segment.subnet_of(version):
            if subnet in several:
                late.append(replace(rule, match=replace(rule.match, source=subnet)))
            else:
                out.append(Case(segment.root.dev, subnet, (rule,)))
    if out:
        choice = Choice(f"out{version}", "source", tuple(out))
        yield FilterRule(version, Hook.POSTROUTING, Match(), choice)
    yield from late


def _hairpin(segment: Segment, version: int) -> Case:
    """Return the translations for connections to ports that members of a network publish.

    If a member reaches a published port of its own network, the target would answer the member
    directly, and the owner could not translate the answer back. So the source becomes the owner's
    address.
    """
    sources = [(subnet, "members to published ports") for subnet in segment.subnet_of(version)]
    near = (LOOPBACK[version], "from loopback to published ports")
    return Case(
        segment.root.dev,
        segment.root.dev,
        tuple(
            FilterRule(
                version,
                Hook.POSTROUTING,
                Match(source=source),
                MASQUERADE,
                f"{segment.name}: {text}",
            )
            for source, text in (*sources, near)
        ),
    )


def _leaving(segment: Segment, version: int) -> FilterRule:
    """Return the translation of what leaves a network of mode nat, for each source."""
    out = Match(oif=Not(segment.root.dev), destination=Not(MULTICAST[version]))
    egress = segment.model.egress_of(version)
    leave = SourceTo(egress) if egress is not None else MASQUERADE
    return FilterRule(version, Hook.POSTROUTING, out, leave, f"{segment.name}: out")


def _overlapping(subnets: list[Network]) -> set[Network]:
    """Return the networks that overlap others."""
    overlapping: set[Network] = set()
    widest: Network | None = None
    # A network sorts before those inside it.
    for subnet in sorted(subnets):
        if widest is not None and subnet.overlaps(widest):
            overlapping |= {subnet, widest}
        else:
            widest = subnet
    return overlapping


def _nat_rules(draft: Draft, site: Site, model: NatModel, path: Path) -> Iterator[FilterRule]:
    if model.masquerade is not None:
        source = model.masquerade.source
        for version in (4, 6) if source is None else (source.version,):
            yield from _source_rules(site, model.masquerade, version, None, "nat: masquerade")
    if model.snat is not None:
        source, to = model.snat.source, model.snat.to
        if source is not None and source.version != to.version:
            draft.complain(
                "mixed-families", path, f"snat from {source} to {to} mixes IPv4 and IPv6"
            )
        yield from _source_rules(site, model.snat, to.version, to, "nat: snat")
    if model.dnat is not None:
        dnat = model.dnat
        target, there = dnat.to
        if dnat.address is not None and dnat.address.version != target.version:  # type: ignore[attr-defined]
            draft.complain(
                "mixed-families", path, f"dnat of {dnat.address} to {target} mixes IPv4 and IPv6"
            )
        match = Match(
            iif=_interface(site, dnat.in_) if dnat.in_ is not None else None,
            destination=ip_network(dnat.address) if dnat.address is not None else None,
            protocol=dnat.proto,
            port=dnat.port,
        )
        act = DestinationTo(target, there)  # type: ignore[arg-type]
        version = target.version  # type: ignore[attr-defined]
        yield FilterRule(version, Hook.PREROUTING, match, act, f"nat: dnat {ports_text(dnat.port)}")


def _source_rules(
    site: Site, model: SourceModel, version: int, to: Address | None, text: str
) -> Iterator[FilterRule]:
    """Yield a rule for each protocol. `to` is the new address, None for that of the interface."""
    match = Match(oif=_interface(site, model.out), source=model.source)
    act = SourceTo(to, model.ports, model.random)
    for protocol in dict.fromkeys(model.proto) or (None,):
        yield FilterRule(version, Hook.POSTROUTING, replace(match, protocol=protocol), act, text)


def _interface(site: Site, text: str) -> str | Not:
    name = text.removeprefix("!")
    dev = site.ifaces[name].dev if name in site.ifaces else name
    return Not(dev) if text.startswith("!") else dev


def _untranslated(translations: Iterable[FilterRule]) -> Iterator[FilterRule]:
    """Yield drops of packets that need a translated source but belong to no connection.

    Examples are a FIN or RST of a finished connection, an ICMP error about no connection, and
    packets that a `notrack` rule exempts. Otherwise they would leave with the member's own address.
    The drops come before every accept, because the accept for an allowed network would let the
    packets pass.
    """
    drops: dict[int, list[FilterRule]] = {4: [], 6: []}
    for rule in single_rules(translations):
        leaves = rule.match.translated is None and rule.act is not Verdict.RETURN
        if rule.hook is Hook.POSTROUTING and leaves:
            text = f"{rule.comment}, of no connection"
            drops[rule.family].append(
                FilterRule(rule.family, Hook.FORWARD, rule.match, Verdict.DROP, text)
            )
    for version, rules in drops.items():
        if rules:
            branch = Branch(f"untranslated{version}", tuple(rules))
            yield FilterRule(version, Hook.FORWARD, Match(states=UNTRANSLATED), branch)


def _policy(filter_: Filter) -> Iterator[FilterRule]:
    for version in (4, 6):
        here = [segment for segment in filter_.segments if segment.subnet_of(version)]
        if here:
            networks = Networks(here, version)
            yield from _entry(networks)
            yield from _forward(networks)


class Networks:
    """The filtered networks of one owner that have a subnet of one IP version."""

    def __init__(self, here: list[Segment], version: int) -> None:
        self.here = here
        self.version = version
        by_name = {segment.name: segment for segment in here}
        self.allowed: dict[str, dict[str, Segment]] = {name: {} for name in by_name}
        """Network → the networks that it allows or that allow it."""
        for segment in here:
            for name in segment.model.allow:
                if name in by_name and name != segment.name:
                    self.allowed[segment.name][name] = by_name[name]
                    self.allowed[name][segment.name] = segment
        self.open = [
            segment
            for segment in here
            if not segment.model.is_isolated and segment.model.mode_of(version) in LEADING_OUT
        ]
        """The networks that forward to each other."""
        self.everyone = self.bridges("networks", here)
        """All of their bridges."""

    def bridges(self, name: str, segments: Iterable[Segment]) -> Group:
        return Group(f"{name}{self.version}", tuple(segment.root.dev for segment in segments))

    def subnets(self, name: str, segments: Iterable[Segment]) -> Group:
        subnets = [subnet for one in segments for subnet in one.subnet_of(self.version)]
        # Only networks in different VRFs overlap. A set takes an address once.
        apart = collapse_addresses(subnets) if _overlapping(subnets) else subnets  # type: ignore[type-var]
        return Group(f"{name}{self.version}" if name else "", tuple(apart))

    def mode(self, segment: Segment) -> str:
        return segment.model.mode_of(self.version)

    def rule(self, hook: Hook, act: Verdict | Choice, text: str, **match: Any) -> FilterRule:
        return FilterRule(self.version, hook, Match(**match), act, text)

    def drops(self, name: str, field: Literal["iif", "oif"], texts: dict[str, str]) -> Choice:
        """Return a map that drops the packets of bridges. `texts` maps these to comments."""
        cases = (
            Case(dev, dev, (self.rule(Hook.FORWARD, Verdict.DROP, text),))
            for dev, text in texts.items()
        )
        return Choice(f"{name}{self.version}", field, tuple(cases))


def _entry(networks: Networks) -> Iterator[FilterRule]:
    """Yield the rules for what members send to the owner itself.

    They may not reach its loopback addresses, nor the gateway of a network that is closed to them.
    """
    version, here = networks.version, networks.here
    yield networks.rule(Hook.INPUT, Verdict.ACCEPT, "answers", states=ANSWERS)
    if version == 4:
        yield networks.rule(
            Hook.INPUT,
            Verdict.DROP,
            "loopback is for the owner alone",
            iif=networks.everyone,
            destination=LOOPBACK[4],
            translated=False,
        )
    isolated = [segment for segment in here if segment.model.is_isolated]
    shared = [segment for segment in here if not segment.model.is_isolated]
    if not isolated or len(here) == 1:
        return
    cases: list[Case] = []
    for segment in here:
        allowed = networks.allowed[segment.name].values()
        if segment.model.is_isolated:
            reached = [segment, *allowed]
        else:
            reached = [other for other in allowed if other.model.is_isolated]
        if reached:
            match = Match(destination=networks.subnets("", reached))
            rule = FilterRule(version, Hook.INPUT, match, Verdict.ACCEPT)
            cases.append(Case(segment.root.dev, segment.root.dev, (rule,)))
    yield networks.rule(Hook.INPUT, Choice(f"own{version}", "iif", tuple(cases)), "")
    for members, name, targets, target_name in (
        (isolated, "isolated", here, "subnets"),
        (shared, "shared", isolated, "closed"),
    ):
        if members:
            yield networks.rule(
                Hook.INPUT,
                Verdict.DROP,
                "not to the gateway of another network",
                iif=networks.bridges(name, members),
                destination=networks.subnets(target_name, targets),
            )


def _forward(networks: Networks) -> Iterator[FilterRule]:
    """Yield the rules for what members forward through the owner.

    All accepts come before all drops. Otherwise a drop of one network could stop packets to a
    published port of another network.
    """
    here, everyone = networks.here, networks.everyone
    for text, match in _accepts_of(networks):
        yield networks.rule(Hook.FORWARD, Verdict.ACCEPT, text, **match)
    if len(here) > 1 and len(networks.open) < len(here):
        texts = {one.root.dev: f"{one.name}: not from another network" for one in here}
        between = networks.drops("between", "oif", texts)
        yield networks.rule(Hook.FORWARD, between, "", iif=everyone)
    closed = {
        one.root.dev: f"{one.name}: nothing beyond"
        for one in here
        if networks.mode(one) == "host-only"
    }
    if closed:
        yield networks.rule(Hook.FORWARD, networks.drops("beyond", "iif", closed), "")
    texts = {"host-only": "nothing from beyond", "nat": "only what is published"}
    guarded = {
        one.root.dev: f"{one.name}: {texts[networks.mode(one)]}"
        for one in here
        if networks.mode(one) in texts
    }
    if guarded:
        yield networks.rule(Hook.FORWARD, networks.drops("into", "oif", guarded), "")


def _accepts_of(networks: Networks) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is forwarded, as comment and conditions."""
    here, version, everyone = networks.here, networks.version, networks.everyone
    yield "answers", {"states": ANSWERS}
    yield "to ports that others publish", {"iif": everyone, "translated": True}
    leading = [one for one in here if networks.mode(one) in LEADING_OUT]
    if leading:
        group = networks.bridges("leading", leading)
        yield "to published ports", {"oif": group, "translated": True}
    pairs = tuple(
        (one.root.dev, other.root.dev)
        for one in here
        for other in (one, *networks.allowed[one.name].values())
    )
    text = "among members and allowed networks"
    yield text, {"pair": Pairs(f"among{version}", pairs)}
    # A host-only network is open only to networks that it allows or that allow it.
    if len(networks.open) > 1:
        group = networks.bridges("open", networks.open)
        yield "between open networks", {"iif": group, "oif": group}
