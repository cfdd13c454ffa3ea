"""Turn the desired state of a file into a `World`, with what the kernel adds to it.

That is above all the routes to the subnets of addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from netorch.firewall.ruleset_chains import chains_of
from netorch.immutable import replace
from netorch.kinds.address import Address
from netorch.kinds.base.link import Link
from netorch.kinds.filter import PacketFilter
from netorch.kinds.loopback import Loopback
from netorch.kinds.neighbour import Neighbour
from netorch.kinds.netns import IPV4_FORWARDING, IPV6_FORWARDING, Netns
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.up import Up
from netorch.kinds.uplink import Uplink
from netorch.netlink.constants import (
    FR_ACT_TO_TBL,
    NUD_PERMANENT,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RT_TABLE_UNSPEC,
    RTN_LOCAL,
    RTN_UNICAST,
    RTPROT_KERNEL,
)
from netorch.netlink.decode_policy import kernel_rule
from netorch.resolve.desired import Desired
from netorch.state.key import HOST, label_text
from netorch.state.resource import Resource
from netorch.values.policy import KernelRoute
from netorch.values.requests import Hop, RouteSpec, RuleSpec
from netorch.walk import link_details
from netorch.walk.settings import Settings
from netorch.walk.world import (
    FAMILIES,
    InterfaceAddress,
    Place,
    World,
    WorldInterface,
    WorldMachine,
)
from netorch.walk.world import Neighbour as NeighbourOf

_OF_LINK_LAYER = frozenset(("vrf", "gre", "ipip", "sit", "ip6gre", "ip6tnl", "wireguard", "tun"))
_LOOPBACKS = (ip_interface("127.0.0.1/8"), ip_interface("::1/128"))
_PARTLY_KNOWN = (
    "{}: netorch knows only what the file says about it, "
    "not its own interfaces, routes and packet filters"
)


def world(desired: Desired, whole: Desired | None = None, here: str = "") -> World:
    """Return the world of a file: every namespace that it makes or is attached to.

    `whole` is the state of all machines, if `desired` is the part of one of them. `here` is the
    machine whose host is called `host`, if `desired` is the state of all machines.
    """
    own = _world(desired)
    machines = desired.machines
    if machines is None:
        return own
    # here, because few files have `hosts`
    from netorch.resolve.machines import headers

    places, names, preferred = dict(own.places), dict(own.names), dict(own.preferred)
    if whole is not None and whole.machines is not None:
        others = _world(whole)
        of_label = whole.machines.of_label
        places |= {
            label: place
            for label, place in others.places.items()
            if of_label.get(label) != machines.here
        }
        names, preferred = {**others.names, **names}, {**others.preferred, **preferred}
    hosts: dict[str, WorldMachine] = {}
    for name, machine in machines.all.items():
        label = HOST if name == machines.here else f"{HOST}.{name}"
        hosts[name] = WorldMachine(
            name,
            label,
            machine.address,
            machine.mtu,
            headers(machine),
            machine.tunnel_address,
            machine.port if machine.inner is not None else 0,
        )
        places.setdefault(label, _place(label, label_text(label), [], {}))
        preferred[label] = (*preferred.get(label, ()), machine.address)
        names[f"{HOST}.{name}"] = label
    if machines.here or here:
        names[HOST] = hosts[machines.here or here].label
    machine_of = {**machines.of_label, **{host.label: name for name, host in hosts.items()}}
    return World(
        places,
        names,
        preferred=preferred,
        machines=hosts,
        machine_of=machine_of,
        here=machines.here,
        second_names=frozenset((whole or desired).second_names),
    )


def _world(desired: Desired) -> World:
    grouped: dict[str, list[Resource]] = {}
    for key, resource in desired.state.items():
        # names in /run/netns and files in /etc/netns decide nothing about packets
        if key.kind not in {"name", "file"}:
            grouped.setdefault(key.netns, []).append(resource)
    for label in desired.labels.values():
        grouped.setdefault(label, [])
    nodes = desired.nodes
    ups = {(up.netns, up.link): up for up in desired.state.values() if isinstance(up, Up)}
    places = {
        label: _place(label, nodes.get(label, label_text(label)), resources, ups)
        for label, resources in grouped.items()
    }
    _lend(places)
    _connect(places)
    preferred = {label: _preferred(grouped.get(label, ())) for label in places}
    second_names = frozenset(desired.second_names)
    return World(places, dict(desired.labels), preferred=preferred, second_names=second_names)


def _preferred(resources: Iterable[Resource]) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return a node's addresses in the order of its hosts file: those on lo come first."""
    entries = [resource for resource in resources if isinstance(resource, Address)]
    entries.sort(key=lambda resource: resource.link != "lo")
    addresses = [ip_address(resource.address.local) for resource in entries]
    return tuple(
        address for address in addresses if not address.is_loopback and not address.is_link_local
    )


