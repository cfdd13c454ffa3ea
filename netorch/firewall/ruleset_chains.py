"""Convert a topology's rules, before a kernel has them, to the chains that nftables would make."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from netorch.firewall import nftables
from netorch.firewall.chains import ChosenPort, Clause, ListedChain, ListedRule
from netorch.values.filter_rules import (
    Branch,
    Case,
    Choice,
    DestinationTo,
    FilterRule,
    Group,
    Hook,
    Match,
    Not,
    PortMap,
    PortRange,
    PortTarget,
    Ruleset,
    SourceTo,
    Verdict,
)
from netorch.values.icmp import icmp_name


def chains_of(topology: str, ruleset: Ruleset) -> tuple[ListedChain, ...]:
    """Return the chains of a ruleset. Raises ValueError for a rule that nft cannot express."""
    table = nftables.table_name(topology)
    chains: list[ListedChain] = []
    for hook in Hook:
        of_hook = [rule for rule in ruleset if rule.hook is hook]
        if of_hook:
            rules = _Rules()
            listed = tuple(map(rules.rule, of_hook))
            base = nftables.BASE_CHAINS[hook]
            chains.append(ListedChain("inet", table, hook.value, *base, rules=listed))
            chains += (
                ListedChain("inet", table, name, rules=inner)
                for name, inner in rules.chains.items()
            )
    return tuple(chains)


class _Rules:
    """The rules of one hook while they are converted, with the chains to which they lead."""

    def __init__(self) -> None:
        self.chains: dict[str, tuple[ListedRule, ...]] = {}
        """Name → rules."""

    def rule(self, rule: FilterRule) -> ListedRule:
        clauses, text = tuple(_clauses(rule.match, rule.family)), nftables.rule_text(rule)
        match rule.act:
            case Branch(name=name, rules=rules):
                self._chain(name, rules)
                return ListedRule(clauses, "jump", name, text)
            case Choice():
                cases = tuple(self._case(rule.act, case, text) for case in rule.act.cases)
                return ListedRule(clauses, "", text=text, cases=cases)
            case PortMap(ports=ports):
                cases = tuple(_port_case(entry, rule.family, text) for entry in ports)
                return ListedRule(clauses, "", text=text, cases=cases)
        verdict, target = _verdict(rule)
        return ListedRule(clauses, verdict, target, text)

    def _chain(self, name: str, rules: Ruleset) -> None:
        if name not in self.chains:
            self.chains[name] = ()
            self.chains[name] = tuple(map(self.rule, rules))

    def _case(self, choice: Choice, case: Case, text: str) -> ListedRule:
        key = Clause({"source": "saddr"}.get(choice.field, choice.field), (case.value,))
        end = nftables.verdict_of(case)
        if end is not None:
            verdict, _ = _verdict(end)
            comment = f'comment "{end.comment}"' if end.comment else text
            return ListedRule((key,), verdict, text=comment)
        name = nftables.chain_of(choice, case)
        self._chain(name, case.rules)
        return ListedRule((key,), "jump", name, text)


def _port_case(entry: PortTarget, family: int, text: str) -> ListedRule:
    address = (Clause("daddr", (ip_network(entry.address),)),) if entry.address is not None else ()
    key = (*address, Clause("dport", (entry.port,)))
    element = nftables.port_text(entry, family) if entry.comment else text
    return ListedRule(key, "dnat", (entry.target, entry.to), element)


def _clauses(match: Match, family: int) -> Iterator[Clause]:
    version = Clause("version", (family,))
    if match.source is None and match.destination is None:
        yield version
    if match.pair is not None:
        yield Clause("pair", match.pair.pairs)
    for field, interface in (("iif", match.iif), ("oif", match.oif)):
        if interface is not None:
            yield _clause(field, interface)
    for field, network in (("saddr", match.source), ("daddr", match.destination)):
        if network is not None:
            yield version
            yield _clause(field, network)
    if match.protocol is not None:
        yield Clause("proto", (match.protocol,))
    if match.sport is not None:
        yield Clause("sport", (match.sport,))
    if match.port is not None:
        yield Clause("dport", (match.port,))
    if match.icmp is not None:
        yield Clause("icmp", (icmp_name(family, match.icmp),))
    if match.local is not None:
        yield Clause("local", (True,), not match.local)
    if match.states:
        yield Clause("state", match.states)
    if match.translated is not None:
        yield Clause("translated", (True,), not match.translated)


def _clause(field: str, value: object) -> Clause:
    return (
        Clause(field, (value.value,), negated=True)
        if isinstance(value, Not)
        else Clause(field, value.members)
        if isinstance(value, Group)
        else Clause(field, (value,))
    )


def _verdict(rule: FilterRule) -> tuple[str, object]:
    """Return the verdict, and the target of a translation: address, and port or pairs of ports."""
    match rule.act:
        case Verdict():
            return rule.act.value, None
        case SourceTo(address, ports, random):
            port = ChosenPort(ports, random) if ports is not None or random else 0
            return "masquerade" if address is None else "snat", (address, port)
        case DestinationTo(address, ports):
            return "dnat", (address, _ports(ports, rule.match.port))
        case _:
            raise ValueError(f"{rule.act} is not a verdict")


def _ports(ports: PortRange | None, matched: PortRange | None) -> object:
    """Return the port of a translation's target, 0 if the port stays unchanged.

    If each matched port is translated to a port of its own, return pairs of ports.
    """
    if ports is None:
        return 0
    if ports[0] == ports[1]:
        return ports[0]
    if matched is None or ports == matched:
        return 0
    return tuple((port, port - matched[0] + ports[0]) for port in range(matched[0], matched[1] + 1))
