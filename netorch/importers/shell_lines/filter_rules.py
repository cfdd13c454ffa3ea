"""The rules of the table filter of iptables, as the `filter` of a node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from netorch.firewall.chains import ListedChain
from netorch.immutable import replace
from netorch.importers.chain_steps import Step, may_accept, steps
from netorch.importers.filter_entries import WAYS, Entry, OneVersion, together, too_strict
from netorch.importers.refused import refusals
from netorch.importers.shell_lines.arguments import NotCarriedError
from netorch.importers.shell_lines.iptables import UNREAD, Listed, Rule, listed, network_text
from netorch.importers.shell_lines.node import Node
from netorch.importers.shorten import only_or_all
from netorch.values.filter_rules import STATES
from netorch.values.icmp import ICMP_TYPES, icmp_name

_ACTIONS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject"}
_OPEN = frozenset(("ACCEPT", "LOG", UNREAD))
_DROPS_NOTHING = "no rule drops what it accepts"
_COMMENT = re.compile("[ !#-~]{1,90}")
_UNTRANSLATED = re.compile(r"netorch-.*=untranslated[46]")
"""A chain that `nat` of a topology makes itself."""
_USUAL_ERRORS = ("", "icmp-port-unreachable", "icmp6-port-unreachable", "port-unreach")
"""The ways to reject that are the one of a topology."""


def filter_of(node: Node, *, has_ipv6: bool) -> dict[str, Any]:
    """Return the `filter` of a node. What it does not express becomes a loss.

    It drops nothing that the rules accept: what drops is left out after a rule that may accept
    and is a loss.
    """
    words: dict[str, Any] = {}
    policy: dict[str, str] = {}
    for way, chain in WAYS.items():
        by_version = {version: _Chain(node, version, way, chain) for version in (4, 6)}
        is_open = all(one.is_open for one in by_version.values())
        for one in by_version.values():
            if not is_open:
                one.read(node)
                continue
            for rule in one.rules:
                if rule.matches:
                    node.lose(rule.text, _DROPS_NOTHING, rule.where, matters=False)
        four, six = (by_version[version].result for version in (4, 6))
        if not (four.restricts or six.restricts):
            for rule in (rule for one in by_version.values() for rule in one.carried):
                if rule.matches:
                    node.lose(rule.text, _DROPS_NOTHING, rule.where, matters=False)
            continue
        entries, action = together(four, six, has_ipv6=has_ipv6)
        if entries:
            words[way] = entries
        if action:
            policy[way] = action
    _lose_other_chains(node)
    return {"policy": policy, **words} if policy else words


def _lose_other_chains(node: Node) -> None:
    """Record the rules of the chains that a built-in one does not always jump to."""
    read: set[int] = set()
    for version in (4, 6):
        table = listed(node.filters, version, node.policies)
        for base in filter(None, map(table.chains.get, WAYS.values())):
            read |= {id(table.sources[id(step.rule)]) for step in steps(base, table.chains)}
    jumps = {
        (version, rule.target) for (version, _), rules in node.filters.items() for rule in rules
    }
    for (version, chain), rules in node.filters.items():
        for rule in rules:
            if id(rule) in read or rule.target in ("", UNREAD) or _is_made_by_nat(rule):
                continue
            if (version, chain) in jumps:
                node.lose(rule.text, f"`filter` has no chain {chain}", rule.where, matters=True)
            else:
                node.lose(rule.text, f"no rule jumps to {chain}", rule.where, matters=False)


def _is_made_by_nat(rule: Rule) -> bool:
    """Return whether `nat` of a topology makes a rule itself."""
    return "of no connection" in rule.comment or _UNTRANSLATED.fullmatch(rule.chain) is not None


class _Chain:
    """A built-in chain of one IP version."""

    def __init__(self, node: Node, version: int, way: str, chain: str) -> None:
        self.version, self.way = version, way
        self.policy: Rule | None = node.policies.get((version, chain))
        self._chains = (table := listed(node.filters, version, node.policies)).chains
        base = self._chains.get(chain, ListedChain("", "", chain))
        self._steps = [*_steps(base, table)]
        self.entries: list[Entry] = []
        self.carried: list[Rule] = []
        """The rules that are in `entries`."""
        self.drops = self.policy is not None and self.policy.target == "DROP"
        """Whether the policy drops packets."""

    @property
    def rules(self) -> list[Rule]:
        return [rule for _, rule in self._steps]

    @property
    def is_open(self) -> bool:
        """Whether it lets everything pass."""
        return not self.drops and all(rule.target in _OPEN for rule in self.rules)

    def read(self, node: Node) -> None:
        """Turn the rules into entries. What has no words becomes a loss."""
        lost = ""
        words = [_entry_or_reason(rule, self.version, node) for _, rule in self._steps]
        entries = [one for one in words if isinstance(one, dict)]
        reasons = refusals(entries, lambda some: {"filter": {self.way: some}})
        wrong = {id(entries[place]): why for place, why in reasons.items()}
        for (step, rule), word in zip(self._steps, words, strict=True):
            if rule.target == UNREAD:
                lost = lost or rule.text
                continue
            try:
                if isinstance(word, NotCarriedError):
                    raise word
                if id(word) in wrong:
                    raise NotCarriedError(wrong[id(word)])
                entry = word
                if lost and entry["action"] != "accept":
                    raise NotCarriedError(too_strict(lost))
            except NotCarriedError as error:
                node.lose(rule.text, error.why, rule.where, matters=error.matters)
                may_pass = error.matters and may_accept(step.rule, step.verdict, self._chains)
                if not lost and may_pass:
                    lost = rule.text
                continue
            if (with_error := dict(rule.matches).get("--reject-with", "")) not in _USUAL_ERRORS:
                why = "a rule of `filter` rejects with the error that a port is unreachable"
                node.lose(f"--reject-with {with_error}", why, rule.where, matters=False)
            self.carried.append(rule)
            if entry not in self.entries:
                self.entries.append(entry)
        if self.policy is not None and self.drops and lost:
            self.drops = False
            node.lose(self.policy.text, too_strict(lost), self.policy.where, matters=True)

    @property
    def result(self) -> OneVersion:
        return OneVersion(self.way, self.version, tuple(self.entries), self.drops)


def _steps(base: ListedChain, table: Listed) -> Iterator[tuple[Step, Rule]]:
    """Yield the steps of a chain, and the rule of each with the verdict of its step."""
    for step in steps(base, table.chains):
        rule = table.sources[id(step.rule)]
        if step.is_unfolded or not rule.target or _UNTRANSLATED.fullmatch(rule.target):
            continue
        if step.verdict != step.rule.verdict:
            # it returns to the policy of the built-in chain
            rule = replace(rule, target=step.verdict.upper())
        yield step, rule


def _entry_or_reason(rule: Rule, version: int, node: Node) -> Entry | NotCarriedError:
    """Return the entry of a rule, or the error for one that has none."""
    try:
        if (version, rule.target) in node.filters:
            raise NotCarriedError("`filter` has no chains, to which a rule could jump")
        return _entry(rule, version)
    except NotCarriedError as error:
        return error


def _entry(rule: Rule, version: int) -> Entry:
    if rule.target in ("LOG", "NFLOG"):
        raise NotCarriedError("a topology logs no packets", matters=False)
    if rule.target not in _ACTIONS:
        raise NotCarriedError(f"`filter` has no word for the target {rule.target}")
    values = dict(rule.matches)
    if len(values) < len(rule.matches):
        raise NotCarriedError("`filter` has no word for two matches of a kind")
    values.pop("--reject-with", "")
    entry: Entry = {}
    for option, key in (("-s", "from"), ("-d", "to")):
        if option in values:
            entry[key] = _ends(values.pop(option))
    for option, key in (("-i", "in"), ("-o", "out")):
        if option in values:
            entry[key] = _interface(values.pop(option))
    if (protocol := values.pop("-p", "all")) not in ("all", "0"):
        entry["proto"] = _protocol(protocol, version)
    for option, key in (("--icmp-type", "type"), ("--icmpv6-type", "type")):
        if option in values and (kind := values.pop(option)) != "any":
            entry[key] = _type(kind, version)
    for options, key in ((("--sport", "--sports"), "sport"), (("--dport", "--dports"), "port")):
        for option in options:
            if option in values:
                entry[key] = _ports(values.pop(option))
    for option in ("--state", "--ctstate"):
        if option in values:
            entry["state"] = _states(values.pop(option))
    if values:
        raise NotCarriedError(f"`filter` has no word for {' '.join(_flat(values))}")
    entry["action"] = _ACTIONS[rule.target]
    if rule.comment and _COMMENT.fullmatch(rule.comment) and not _is_own(rule.comment):
        entry["comment"] = rule.comment.removeprefix("filter: ")
    return entry


def _is_own(comment: str) -> bool:
    """Whether netorch itself writes a comment into rules."""
    return comment.startswith("netorch:")


def _flat(values: dict[str, str]) -> Iterator[str]:
    for option, value in values.items():
        yield f"{option} {value}".strip()


def _positive(text: str, what: str) -> str:
    if text.startswith("!"):
        raise NotCarriedError(f"`filter` has no word for the negation of {what}")
    return text


def _ends(text: str) -> Any:
    texts = text.removeprefix("!").split(",")
    if text.startswith("!") and len(texts) > 1:
        raise NotCarriedError("`filter` has no word for the negation of several subnets")
    ends = [network_text(one) for one in texts]
    if text.startswith("!"):
        return f"!{ends[0]}"
    return only_or_all(ends)


def _interface(text: str) -> str:
    if text.endswith("+"):
        raise NotCarriedError("`filter` has no word for several interfaces")
    return text


def _protocol(text: str, version: int) -> Any:
    name = _positive(text, "a protocol").lower()
    if name in ("icmpv6", "ipv6-icmp", "58"):
        return "icmpv6"
    if name in ("icmp", "1") and version == 6:
        raise NotCarriedError("IPv6 has no packets of this protocol", matters=False)
    numbers = {"1": "icmp", "6": "tcp", "17": "udp", "132": "sctp"}
    known = ("tcp", "udp", "sctp", "icmp", "igmp", "gre", "esp", "ah", "ospf", "ipip", "dccp")
    if name in numbers:
        return numbers[name]
    if not name.isdecimal() and name not in known:
        raise NotCarriedError(f"`filter` has no word for the protocol {name}")
    return int(name) if name.isdecimal() else name


def _type(text: str, version: int) -> Any:
    """Return a type of ICMP. iptables has other names for some of them."""
    name = _positive(text, "a type").lower()
    same = {"ping": "echo-request", "pong": "echo-reply", "ttl-exceeded": "time-exceeded"}
    nd = {"router": "nd-router", "neighbour": "nd-neighbor", "neighbor": "nd-neighbor"}
    first, _, rest = name.partition("-")
    if version == 6 and first in nd and rest:
        short = {"solicitation": "solicit", "advertisement": "advert"}
        name = f"{nd[first]}-{short.get(rest, rest)}"
    name = same.get(name, name)
    if name.isdecimal():
        known = icmp_name(version, int(name))
        return int(known) if known.isdecimal() else known
    if name not in ICMP_TYPES[version]:
        raise NotCarriedError(f"`filter` has no word for the type {text}")
    return name


def _ports(text: str) -> Any:
    ports: list[Any] = []
    for part in _positive(text, "a port").split(","):
        first, colon, last = part.partition(":")
        first, last = first or "1", last or ("65535" if colon else first or "1")
        if not (first.isdecimal() and last.isdecimal()):
            raise NotCarriedError(f"netorch does not know the number of the port {part}")
        low = max(int(first), 1)
        ports.append(low if low == int(last) else f"{low}-{last}")
    return only_or_all(ports)


def _states(text: str) -> Any:
    states = _positive(text, "a state").lower().split(",")
    if other := [state for state in states if state not in STATES]:
        raise NotCarriedError(f"`filter` has no word for the state {other[0].upper()}")
    return only_or_all(states)
