"""Turns checks into probes, and replies into outcomes. This module does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from netorch.checks.replies import reply_text
from netorch.errors import Position
from netorch.immutable import Value, replace
from netorch.kernel.probe.probes import NeighbourTrace, Probe, Reply, Sort
from netorch.language.addresses import Address
from netorch.resolve.desired import Check, CheckEnd

MANY_MEMBERS = 16
"""The largest number of members of a network whose probes leave their neighbour entries behind.

In a larger network the entries would fill the kernel's neighbour table, so each probe removes its
own afterwards.
"""

Live = Mapping[str, Sequence[tuple[str, Address]]]
"""Label → the addresses that the namespace has now, each with the name of its link."""


class Pair(Value):
    """A sender and a target of one check, with the probes for them."""

    check: Check
    source: CheckEnd
    target: CheckEnd
    probes: tuple[Probe, ...]
    """One probe for each address of the target that counts."""
    small: tuple[Probe, ...] = ()
    """The same probes with small packets, if the check has an `mtu` and expects an answer."""
    shared: tuple[Address, ...] = ()
    """The addresses of the target that another node has too, so that it may answer a probe to them.
    """


class Try(Value):
    """The result of the probe to one address."""

    address: Address
    answered: bool
    text: str
    """The reply in words; empty if the probe was answered or needed no answer."""
    reply: Reply
    seconds: float | None = None
    """The round-trip time; None if there was no answer."""
    small: bool = False
    """Whether a small packet was answered, although a large one was not."""


class Outcome(Value):
    """The result of a check with `from` and `to`, or of one ordered pair of a network's members."""

    number: int
    """The index of the check in `checks`, from 0."""
    source: str
    """The name of the node that sends."""
    target: str
    """The name of the node or the address that it sends to."""
    passed: bool
    reachable: bool = True
    """Whether the check expects an answer."""
    network: str = ""
    """The network whose members the check tries. Empty for a check with `from` and `to`."""
    tcp: int = 0
    """The TCP port; 0 for a ping."""
    mtu: int = 0
    """The packet size in bytes; 0 if the check does not set one."""
    reason: str = ""
    """Why the check passed or failed, in words; empty if an expected answer arrived."""
    seconds: float | None = None
    """The longest round-trip time of the answers; None if there was none."""
    tries: tuple[Try, ...] = ()
    """The result of each address that was tried."""
    why: tuple[str, ...] = ()
    """Sentences that explain a failure from the live state."""
    where: Position | None = None
    """The position of the check in the file."""

    @property
    def what(self) -> str:
        """`ping`, `tcp 80` or `mtu 1500`, after `no` if the check expects no answer."""
        what = f"tcp {self.tcp}" if self.tcp else f"mtu {self.mtu}" if self.mtu else "ping"
        return what if self.reachable else f"no {what}"


Macs = Mapping[tuple[str, str], bytes]
"""Label and name of a link → its MAC, for links that ask their neighbours for MACs."""

IsShared = Callable[[CheckEnd, CheckEnd, Address], bool]
"""Sender, target, address of the target → whether the sender or a third node has it too."""


_NO_MACS: Macs = {}


def pairs(
    checks: Sequence[Check],
    live: Live,
    is_shared: IsShared = lambda *_: False,
    macs: Macs = _NO_MACS,
) -> list[Pair]:
    """Return the pairs of all checks, in the order of the file."""
    result: list[Pair] = []
    group = 0
    for check in checks:
        # If an answer is expected, a member finds only the next member's MAC by ARP, which sends a
        # packet to all. It gets entries for the others. If no answer is expected, it gets none,
        # because an entry could make an answer possible.
        enters = check.reachable and len(check.members) > MANY_MEMBERS
        for source, target, are_next in _ends(check, live):
            entered = macs if enters and not are_next else _NO_MACS
            result.append(_pair(check, source, target, live, group, is_shared, entered))
            group += 2
    return result


def involved(check: Check) -> tuple[CheckEnd, ...]:
    """Return the ends of a check that are nodes."""
    return tuple(
        end for end in (check.source, check.target, *check.members) if end is not None and end.node
    )


