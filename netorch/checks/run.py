"""Runs a topology's checks in the kernel. It prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from netorch.checks.probes import Live, Outcome, Pair, involved, outcome, pairs
from netorch.converge.attached import attach, check_attached
from netorch.converge.previous import Previous
from netorch.errors import NetorchError, Problem
from netorch.immutable import replace
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.probe.probes import Probe, Reply, Sort
from netorch.language.addresses import Address
from netorch.netlink import constants as c
from netorch.resolve.desired import CheckEnd
from netorch.resolve.loaded import Loaded
from netorch.state.key import HOST
from netorch.values.snapshot import NetnsSnapshot, Scope, Snapshot

TIMEOUT = 5.0
"""Seconds that an expected answer may take: enough for three ARP requests, and for a WireGuard
handshake with one repetition."""

DETECTION = 3.0
"""Seconds to wait until all addresses are ready, if a check expects no answer. Before that, a
missing answer proves nothing."""

_MAC_BYTES = 6

Recipient = Callable[[str, str, Address, int], str]
"""Source, target, address, TCP port (0 for a ping) → why a packet to the address does not reach
the target, or why its answer does not come back. Empty if both arrive."""

Explain = Callable[[Outcome], Iterable[str]]
"""A failed check → sentences for its `why`, from the live state."""


def run_checks(
    kernel: LinuxKernel,
    loaded: Loaded,
    *,
    timeout: float = TIMEOUT,
    explain: Explain | None = None,
    recipient: Recipient = lambda *_: "other nodes have this address, too.",
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Outcome, ...]:
    """Try all checks of the file at the same time, with real packets from inside the nodes.

    Return one outcome for each check with `from` and `to`, and one for each ordered pair of a
    network's members.

    Args:
        timeout: Seconds that an expected answer may take.
        explain: Called with each failed outcome.
        recipient: Called for an address that several nodes have, because an answer does not say
            which node sent it.
        progress: Called now and then with the number of probes that are finished, and of all.

    Raise NetorchError, and send nothing, if a node of a check does not exist or is not this
    topology's.
    """
    checks = loaded.desired.checks
    if not checks:
        return ()
    live, snapshot = _look(kernel, loaded)
    owners = _owners(loaded, snapshot)
    taken = {label: _taken_networks(netns) for label, netns in snapshot.namespaces.items()}

    def is_shared(source: CheckEnd, target: CheckEnd, address: Address) -> bool:
        others = owners.get(address, frozenset())
        return not others <= {target.label} or any(
            address in network for network in taken.get(source.label, ())
        )

    tried = pairs(checks, live, is_shared, _macs(snapshot))
    replies = _replies(kernel, tried, timeout, progress)
    numbers = {id(check): number for number, check in enumerate(checks)}
    places = [loaded.where(check.path) for check in checks]
    outcomes = [
        outcome(
            number := numbers[id(pair.check)],
            pair,
            _with_foreign_answers(pair, own, recipient),
            places[number],
        )
        for pair, own in zip(tried, replies, strict=True)
    ]
    if explain is None:
        return tuple(outcomes)
    return tuple(
        entry if entry.passed else replace(entry, why=tuple(explain(entry))) for entry in outcomes
    )


def _replies(
    kernel: LinuxKernel,
    tried: Sequence[Pair],
    timeout: float,
    progress: Callable[[int, int], None],
) -> list[list[Reply]]:
    """Send the probes, and return the replies of each pair in the order of its probes.

    Equal probes are sent only once.
    """
    numbers: dict[Probe, int] = {}
    places = [
        [numbers.setdefault(probe, len(numbers)) for probe in (*pair.probes, *pair.small)]
        for pair in tried
    ]
    replies = kernel.probe(list(numbers), timeout, progress)
    return [[replies[number] for number in own] for own in places]


def _with_foreign_answers(
    pair: Pair, replies: Sequence[Reply], recipient: Recipient
) -> Sequence[Reply]:
    """Return the replies, with ELSEWHERE for answers that another node may have sent."""
    if not pair.shared:
        return replies
    result = list(replies)
    for place, (probe, reply) in enumerate(zip(pair.probes, replies, strict=False)):
        if probe.address in pair.shared and reply.sort is Sort.ANSWERED:
            why = recipient(pair.source.node, pair.target.node, probe.address, probe.port)
            if why:
                result[place] = replace(reply, sort=Sort.ELSEWHERE, text=why)
    return result


def _owners(loaded: Loaded, snapshot: Snapshot) -> Mapping[Address, frozenset[str]]:
    """Return address → the labels of the topology's nodes that have it."""
    labels_of: dict[Address, set[str]] = {}
    for label in loaded.desired.labels.values():
        if label in snapshot.namespaces:
            for _, address in _addresses(snapshot, label):
                labels_of.setdefault(address, set()).add(label)
    return {address: frozenset(labels) for address, labels in labels_of.items()}


