"""Evaluate the chains of a packet filter for a packet.

If a rule is not understood, its effect is a doubt, and never a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from netorch.firewall.chains import UNKNOWN, ChosenPort, Clause, ListedChain, ListedRule
from netorch.immutable import Value, replace

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
DEPTH = 16
"""The largest number of nested jumps, as in nf_tables (NFT_JUMP_STACK_SIZE)."""


class Packet(Value):
    """A packet at one place of its way through a namespace."""

    source: Address
    destination: Address
    proto: str
    """The protocol: `icmp`, `icmpv6`, `tcp` or `udp`."""
    sport: int = 0
    dport: int = 0
    icmp: str = ""
    """The name of the ICMP type."""
    iif: str = ""
    """The incoming interface, "" for none."""
    oif: str = ""
    """The outgoing interface, "" for none."""
    state: str = "new"
    """The conntrack state."""
    translated: bool = False
    """Whether the destination of its connection was translated."""
    local: bool = False
    """Whether its destination is an address of the namespace."""
    mark: int | None = 0
    """The firewall mark; None if a rule that netorch does not understand may have set it."""
    ttl: int = 64
    size: int = 0
    """The size in bytes; 0 for a packet that is smaller than any MTU."""

    @property
    def version(self) -> int:
        """The IP version."""
        return self.source.version


def holds(clause: Clause, packet: Packet) -> bool | None:
    """Return whether a packet meets a rule's condition, None if that is unknown."""
    if clause.field == UNKNOWN:
        return None
    value = _VALUES[clause.field](packet)
    if value is None:
        return None
    return any(_is(value, each) for each in clause.candidates(value)) != clause.negated


_VALUES: Mapping[str, Callable[[Packet], Any]] = {
    "iif": lambda packet: packet.iif,
    "oif": lambda packet: packet.oif,
    "pair": lambda packet: (packet.iif, packet.oif),
    "saddr": lambda packet: packet.source,
    "daddr": lambda packet: packet.destination,
    "proto": lambda packet: packet.proto,
    "icmp": lambda packet: packet.icmp,
    "sport": lambda packet: packet.sport,
    "dport": lambda packet: packet.dport,
    "version": lambda packet: packet.version,
    "state": lambda packet: packet.state,
    "translated": lambda packet: packet.translated,
    "local": lambda packet: packet.local,
    "mark": lambda packet: packet.mark,
}


def _is(value: object, expected: object) -> bool:
    match expected:
        case IPv4Network() | IPv6Network():
            return (
                isinstance(value, IPv4Address | IPv6Address)
                and value.version == expected.version
                and value in expected
            )
        case (int(first), int(last)):
            return isinstance(value, int) and first <= value <= last
        case (IPv4Address() | IPv6Address() as first, IPv4Address() | IPv6Address() as last):
            same = isinstance(value, IPv4Address | IPv6Address) and value.version == first.version
            return same and int(first) <= int(value) <= int(last)  # type: ignore[call-overload]
        case str() if expected.endswith("*") and isinstance(value, str):
            return value.startswith(expected[:-1])
    return value == expected


@dataclass(slots=True)
class HookVerdict:
    """The effect of all chains of a hook on a packet."""

    dropped: str = ""
    """A sentence that tells which rule drops the packet and why, "" if the packet continues."""
    doubts: list[str] = field(default_factory=list)
    """Sentences about rules that may drop or translate the packet."""
    source: tuple[Address | None, int | ChosenPort] | None = None
    """The address and port to which the source is translated. The address None means masquerade,
    and the port 0 that the kernel keeps the packet's own if it can.
    """
    destination: tuple[Address | None, int] | None = None
    """The address and port to which the destination is translated. The address None means this
    namespace.
    """
    by: str = ""
    """The rule that translates."""
    mark: int | None = 0
    """The packet's mark afterwards, None if it is unknown."""
    diverts: bool = False
    """Whether a doubt is about where the packet goes, and not only about whether it continues."""


class Filters:
    """Chains, with indexes for their evaluation."""

    def __init__(self, chains: Iterable[ListedChain]) -> None:
        self._chains = tuple(chains)
        self._hooks: dict[tuple[str, int], list[ListedChain]] = {}
        self._groups: dict[int, dict[tuple[str, str, str], dict[str, ListedChain]]] = {}

    def of_hook(self, hook: str, version: int) -> list[ListedChain]:
        """Return the chains of a hook that packets of an IP version pass, in their order."""
        if (hook, version) not in self._hooks:
            here = (
                one for one in self._chains if one.hook == hook and one.active and one.sees(version)
            )
            self._hooks[hook, version] = sorted(here, key=lambda chain: chain.priority)
        return self._hooks[hook, version]

    def group_of(self, chain: ListedChain, version: int) -> Mapping[str, ListedChain]:
        """Return the chains to which a chain can jump, by their names."""
        if version not in self._groups:
            groups = self._groups.setdefault(version, {})
            for other in self._chains:
                if other.sees(version):
                    groups.setdefault(other.group, {})[other.name] = other
        return self._groups[version][chain.group]


