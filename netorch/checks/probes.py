"""Checks to probes, and replies to outcomes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from netorch.checks.replies import reply_text
from netorch.errors import Position
from netorch.immutable import Value, replace
from netorch.kernel.probe.probes import NeighbourTrace, Probe, Reply, Sort
from netorch.language.scalars import Address
from netorch.resolve.checks import Check, CheckEnd

CROWD = 16
"""Members of a network from which on the neighbours that its pairs make of one another are taken away again."""

Live = Mapping[str, Sequence[tuple[str, Address]]]
"""Label → the addresses that are there now, each with the name of its link."""


class Pair(Value):
    """Who tries whom. `probes`: one to each address that counts. `small`: the same with small packets, where `probes` are large ones."""

    check: Check
    source: CheckEnd
    target: CheckEnd
    probes: tuple[Probe, ...]
    small: tuple[Probe, ...] = ()
    shared: tuple[Address, ...] = ()
    """Addresses that others than the target have, too: an answer from there may be theirs."""


class Try(Value):
    """What came of one address. `text`: that in words, "" for what was not needed, `seconds`: the round trip where it answered."""

    address: Address
    answered: bool
    text: str
    reply: Reply
    seconds: float | None = None


class Outcome(Value):
    """What came of a check, or of one pair of a network's members.

    `number`: which entry of `checks` it is, from 0; `where`: its place in the file. `network`: of whose members it is a pair, "" for a
    check with `from` and `to`. `tcp`: a port, 0 for a ping; `mtu`: bytes, 0 if the size does not matter; `reachable`: what was wanted.
    `reason`: why it passed or failed, in words, "" where an answer came as wanted. `seconds`: the slowest round trip of those that
    count. `why`: what a look at the live state says of a failure, a sentence each.
    """

    number: int
    source: str
    target: str
    passed: bool
    reachable: bool = True
    network: str = ""
    tcp: int = 0
    mtu: int = 0
    reason: str = ""
    seconds: float | None = None
    tries: tuple[Try, ...] = ()
    why: tuple[str, ...] = ()
    where: Position | None = None

    @property
    def what(self) -> str:
        """`ping`, `tcp 80`, `mtu 1500`; with `no` before it where no answer is wanted."""
        what = f"tcp {self.tcp}" if self.tcp else f"mtu {self.mtu}" if self.mtu else "ping"
        return what if self.reachable else f"no {what}"


IsShared = Callable[[CheckEnd, CheckEnd, Address], bool]
"""Whether the sender, or another node than the one that is meant, has an address, too."""


def pairs(
    checks: Sequence[Check], live: Live, is_shared: IsShared = lambda *_: False
) -> list[Pair]:
    """Everything that is to be tried, in the order of the file."""
    found: list[Pair] = []
    group = 0
    for check in checks:
        for source, target in _ends(check, live):
            found.append(_pair(check, source, target, live, group, is_shared))
            group += 2
    return found


def involved(check: Check) -> tuple[CheckEnd, ...]:
    """The ends of a check that are nodes."""
    return tuple(
        end for end in (check.source, check.target, *check.members) if end is not None and end.node
    )


def outcome(
    number: int, pair: Pair, replies: Mapping[Probe, Reply], where: Position | None
) -> Outcome:
    """What the replies mean; they are by probe, since two that are alike get one and the same answer."""
    check = pair.check
    small = any(replies[probe].sort is Sort.ANSWERED for probe in pair.small)
    tries = tuple(_try(pair, probe, replies[probe], small) for probe in pair.probes)
    passed, reason = (_wanted if check.reachable else _unwanted)(pair, tries)
    answered = [entry.seconds for entry in tries if entry.seconds is not None]
    return Outcome(
        number=number,
        source=pair.source.name,
        target=pair.target.name,
        passed=passed,
        reachable=check.reachable,
        network=check.network,
        tcp=check.tcp,
        mtu=check.mtu,
        reason=reason,
        seconds=max(answered, default=None),
        tries=tries,
        where=where,
    )


def _ends(check: Check, live: Live) -> Iterator[tuple[CheckEnd, CheckEnd]]:
    if check.source is not None and check.target is not None:
        yield _filled(check.source, live), _filled(check.target, live)
    members = [_filled(end, live) for end in check.members]
    # both ways of a pair one after the other: they share what they leave behind
    for index, one in enumerate(members):
        for other in members[index + 1 :]:
            yield one, other
            yield other, one


def _filled(end: CheckEnd, live: Live) -> CheckEnd:
    """With the addresses that it has now, where the file gives it none."""
    if end.addresses or not end.label:
        return end
    here = (address for link, address in live.get(end.label, ()) if end.link in ("", link))
    return replace(end, addresses=tuple(dict.fromkeys(here)))


def _pair(
    check: Check,
    source: CheckEnd,
    target: CheckEnd,
    live: Live,
    group: int,
    is_shared: IsShared,
) -> Pair:
    probes: list[Probe] = []
    shared: list[Address] = []
    crowd = len(check.members) > CROWD
    for address in _tried(check, source, target, live):
        traces = _traces(source, target, address) if crowd else ()
        number = group + (address.version == 6)
        if target.node and is_shared(source, target, address):
            shared.append(address)
            # an answer from there does not end the wait for the node's other addresses
            number = -1
        probes.append(
            Probe(
                netns=source.label,
                address=address,
                port=check.tcp,
                size=check.mtu,
                expects_answer=check.reachable,
                group=number if check.reachable else -1,
                traces=traces,
            )
        )
    small = (
        tuple(replace(probe, size=0, group=-1) for probe in probes)
        if check.mtu and check.reachable
        else ()
    )
    return Pair(check, source, target, tuple(probes), small, tuple(shared))


def _tried(check: Check, source: CheckEnd, target: CheckEnd, live: Live) -> list[Address]:
    """The addresses that count: where an answer is wanted, those of the IP versions that both have; of a network's pair one each."""
    addresses = list(target.addresses)
    if target.node and check.reachable:
        theirs = {address.version for address in source.addresses}
        theirs |= {
            address.version
            for link, address in live.get(source.label, ())
            if source.link in ("", link)
        }
        addresses = [address for address in addresses if address.version in theirs] or addresses
    if check.network and check.reachable:
        addresses = list({address.version: address for address in reversed(addresses)}.values())[
            ::-1
        ]
    return addresses


