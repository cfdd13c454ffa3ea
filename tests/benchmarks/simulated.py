"""A simulated kernel: it takes the requests of a plan and returns the state that Linux would show.

It supports what the shapes of the pure benchmark need, and no more. The benchmark checks that it is
right: the observed state must equal the desired one, so that the plan between them is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netorch.firewall.nftables import script
from netorch.immutable import replace
from netorch.netlink import constants as c
from netorch.netlink.codec import as_u32, text
from netorch.netlink.decode import links
from netorch.values.filter_rules import Ruleset
from netorch.values.requests import (
    AddressAdd,
    FileWrite,
    FilterSet,
    LinkAdd,
    LinkSet,
    NetnsAdd,
    Request,
    RouteAdd,
    RouteSpec,
    RuleAdd,
    RuleSpec,
    SysctlSet,
)
from netorch.values.snapshot import AddressRecord, LinkRecord, NetnsSnapshot, Snapshot
from tests.recordings import Recorded, recordings

HOST = "host"
FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
IS_UP = c.IFF_UP | c.IFF_RUNNING | c.IFF_LOWER_UP


@dataclass(slots=True)
class SimulatedNetns:
    """One namespace."""

    links: dict[str, LinkRecord]
    addresses: list[AddressRecord] = field(default_factory=list)
    routes: list[RouteSpec] = field(default_factory=list)
    rules: list[RuleSpec] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)


class SimulatedKernel:
    """A kernel that numbers links as they come. It is also the resolver for the encoder."""

    def __init__(self) -> None:
        self.namespaces = {HOST: SimulatedNetns({"lo": replace(_like("", False), alias="")})}
        self._numbers: dict[frozenset[str], int] = {}

    def take(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._take(request)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            {
                label: self._netns(number, label, netns_state)
                for number, (label, netns_state) in enumerate(self.namespaces.items())
            }
        )

    def index_of(self, netns: str, name: str) -> int:
        return self.namespaces[netns].links[name].index

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        return 0 if netns == HOST or not used else self.index_of(netns, name)

    def fd_of(self, netns: str) -> int:
        return 9

    def _netns(self, number: int, label: str, netns_state: SimulatedNetns) -> NetnsSnapshot:
        v4, v6 = (netns_state.sysctls.get(path) == "1" for path in FORWARDING)
        return NetnsSnapshot(
            label,
            (4, 4026532000 + number),
            tuple(netns_state.links.values()),
            tuple(netns_state.addresses),
            tuple(netns_state.routes),
            tuple(netns_state.rules),
            (v4, v6),
            netns_state.sysctls,
            netns_state.files,
            netns_state.filters,
            cookie=number + 1,
        )

    def _take(self, request: Request) -> None:
        match request:
            case NetnsAdd(netns, alias, sysctls):
                self.namespaces[netns] = SimulatedNetns(
                    {"lo": replace(_like("", False), alias=alias)}, sysctls=dict(sysctls)
                )
            case LinkAdd():
                self._add(request)
            case LinkSet():
                self._set(request)
            case AddressAdd(netns, link, family, local, address, prefixlen, scope, protocol):
                record = AddressRecord(
                    family,
                    self.index_of(netns, link),
                    local,
                    address,
                    prefixlen,
                    scope,
                    c.IFA_F_PERMANENT,
                    protocol,
                )
                self.namespaces[netns].addresses.append(record)
            case RouteAdd(netns, route):
                self.namespaces[netns].routes.append(route)
            case RuleAdd(netns, rule):
                self.namespaces[netns].rules.append(rule)
            case SysctlSet(netns, paths, value):
                self.namespaces[netns].sysctls |= dict.fromkeys(paths, value)
            case FileWrite(netns, name, content):
                if netns in self.namespaces:
                    self.namespaces[netns].files[name] = content
            case FilterSet(netns, backend, _, _, listed):
                self.namespaces[netns].filters[backend] = listed
            case _:
                raise NotImplementedError(f"not simulated: {request}")

    def _add(self, request: LinkAdd) -> None:
        like = _like(request.kind, False)
        ends = [(request.netns, request.name, request.attrs)]
        if request.peer is not None:
            ends.append((request.peer.netns, request.peer.name, request.peer.attrs))
        first = [len(self.namespaces[netns].links) + 1 for netns, _, _ in ends]
        apart = len({netns for netns, _, _ in ends}) > 1
        nsid = (
            self._numbers.setdefault(frozenset(netns for netns, _, _ in ends), len(self._numbers))
            if apart
            else None
        )
        for (netns, name, attrs), index, other in zip(
            ends, first, (*first[1:], first[0]), strict=True
        ):
            partner = (other, nsid) if request.peer is not None else (0, None)
            data = {**like.data, **dict(request.data)}
            link = LinkRecord(
                index,
                name,
                c.IFF_BROADCAST | c.IFF_MULTICAST,
                1500,
                bytes(6),
                request.kind,
                0,
                *partner,
                0,
                "",
                1000,
                (),
                data,
                {},
            )
            self.namespaces[netns].links[name] = _with(link, dict(attrs))

    def _set(self, request: LinkSet) -> None:
        links_ = self.namespaces[request.netns].links
        link = _with(links_[request.name], dict(request.attrs))
        if request.up is not None:
            link = replace(
                link,
                flags=link.flags | IS_UP if request.up else link.flags & ~IS_UP,
                qdisc="noqueue",
            )
        if request.master is not None:
            joins = links_[request.master].index if request.master else 0
            link = replace(link, master=joins, port=_like(link.kind, True).port if joins else {})
        if request.kind == "bridge_slave":
            link = replace(link, port={**link.port, **dict(request.data)})
        elif request.kind is not None:
            link = replace(link, data={**link.data, **dict(request.data)})
        links_[request.name] = link


def listed_filter(topology: str, rules: Ruleset) -> str:
    """Return a packet filter as it is listed; the simulated kernel lists it as it was loaded."""
    return script(topology, rules)


def _with(link: LinkRecord, attrs: Mapping[int, bytes]) -> LinkRecord:
    return replace(
        link,
        mtu=as_u32(attrs[c.IFLA_MTU]) if c.IFLA_MTU in attrs else link.mtu,
        mac=attrs.get(c.IFLA_ADDRESS, link.mac),
        group=as_u32(attrs[c.IFLA_GROUP]) if c.IFLA_GROUP in attrs else link.group,
        txqueuelen=as_u32(attrs[c.IFLA_TXQLEN]) if c.IFLA_TXQLEN in attrs else link.txqueuelen,
        alias=text(attrs[c.IFLA_IFALIAS]) if c.IFLA_IFALIAS in attrs else link.alias,
    )


def _like(kind: str, port: bool) -> LinkRecord:
    """Return a link as the newest recorded kernel reports it."""
    return links([template(kind, port).message])[0]


_TEMPLATES: dict[tuple[str, bool], Recorded] = {}


def template(kind: str, port: bool) -> Recorded:
    """Return a recorded message about a link of the kind; `port`: the link is a bridge's port."""
    if not _TEMPLATES:
        for one in recordings():
            if one.what == "links" and one.kernel == NEWEST:
                [link] = links([one.message])
                if not any(
                    any(link.port.get(option, b""))
                    for option in (c.IFLA_BRPORT_MODE, c.IFLA_BRPORT_ISOLATED)
                ):
                    _TEMPLATES.setdefault((link.kind, bool(link.port)), one)
    return _TEMPLATES[kind, port]


NEWEST = max(
    (one.kernel for one in recordings()),
    key=lambda kernel: [int(part) for part in kernel.split(".")],
)