def run(
    chains: Filters | Iterable[ListedChain], hook: str, packet: Packet, *, first: bool
) -> HookVerdict:
    """Evaluate all chains of a hook in their order.

    `first` is true for the first packet of a connection. Only that packet passes chains of type
    nat.
    """
    filters = chains if isinstance(chains, Filters) else Filters(chains)
    verdict = HookVerdict(mark=packet.mark)
    for chain in filters.of_hook(hook, packet.version):
        if chain.kind == "nat" and (
            not first or verdict.source is not None or verdict.destination is not None
        ):
            continue
        group = filters.group_of(chain, packet.version)
        evaluation = _ChainEvaluation(group, verdict, replace(packet, mark=verdict.mark))
        end = evaluation.follow(chain, 0, sure=True)
        if not end and chain.policy == "drop":
            evaluation.drop(
                f"{chain.tool} chain {chain.title}",
                "drop",
                ", because none of its rules accepts that",
                sure=True,
            )
        if verdict.dropped:
            return verdict
        if chain.kind == "nat" and verdict.destination is not None:
            # later chains see the translated packet
            packet = _translated(packet, *verdict.destination)
    return verdict


def _translated(packet: Packet, address: Address | None, port: int) -> Packet:
    return replace(
        packet,
        destination=packet.destination if address is None else address,
        dport=port or packet.dport,
        translated=True,
    )


@dataclass(slots=True)
class _ChainEvaluation:
    """The evaluation of one base chain and the chains to which it jumps."""

    chains: Mapping[str, ListedChain]
    """The chains to which rules can jump, by their names."""
    verdict: HookVerdict
    packet: Packet
    spared: bool = False
    """Whether an earlier rule that is not understood may have accepted the packet."""

    def follow(self, chain: ListedChain, depth: int, *, sure: bool) -> str:
        """Evaluate the rules of a chain.

        Return the verdict that certainly ends the evaluation: "" if the end of the chain or a
        `return` is reached. `sure` is true if the packet certainly reaches the chain.
        """
        for rule in chain.rules if depth < DEPTH else ():
            answers = [holds(clause, self.packet) for clause in rule.clauses]
            if False in answers:
                continue
            certain = sure and None not in answers
            if rule.mark is not None:
                self._set_mark(rule.mark, sure=certain)
            for act in self._acts(rule):
                end = self._act(act.verdict, act.target, act, chain, depth, sure=certain)
                if end and certain:
                    return "" if end == "return" else end
        return ""

    def _set_mark(self, mark: tuple[int, int] | str, *, sure: bool) -> None:
        known, new = self.packet.mark, None
        if sure and isinstance(mark, tuple) and known is not None:
            new = (known & ~mark[1]) ^ mark[0]
        self.packet = replace(self.packet, mark=new)
        self.verdict.mark = new

    def _acts(self, rule: ListedRule) -> Iterator[ListedRule]:
        """Yield the rule, or the entry of its map that the packet meets."""
        if not rule.cases:
            yield rule
            return
        for case in rule.cases_for(lambda field: _VALUES[field](self.packet)):
            if all(holds(clause, self.packet) for clause in case.clauses):
                yield case
                return

    def _act(
        self,
        verdict: str,
        target: object,
        rule: ListedRule,
        chain: ListedChain,
        depth: int,
        *,
        sure: bool,
    ) -> str:
        match verdict:
            case "drop" | "reject":
                self.drop(f"{chain.tool} rule {rule.title} in {chain.title}", verdict, sure=sure)
                return "drop"
            case "accept":
                self.spared = self.spared or not sure
                return "accept"
            case "jump" | "goto":
                other = self.chains.get(str(target))
                end = self.follow(other, depth + 1, sure=sure) if other is not None else ""
                return end if end or verdict == "jump" else "return"
            case "dnat" | "redirect" | "snat" | "masquerade":
                return self._translate(verdict, target, rule, chain, sure=sure)
            case "?":
                self.spared = True
                self.verdict.doubts.append(
                    f"{chain.tool} rule {rule.title} in {chain.title} may stop it: netorch could"
                    " not evaluate the rule"
                )
                return ""
        return verdict

    def _translate(
        self, verdict: str, target: object, rule: ListedRule, chain: ListedChain, *, sure: bool
    ) -> str:
        if not sure or target == "?":
            self.verdict.diverts = True
            self.verdict.doubts.append(
                f"{chain.tool} rule {rule.title} may translate it: netorch could not evaluate the"
                " rule"
            )
            return ""
        address, port = target if isinstance(target, tuple) else (None, 0)
        where = address, dict(port).get(self.packet.dport, 0) if isinstance(port, tuple) else port
        if verdict in {"dnat", "redirect"}:
            self.verdict.destination = where
        else:
            self.verdict.source = where
        self.verdict.by = f"{chain.tool} rule {rule.title}"
        return "accept"

    def drop(self, who: str, verb: str, why: str = "", *, sure: bool) -> None:
        """Record that `who` drops or rejects the packet.

        It is a doubt if it is not `sure`, or if an earlier rule may have accepted the packet.
        """
        if sure and not self.spared:
            self.verdict.dropped = self.verdict.dropped or f"{who} {verb}s {self._what()}{why}"
        else:
            self.verdict.doubts.append(
                f"{who} may {verb} {self._what()}: netorch could not evaluate a condition of it or"
                " of a rule before it"
            )

    def _what(self) -> str:
        iif, oif = self.packet.iif, self.packet.oif
        if iif and oif:
            return f"packets from {iif} to {oif}"
        if iif:
            return f"packets that arrive on {iif}"
        return f"packets that leave through {oif}" if oif else "it"


def with_fields(packet: Packet, **changes: object) -> Packet:
    """Return the packet with some fields changed."""
    return replace(packet, **changes)  # type: ignore[arg-type]
