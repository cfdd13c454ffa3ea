"""`tunnels: {wireguard: true}`: the tunnels between machines inside WireGuard.

Each machine has one WireGuard interface on its host, with a peer for each machine to which it has a
tunnel. One interface with many peers is what WireGuard is made for: it needs one port and one key a
machine, and each pair of peers has session keys of its own, as a link of its own would have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from typing import ClassVar

from netorch.immutable import Value, replace
from netorch.kinds.address import Address, Ifaddr
from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.route import IPV6_METRIC, Route
from netorch.kinds.up import up_key
from netorch.kinds.wireguard import HEADERS, Wireguard
from netorch.netlink.constants import AF_INET6, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTN_UNICAST
from netorch.resolve.desired import Machine
from netorch.resolve.draft import Draft, Iface
from netorch.resolve.roles import StandaloneRole
from netorch.topology.interfaces.peer import PeerModel
from netorch.topology.interfaces.wireguard import WireguardModel
from netorch.values.digest import blake2b
from netorch.values.requests import Hop, RouteSpec


class EncryptionModel(WireguardModel):
    """The WireGuard interface of a machine."""

    MAKES: ClassVar[type[StandaloneLink]] = Wireguard
    public_key: str = ""
    """The key that the other machines expect of it."""

    def link(self, fields: LinkFields, parent: tuple[str, str] | None) -> Wireguard:
        return replace(WireguardModel.link(self, fields, parent), public_key=self.public_key)


class Link(Value):
    """The WireGuard interface of a machine, with the machines at its other ends."""

    machine: Machine
    iface: Iface
    others: tuple[Machine, ...]


def inner_address(topology: str, machine: str) -> IPv6Address:
    """Return the address of a machine inside WireGuard.

    It is a unique local address (RFC 4193). It depends on the two names alone, so another machine
    in the file does not change it.
    """
    name = blake2b(topology.encode(), digest_size=5).digest()
    own = blake2b(f"{topology}/{machine}".encode(), digest_size=8).digest()
    return IPv6Address(b"\xfd" + name + bytes(2) + own)


def check_keys(draft: Draft, machines: Mapping[str, Machine]) -> bool:
    """Complain of public keys that are missing or equal. Return whether there are none."""
    owners: dict[str, str] = {}
    before = len(draft.complaints)
    for name, machine in machines.items():
        if not machine.public_key:
            draft.complain(
                "needs-public-key",
                ("hosts", name),
                f"machine {name} has no `public_key`, which the tunnels need because of"
                " `wireguard: true`.",
                "Make a key on this machine, and write what `wg pubkey` prints for it.",
            )
        elif (first := owners.setdefault(machine.public_key, name)) != name:
            draft.complain(
                "public-key-twice",
                ("hosts", name, "public_key"),
                f"the machines {first} and {name} have the same public key.",
                "Make a key of its own for each machine.",
            )
    return len(draft.complaints) == before


def make_links(
    draft: Draft, machines: Mapping[str, Machine], pairs: Iterable[frozenset[str]], key_file: str
) -> list[Link]:
    """Make the WireGuard interface of each machine that has a tunnel to another one.

    `pairs` are the pairs of machines with a tunnel, and `key_file` has the private key.
    """
    ends: dict[str, set[str]] = {}
    for pair in pairs:
        for name in pair:
            ends.setdefault(name, set()).update(pair - {name})
    links: list[Link] = []
    for name, machine in machines.items():
        others = tuple(machines[other] for other in machines if other in ends.get(name, ()))
        if others:
            links.append(Link(machine, _make(draft, machine, others, key_file), others))
    return links


def _make(draft: Draft, machine: Machine, others: Iterable[Machine], key_file: str) -> Iface:
    site, path = draft.host_of(machine.name), ("hosts", machine.name)
    name = f"{draft.mark.topology}-wg"
    if name in site.ifaces:
        draft.complain(
            "name-twice",
            site.ifaces[name].path,
            f"{site.ifaces[name].display} has the name of the WireGuard interface of the tunnels.",
            "Take another name.",
        )
    dev, altname = site.short(name)
    peers = [
        PeerModel(
            public_key=other.public_key,
            endpoint=_endpoint(other),
            allowed_ips=[f"{other.tunnel_address}/128"],
        )
        for other in others
    ]
    model = EncryptionModel(
        private_key_file=key_file,
        listen_port=machine.port,
        peers=peers,
        public_key=machine.public_key,
    )
    iface = Iface(site, name, path, dev, altname, role=StandaloneRole(model), internal=True)
    iface.mtu_hint = iface.mtu = _mtu(machine, [machine])
    site.ifaces[name] = iface
    return iface


def _endpoint(machine: Machine) -> str:
    address = machine.address
    return f"[{address}]:{machine.port}" if address.version == 6 else f"{address}:{machine.port}"


def _mtu(machine: Machine, others: Iterable[Machine]) -> int:
    """Return the size of the largest packet from a machine inside WireGuard."""
    return min(one.mtu for one in (machine, *others)) - HEADERS[machine.address.version]


def put_addresses(draft: Draft, links: Iterable[Link]) -> None:
    """Put the inner address of each machine, and its routes to those of the others."""
    for link in links:
        label, dev, path = link.iface.site.label, link.iface.dev, link.iface.path
        own = Ifaddr(str(link.machine.tunnel_address), 128, "")
        draft.put(Address(label, dev, own, RT_SCOPE_UNIVERSE, draft.mark.protocol, None), path)
        for route in _routes(draft, link):
            draft.put(Route(label, route, (up_key(label, dev),)), path)


def _routes(draft: Draft, link: Link) -> Iterator[RouteSpec]:
    """Yield a route to each other machine, with the MTU of the smaller one of the two.

    WireGuard pads a packet up to the MTU of its route, so a packet for a smaller machine would not
    fit through the network between them otherwise.
    """
    for other in link.others:
        mtu = _mtu(link.machine, [other])
        yield RouteSpec(
            family=AF_INET6,
            dst=other.tunnel_address.packed,
            prefixlen=128,
            table=RT_TABLE_MAIN,
            metric=IPV6_METRIC,
            type=RTN_UNICAST,
            scope=RT_SCOPE_UNIVERSE,
            protocol=draft.mark.protocol,
            hops=(Hop(None, link.iface.dev),),
            mtu=mtu if mtu < _mtu(link.machine, []) else None,
        )
