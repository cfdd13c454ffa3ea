"""Networks, published ports and `nat` lists to the neutral rules of each owner's packet filter, and the settings they need.

What is answered is let through first; what a network's mode and isolation allow comes next; the rest of what would enter or
leave a network's bridge is dropped. Everything else on the machine is none of our business and meets no rule.
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
from netorch.resolve.draft import Draft, Path, Site
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
    """What one namespace's filter is made of."""

    site: Site
    segments: list[Segment] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)


def filters(draft: Draft, segments: dict[str, Segment]) -> Iterator[tuple[Filter, Ruleset]]:
    """What each namespace that gets rules is made of, with the rules."""
    found: dict[str, Filter] = {}
    for segment in segments.values():
        if _is_filtered(segment):
            found.setdefault(segment.owner.name, Filter(segment.owner)).segments.append(segment)
    for site in list(draft.sites.values()):
        for entry in published(draft, site, segments):
            found[entry.segment.owner.name].published.append(entry)
        if site.model.nat:
            found.setdefault(site.name, Filter(site))
    for filter_ in found.values():
        check_published(draft, filter_.site, filter_.published)
        prepare(draft, filter_.site, filter_.published)
        translations = tuple(_translations(draft, filter_))
        rules = (*translations, *_untranslated(translations), *_policy(filter_))
        if rules:
            yield filter_, rules


def put_filter(draft: Draft, site: Site, rules: Ruleset) -> None:
    """The filter as a resource. Its text is the rules as nft would be told them, until the kernel says them in its own words."""
    text = "\n".join(map(line, rules))
    draft.put(
        PacketFilter(site.label, draft.topology.backend.nat, draft.mark.topology, text, rules),
        site.path,
    )


def put_accepts(draft: Draft, segments: dict[str, Segment]) -> tuple[ForwardAccept, ...]:
    """Put an accept into the draft for each bridge on the host or in an attached node, where others may filter.

    Returns the accepts for nodes that netorch makes. They are not put into the draft, because a firewall
    in such a node is part of what its user tries out.
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
            # further bridges only pass frames on to the first
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
    # an entry for one address goes before those for all of them
    for entry in sorted(filter_.published, key=lambda entry: entry.address is None):
        model, text = entry.model, entry.text
        where = ip_network(entry.address) if entry.address is not None else None
        act = DestinationTo(entry.target, model.to)
        match = Match(destination=where, protocol=model.proto, port=model.port, local=True)
        if entry.address is None or not entry.address.is_loopback:
            yield FilterRule(entry.version, Hook.PREROUTING, match, act, text)
        yield FilterRule(entry.version, Hook.OUTPUT, match, act, text)
    for index, nat in enumerate(filter_.site.model.nat):
        yield from _own(draft, filter_.site, nat, (*filter_.site.path, "nat", index))
    for version in (4, 6):
        if any(
            segment.model.mode_of(version) == "nat" and segment.subnet_of(version)
            for segment in filter_.segments
        ):
            # a program of the owner's that talks to another by the bridge's address is of the subnet, and leaves by no bridge
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
                # its own answer would not come back through here: the owner stands in for the one who asks
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


def _own(draft: Draft, site: Site, model: NatModel, path: Path) -> Iterator[FilterRule]:
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
    """Drops of what is to leave with another source, and belongs to no connection that could be translated.

    A FIN or RST of a connection that is over, an ICMP error about none, and what a `notrack` rule exempts would
    otherwise leave with the member's own address. They go before every accept, because an allowed network would let it pass.
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
    """What members may send to the owner itself: not to its loopback, and to no gateway of a network that is closed to them."""
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
    """All that may pass goes before what may not: a rule of one network must not end the way of another's published port."""
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
    """Whether the owner forwards from one to the other: a host-only network is open to those alone that it allows, or that allow it."""
    if one.opens_to(other):
        return True
    return (
        not closed(one, other)
        and {one.model.mode_of(version), other.model.mode_of(version)} <= LEADING_OUT
    )
