"""Which connections a change of the packet filter makes wrong: those that the new rules would not have made as they are. Pure, but for
`end_wrong_connections`.

The kernel judges a connection by its first packet. Without this, it would go on as the old rules had it for as long as packets come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from netorch.errors import NetorchError
from netorch.firewall.chains import ListedChain
from netorch.firewall.evaluation import Packet, run
from netorch.immutable import Value, replace
from netorch.kernel.linux import LinuxKernel
from netorch.state.key import label_text
from netorch.values.connections import Address, Connection, End
from netorch.values.filter_rules import Network
from netorch.values.snapshot import NetnsSnapshot, Snapshot

Chains = Sequence[ListedChain]


class Treatment(Value):
    """What rules do to a connection."""

    dropped: bool = False
    led_to: End | None = None
    """Where they lead it to; None if its destination stays."""
    masqueraded: bool = False
    leaves_as: Address | None = None
    """The address that they have it leave with; None if that stays, or is the kernel's to choose."""


class Surroundings(Value):
    """One namespace, as far as it tells where packets come in and leave."""

    own: frozenset[Address]
    subnets: tuple[tuple[Network, str], ...]
    """Each with its interface; the longest prefix first."""
    far: Mapping[Address, str]
    """Interfaces by which other addresses are reached."""

    def has(self, address: Address) -> bool:
        return address in self.own or address.is_loopback

    def interface(self, address: Address) -> str:
        """Where packets to it leave, and those from it come in; "lo" for the namespace's own."""
        if self.has(address):
            return "lo"
        for network, name in self.subnets:
            if address.version == network.version and address in network:
                return name
        return self.far.get(address, "")


def end_wrong_connections(
    kernel: LinuxKernel, topology: str, before: Snapshot, after: Snapshot
) -> list[str]:
    """End what the filters of `before` have let through or translated, and those of `after` would not
    have, wherever a filter has changed. Returns a warning for each namespace where nobody can tell.
    """
    warnings = []
    for label, now in after.namespaces.items():
        was = before.namespaces.get(label)
        if was is None or was.inode != now.inode or was.filters == now.filters:
            continue
        try:
            _end_wrong(kernel, topology, was, now)
        except (OSError, ValueError, NetorchError) as error:
            warnings.append(
                f"{label_text(label)}: connections that are there may go on as the old rules had them: {error}"
            )
    return warnings


def _end_wrong(kernel: LinuxKernel, topology: str, was: NetnsSnapshot, now: NetnsSnapshot) -> None:
    found = kernel.connections(now.label)
    if not found:
        return
    far = kernel.interfaces_to(now.label, _ends(found))
    old, new = (
        tuple(
            chain
            for backend, text in part.filters.items()
            for chain in kernel.filter_chains(backend, topology, text)
        )
        for part in (was, now)
    )
    there, here = surroundings(was, far), surroundings(now, far)
    if ended := [*wrong(found, old, there, new, here)]:
        kernel.end_connections(now.label, ended)


def surroundings(netns: NetnsSnapshot, far: Mapping[Address, str]) -> Surroundings:
    names = {link.index: link.name for link in netns.links}
    subnets = [
        (ip_network((record.address, record.prefixlen), strict=False), names[record.index])
        for record in netns.addresses
        if record.index in names
    ]
    return Surroundings(
        frozenset(ip_address(record.local) for record in netns.addresses),
        tuple(sorted(subnets, key=lambda entry: -entry[0].prefixlen)),
        far,
    )


def wrong(
    found: Iterable[Connection], old: Chains, there: Surroundings, new: Chains, here: Surroundings
) -> Iterator[Connection]:
    """The connections that the `new` rules would not have made as they are, and of these only those
    that the `old` ones have treated differently, because the others are nobody's business here.
    """
    for connection in found:
        was, now = treatment(connection, old, there), treatment(connection, new, here)
        if was != now and _is_wrong(connection, was, now, here):
            yield connection


def treatment(connection: Connection, chains: Chains, where: Surroundings) -> Treatment:
    """What rules do to a connection, judged by its first packet."""
    source, target = connection.source[0], connection.target[0]
    is_own = where.has(source)
    packet = Packet(
        source,
        target,
        connection.protocol,
        connection.source[1],
        connection.target[1],
        iif="" if is_own else where.interface(source),
        oif=where.interface(target) if is_own else "",
        state="related" if connection.expected else "new",
        local=where.has(target),
    )
    led_to = _destination(packet, run(chains, "output" if is_own else "prerouting", packet, first=True).destination)  # fmt: skip
    # others may translate it besides
    address, port = led_to or connection.answered_from
    local = where.has(address)
    packet = replace(
        packet,
        destination=address,
        dport=port,
        translated=(led_to or connection.led_to) is not None,
        local=local,
        oif="" if local and not is_own else where.interface(address),
    )
    if not is_own and run(chains, "input" if local else "forward", packet, first=False).dropped:
        return Treatment(dropped=True, led_to=led_to)
    if local and not is_own:
        return Treatment(led_to=led_to)
    leaving = run(chains, "postrouting", replace(packet, iif=""), first=True).source
    return Treatment(
        led_to=led_to,
        masqueraded=leaving is not None and leaving[0] is None,
        leaves_as=leaving[0] if leaving is not None else None,
    )


def _destination(packet: Packet, found: tuple[Address | None, int] | None) -> End | None:
    if found is None:
        return None
    address, port = found
    return (address if address is not None else packet.destination, port or packet.dport)


def _is_wrong(connection: Connection, was: Treatment, now: Treatment, here: Surroundings) -> bool:
    if now.dropped or was.dropped:
        return now.dropped
    if was.led_to != now.led_to and connection.led_to == was.led_to:
        # a program of the namespace's own keeps its connections; datagrams have none to keep
        return (
            was.led_to is not None
            or connection.protocol == "udp"
            or not here.has(connection.target[0])
        )
    return _leaves_wrong(connection, was, now)


def _leaves_wrong(connection: Connection, was: Treatment, now: Treatment) -> bool:
    """Whether it leaves with another address than it should, by the old rules or by none."""
    if (was.masqueraded, was.leaves_as) == (now.masqueraded, now.leaves_as):
        return False
    actual = connection.leaves_as[0] if connection.leaves_as is not None else None
    if actual == now.leaves_as and not now.masqueraded:
        return False
    if actual is None:
        return True
    return was.masqueraded or actual == was.leaves_as


def _ends(found: Iterable[Connection]) -> set[Address]:
    return {
        address
        for connection in found
        for address, _ in (connection.source, connection.target, connection.answered_from)
    }