def _place(
    label: str, name: str, resources: list[Resource], ups: Mapping[tuple[str, str], Up]
) -> Place:
    kinds: dict[type, list[Any]] = {}
    for resource in resources:
        kinds.setdefault(type(resource), []).append(resource)
    made = next(iter(kinds.get(Netns, ())), None)
    parts = link_details.parts_of(resources)
    ifaces = {
        resource.name: _iface(
            resource,
            ups.get((label, resource.name)),
            parts.get(resource.key, link_details.NO_PARTS),
        )
        for resource in resources
        if isinstance(resource, Link)
    }
    lo = next(iter(kinds.get(Loopback, ())), None)
    ifaces["lo"] = WorldInterface("lo", "loopback", mtu=lo.mtu if lo is not None else 65536)
    for uplink in kinds.get(Uplink, ()):
        ifaces[uplink.nic] = replace(
            ifaces.get(uplink.nic, WorldInterface(uplink.nic, "")), master=uplink.bridge
        )
    addresses = [
        *_addresses(kinds.get(Address, ()), ifaces),
        *_link_locals(ifaces, made is not None and made.fabric),
    ]
    settings = {
        path: resource.value for resource in kinds.get(Sysctl, ()) for path in resource.paths
    }
    forwards = (made.ipv4_forwarding, made.ipv6_forwarding) if made is not None else (False, False)
    forwards = (
        _on(settings, IPV4_FORWARDING, forwards[0]),
        _on(settings, IPV6_FORWARDING, forwards[1]),
    )
    place = Place(
        label=label,
        name=name,
        ifaces=ifaces,
        addresses=tuple(addresses),
        routes=(),
        rules=tuple(
            kernel_rule(spec, dict(spec.more))
            for spec in (
                *_own_rules(any(iface.kind == "vrf" for iface in ifaces.values())),
                *(rule.spec for rule in kinds.get(Rule, ())),
            )
        ),
        forwards=forwards,
        settings=_settings(settings, ifaces),
        neighbours={
            (entry.link, ip_address(entry.address)): NeighbourOf(entry.mac, NUD_PERMANENT)
            for entry in kinds.get(Neighbour, ())
        },
        chains=tuple(
            chain
            for resource in kinds.get(PacketFilter, ())
            for chain in chains_of(resource.topology, resource.rules)
        ),
        unseen=() if made is not None else (_PARTLY_KNOWN.format(name),),
        partial=made is None,
    )
    routes = (_with_devices(route.spec, place) for route in kinds.get(Route, ()))
    connected = tuple(map(_kernel_route, connected_routes(place)))
    place = replace(place, routes=connected)
    standing = (_kernel_route(route) for route in routes if _stands(route, place))
    return replace(place, routes=(*connected, *standing))


def _kernel_route(spec: RouteSpec) -> KernelRoute:
    return KernelRoute(**{name: getattr(spec, name) for name in spec.__struct_fields__})


def _iface(link: Link, up: Up | None, parts: link_details.Parts) -> WorldInterface:
    interface = link_details.iface(
        link, parts, name=link.name, kind=link.KIND, up=up is not None, mtu=link.mtu, mac=link.mac
    )
    return interface if up is None or up.arp else replace(interface, arp=False)


def _addresses(
    resources: Iterable[Address], ifaces: dict[str, WorldInterface]
) -> Iterator[InterfaceAddress]:
    for loopback in _LOOPBACKS:
        yield InterfaceAddress("lo", loopback, RT_SCOPE_HOST)
    for resource in resources:
        if resource.link not in ifaces:
            ifaces[resource.link] = WorldInterface(resource.link, "")
        held = resource.address
        if held.peer:
            far = ip_network(f"{held.peer}/{held.length}", strict=False)
            yield InterfaceAddress(resource.link, ip_interface(held.local), resource.scope, far)
        else:
            yield InterfaceAddress(resource.link, ip_interface(held.with_length), resource.scope)


def _link_locals(ifaces: dict[str, WorldInterface], fabric: bool) -> Iterator[InterfaceAddress]:
    """Yield the link-local addresses that the kernel makes of MACs (RFC 4291, appendix A)."""
    for iface in ifaces.values() if not fabric else ():
        if iface.up and iface.mac and iface.kind not in _OF_LINK_LAYER:
            mac = bytes.fromhex(iface.mac.replace(":", ""))
            packed = b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]))
            yield InterfaceAddress(iface.name, IPv6Interface((packed, 64)), RT_SCOPE_LINK)