def _taken_networks(netns: NetnsSnapshot) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a namespace's local routes (`ip route add local`)."""
    return tuple(
        ip_network(
            (route.dst or bytes(4 if route.family == c.AF_INET else 16), route.prefixlen),
            strict=False,
        )
        for route in netns.routes
        if route.type == c.RTN_LOCAL
    )


def _macs(snapshot: Snapshot) -> dict[tuple[str, str], bytes]:
    """Return label and name → MAC of the links with ARP and a MAC of Ethernet."""
    return {
        (label, link.name): link.mac
        for label, netns in snapshot.namespaces.items()
        for link in netns.links
        if len(link.mac) == _MAC_BYTES and any(link.mac) and not link.flags & c.IFF_NOARP
    }


def _look(kernel: LinuxKernel, loaded: Loaded) -> tuple[Live, Snapshot]:
    """Return the addresses of the nodes that the checks name, and the snapshot they are from.

    Raise NetorchError if a node does not exist, or if another program made it.
    """
    desired = loaded.desired
    attached = attach(kernel, desired, None)
    ends = (end for check in desired.checks for end in involved(check))
    # an end without a label is a node on another machine
    labels = {end.label: end.node for end in ends if end.label}
    own_nodes = frozenset(
        label
        for label in desired.labels.values()
        if label != HOST and label not in desired.attached
    )
    scope = Scope(desired.mark.alias, in_full=own_nodes, attached=attached.labels)
    snapshot = kernel.read(scope)
    check_attached(desired, attached, snapshot, loaded)
    own_labels = {
        label
        for label in own_nodes
        if label in snapshot.namespaces and _is_ours(snapshot, label, loaded)
    }
    instance = f" --name {desired.topology}" if desired.prefix == f"{desired.topology}-" else ""
    remedy = f"Run `netorch apply {loaded.file}{instance}` first."
    if not (own_labels if own_nodes else _is_marked(snapshot, loaded)):
        raise NetorchError(
            Problem(
                "not-live",
                f"topology {desired.topology!r} is not live here: none of its objects exist.",
                None,
                remedy,
                object=desired.topology,
                command=f"netorch apply {loaded.file}{instance}",
            )
        )
    problems: list[Problem] = []
    for label, node in labels.items():
        if label in own_nodes - own_labels:
            what = (
                "another program or topology made it"
                if label in snapshot.namespaces or label in snapshot.other_names
                else "it does not exist"
            )
            problems.append(
                Problem(
                    "node-missing",
                    f"node {node}: the checks need the namespace {label!r}, but {what}.",
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
        and _is_settling(snapshot, own_labels)
        and time.monotonic() < end
    ):
        time.sleep(0.1)
        snapshot = kernel.read(scope)
    return {label: _addresses(snapshot, label) for label in labels}, snapshot


def _is_settling(snapshot: Snapshot, labels: Iterable[str]) -> bool:
    """Whether duplicate address detection (RFC 4862) still runs for an address of one of the nodes.

    Until it ends, the kernel does not use the address.
    """
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
    """Whether any object that was read is in the topology's record, or has its mark.

    This matters for a topology that has no namespace of its own, only the host and attached ones.
    """
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
    addresses = [
        (names.get(record.index, ""), ip_address(record.local)) for record in netns.addresses
    ]
    return [
        (link, address)
        for link, address in addresses
        if not address.is_loopback and not address.is_link_local
    ]


__all__ = ["TIMEOUT", "Explain", "Outcome", "Recipient", "run_checks"]
