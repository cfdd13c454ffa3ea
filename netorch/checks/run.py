"""Runs a topology's checks against the kernel. It prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address, ip_network

from netorch.checks.probes import Live, Outcome, Pair, involved, outcome, pairs
from netorch.converge.attached import attach, check_attached
from netorch.converge.previous import Previous
from netorch.errors import NetorchError, Problem
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.probe.probes import Probe, Reply, Sort
from netorch.language.scalars import Address
from netorch.netlink import constants as c
from netorch.resolve.checks import CheckEnd
from netorch.resolve.loader import Loaded
from netorch.state.key import HOST
from netorch.values.snapshot import Scope, Snapshot

TIMEOUT = 5.0
"""Seconds that a wanted answer may take: three requests of ARP, and a handshake of WireGuard that is tried twice, fit into it."""

DETECTION = 3.0
"""Seconds that a silence which is wanted waits for addresses that are not ready, since it would say nothing before."""

Recipient = Callable[[str, str, Address, int], str]
"""Source, target, address, TCP port (0 for an echo) → why what is sent there does not get to the target; "" if it does."""

Explain = Callable[[Outcome], Iterable[str]]
"""What a look at the live state says of a failed check: sentences for its `why`."""


def run_checks(
    kernel: LinuxKernel,
    loaded: Loaded,
    *,
    timeout: float = TIMEOUT,
    explain: Explain | None = None,
    recipient: Recipient = lambda *_: "others have this address, too.",
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Outcome, ...]:
    """Every check of the file, tried by real packets from inside the nodes, all at the same time; one outcome for each, and for each
    ordered pair of a network's members. `timeout`: seconds that an answer may take where one is wanted. `explain`: asked of each
    failure. `recipient`: asked who gets what is sent to an address that several nodes have, of which an answer alone does not tell.
    `progress`: called now and then with how many of how many packets' fates are known.

    NetorchError where a node that is named in them is not there, or is not this topology's: then nothing is sent.
    """
    checks = loaded.desired.checks
    if not checks:
        return ()
    live, snapshot = _look(kernel, loaded)
    owners = _owners(loaded, snapshot)

    def is_shared(source: CheckEnd, target: CheckEnd, address: Address) -> bool:
        others = owners.get(address, frozenset()) - {target.label}
        return bool(others) or _takes(snapshot, source.label, address)

    tried = pairs(checks, live, is_shared)
    # what is asked twice is sent once
    probes: list[Probe] = list(
        dict.fromkeys(probe for pair in tried for probe in (*pair.probes, *pair.small))
    )
    replies = dict(zip(probes, kernel.probe(probes, timeout, progress), strict=True))
    numbers = {id(check): number for number, check in enumerate(checks)}
    found = [
        outcome(
            numbers[id(pair.check)],
            pair,
            _told_apart(pair, replies, recipient),
            loaded.where(pair.check.path),
        )
        for pair in tried
    ]
    if explain is None:
        return tuple(found)
    return tuple(
        entry if entry.passed else replace(entry, why=tuple(explain(entry))) for entry in found
    )


def _told_apart(
    pair: Pair, replies: Mapping[Probe, Reply], recipient: Recipient
) -> Mapping[Probe, Reply]:
    """The replies, of which those do not count that somebody else gave who has the address, too."""
    found = dict(replies)
    for probe in pair.probes:
        reply = replies[probe]
        if probe.address in pair.shared and reply.sort is Sort.ANSWERED:
            why = recipient(pair.source.node, pair.target.node, probe.address, probe.port)
            if why:
                found[probe] = replace(reply, sort=Sort.ELSEWHERE, text=why)
    return found


def _owners(loaded: Loaded, snapshot: Snapshot) -> Mapping[Address, frozenset[str]]:
    """Address → the labels of the topology's nodes that have it."""
    found: dict[Address, set[str]] = {}
    for label in loaded.desired.labels.values():
        if label in snapshot.namespaces:
            for _, address in _addresses(snapshot, label):
                found.setdefault(address, set()).add(label)
    return {address: frozenset(labels) for address, labels in found.items()}


def _takes(snapshot: Snapshot, label: str, address: Address) -> bool:
    """Whether a namespace takes an address for its own by a route that somebody made (`ip route add local`)."""
    netns = snapshot.namespaces.get(label)
    return netns is not None and any(
        route.type == c.RTN_LOCAL
        and (route.dst is None or address in ip_network((route.dst, route.prefixlen), strict=False))
        for route in netns.routes
    )