def _traces(source: CheckEnd, target: CheckEnd, address: Address) -> tuple[NeighbourTrace, ...]:
    own = next((mine for mine in source.addresses if mine.version == address.version), None)
    there = (NeighbourTrace(source.label, source.link, address),)
    return (*there, NeighbourTrace(target.label, target.link, own)) if own is not None else there


def _try(pair: Pair, probe: Probe, reply: Reply, small: bool) -> Try:
    answered = reply.sort is Sort.ANSWERED
    text = reply_text(pair.source.node, probe, reply, small=small, near=bool(pair.check.network))
    return Try(probe.address, answered, text, reply, reply.seconds if answered else None)


def _wanted(pair: Pair, tries: Sequence[Try]) -> tuple[bool, str]:
    if not tries:
        return False, f"{pair.target.name} has no address"
    versions = dict.fromkeys(entry.address.version for entry in tries)
    reasons: list[str] = []
    for version in versions:
        here = [entry for entry in tries if entry.address.version == version]
        if not any(entry.answered for entry in here):
            told = next((entry for entry in here if entry.reply.sort is not Sort.SILENT), here[0])
            reasons.append(f"IPv{version}: {told.text}" if len(versions) > 1 else told.text)
    return not reasons, "; ".join(reasons)


def _unwanted(pair: Pair, tries: Sequence[Try]) -> tuple[bool, str]:
    if not tries:
        return True, f"{pair.target.name} has no address"
    for entry in tries:
        if entry.answered:
            return False, f"{entry.address} {'takes a connection' if pair.check.tcp else 'answers'}"
    for entry in tries:
        if entry.reply.sort is Sort.UNSENT:
            return False, entry.text
    return True, "; ".join(dict.fromkeys(entry.text for entry in tries))


__all__ = ["Live", "Outcome", "Pair", "Try", "involved", "outcome", "pairs"]
