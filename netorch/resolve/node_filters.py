"""Turn the `filter` of a node into packet filter rules.

Each entry becomes a rule for each combination of its values and for each IP version that it holds
for. The policies come last. They let three kinds of packets pass, because nothing works without
them: answers, packets of the node to itself, and neighbour discovery of IPv6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import product

from netorch.language.addresses import Network
from netorch.resolve.checks import addresses_of
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Site
from netorch.resolve.segment import Segment
from netorch.state.key import HOST
from netorch.topology.filters import (
    HOOKS,
    ICMP,
    ICMPV6,
    FilterModel,
    FilterRuleModel,
    PacketEnd,
    protocol_name,
)
from netorch.values.filter_rules import FilterRule, Hook, Match, Not, PortRange, Verdict

_HOOKS = dict(zip(HOOKS, (Hook.FORWARD, Hook.INPUT, Hook.OUTPUT_FILTER), strict=True))
_VERSIONS = {ICMP: 4, 2: 4, ICMPV6: 6}
"""Number of a protocol that only one IP version has → that version. 2 is IGMP."""

_MOST = 4096
"""The most rules of the kernel for one entry, because each of them costs time for every packet."""

_ANSWERS = ("established", "related")
_Where = Network | Not | None


def node_rules(
    draft: Draft, site: Site, segments: Mapping[str, Segment]
) -> tuple[list[FilterRule], list[FilterRule]]:
    """Return the rules of a node's `filter`, and those of its policies."""
    model = site.model.filter
    if model is None or not _may_filter(draft, site):
        return [], []
    rules: list[FilterRule] = []
    for name in HOOKS:
        for index, entry in enumerate(getattr(model, name)):
            path = (*site.path, "filter", name, index)
            rules += _Entry(draft, site, segments, entry, path).rules(_HOOKS[name])
    # an equal rule that comes later never matches
    return [*dict.fromkeys(rules)], [*_policies(model)]


def _may_filter(draft: Draft, site: Site) -> bool:
    """Complain, and return False, if the packet filter of a node is not netorch's to fill."""
    if site.created:
        return True
    whose = "this machine" if site.is_host else f"the namespace that {site.name} is attached to"
    draft.complain(
        "cannot-filter",
        (*site.path, "filter"),
        f"`filter` is for nodes that netorch makes: the packet filter of {whose} belongs to its"
        " administrator.",
        "Remove `filter`, and write the rules with the tools that are in use there.",
    )
    return False