def connected_routes(place: Place) -> Iterator[RouteSpec]:
    """Yield the routes that the kernel makes for addresses: local ones, and those to subnets."""
    for held in place.addresses:
        iface = place.ifaces[held.iface]
        if not iface.up:
            continue
        vrf, address = place.vrf_of(held.iface), held.address
        hops, family = (Hop(None, held.iface),), FAMILIES[address.version]
        local = address.network if address.ip.is_loopback else ip_network(address.ip)
        yield RouteSpec(
            family=family,
            dst=local.network_address.packed,
            prefixlen=local.prefixlen,
            table=vrf or RT_TABLE_LOCAL,
            metric=0,
            type=RTN_LOCAL,
            scope=0,
            protocol=RTPROT_KERNEL,
            hops=hops,
        )
        network = held.network
        if address.ip.is_loopback or (
            network.prefixlen == network.max_prefixlen
            and held.peer is None
            and address.version == 4
        ):
            continue
        metric = 0 if address.version == 4 else 256
        source = address.ip.packed if address.version == 4 else None
        packed = network.network_address.packed
        yield RouteSpec(
            family=family,
            dst=packed,
            prefixlen=network.prefixlen,
            table=vrf or RT_TABLE_MAIN,
            metric=metric,
            type=RTN_UNICAST,
            scope=RT_SCOPE_LINK,
            protocol=RTPROT_KERNEL,
            hops=hops,
            src=source,
        )


def _own_rules(vrf: bool) -> Iterator[RuleSpec]:
    for family in FAMILIES.values():
        yield RuleSpec(family, 0, FR_ACT_TO_TBL, RT_TABLE_LOCAL, RTPROT_KERNEL)
        if vrf:
            yield RuleSpec(family, 1000, FR_ACT_TO_TBL, RT_TABLE_UNSPEC, RTPROT_KERNEL)
        yield RuleSpec(family, 32766, FR_ACT_TO_TBL, RT_TABLE_MAIN, RTPROT_KERNEL)
        if family == FAMILIES[4]:
            yield RuleSpec(family, 32767, FR_ACT_TO_TBL, RT_TABLE_DEFAULT, RTPROT_KERNEL)


def _with_devices(spec: RouteSpec, place: Place) -> RouteSpec:
    """Return a route with the interface of each gateway, where the file does not have it."""
    return replace(
        spec,
        hops=tuple(
            hop if hop.dev or hop.via is None else replace(hop, dev=_dev_to(place, hop.via))
            for hop in spec.hops
        ),
    )


def _dev_to(place: Place, via: bytes) -> str | None:
    gateway: IPv4Address | IPv6Address = ip_address(via)
    fitting = [
        held for held in place.addresses if gateway in held.network and place.ifaces[held.iface].up
    ]
    return max(fitting, key=lambda held: held.network.prefixlen).iface if fitting else None


def _stands(spec: RouteSpec, place: Place) -> bool:
    """Whether the kernel would have the route: it has no routes over links that are down."""
    if not spec.hops:
        return True
    return any(
        hop.dev in place.ifaces and place.ifaces[hop.dev].up
        for hop in spec.hops
        if hop.dev is not None
    )


def _on(settings: dict[str, str], path: str, default: bool) -> bool:
    return settings.get(path, "1" if default else "0") != "0"


def _settings(written: dict[str, str], ifaces: dict[str, WorldInterface]) -> Settings:
    """Return the settings of a file.

    A value for new interfaces (`conf/default`) holds for each interface that has no value.
    """
    values = dict(written)
    for path, value in written.items():
        before, mid, name = path.rpartition("/conf/default/")
        for iface in ifaces if mid else ():
            values.setdefault(f"{before}/conf/{iface}/{name}", value)
    return Settings(values)


def _connect(places: dict[str, Place]) -> None:
    """Set the carriers of cables: an end has none while the other one is down."""
    for label, place in list(places.items()):
        dead = {}
        for name, iface in place.ifaces.items():
            if iface.peer is not None:
                far = (
                    places[iface.peer[0]].ifaces.get(iface.peer[1])
                    if iface.peer[0] in places
                    else None
                )
                dead[name] = replace(iface, carrier=iface.up and far is not None and far.up)
        if dead:
            places[label] = replace(place, ifaces={**place.ifaces, **dead})


def _lend(places: dict[str, Place]) -> None:
    """Add the NICs that are parents of upper links but that the file does not make."""
    for place in list(places.values()):
        for iface in place.ifaces.values():
            if iface.parent is None:
                continue
            label, name = iface.parent
            owner = places.get(label)
            if owner is not None and name not in owner.ifaces:
                places[label] = replace(
                    owner, ifaces={**owner.ifaces, name: WorldInterface(name, "")}
                )