def _look(kernel: LinuxKernel, loaded: Loaded) -> tuple[Live, Snapshot]:
    """The addresses of the nodes that the checks name, and all that was read; NetorchError unless all nodes are there, and ours."""
    desired = loaded.desired
    attached = attach(kernel, desired, None)
    labels = {end.label: end.node for check in desired.checks for end in involved(check)}
    made = frozenset(
        label
        for label in desired.labels.values()
        if label != HOST and label not in desired.attached
    )
    scope = Scope(desired.mark.alias, in_full=made, attached=attached.labels)
    snapshot = kernel.read(scope)
    check_attached(desired, attached, snapshot, loaded)
    ours = {
        label
        for label in made
        if label in snapshot.namespaces and _is_ours(snapshot, label, loaded)
    }
    instance = f" --name {desired.topology}" if desired.prefix == f"{desired.topology}-" else ""
    remedy = f"Run `netorch apply {loaded.file}{instance}` first."
    if not (ours if made else _is_marked(snapshot, loaded)):
        raise NetorchError(
            Problem(
                "not-live",
                f"topology {desired.topology!r} is not live here: nothing of it is there.",
                None,
                remedy,
                object=desired.topology,
                command=f"netorch apply {loaded.file}{instance}",
            )
        )
    problems: list[Problem] = []
    for label, node in labels.items():
        if label in made - ours:
            what = (
                "somebody else made it"
                if label in snapshot.namespaces or label in snapshot.strangers
                else "it is not there"
            )
            problems.append(
                Problem(
                    "node-missing",
                    f"node {node}: the namespace {label!r} is to be tried, and {what}.",
                    None,
                    remedy,
                    object=node,
                    command=f"netorch apply {loaded.file}{instance}",
                )
            )
    if problems:
        raise NetorchError(problems)
    end = time.monotonic() + DETECTION
    while (
        not all(check.reachable for check in desired.checks)
        and _is_settling(snapshot, ours)
        and time.monotonic() < end
    ):
        time.sleep(0.1)
        snapshot = kernel.read(scope)
    return {label: _addresses(snapshot, label) for label in labels}, snapshot


def _is_settling(snapshot: Snapshot, labels: Iterable[str]) -> bool:
    """Whether a node looks still for whether somebody else has its address (RFC 4862): nobody reaches it, or over it, so long."""
    for netns in (snapshot.namespaces[label] for label in labels if label in snapshot.namespaces):
        cabled = {link.index for link in netns.links if link.flags & c.IFF_LOWER_UP}
        if any(
            address.flags & (c.IFA_F_TENTATIVE | c.IFA_F_DADFAILED) == c.IFA_F_TENTATIVE
            for address in netns.addresses
            if address.index in cabled
        ):
            return True
    return False


def _is_ours(snapshot: Snapshot, label: str, loaded: Loaded) -> bool:
    netns = snapshot.namespaces[label]
    alias = next((link.alias for link in netns.links if link.index == 1), "")
    return netns.is_own and loaded.desired.mark.owns_alias(alias)


def _is_marked(snapshot: Snapshot, loaded: Loaded) -> bool:
    """Whether anything in namespaces of others, or on the host, is the topology's by its record, or carries its mark."""
    previous = Previous.read(loaded.desired.topology)
    mark, record = previous.mark, previous.ownership
    for netns in snapshot.namespaces.values():
        if record is not None and record.of(netns.identity):
            return True
        protocols = {
            *(address.protocol for address in netns.addresses),
            *(route.protocol for route in netns.routes),
            *(rule.protocol for rule in netns.rules),
        }
        if mark.protocol in protocols or any(mark.owns_alias(link.alias) for link in netns.links):
            return True
    return False


def _addresses(snapshot: Snapshot, label: str) -> list[tuple[str, Address]]:
    netns = snapshot.namespaces[label]
    names = {link.index: link.name for link in netns.links}
    found = [(names.get(record.index, ""), ip_address(record.local)) for record in netns.addresses]
    return [
        (link, address)
        for link, address in found
        if not address.is_loopback and not address.is_link_local
    ]


__all__ = ["TIMEOUT", "Explain", "Outcome", "Recipient", "run_checks"]
