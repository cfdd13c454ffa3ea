"""Turn networks, published ports and `nat` lists into packet filter rules that fit both backends.

The rules of an owner first accept answers, then what a network's mode and isolation allow. Then
they drop everything else that would enter or leave a network's bridge. No rule matches any other
traffic of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Any

from msgspec import Struct

from netorch.firewall.nftables import line
from netorch.immutable import field, replace
from netorch.kinds.filter import PacketFilter
from netorch.kinds.forward import ForwardAccept
from netorch.language.publish import NatModel, ports_text
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Site
from netorch.resolve.published_ports import Published, check_published, prepare, published
from netorch.resolve.segment import LEADING_OUT, Segment, closed
from netorch.values.filter_rules import (
    DestinationTo,
    FilterRule,
    Hook,
    Match,
    Not,
    Ruleset,
    SourceTo,
    Verdict,
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
        if site.model.nat:
            by_node.setdefault(site.name, Filter(site))
    for filter_ in by_node.values():
        check_published(draft, filter_.site, filter_.published)
        prepare(draft, filter_.site, filter_.published)
        translations = tuple(_translations(draft, filter_))
        rules = (*translations, *_untranslated(translations), *_policy(filter_))
        if rules:
            yield filter_, rules


def put_filter(draft: Draft, site: Site, rules: Ruleset) -> None:
    """Put the filter of a node.

    Its text has the rules in nft's syntax, as long as netorch does not know how the kernel lists
    them.
    """
    text = "\n".join(map(line, rules))
    draft.put(
        PacketFilter(site.label, draft.topology.backend.nat, draft.mark.topology, text, rules),
        site.path,
    )


def put_accepts(draft: Draft, segments: dict[str, Segment]) -> tuple[ForwardAccept, ...]:
    """Put an accept for each bridge on the host or in an attached node, where others may filter.

    Return the accepts for nodes that netorch makes. They are not put into the draft, because a
    firewall in such a node belongs to what its user tests.
    """
    own: list[ForwardAccept] = []
    for segment, accept in _accepts(draft, segments):
        if not segment.owner.created:
            draft.put(accept, segment.path)
        elif segment.owner.label != draft.mark.fabric:
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
        for bridge in segment.bridges:
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
    # An entry for one address comes before those for all addresses, because the first match wins.
    for entry in sorted(filter_.published, key=lambda entry: entry.address is None):
        model, text = entry.model, entry.text
        where = ip_network(entry.address) if entry.address is not None else None
        act = DestinationTo(entry.target, model.to)
        match = Match(destination=where, protocol=model.proto, port=model.port, local=True)
        if entry.address is None or not entry.address.is_loopback:
            yield FilterRule(entry.version, Hook.PREROUTING, match, act, text)
        yield FilterRule(entry.version, Hook.OUTPUT, match, act, text)
    for index, nat in enumerate(filter_.site.model.nat):
        yield from _nat_rules(draft, filter_.site, nat, (*filter_.site.path, "nat", index))
    for version in (4, 6):
        if any(
            segment.model.mode_of(version) == "nat" and segment.subnet_of(version)
            for segment in filter_.segments
        ):
            # If a program of the owner connects to another of its programs at the bridge's
            # address, the source is in the subnet and the packets leave by lo. The rules below
            # would translate them.
            yield FilterRule(
                version, Hook.POSTROUTING, Match(oif="lo"), Verdict.RETURN, "the owner to itself"
            )
    for segment in filter_.segments:
        bridge = segment.root.dev
        for subnet in segment.model.subnet:
            version = subnet.version
            hairpin = any(
                entry.segment is segment and entry.version == version for entry in filter_.published
            )
            if hairpin:
                # If a member reaches a published port of its own network, the target would answer
                # the member directly, and the owner could not translate the answer back. So the
                # source becomes the owner's address.
                back = Match(oif=bridge, source=subnet, translated=True)
                yield FilterRule(
                    version,
                    Hook.POSTROUTING,
                    back,
                    Verdict.MASQUERADE,
                    f"{segment.name}: members to published ports",
                )
                near = Match(oif=bridge, source=LOOPBACK[version], translated=True)
                yield FilterRule(
                    version,
                    Hook.POSTROUTING,
                    near,
                    Verdict.MASQUERADE,
                    f"{segment.name}: from loopback to published ports",
                )
            if segment.model.mode_of(version) == "nat":
                out = Match(oif=Not(bridge), source=subnet, destination=Not(MULTICAST[version]))
                egress = segment.model.egress_of(version)
                leave = SourceTo(egress) if egress is not None else Verdict.MASQUERADE
                yield FilterRule(version, Hook.POSTROUTING, out, leave, f"{segment.name}: out")


def _nat_rules(draft: Draft, site: Site, model: NatModel, path: Path) -> Iterator[FilterRule]:
    if model.masquerade is not None:
        out, source = _interface(site, model.masquerade.out), model.masquerade.source
        for version in (4, 6) if source is None else (source.version,):
            yield FilterRule(
                version,
                Hook.POSTROUTING,
                Match(oif=out, source=source),
                Verdict.MASQUERADE,
                "nat: masquerade",
            )
    if model.snat is not None:
        out, source, to = _interface(site, model.snat.out), model.snat.source, model.snat.to
        if source is not None and source.version != to.version:
            draft.complain(
                "mixed-families", path, f"snat from {source} to {to} mixes IPv4 and IPv6"
            )
        yield FilterRule(
            to.version, Hook.POSTROUTING, Match(oif=out, source=source), SourceTo(to), "nat: snat"
        )
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
    for rule in translations:
        leaves = rule.match.translated is None and rule.act is not Verdict.RETURN
        if rule.hook is Hook.POSTROUTING and leaves:
            match = replace(rule.match, states=UNTRANSLATED)
            text = f"{rule.comment}, of no connection"
            yield FilterRule(rule.family, Hook.FORWARD, match, Verdict.DROP, text)


def _policy(filter_: Filter) -> Iterator[FilterRule]:
    for version in (4, 6):
        here = [segment for segment in filter_.segments if segment.subnet_of(version)]
        for segment in here:
            yield from _entry(segment, here, version)
        for rules in (_forward, _refuse):
            for segment in here:
                yield from rules(segment, here, version)


def _entry(segment: Segment, here: list[Segment], version: int) -> Iterator[FilterRule]:
    """Yield the rules for what members send to the owner itself.

    They may not reach its loopback addresses, nor the gateway of a network that is closed to them.
    """
    bridge = segment.root.dev
    yield FilterRule(
        version,
        Hook.INPUT,
        Match(iif=bridge, states=ANSWERS),
        Verdict.ACCEPT,
        f"{segment.name}: answers",
    )
    if version == 4:
        spoofed = Match(iif=bridge, destination=LOOPBACK[4], translated=False)
        yield FilterRule(
            version,
            Hook.INPUT,
            spoofed,
            Verdict.DROP,
            f"{segment.name}: loopback is for the owner alone",
        )
    for other in here:
        if other is not segment and not other.model.is_segment and closed(segment, other):
            for subnet in other.subnet_of(version):
                there = Match(iif=bridge, destination=subnet)
                yield FilterRule(
                    version,
                    Hook.INPUT,
                    there,
                    Verdict.DROP,
                    f"{segment.name}: not to the gateway of {other.name}",
                )


def _forward(segment: Segment, here: list[Segment], version: int) -> Iterator[FilterRule]:
    """Yield the accepts for what members forward through the owner.

    The accepts of all networks come before all drops. Otherwise a drop of one network could stop
    packets to a published port of another network.
    """
    bridge, mode = segment.root.dev, segment.model.mode_of(version)

    def accept(text: str, **match: Any) -> FilterRule:
        return FilterRule(
            version, Hook.FORWARD, Match(**match), Verdict.ACCEPT, f"{segment.name}: {text}"
        )

    yield accept("answers to members", oif=bridge, states=ANSWERS)
    yield accept("answers of members", iif=bridge, states=ANSWERS)
    yield accept("among members", iif=bridge, oif=bridge)
    if mode in LEADING_OUT:
        yield accept("to published ports", oif=bridge, translated=True)
    yield accept("to ports that others publish", iif=bridge, translated=True)
    for other in here:
        if other is not segment and _reaches(other, segment, version):
            yield accept(f"from network {other.name}", iif=other.root.dev, oif=bridge)


def _refuse(segment: Segment, here: list[Segment], version: int) -> Iterator[FilterRule]:
    """Yield the drops for what enters or leaves the bridge of a network."""
    bridge, mode = segment.root.dev, segment.model.mode_of(version)

    def drop(text: str, **match: Any) -> FilterRule:
        return FilterRule(
            version, Hook.FORWARD, Match(**match), Verdict.DROP, f"{segment.name}: {text}"
        )

    for other in here:
        if (
            other is not segment
            and other.model.mode_of(version) != "segment"
            and not _reaches(other, segment, version)
        ):
            yield drop(f"not from network {other.name}", iif=other.root.dev, oif=bridge)
    if mode == "host-only":
        yield drop("nothing from beyond", oif=bridge)
        yield drop("nothing beyond", iif=bridge)
    elif mode == "nat":
        yield drop("only what is published", iif=Not(bridge), oif=bridge)


def _reaches(one: Segment, other: Segment, version: int) -> bool:
    """Whether the owner forwards from one network to the other.

    A host-only network is open only to networks that it allows or that allow it.
    """
    if one.opens_to(other):
        return True
    return (
        not closed(one, other)
        and {one.model.mode_of(version), other.model.mode_of(version)} <= LEADING_OUT
    )
