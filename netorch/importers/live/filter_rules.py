"""The rules of a packet filter that somebody made, as the `filter` of a node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from netorch.firewall.chains import Clause, ListedChain, ListedRule
from netorch.immutable import replace
from netorch.importers.chain_steps import Step, may_accept, steps
from netorch.importers.filter_entries import WAYS, Entry, OneVersion, together, too_strict
from netorch.importers.refused import refusals
from netorch.importers.shorten import only_or_all
from netorch.values.filter_rules import STATES

_ACTIONS = frozenset(("accept", "drop", "reject"))
_NAMED = frozenset(("tcp", "udp", "sctp", "icmp", "icmpv6", "gre", "esp", "ah", "ospf", "igmp"))
_COMMENT = re.compile(r"(?<=comment )(?!\"?netorch:)(?:\"([ !#-~]{1,90})\"|(\w+))")


class NoWords(Exception):
    """Raised for a rule that a topology cannot say, with the reason if there is a special one."""


class FilterWords:
    """The `filter` of a node, with the rules and the policies that it has words for.

    It drops nothing that the chains accept: what drops is left out after a rule that may accept
    and has no words.
    """

    def __init__(
        self, chains: Sequence[ListedChain], policies: Mapping[str, str] | None = None
    ) -> None:
        """`policies` are those of a `filter` that the chains were made from."""
        self.words: dict[str, Any] = {}
        self.rules: set[int] = set()
        """The `id` of each rule that is in `words`, and of each jump to such rules."""
        self.policies: set[int] = set()
        """The `id` of each chain whose policy is in `words`."""
        self.reasons: dict[int, str] = {}
        """The `id` of a rule without words → the reason, if there is a special one."""
        self.too_strict: dict[int, str] = {}
        """The `id` of each rule and chain that drops and is left out → the reason."""
        policy: dict[str, str] = {}
        for way in WAYS:
            of_way = [_OneWay(chains, way, version) for version in (4, 6)]
            four, six = (one.result for one in of_way)
            for one in of_way:
                self.too_strict |= one.too_strict
                self.reasons |= {number: why for number, why in one.reasons.items() if why}
            entries, action = together(four, six, has_ipv6=True)
            if not action and not any(one.too_strict or one.unknown for one in of_way):
                action = (policies or {}).get(way, "")
            if not action and all(entry["action"] == "accept" for entry in entries):
                continue
            unknown = {number for one in of_way for number in one.unknown} | {*self.too_strict}
            self.rules |= {number for one in of_way for number in one.known} - unknown
            self.policies |= {number for one in of_way for number in one.policies} - unknown
            if entries:
                self.words[way] = entries
            if action:
                policy[way] = action
        if policy:
            self.words = {"policy": policy, **self.words}


class _OneWay:
    """The rules of the only chain for one way and IP version."""

    def __init__(self, chains: Sequence[ListedChain], way: str, version: int) -> None:
        self.known: set[int] = set()
        self.unknown: set[int] = set()
        self.policies: set[int] = set()
        self.reasons: dict[int, str] = {}
        self.too_strict: dict[int, str] = {}
        bases = [
            chain
            for chain in chains
            if chain.hook == way
            and chain.kind == "filter"
            and chain.sees(version)
            and (chain.rules or chain.policy == "drop")
        ]
        entries: list[Entry] = []
        drops = False
        # with several chains, an accept in one of them does not end the others
        for base in bases if len(bases) == 1 else ():
            group = {chain.name: chain for chain in chains if chain.group == base.group}
            drops = base.policy == "drop"
            self.policies.add(id(base))
            lost = ""
            for step, of_rule, why in _words(way, version, steps(base, group)):
                rule = step.rule
                if step.is_unfolded:
                    self.known.add(id(rule))
                    continue
                if of_rule is None:
                    self.reasons[id(rule)] = why
                    self.unknown.add(id(rule))
                    if not lost and may_accept(rule, step.verdict, group):
                        lost = rule.text
                    continue
                if lost and any(entry["action"] != "accept" for entry in of_rule):
                    self.too_strict[id(rule)] = too_strict(lost)
                    continue
                self.known.add(id(rule))
                entries += (entry for entry in of_rule if entry not in entries)
            if drops and lost:
                drops = False
                self.too_strict[id(base)] = too_strict(lost)
        if len(bases) > 1:
            self.unknown |= {id(rule) for base in bases for rule in base.rules}
        self.result = OneVersion(way, version, tuple(entries), drops)


def _words(
    way: str, version: int, of_chain: Iterable[Step]
) -> Iterator[tuple[Step, list[Entry] | None, str]]:
    """Yield each step with its entries. Without words it has None and the reason, "" if unknown."""
    words: list[tuple[Step, list[Entry] | None, str]] = []
    for step in of_chain:
        try:
            of_step = entries_of(replace(step.rule, verdict=step.verdict), version)
            words.append((step, of_step, ""))
        except NoWords as error:
            words.append((step, None, str(error)))
    every = [entry for _, entries, _ in words for entry in entries or ()]
    refused = refusals(every, lambda some: {"filter": {way: some}})
    wrong = {id(every[place]): why for place, why in refused.items()}
    for step, entries, why in words:
        reasons = [wrong[id(entry)] for entry in entries or () if id(entry) in wrong]
        yield (step, None, reasons[0]) if reasons else (step, entries, why)


def entries_of(rule: ListedRule, version: int) -> list[Entry]:
    """Return a rule as entries for one IP version: none if it is for the other one.

    There are several if it is for several types of ICMP. Raise NoWords for a rule that no entry
    says.
    """
    entry = _entry_of(rule, version)
    if entry is None:
        return []
    if not isinstance(types := entry.get("type"), list):
        return [entry]
    return [entry | {"type": one} for one in types]


def _entry_of(rule: ListedRule, version: int) -> Entry | None:
    entry: Entry = {}
    fields: dict[str, list[Clause]] = {}
    for clause in rule.clauses:
        if clause.field == "version":
            if (version in clause.values) == clause.negated:
                return None
        elif clause not in fields.setdefault(clause.field, []):
            fields[clause.field].append(clause)
    if rule.verdict not in _ACTIONS or rule.cases or rule.mark is not None:
        raise NoWords
    if any(len(clauses) > 1 for clauses in fields.values()):
        raise NoWords
    clauses = {field: each[0] for field, each in fields.items()}
    for field, key in (("saddr", "from"), ("daddr", "to")):
        if field in clauses:
            ends = _networks(clauses.pop(field), version)
            if ends is None:
                return None
            entry[key] = ends
    for field, key in (("iif", "in"), ("oif", "out")):
        if field in clauses:
            entry[key] = _interface(clauses.pop(field))
    if "proto" in clauses:
        protocol = _numbers(_plain(clauses.pop("proto")))
        if {"icmp": 4, "icmpv6": 6}.get(str(protocol[0]), version) != version:
            return None
        if not all(isinstance(one, int) or one in _NAMED for one in protocol):
            raise NoWords
        entry["proto"] = only_or_all(protocol)
    if "icmp" in clauses:
        kinds = _plain(clauses.pop("icmp"))
        if not all(isinstance(kind, int | str) for kind in kinds):
            raise NoWords
        entry["type"] = only_or_all(_numbers(kinds))
    for field, key in (("sport", "sport"), ("dport", "port")):
        if field in clauses:
            entry[key] = only_or_all([_ports(port) for port in _plain(clauses.pop(field))])
    if "state" in clauses:
        states = _plain(clauses.pop("state"))
        if not STATES.issuperset(map(str, states)):
            raise NoWords
        entry["state"] = only_or_all(states)
    if clauses:
        raise NoWords
    entry["action"] = rule.verdict
    if (comment := _COMMENT.search(rule.text)) is not None:
        entry["comment"] = (comment[1] or comment[2]).removeprefix("filter: ")
    return entry


def _plain(clause: Clause) -> list[Any]:
    if clause.negated or not clause.values:
        raise NoWords
    return [*clause.values]


def _numbers(values: Iterable[Any]) -> list[Any]:
    return [int(value) if str(value).isdecimal() else value for value in values]


def _networks(clause: Clause, version: int) -> Any:
    """Return the subnets of one IP version, None if there are none."""
    ends: list[str] = []
    for value in clause.values:
        if not isinstance(value, IPv4Network | IPv6Network):
            raise NoWords
        if value.version == version:
            single = value.prefixlen == value.max_prefixlen
            ends.append(str(value.network_address) if single else str(value))
    if clause.negated:
        if len(ends) != 1:
            raise NoWords
        return f"!{ends[0]}"
    return only_or_all(ends) if ends else None


def _interface(clause: Clause) -> str:
    match clause.values:
        case (str(name),) if not name.endswith(("*", "+")):
            return f"!{name}" if clause.negated else name
        case (str(),):
            raise NoWords("`filter` has no word for several interfaces")
    raise NoWords


def _ports(value: object) -> Any:
    match value:
        case int(port) if port:
            return port
        case (int(first), int(last)) if last:
            return last if first == last else f"{max(first, 1)}-{last}"
    raise NoWords
