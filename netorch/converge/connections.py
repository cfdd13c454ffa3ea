"""Find and end the connections that a change of the packet filter makes wrong.

A connection is wrong if the new rules would have dropped it or translated it differently. The
kernel applies NAT rules only to the first packet of a connection, so without this module the old
rules would hold for it as long as packets come. Only `end_wrong_connections` does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from netorch.errors import NetorchError
from netorch.firewall.chains import ChosenPort, ListedChain
from netorch.immutable import Value, replace
from netorch.kernel.linux import LinuxKernel
from netorch.state.key import label_text
from netorch.values.connections import Address, Connection, End
from netorch.values.filter_rules import Network, PortRange
from netorch.values.snapshot import NetnsSnapshot, Snapshot

if TYPE_CHECKING:
    from netorch.firewall.evaluation import Filters, Packet

Chains = Sequence[ListedChain]


class Treatment(Value):
    """What the rules of a packet filter do to a connection."""

    dropped: bool = False
    led_to: End | None = None
    """The destination to which the rules translate the connection; None if it is not changed."""
    masqueraded: bool = False
    leaves_as: Address | None = None
    """The source to which the rules translate the connection; None if it is not changed, or if the
    kernel chooses it.
    """
    leaves_by: PortRange | None = None
    """The source ports of which the rules let the kernel choose one; None for any."""


class InterfaceMap(Value, dict=True):
    """The interfaces by which packets of one namespace come in and leave, by address."""

    own: frozenset[Address]
    """The addresses of the namespace."""
    subnets: tuple[tuple[Network, str], ...]
    """The subnets on its links, each with its interface; the longest prefix comes first."""
    far: Mapping[Address, str]
    """Other addresses → the interface that the kernel's routes lead to."""

    def has(self, address: Address) -> bool:
        return address in self.own or address.is_loopback

    def interface(self, address: Address) -> str:
        """Return the interface of an address: "lo" for an own one, "" if none is known."""
        if self.has(address):
            return "lo"
        number = int(address)
        for version, shift, names in self._by_prefix:
            if version == address.version and number >> shift in names:
                return names[number >> shift]
        return self.far.get(address, "")

    @cached_property
    def _by_prefix(self) -> list[tuple[int, int, dict[int, str]]]:
        """IP version, the number of bits after the prefix, and prefix → interface."""
        tables: dict[tuple[int, int], dict[int, str]] = {}
        for network, name in self.subnets:
            shift = network.max_prefixlen - network.prefixlen
            names = tables.setdefault((network.version, shift), {})
            names.setdefault(int(network.network_address) >> shift, name)
        return [(version, shift, names) for (version, shift), names in tables.items()]


