"""Turn the sets and maps of a ruleset into chains, because iptables has none without ipset.

A packet first goes to a chain for the interface by which it arrives, and from there to a chain that
compares the interface by which it leaves. So there are a few rules for each network, and none for
each pair of networks. A packet of an established connection is accepted before all of them.

The chains are reached by `-g` (goto), so that a RETURN in them leaves the topology's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from netorch.immutable import Value, replace
from netorch.values.filter_rules import (
    Branch,
    Choice,
    DestinationTo,
    FilterRule,
    Group,
    Hook,
    Match,
    Not,
    PortMap,
    SourceTo,
    Verdict,
    both,
    single_rules,
)

HOOK_CHAIN = ""
"""The label of the chain to which the built-in chain jumps."""

_SHORT = 4
"""A table of so many entries gets no chain of its own."""
_PORTS, _BLOCK = 64, 256
"""From so many published ports on, there is a chain for each block of this many ports."""


class Jump(Value):
    """Continue with a chain."""

    label: str
    """The label of the chain."""
    goto: bool = False
    """Whether the end of that chain is also the end of this one."""


class ChainRule(Value):
    """A rule without sets, maps and branches."""

    match: Match
    act: Verdict | SourceTo | DestinationTo | Jump
    comment: str = ""


Chains = dict[str, list[ChainRule]]
"""Label → rules. The first one is `HOOK_CHAIN`."""


def chains_of(rules: Sequence[FilterRule]) -> Chains:
    """Return the chains for the rules of one hook and IP version."""
    return _Hook(rules).chains


class _Hook:
    """The chains of one hook and IP version, while they are made."""

    def __init__(self, rules: Sequence[FilterRule]) -> None:
        here: list[ChainRule] = []
        self.chains: Chains = {HOOK_CHAIN: here}
        self._tables: dict[tuple[str, ...], _Table] = {}
        filters = bool(rules) and rules[0].hook in (Hook.FORWARD, Hook.INPUT)
        first = next((place for place, rule in enumerate(rules) if _by_interface(rule)), None)
        if not filters or first is None:
            for rule in rules:
                here += self._plain(rule)
            return
        for rule in rules[:first]:
            here += self._plain(rule)
        late = [_ByArrival(rule) for rule in rules[first:]]
        for name in dict.fromkeys(name for rule in late for name in rule.names):
            label = f"_{name}"
            self.chains[label] = []  # its place is before the chains to which it leads
            rules_of_name = [part for rule in late for part in rule.of(name)]
            self.chains[label] = self._by_leaving(rules_of_name)
            here.append(ChainRule(Match(iif=name), Jump(label, goto=True)))
        here += self._by_leaving([part for rule in late for part in rule.of(None)])

    def _plain(self, rule: FilterRule) -> Iterator[ChainRule]:
        match rule.act:
            case Branch(name=name, rules=rules):
                label = f"={name}"
                self.chains[label] = [part for inner in rules for part in self._plain(inner)]
                yield ChainRule(rule.match, Jump(label))
            case PortMap(ports=ports) if len(ports) >= _PORTS and ports[0].address is None:
                yield from self._port_blocks(rule, rule.act)
            case _:
                for single in single_rules([rule]):
                    yield from map(_chain_rule, _without_groups(single))

    def _port_blocks(self, rule: FilterRule, act: PortMap) -> Iterator[ChainRule]:
        blocks: dict[int, list[ChainRule]] = {}
        for single in single_rules([replace(rule, match=Match(protocol=rule.match.protocol))]):
            assert single.match.port is not None
            blocks.setdefault(single.match.port[0] // _BLOCK, []).append(_chain_rule(single))
        for block, rules in sorted(blocks.items()):
            label = f"={act.name}.{block}"
            self.chains[label] = rules
            ports = (block * _BLOCK, block * _BLOCK + _BLOCK - 1)
            yield ChainRule(replace(rule.match, port=ports), Jump(label))

    def _by_leaving(self, rules: Sequence[FilterRule]) -> list[ChainRule]:
        """Return the rules of a chain for packets whose incoming interface is known."""
        made: list[ChainRule] = []
        alive = [*_alive(rules)]
        place = 0
        while place < len(alive):
            lookups = [*takewhile(_looks_up, alive[place:])]
            if lookups:
                place += len(lookups)
                made += self._lookup(lookups, more=place < len(alive))
            else:
                made += self._plain(alive[place])
                place += 1
        return made

    def _lookup(self, lookups: Sequence[FilterRule], *, more: bool) -> Iterator[ChainRule]:
        """Yield rules that look a packet up in sets and maps. `more` is true if rules follow."""
        names = tuple(map(_name, lookups))
        if names not in self._tables:
            self._tables[names] = _Table(lookups)
        table = self._tables[names]
        if len(table.rules) <= _SHORT or (more and not table.drops):
            yield from table.rules
            return
        self.chains.setdefault(table.label, table.rules)
        yield ChainRule(Match(), Jump(table.label, goto=not more))


class _Table:
    """The rules for successive sets and maps, of which the first one with a value decides."""

    def __init__(self, lookups: Sequence[FilterRule]) -> None:
        by_match: dict[Match, ChainRule] = {}
        names = []
        for rule in lookups:
            before = len(by_match)
            for single in single_rules([rule]):
                for part in map(_chain_rule, _without_groups(single)):
                    by_match.setdefault(part.match, part)
            if len(by_match) > before:
                names.append(_name(rule))
        self.rules = [*by_match.values()]
        self.label = "=" + ".".join(names)
        self.drops = all(rule.act is Verdict.DROP for rule in self.rules)
        """Whether nothing but drops is in it."""


class _ByArrival:
    """What is left of a rule for packets that arrive by an interface."""

    def __init__(self, rule: FilterRule) -> None:
        self._rule = rule
        self._members: frozenset[object] | None = None
        self._leaving: dict[str, list[str]] | None = None
        self._cases: dict[str, tuple[FilterRule, ...]] | None = None
        self.names: list[str] = []
        """The interfaces in sets and maps by which a packet may arrive."""
        if isinstance(rule.match.iif, Group):
            self._members = frozenset(rule.match.iif.members)
            self.names += map(str, rule.match.iif.members)
        if rule.match.pair is not None:
            self._leaving = {}
            for iif, oif in rule.match.pair.pairs:
                self._leaving.setdefault(iif, []).append(oif)
            self.names += self._leaving
        match rule.act:
            case Choice(field="iif", cases=cases):
                self._cases = {str(case.value): case.rules for case in cases}
                self.names += self._cases

    def of(self, name: str | None) -> Iterator[FilterRule]:
        """Yield the rules for an interface. None stands for all that no set or map has."""
        rule, match = self._rule, self._rule.match
        if self._members is not None:
            if name not in self._members:
                return
            match = replace(match, iif=None)
        elif match.iif is not None and name is not None:
            if match.iif == Not(name) or (isinstance(match.iif, str) and match.iif != name):
                return
            match = replace(match, iif=None)
        if self._leaving is not None:
            if name not in self._leaving:
                return
            there = Group("", tuple(self._leaving[name]))
            match = both(replace(match, pair=None), Match(oif=there))
        if self._cases is None:
            yield replace(rule, match=match)
            return
        for inner in self._cases.get(name or "", ()):
            yield replace(inner, match=both(match, inner.match))


def _by_interface(rule: FilterRule) -> bool:
    """Whether a set or map has interfaces that the rule compares."""
    match rule.act:
        case Choice(field="iif" | "oif"):
            return True
    match = rule.match
    return match.pair is not None or any(isinstance(end, Group) for end in (match.iif, match.oif))


def _alive(rules: Iterable[FilterRule]) -> Iterator[FilterRule]:
    """Yield the rules that some packets reach, because no earlier rule ends all of them."""
    ended: list[Match] = []
    for rule in rules:
        if any(_covers(match, rule.match) for match in ended):
            continue
        yield rule
        if isinstance(rule.act, Verdict) and not _has_group(rule.match):
            ended.append(rule.match)


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether each packet that meets `narrow` certainly meets `wide`."""
    return all(
        value in (None, ()) or value == getattr(narrow, name)
        for name, value in ((name, getattr(wide, name)) for name in wide.__struct_fields__)
    )