class _Entry:
    """An entry of `filter` while it becomes rules."""

    def __init__(
        self,
        draft: Draft,
        site: Site,
        segments: Mapping[str, Segment],
        model: FilterRuleModel,
        path: Path,
    ) -> None:
        self.draft, self.site, self.segments = draft, site, segments
        self.model, self.path = model, path

    def rules(self, hook: Hook) -> Iterator[FilterRule]:
        model = self.model
        sources, targets = self._places("from", model.source), self._places("to", model.to)
        if sources is None or targets is None:
            return
        protocols: Sequence[int | None] = model.proto or [None]
        most = sum(len(sources[version]) * len(targets[version]) for version in (4, 6))
        most *= len(protocols) * (len(model.sport) or 1) * (len(model.port) or 1)
        if most > _MOST:
            self._complain_about_size(most)
            return
        made = False
        for version, protocol in product((4, 6), protocols):
            if protocol is not None and _VERSIONS.get(protocol, version) != version:
                continue
            for source, target, sport, port in product(
                sources[version],
                targets[version],
                _or_any(model.sport),
                _or_any(model.port),
            ):
                made = True
                match = Match(
                    iif=self._interface(model.in_),
                    oif=self._interface(model.out),
                    source=source,
                    destination=target,
                    protocol=None if protocol is None else protocol_name(protocol),
                    port=port,
                    sport=sport,
                    icmp=None if protocol is None else model.number_of(protocol),
                    states=tuple(dict.fromkeys(model.state)),
                )
                text = "" if model.comment is None else f"filter: {model.comment}"
                yield FilterRule(version, hook, match, Verdict(model.action), text)
        if not made:
            self.draft.complain(
                "mixed-families",
                self.path,
                f"no packet meets this rule of {self.site.name}: its addresses and its protocol"
                " are not of one IP version.",
                "Write a rule for each IP version.",
            )

    def _complain_about_size(self, number: int) -> None:
        self.draft.complain(
            "filter-too-large",
            self.path,
            f"this rule of {self.site.name} has {number} combinations of its values, each of which"
            f" would be a rule in the kernel; at most {_MOST} are possible.",
            "Write wider subnets and ranges of ports in place of the lists.",
        )

    def _interface(self, text: str | None) -> str | Not | None:
        if text is None:
            return None
        name = text.removeprefix("!")
        dev = self.site.ifaces[name].dev if name in self.site.ifaces else name
        return Not(dev) if text.startswith("!") else dev

    def _places(self, key: str, ends: Sequence[PacketEnd]) -> dict[int, list[_Where]] | None:
        """Return IP version → the networks that `from` or `to` means, None if a name is wrong."""
        if not ends:
            return {4: [None], 6: [None]}
        places: dict[int, list[_Where]] = {4: [], 6: []}
        for index, end in enumerate(ends):
            path = (*self.path, key, index)
            networks = self._networks(end, path)
            if networks is None:
                return None
            for network in networks:
                place: _Where = network
                if end.negated:
                    place = Not(network)
                elif network.prefixlen == 0:
                    place = None
                if place not in places[network.version]:
                    places[network.version].append(place)
            if end.negated and any(len(of_version) > 1 for of_version in places.values()):
                self.draft.complain(
                    "filter-negation",
                    path,
                    f"{end.text} has several addresses of one IP version, so it cannot stand for"
                    " all others.",
                    "Write a rule for what it excludes before this one.",
                )
                return None
        return places

    def _networks(self, end: PacketEnd, path: Path) -> list[Network] | None:
        if not isinstance(end.where, str):
            return [end.where]
        name, draft = end.where, self.draft
        segment = self.segments.get(name)
        site = draft.declared.get(name)
        if site is not None and segment is not None:
            draft.complain(
                "ambiguous-name",
                path,
                f"{name} is a node and a network.",
                "Write the address or the subnet that is meant.",
            )
        elif name == HOST or (site is not None and site.is_host):
            draft.complain(
                "no-address",
                path,
                f"{name} has addresses that the file does not know.",
                "Write the addresses that are meant.",
            )
        elif site is not None:
            addresses = addresses_of(site.ifaces.values())
            if not addresses:
                draft.complain(
                    "no-address",
                    path,
                    f"node {name} has no address that the rule could mean.",
                    "Give it one, or write the address that is meant.",
                )
            else:
                return [ip_network(address) for address in addresses]
        elif segment is not None:
            if not segment.model.subnets:
                draft.complain(
                    "no-address",
                    path,
                    f"network {name} has no subnet that the rule could mean.",
                    "Add a `subnet` to it.",
                )
            else:
                return list(segment.model.subnets)
        else:
            known = {**dict.fromkeys(draft.topology.nodes), **dict.fromkeys(self.segments)}
            draft.unknown("unknown-node", path, "node or network", name, known)
        return None


def _or_any(ports: Sequence[PortRange]) -> Sequence[PortRange | None]:
    return list(dict.fromkeys(ports)) or [None]


def _policies(model: FilterModel) -> Iterator[FilterRule]:
    """Yield the rules of the policies that do not accept everything."""
    for name, hook in _HOOKS.items() if model.policy is not None else ():
        action = Verdict(getattr(model.policy, name))
        if action is Verdict.ACCEPT:
            continue
        for version in (4, 6):
            for match, text in _always(hook, version):
                yield FilterRule(version, hook, match, Verdict.ACCEPT, f"filter: {text}")
            yield FilterRule(version, hook, Match(), action, f"filter: policy of {name}")


def _always(hook: Hook, version: int) -> Iterator[tuple[Match, str]]:
    """Yield what passes whatever the policy is, as conditions and a comment."""
    yield Match(states=_ANSWERS), "answers"
    if hook is Hook.FORWARD:
        return
    yield (Match(iif="lo") if hook is Hook.INPUT else Match(oif="lo")), "the node to itself"
    if version == 6:
        # Linux tracks none of these messages (noct_valid_new in nf_conntrack_proto_icmpv6.c), and
        # no others of ICMPv6.
        match = Match(protocol="icmpv6", states=("untracked",))
        yield match, "neighbour discovery"
