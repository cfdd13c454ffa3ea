"""Convert a topology's rules, before a kernel has them, to the chains that nftables would make."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.firewall import nftables
from netorch.firewall.chains import Clause, ListedChain, ListedRule
from netorch.values.filter_rules import (
    DestinationTo,
    FilterRule,
    Hook,
    Match,
    Not,
    PortRange,
    Ruleset,
    SourceTo,
    Verdict,
)


def chains_of(topology: str, ruleset: Ruleset) -> tuple[ListedChain, ...]:
    """Return the chains of a ruleset. Raises ValueError for a rule that nft cannot express."""
    table = nftables.table_name(topology)
    chains: list[ListedChain] = []
    for hook in Hook:
        rules = tuple(_rule(rule) for rule in ruleset if rule.hook is hook)
        if rules:
            chains.append(
                ListedChain(
                    "inet", table, hook.value, hook.value, *nftables.BASE_CHAINS[hook], rules=rules
                )
            )
    return tuple(chains)


def _rule(rule: FilterRule) -> ListedRule:
    verdict, target = _verdict(rule)
    return ListedRule(
        tuple(_clauses(rule.match, rule.family)), verdict, target, nftables.rule_text(rule)
    )


def _clauses(match: Match, family: int) -> Iterator[Clause]:
    version = Clause("version", (family,))
    if match.source is None and match.destination is None:
        yield version
    for field, interface in (("iif", match.iif), ("oif", match.oif)):
        if interface is not None:
            yield _clause(field, interface)
    for field, network in (("saddr", match.source), ("daddr", match.destination)):
        if network is not None:
            yield version
            yield _clause(field, network)
    if match.protocol is not None:
        yield Clause("proto", (match.protocol,))
    if match.port is not None:
        yield Clause("dport", (match.port,))
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
        else Clause(field, (value,))
    )


def _verdict(rule: FilterRule) -> tuple[str, object]:
    """Return the verdict, and the target of a translation: address, and port or pairs of ports."""
    match rule.act:
        case Verdict():
            return rule.act.value, None
        case SourceTo(address):
            return "snat", (address, 0)
        case DestinationTo(address, ports):
            return "dnat", (address, _ports(ports, rule.match.port))


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