def _has_group(match: Match) -> bool:
    ends = (match.iif, match.oif, match.source, match.destination)
    return match.pair is not None or any(isinstance(end, Group) for end in ends)


def _looks_up(rule: FilterRule) -> bool:
    """Whether a rule does nothing but look a packet up in one set or map that has a name."""
    match rule.act:
        case Choice(field="oif"):
            return rule.match == Match()
    for name in ("oif", "destination"):
        group = getattr(rule.match, name)
        if isinstance(group, Group) and group.name and isinstance(rule.act, Verdict):
            alone: dict[str, Any] = {name: group}
            return rule.match == Match(**alone)
    return False


def _name(rule: FilterRule) -> str:
    """Return the name of the set or map in which a rule looks a packet up."""
    match rule.act:
        case Choice(name=name):
            return name
    group = rule.match.oif if rule.match.oif is not None else rule.match.destination
    assert isinstance(group, Group)
    return group.name


def _without_groups(rule: FilterRule) -> Iterator[FilterRule]:
    """Yield a rule for each combination of the members of its groups."""
    for name in ("iif", "oif", "source", "destination"):
        group = getattr(rule.match, name)
        if isinstance(group, Group):
            for member in group.members:
                condition: dict[str, Any] = {name: member}
                match = replace(rule.match, **condition)
                yield from _without_groups(replace(rule, match=match))
            return
    if rule.match.pair is not None:
        raise ValueError("iptables cannot look up pairs of interfaces there")
    yield rule


def _chain_rule(rule: FilterRule) -> ChainRule:
    assert isinstance(rule.act, Verdict | SourceTo | DestinationTo)
    return ChainRule(rule.match, rule.act, rule.comment)
