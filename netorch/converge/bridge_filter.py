"""What br_netfilter breaks, because it hands bridged frames to the packet filter.

This module does no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

from netorch.converge.hazards import publications
from netorch.immutable import Value
from netorch.kinds.address import Address
from netorch.kinds.base.link import link_key
from netorch.kinds.filter import PacketFilter
from netorch.kinds.netns import netns_key
from netorch.kinds.port import Port, port_key
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.veth import Veth
from netorch.state.by_class import of_class
from netorch.state.key import label_text
from netorch.state.resource import Resource, State
from netorch.values.filter_rules import DestinationTo, Hook
from netorch.values.snapshot import Snapshot

_SETTINGS = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


class Broken(Value):
    """The published ports of a namespace that fail while br_netfilter filters bridged frames."""

    netns: str
    version: int
    """The IP version whose frames are filtered."""
    clients: str
    """Who gets no answer, to be put after "do not answer"."""


def settings_without_filter(
    desired: State, pristine: Callable[[Iterable[str]], Mapping[str, str]]
) -> list[Sysctl]:
    """Return the sysctls that turn br_netfilter off where it would break something.

    It breaks published ports. It also hands frames that only cross a bridge to the rules of
    `filter`, which are for packets that the node routes. Only namespaces that netorch makes get the
    sysctls.
    """
    places = places_without_filter(desired)
    known = pristine([path for _, paths in places for path in paths]) if places else {}
    settings = [Sysctl(label, paths, ("0",)) for label, paths in places if paths[0] in known]
    return [setting for setting in settings if setting.key not in desired]


def places_without_filter(desired: State) -> dict[tuple[str, tuple[str]], None]:
    """Return label and path of each sysctl with which br_netfilter would break something.

    A path does not exist as long as the kernel has not loaded br_netfilter.
    """
    return dict.fromkeys(
        (netns, (_SETTINGS[version],))
        for netns, version in (
            *((broken.netns, broken.version) for broken in _broken(desired)),
            *_filtered_bridges(desired),
        )
        if netns_key(netns) in desired
    )


def _filtered_bridges(desired: State) -> Iterator[tuple[str, int]]:
    """Yield namespace and IP version where `filter` in the file has rules for what is forwarded."""
    versions = {
        (one.netns, rule.family)
        for one in of_class(desired, PacketFilter)
        if one.asked
        for rule in one.rules
        if rule.hook is Hook.FORWARD
    }
    with_bridges = {one.key.netns for one in desired.values() if versions and _is_bridge(one)}
    yield from sorted(place for place in versions if place[0] in with_bridges)


def warn_of_filter(desired: State, snapshot: Snapshot) -> list[str]:
    """Return a warning for each namespace whose published ports br_netfilter breaks.

    These are namespaces that netorch did not make, and those in which the file turns br_netfilter
    on.
    """
    return [
        f"published ports of {label_text(broken.netns)} do not answer {broken.clients}, because "
        f"br_netfilter hands bridged IPv{broken.version} packets to the packet filter there: "
        f"sysctl {_SETTINGS[broken.version].replace('/', '.')}=0 prevents that, "
        "but then firewalls no longer see the traffic of any bridge"
        for broken in _broken(desired)
        if _is_on(desired, snapshot, broken)
    ]


def _is_on(desired: State, snapshot: Snapshot, broken: Broken) -> bool:
    asked = desired.get(Sysctl(broken.netns, (_SETTINGS[broken.version],), ()).key)
    if isinstance(asked, Sysctl):
        return asked.value != "0"
    there = snapshot.namespaces.get(broken.netns)
    return (
        netns_key(broken.netns) not in desired
        and there is not None
        and broken.version in there.forward.bridged
    )


def _broken(desired: State) -> Iterator[Broken]:
    filters = of_class(desired, PacketFilter)
    publishes = any(map(_publishing, filters))
    tunnelled = _tunnelled_subnets(desired) if publishes else {}
    matters = tunnelled or (publishes and any(port.isolated for port in of_class(desired, Port)))
    ports = _ports_of_addresses(desired) if matters else {}
    isolated = {
        (port.netns, address): port.master for address, port in ports.items() if port.isolated
    }
    for one in filters:
        if _at_loopback(one):
            # Connections to ::1 fail, because conntrack sees the answers while they are still in
            # the bridge, and the kernel then loses them.
            yield Broken(one.netns, 6, "on ::1")
        bridges: dict[tuple[str, int], None] = {}
        elsewhere: dict[tuple[str, int], None] = {}
        for rule in publications(one.rules):
            assert isinstance(rule.act, DestinationTo)
            target = rule.act.address
            bridge = isolated.get((one.netns, str(target)))
            if bridge is not None:
                bridges[bridge, rule.family] = None
            port = ports.get(str(target))
            if port is None or port.netns != one.netns:
                elsewhere |= {
                    (bridge, rule.family): None
                    for (netns, bridge), subnets in tunnelled.items()
                    if netns == one.netns and any(target in subnet for subnet in subnets)
                }
        for bridge, version in bridges:
            # Isolated ports fail, because the address is translated while the frame is still in the
            # bridge. The bridge then forwards the frame from port to port, which isolated ports do
            # not allow.
            yield Broken(
                one.netns, version, f"members on bridge {bridge}, whose ports are isolated"
            )
        for bridge, version in elsewhere:
            # The frame would leave by the tunnel by which it came, because the address is
            # translated while it is still in the bridge. A bridge sends no frame back to its port.
            yield Broken(
                one.netns,
                version,
                f"members of bridge {bridge} behind a tunnel if the node is behind one too",
            )


def _publishing(one: PacketFilter) -> bool:
    return any(True for _ in publications(one.rules))


def _ports_of_addresses(desired: State) -> dict[str, Port]:
    """Return address of a node → the bridge port that leads to it."""
    ports: dict[str, Port] = {}
    for one in of_class(desired, Address):
        link = desired.get(link_key(one.netns, one.link))
        if isinstance(link, Veth):
            port = desired.get(port_key(*link.peer))
            if isinstance(port, Port):
                ports[one.address.local] = port
    return ports


def _tunnelled_subnets(desired: State) -> dict[tuple[str, str], list[IPv4Network | IPv6Network]]:
    """Return (namespace, bridge with a VXLAN tunnel as a port) → the subnets of the bridge."""
    # with a single member behind the tunnel, there is no other one that could ask for its port
    behind = Counter((key.netns, key.parts[0]) for key in desired if key.kind == "fdb")
    bridges: dict[tuple[str, str], list[IPv4Network | IPv6Network]] = {
        (one.netns, one.master): []
        for one in of_class(desired, Port)
        if behind[one.netns, one.link] > 2  # the entry for floods, and that of one member
        and _is_tunnel(desired.get(link_key(one.netns, one.link)))
    }
    for one in of_class(desired, Address) if bridges else ():
        if (one.netns, one.link) in bridges:
            subnet = ip_network(f"{one.address.local}/{one.address.length}", strict=False)
            bridges[one.netns, one.link].append(subnet)
    return bridges


def _is_bridge(one: Resource) -> bool:
    # by its name, as for tunnels
    return one.KIND == "bridge"


def _is_tunnel(link: Resource | None) -> bool:
    # by its name, because few topologies have tunnels, and importing the kind takes time
    return link is not None and link.KIND == "vxlan"


def _at_loopback(one: PacketFilter) -> bool:
    """Whether the filter publishes a port for ::1: in OUTPUT, for any address or for ::1."""
    return any(
        rule.match.destination in (None, ip_network("::1"))
        for rule in publications(one.rules)
        if (rule.family, rule.hook) == (6, Hook.OUTPUT)
    )