def end_wrong_connections(
    kernel: LinuxKernel, topology: str, before: Snapshot, after: Snapshot
) -> list[str]:
    """End the connections that the filters of `after` treat differently from those of `before`.

    Only namespaces whose filter changed are looked at. Returns a warning for each namespace whose
    connections could not be read or ended.
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
                f"{label_text(label)}: existing connections may still follow the old rules: {error}"
            )
    return warnings


def _end_wrong(kernel: LinuxKernel, topology: str, was: NetnsSnapshot, now: NetnsSnapshot) -> None:
    connections = kernel.connections(now.label)
    if not connections:
        return
    far = kernel.interfaces_to(now.label, _ends(connections))
    old, new = (
        tuple(
            chain
            for backend, text in part.filters.items()
            for chain in kernel.filter_chains(backend, topology, text)
        )
        for part in (was, now)
    )
    old_map, new_map = interface_map(was, far), interface_map(now, far)
    if ended := [*wrong(connections, old, old_map, new, new_map)]:
        kernel.end_connections(now.label, ended)


def interface_map(netns: NetnsSnapshot, far: Mapping[Address, str]) -> InterfaceMap:
    names = {link.index: link.name for link in netns.links}
    subnets = [
        (ip_network((record.address, record.prefixlen), strict=False), names[record.index])
        for record in netns.addresses
        if record.index in names
    ]
    return InterfaceMap(
        frozenset(ip_address(record.local) for record in netns.addresses),
        tuple(sorted(subnets, key=lambda entry: -entry[0].prefixlen)),
        far,
    )


def wrong(
    connections: Iterable[Connection],
    old: Chains,
    old_map: InterfaceMap,
    new: Chains,
    new_map: InterfaceMap,
) -> Iterator[Connection]:
    """Yield the connections that the `new` rules would have dropped or translated differently.

    A connection that the `old` and the `new` rules treat alike is left out. If it is different,
    something other than netorch's rules has translated it.
    """
    from netorch.firewall.evaluation import Filters

    old_filters, new_filters = Filters(old), Filters(new)
    for connection in connections:
        was = treatment(connection, old_filters, old_map)
        now = treatment(connection, new_filters, new_map)
        if was != now and _is_wrong(connection, was, now, new_map):
            yield connection


def treatment(
    connection: Connection, chains: Filters | Chains, interfaces: InterfaceMap
) -> Treatment:
    """Return what rules do to a connection, by running its first packet through them."""
    # here, because most commands find no connection to examine
    from netorch.firewall.evaluation import Packet, run

    source, target = connection.source[0], connection.target[0]
    is_own = interfaces.has(source)
    packet = Packet(
        source,
        target,
        connection.protocol,
        connection.source[1],
        connection.target[1],
        iif="" if is_own else interfaces.interface(source),
        oif=interfaces.interface(target) if is_own else "",
        state="related" if connection.expected else "new",
        local=interfaces.has(target),
    )
    begun = run(chains, "output" if is_own else "prerouting", packet, first=True)
    led_to = _destination(packet, begun.destination)
    if begun.dropped:
        return Treatment(dropped=True, led_to=led_to)
    # if these rules do not translate it, take the translation that other rules made
    address, port = led_to or connection.answered_from
    local = interfaces.has(address)
    packet = replace(
        packet,
        destination=address,
        dport=port,
        translated=(led_to or connection.led_to) is not None,
        local=local,
        oif="" if local and not is_own else interfaces.interface(address),
    )
    if not is_own and run(chains, "input" if local else "forward", packet, first=False).dropped:
        return Treatment(dropped=True, led_to=led_to)
    if local and not is_own:
        return Treatment(led_to=led_to)
    leaving = run(chains, "postrouting", replace(packet, iif=""), first=True).source
    if leaving is None:
        return Treatment(led_to=led_to)
    return Treatment(
        led_to=led_to,
        masqueraded=leaving[0] is None,
        leaves_as=leaving[0],
        leaves_by=leaving[1].ports if isinstance(leaving[1], ChosenPort) else None,
    )


def _destination(packet: Packet, translation: tuple[Address | None, int] | None) -> End | None:
    if translation is None:
        return None
    address, port = translation
    return (address if address is not None else packet.destination, port or packet.dport)


def _is_wrong(
    connection: Connection, was: Treatment, now: Treatment, new_map: InterfaceMap
) -> bool:
    if now.dropped or was.dropped:
        return now.dropped
    if was.led_to != now.led_to and connection.led_to == was.led_to:
        # The new rules would lead the connection elsewhere. It may stay if it is untranslated and
        # ends at a program in this namespace, because that program has it open. A UDP socket has
        # no such state, so a UDP connection is always wrong.
        return (
            was.led_to is not None
            or connection.protocol == "udp"
            or not new_map.has(connection.target[0])
        )
    return _leaves_wrong(connection, was, now)


def _leaves_wrong(connection: Connection, was: Treatment, now: Treatment) -> bool:
    """Whether the connection leaves with another address than the new rules would give it, or with
    another port.
    """
    actual = connection.leaves_as[0] if connection.leaves_as is not None else None
    first, last = now.leaves_by or (0, 65535)
    fits = first <= connection.answered_to[1] <= last
    if (was.masqueraded, was.leaves_as) == (now.masqueraded, now.leaves_as):
        translated = was.masqueraded or actual in (None, was.leaves_as)
        return was.leaves_by != now.leaves_by and translated and not fits
    if actual == now.leaves_as and not now.masqueraded:
        return not fits
    if actual is None:
        return True
    return was.masqueraded or actual == was.leaves_as


def _ends(connections: Iterable[Connection]) -> set[Address]:
    return {
        address
        for connection in connections
        for address, _ in (connection.source, connection.target, connection.answered_from)
    }
