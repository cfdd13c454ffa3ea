"""Turn what was read from the kernel into a `World`, with all objects, whoever made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from netorch.converge.cables import cables_of
from netorch.firewall.chains import ListedChain
from netorch.firewall.syntax import syntax_of
from netorch.immutable import replace
from netorch.kinds import observed_on
from netorch.kinds.base.link import link_key
from netorch.kinds.forward import ForwardAccept
from netorch.kinds.netns import Netns
from netorch.kinds.up import Up
from netorch.netlink.constants import (
    IFA_F_DADFAILED,
    IFA_F_OPTIMISTIC,
    IFA_F_TENTATIVE,
    IFF_LOWER_UP,
    IFF_NOARP,
    IFF_UP,
    IFLA_BR_NF_CALL_IP6TABLES,
    IFLA_BR_NF_CALL_IPTABLES,
    IFLA_BRPORT_BCAST_FLOOD,
    IFLA_BRPORT_LEARNING,
    IFLA_BRPORT_LOCKED,
    IFLA_BRPORT_MCAST_FLOOD,
    IFLA_BRPORT_STATE,
    IFLA_BRPORT_UNICAST_FLOOD,
)
from netorch.state.key import label_text
from netorch.state.registry import View
from netorch.state.resource import Resource
from netorch.values.marks import Mark
from netorch.values.snapshot import AddressRecord, LinkRecord, Passage, Snapshot
from netorch.walk import link_details
from netorch.walk.settings import Settings
from netorch.walk.world import (
    FORWARDING,
    BridgeRoute,
    End,
    InterfaceAddress,
    Neighbour,
    Place,
    World,
    WorldInterface,
)

_NF_CALLS = {4: IFLA_BR_NF_CALL_IPTABLES, 6: IFLA_BR_NF_CALL_IP6TABLES}
_UNASKED = (Netns, Up, ForwardAccept)


class _Everything(View):
    """A view that owns every link, so that kinds read all objects, whoever made them."""

    def owns(self, link: LinkRecord) -> bool:
        return True


def world(snapshot: Snapshot, mark: Mark, asked: World) -> World:
    """Return the world of a snapshot that was read with `passage`; `asked` is that of the file."""
    nodes = {label: node for node, label in asked.names.items() if node not in asked.second_names}
    views: dict[str, View] = {}
    for label, netns in snapshot.namespaces.items():
        views[label] = _Everything(netns, mark, True, views)
    cables = cables_of(snapshot)
    places = {
        label: _place(view, nodes.get(label, label_text(label)), cables)
        for label, view in views.items()
    }
    if asked.machines:
        # what is on other machines is not in the snapshot
        of_label, here = asked.machine_of, asked.here
        places |= {
            label: place
            for label, place in asked.places.items()
            if of_label.get(label, here) != here
        }
    return replace(asked, places=places, asked=asked)


def _place(view: View, name: str, cables: Mapping[End, End]) -> Place:
    netns, label = view.netns, view.label
    passage = netns.passage or Passage()
    chains, unread = _chains(passage)
    state = {resource.key: resource for resource in _resources(view)}
    parts = link_details.parts_of(state.values())
    ifaces = {
        record.name: _iface(
            record, view, state.get(key), parts.get(key, link_details.NO_PARTS), cables
        )
        for record in netns.links
        for key in (link_key(label, record.name),)
    }
    names = {record.index: record.name for record in netns.links}
    return Place(
        label=label,
        name=name,
        ifaces=ifaces,
        addresses=tuple(
            _held(record, names[record.index])
            for record in netns.addresses
            if record.index in names
        ),
        routes=passage.routes,
        rules=passage.rules,
        plain_ipv6=passage.plain_ipv6,
        forwards=(bool(netns.forwarding[0]), bool(netns.forwarding[1])),
        settings=Settings(passage.settings),
        neighbours={
            (names[entry.index], ip_address(entry.address)): Neighbour(
                entry.mac.hex(":"), entry.state
            )
            for entry in passage.neighbours
            if entry.index in names
        },
        macs={
            (names[entry.master], entry.mac.hex(":"), entry.vlan): BridgeRoute(
                names.get(entry.index, ""), entry.local, entry.sticky
            )
            for entry in passage.bridge_entries
            if entry.master in names
        },
        chains=chains,
        listening=netns.listening,
        unseen=tuple(
            f"{name}: {sentence}"
            for sentence in (
                *passage.unseen,
                *(
                    f"netorch does not read the filters of tc on {link}"
                    for link in passage.filtered
                ),
                *unread,
                *_elsewhere(chains),
            )
        ),
    )


def _resources(view: View) -> Iterator[Resource]:
    for kind in observed_on(view.link_kinds):
        if kind not in _UNASKED:
            yield from kind.observe(view)


def _iface(
    record: LinkRecord,
    view: View,
    resource: Resource | None,
    parts: link_details.Parts,
    cables: Mapping[End, End],
) -> WorldInterface:
    master = view.links.get(record.master)
    up = bool(record.flags & IFF_UP)
    # while an interface is down, IFF_LOWER_UP is not set and does not mean anything
    carrier = bool(record.flags & IFF_LOWER_UP) if up else None
    state = (
        int.from_bytes(record.port.get(IFLA_BRPORT_STATE, b""), "little")
        if record.port
        else FORWARDING
    )
    interface = link_details.iface(
        resource,
        parts,
        name=record.name,
        kind=record.kind or ("loopback" if record.name == "lo" else ""),
        up=up,
        mtu=record.mtu,
        mac=record.mac.hex(":"),
        carrier=carrier,
        state=state if master is not None and master.kind == "bridge" else FORWARDING,
    )
    # the peers of a foreign WireGuard interface are not read
    closed = record.kind == "wireguard" and record.index not in view.netns.wireguard
    port = record.port if master is not None and master.kind == "bridge" else {}
    return replace(
        interface,
        arp=not record.flags & IFF_NOARP,
        group=record.group,
        learning=_flag(port, IFLA_BRPORT_LEARNING, True),
        flood=_flag(port, IFLA_BRPORT_UNICAST_FLOOD, True),
        mcast_flood=_flag(port, IFLA_BRPORT_MCAST_FLOOD, True),
        bcast_flood=_flag(port, IFLA_BRPORT_BCAST_FLOOD, True),
        locked=_flag(port, IFLA_BRPORT_LOCKED, False),
        filters=frozenset(
            version
            for version, number in _NF_CALLS.items()
            if record.kind == "bridge" and _flag(record.data, number, False)
        ),
        master=master.name if master is not None else "",
        peer=cables.get((view.label, record.name)) if record.kind == "veth" else interface.peer,
        tunnel=None if closed else interface.tunnel,
    )


def _flag(attributes: Mapping[int, bytes], number: int, default: bool) -> bool:
    """Return whether an attribute is on; `default` if it is missing."""
    return any(attributes[number]) if number in attributes else default


def _held(record: AddressRecord, name: str) -> InterfaceAddress:
    local = ip_address(record.local)
    ready = not record.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) or bool(
        record.flags & IFA_F_OPTIMISTIC
    )
    if record.local == record.address:
        address = _interface(f"{local}/{record.prefixlen}")
        return InterfaceAddress(name, address, record.scope, ready=ready or local.version == 4)
    peer = ip_network(f"{ip_address(record.address)}/{record.prefixlen}", strict=False)
    return InterfaceAddress(name, _interface(str(local)), record.scope, peer)


def _interface(text: str) -> IPv4Interface | IPv6Interface:
    return ip_interface(text)


def _chains(passage: Passage) -> tuple[tuple[ListedChain, ...], list[str]]:
    """Return the chains of all packet filters, and sentences about those that cannot be read."""
    chains: list[ListedChain] = []
    unread: list[str] = []
    for backend, listing in passage.filters.items():
        try:
            chains += syntax_of(backend).chains_of(listing)
        except ValueError as error:
            unread.append(f"{backend} has rules that netorch could not read: {error}")
    return tuple(chains), unread


def _elsewhere(chains: Iterable[ListedChain]) -> Iterator[str]:
    """Yield sentences about the chains that netorch does not evaluate, such as those of bridges."""
    for chain in chains:
        if (
            chain.hook
            and chain.family not in {"ip", "ip6", "inet"}
            and (chain.rules or chain.policy == "drop")
        ):
            yield (
                f"netorch does not evaluate the nft chain {chain.title}, which may drop the packet"
            )