def outcome(number: int, pair: Pair, replies: Sequence[Reply], where: Position | None) -> Outcome:
    """Return the outcome of a pair.

    `replies` has a reply for each of the pair's `probes`, followed by one for each of `small`.
    """
    check = pair.check
    small = any(reply.sort is Sort.ANSWERED for reply in replies[len(pair.probes) :])
    tries = tuple(
        _try(pair, probe, reply, small) for probe, reply in zip(pair.probes, replies, strict=False)
    )
    passed, reason = (_expect_answer if check.reachable else _expect_silence)(pair, tries)
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


def _ends(check: Check, live: Live) -> Iterator[tuple[CheckEnd, CheckEnd, bool]]:
    """Yield sender, target, and whether they are next to each other in a ring of all members."""
    if check.source is not None and check.target is not None:
        source, target = (_with_live_addresses(end, live) for end in (check.source, check.target))
        yield source, target, False
    members = [_with_live_addresses(end, live) for end in check.members]
    # both directions of a pair follow each other, because they use the same neighbour entries
    for index, one in enumerate(members):
        for distance, other in enumerate(members[index + 1 :], 1):
            if one.node == other.node:
                continue  # because Linux delivers such a packet without a network
            are_next = distance in (1, len(members) - 1)
            # a member on another machine cannot send from here
            if one.label:
                yield one, other, are_next
            if other.label:
                yield other, one, are_next


def _with_live_addresses(end: CheckEnd, live: Live) -> CheckEnd:
    """Return the end with its live addresses if the file gives it none."""
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
    macs: Macs,
) -> Pair:
    probes: list[Probe] = []
    shared: list[Address] = []
    removes_traces = len(check.members) > MANY_MEMBERS
    for address in _tested_addresses(check, source, target, live):
        traces = _traces(source, target, address, is_shared, macs) if removes_traces else ()
        number = group + (address.version == 6)
        if target.node and is_shared(source, target, address):
            shared.append(address)
            # The probe is in no group, because an answer from this address may come from another
            # node. It must not end the wait for the other addresses of the target.
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


def _tested_addresses(
    check: Check, source: CheckEnd, target: CheckEnd, live: Live
) -> list[Address]:
    """Return the addresses of the target that the check tries.

    A check that expects an answer tries only the IP versions that both ends have. In a network it
    tries one address of each version.
    """
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


def _traces(
    source: CheckEnd, target: CheckEnd, address: Address, is_shared: IsShared, macs: Macs
) -> tuple[NeighbourTrace, ...]:
    def trace(asker: CheckEnd, owner: CheckEnd, owned: Address) -> NeighbourTrace:
        # With IPv6, the kernel would ask from its link-local address, and the neighbour would make
        # an entry for that one.
        asks = owned.version == 4 and (asker.label, asker.link) in macs
        mac = macs.get((owner.label, owner.link), b"") if asks else b""
        known = mac and not is_shared(asker, owner, owned)
        return NeighbourTrace(asker.label, asker.link, owned, mac if known else b"")

    own = next((mine for mine in source.addresses if mine.version == address.version), None)
    there = (trace(source, target, address),)
    return (*there, trace(target, source, own)) if own is not None and target.label else there


def _try(pair: Pair, probe: Probe, reply: Reply, small: bool) -> Try:
    answered = reply.sort is Sort.ANSWERED
    text = reply_text(pair.source.node, probe, reply, small=small, near=bool(pair.check.network))
    seconds = reply.seconds if answered else None
    return Try(probe.address, answered, text, reply, seconds, small and not answered)


def _expect_answer(pair: Pair, tries: Sequence[Try]) -> tuple[bool, str]:
    if not tries:
        return False, f"{pair.target.name} has no address"
    versions = dict.fromkeys(entry.address.version for entry in tries)
    reasons: list[str] = []
    for version in versions:
        here = [entry for entry in tries if entry.address.version == version]
        if not any(entry.answered for entry in here):
            first = next((entry for entry in here if entry.reply.sort is not Sort.SILENT), here[0])
            reasons.append(f"IPv{version}: {first.text}" if len(versions) > 1 else first.text)
    return not reasons, "; ".join(reasons)


def _expect_silence(pair: Pair, tries: Sequence[Try]) -> tuple[bool, str]:
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
