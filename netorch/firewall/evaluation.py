"""What the chains of a packet filter do with a packet. What is not understood is never taken for a fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netorch.firewall.chains import UNKNOWN, Clause, ListedChain, ListedRule
from netorch.immutable import Value, replace

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
DEPTH = 16
"""Jumps within jumps, as many as nf_tables allows (NFT_JUMP_STACK_SIZE)."""


class Packet(Value):
    """`proto` is icmp, icmpv6, tcp or udp; `icmp`: the type's name. `translated`: its connection's destination was translated.

    `local`: its destination is an address of the namespace that it is in. `iif` and `oif` are "" where there is none.
    """

    source: Address
    destination: Address
    proto: str
    sport: int = 0
    dport: int = 0
    icmp: str = ""
    iif: str = ""
    oif: str = ""
    state: str = "new"
    translated: bool = False
    local: bool = False
    mark: int | None = 0
    """None where a rule may have set it that is not understood."""
    ttl: int = 64
    size: int = 0
    """Bytes; 0 for one that is smaller than any MTU."""

    @property
    def version(self) -> int:
        return self.source.version


def holds(clause: Clause, packet: Packet) -> bool | None:
    """Whether a packet meets a rule's condition; None if nobody knows."""
    if clause.field == UNKNOWN:
        return None
    value = _VALUES[clause.field](packet)
    if value is None:
        return None
    return any(_is(value, expected) for expected in clause.values) != clause.negated


_VALUES = {
    "iif": lambda packet: packet.iif,
    "oif": lambda packet: packet.oif,
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
    """What a hook's chains do. `dropped`: the sentence of why, "" if it goes on; `doubts`: what may drop or translate it besides.

    `source` and `destination`: (address, port) to translate to; an address of None: masquerade, or this very namespace.
    """

    dropped: str = ""
    doubts: list[str] = field(default_factory=list)
    source: tuple[Address | None, int] | None = None
    destination: tuple[Address | None, int] | None = None
    by: str = ""
    mark: int | None = 0
    """The packet's mark afterwards, None where that is not known."""
    diverts: bool = False
    """A doubt is about where the packet goes, and not only about whether it goes on."""


def run(chains: Iterable[ListedChain], hook: str, packet: Packet, *, first: bool) -> HookVerdict:
    """All chains of a hook in their order. `first`: the first packet of its connection, the only one that nat chains see."""
    there = [chain for chain in chains if chain.sees(packet.version)]
    found = HookVerdict(mark=packet.mark)
    for chain in sorted(
        (chain for chain in there if chain.hook == hook), key=lambda chain: chain.priority
    ):
        if chain.kind == "nat" and (
            not first or found.source is not None or found.destination is not None
        ):
            continue
        others = {other.name: other for other in there if other.group == chain.group}
        walked = _Walk(others, found, replace(packet, mark=found.mark))
        end = walked.follow(chain, 0, sure=True)
        if not end and chain.policy == "drop":
            walked.drop(
                f"{chain.tool} chain {chain.title}",
                "drop",
                ", since no rule of it accepts that",
                sure=True,
            )
        if found.dropped:
            return found
    return found


@dataclass(slots=True)
class _Walk:
    """Through one base chain. `spared`: a rule that is not understood may have accepted the packet before."""

    chains: Mapping[str, ListedChain]
    verdict: HookVerdict
    packet: Packet
    spared: bool = False

    def follow(self, chain: ListedChain, depth: int, *, sure: bool) -> str:
        """Go through the rules; the verdict at which the way ends for sure, "" at the chain's end, "return"."""
        for rule in chain.rules if depth < DEPTH else ():
            answers = [holds(clause, self.packet) for clause in rule.clauses]
            if False in answers:
                continue
            certain = sure and None not in answers
            if rule.mark is not None:
                self._set_mark(rule.mark, sure=certain)
            for verdict, target in self._acts(rule):
                end = self._act(verdict, target, rule, chain, depth, sure=certain)
                if end and certain:
                    return "" if end == "return" else end
        return ""

    def _set_mark(self, mark: tuple[int, int] | str, *, sure: bool) -> None:
        known, new = self.packet.mark, None
        if sure and isinstance(mark, tuple) and known is not None:
            new = (known & ~mark[1]) ^ mark[0]
        self.packet = replace(self.packet, mark=new)
        self.verdict.mark = new

    def _acts(self, rule: ListedRule) -> Iterator[tuple[str, object]]:
        if not rule.cases:
            yield rule.verdict, rule.target
            return
        for clause, verdict, target in rule.cases:
            if holds(clause, self.packet):
                yield verdict, target
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
                    f"{chain.tool} rule {rule.title} in {chain.title} may stop it: that could not be evaluated"
                )
                return ""
        return verdict

    def _translate(
        self, verdict: str, target: object, rule: ListedRule, chain: ListedChain, *, sure: bool
    ) -> str:
        if not sure or target == "?":
            self.verdict.diverts = True
            self.verdict.doubts.append(
                f"{chain.tool} rule {rule.title} may translate it: that could not be evaluated"
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
        """`who` drops or rejects the packet; unless it is `sure`, or something before may have accepted it, that is a doubt."""
        if sure and not self.spared:
            self.verdict.dropped = self.verdict.dropped or f"{who} {verb}s {self._what()}{why}"
        else:
            self.verdict.doubts.append(
                f"{who} may {verb} {self._what()}: what it or a rule before it asks for could not be evaluated"
            )

    def _what(self) -> str:
        iif, oif = self.packet.iif, self.packet.oif
        if iif and oif:
            return f"{iif} → {oif}"
        return f"what comes in by {iif}" if iif else f"what goes out by {oif}" if oif else "it"


def with_fields(packet: Packet, **changes: object) -> Packet:
    """The packet with some fields changed."""
    return replace(packet, **changes)  # type: ignore[arg-type]
