"""IPv4 and IPv6 addresses of links (rtnetlink(7), IFA_*)."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from typing import ClassVar, NamedTuple, Self

from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.kinds.up import up_key
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    IFA_F_DEPRECATED,
    IFA_F_HOMEADDRESS,
    IFA_F_MANAGETEMPADDR,
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    IFA_F_PERMANENT,
    IFA_F_SECONDARY,
    IFAPROT_KERNEL_LL,
    IFAPROT_KERNEL_LO,
    IFAPROT_KERNEL_RA,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, PROTOCOLS, read_alias
from netorch.values.ownership import Original
from netorch.values.requests import AddressAdd, AddressDel, Feature, Request
from netorch.values.snapshot import AddressRecord, Adoption, LinkRecord, NetnsSnapshot

IPV6 = Feature(
    "IPv6",
    "CONFIG_IPV6",
    "ipv6",
    (
        AddressAdd(
            netns="",
            link="lo",
            family=AF_INET6,
            local=ip_address("fd00::1").packed,
            address=ip_address("fd00::1").packed,
            prefixlen=128,
            scope=RT_SCOPE_UNIVERSE,
            protocol=0,
        ),
    ),
    frozenset((errno.EOPNOTSUPP, errno.EAFNOSUPPORT)),
)
SCOPES = {"global": RT_SCOPE_UNIVERSE, "link": RT_SCOPE_LINK, "host": RT_SCOPE_HOST}
_SCOPE_NAMES = {number: name for name, number in SCOPES.items()}


class Ifaddr(NamedTuple):
    """An address of an interface, IFADDR in ip-address(8).

    Addresses are written as `ipaddress` writes them, so that equal addresses are equal texts.
    """

    local: str
    """The interface's own address."""
    length: int
    """The prefix length of the subnet or, with a peer, that of the peer."""
    peer: str = ""
    """The address of the other end on a point-to-point link, else ""."""

    def __str__(self) -> str:
        return (
            f"{self.local} peer {self.peer}/{self.length}"
            if self.peer
            else f"{self.local}/{self.length}"
        )

    @property
    def version(self) -> int:
        return 6 if ":" in self.local else 4

    @property
    def with_length(self) -> str:
        """The interface's own address and the prefix length, without the peer."""
        return f"{self.local}/{self.length}"


@cached_key
def address_key(netns: str, link: str, address: Ifaddr) -> Key:
    return Key("address", netns, link, str(address))


@cached_key
def ipv4_key(netns: str, link: str) -> Key:
    """Return the key for the fact that a link has any IPv4 address.

    With the last one, the kernel removes the link's IPv4 routes (fib_disable_ip in
    net/ipv4/fib_frontend.c).
    """
    return Key("ipv4", netns, link)


class Foreign(Enum):
    """Stands for the primary address of a subnet if that address is foreign.

    Such a primary address is never a difference, because netorch cannot decide which address of a
    subnet comes first when another program has added one.
    """

    ADDRESS = "a foreign address"

    def __str__(self) -> str:
        return self.value


@observed
class Address(Resource):
    """An address of a link.

    netorch does not compare IFA_F_NODAD, which it always sets for IPv6, and IFA_F_SECONDARY, which
    the kernel sets. It leaves the broadcast address alone.
    """

    KIND: ClassVar[str] = "address"
    TAKEN: ClassVar[str] = "address-taken"
    KEEPS_MARK: ClassVar[str] = (
        "this version of Linux keeps the protocol number that says who made it, so only a topology"
        " with the name of the former one can adopt it"
    )
    FOREIGN_KIND: ClassVar[str] = "address"
    HINTS: ClassVar[tuple[str, ...]] = ("shared", "exact_request")
    netns: str
    link: str
    address: Ifaddr
    scope: int
    protocol: int
    primary: Ifaddr | Foreign | None = None
    """The first address of the same IPv4 subnet, or None if this is the first one.

    The kernel removes the secondary addresses of a subnet together with the primary one.
    """
    shared: bool = False
    """Whether the link also has a foreign IPv4 address."""
    settings: tuple[tuple[str, str], ...] = ()
    """Settings that somebody has changed and that netorch leaves at the kernel's default.

    Each is a name and a value.
    """
    exact_request: AddressAdd | None = None
    """The request that makes the address again with these settings."""

    @property
    def key(self) -> Key:
        return address_key(self.netns, self.link, self.address)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        link = link_key(self.netns, self.link)
        if self.address.version == 6:
            return link, up_key(self.netns, self.link)
        return (
            (link, address_key(self.netns, self.link, self.primary))
            if isinstance(self.primary, Ifaddr)
            else (link,)
        )

    @property
    def keeps_alive(self) -> Key | None:
        # lo never loses its last IPv4 address, because the kernel adds 127.0.0.1 there
        return (
            None
            if self.address.version == 6 or self.shared or self.link == "lo"
            else ipv4_key(self.netns, self.link)
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        return (IPV6,) if self.address.version == 6 else ()

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        firsts: dict[tuple[int, int, int], Ifaddr | Foreign] = {}
        links = view.links
        records = [
            (record, links[record.index], is_ours(view, record))
            for record in view.netns.addresses
            if record.index in links
        ]
        with_foreign = {
            link.index for record, link, ours in records if not ours and record.family == AF_INET
        }
        for record, link, ours in records:
            address = (
                _ifaddr(record.local, record.address, record.prefixlen)
                if ours or record.family == AF_INET
                else None
            )
            primary: Ifaddr | Foreign | None = None
            if address is not None and record.family == AF_INET:
                subnet = (
                    record.index,
                    record.prefixlen,
                    int.from_bytes(record.address, "big") >> (32 - record.prefixlen),
                )
                if record.flags & IFA_F_SECONDARY:
                    primary = firsts.get(subnet)
                else:
                    firsts.setdefault(subnet, address if ours else Foreign.ADDRESS)
            if address is not None and ours:
                shared = record.family == AF_INET and record.index in with_foreign
                settings = _settings(record, link.name)
                yield cls(
                    netns=view.label,
                    link=link.name,
                    address=address,
                    scope=record.scope,
                    protocol=record.protocol,
                    primary=primary,
                    shared=shared,
                    settings=settings,
                    exact_request=exact_request(view.label, link.name, record)
                    if settings
                    else None,
                )

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if record.is_link_local and not view.asks_for_link_local:
                continue  # because every link has one, and to write it as text takes long
            if link is not None and not is_ours(view, record):
                address = _ifaddr(record.local, record.address, record.prefixlen)
                what = (
                    f"{label_text(view.label)}/{link.name} has the address {address} and {NOT_OURS}"
                )
                yield address_key(view.label, link.name, address), what

    def differs(self, before: Resource) -> bool:
        # the protocol is not compared: it does not matter who added an address that is as desired
        if not isinstance(before, Address) or self.scope != before.scope:
            return True
        if self.settings != before.settings:
            return True
        return before.primary is not Foreign.ADDRESS and before.primary != self.primary

    def update(self, before: Self) -> Sequence[Request] | None:
        """Return requests where RTM_NEWADDR can change all that differs.

        It can change neither the scope of an address nor which address of a subnet is primary.
        """
        changed = {name for name, _ in set(self.settings) ^ set(before.settings)}
        fixed = _FIXED[self.address.version]
        moves = before.primary is not Foreign.ADDRESS and before.primary != self.primary
        if not changed or changed & fixed or moves or self.scope != before.scope:
            return None
        return tuple(self.create())

    def with_number(self, number: int) -> Self:
        return replace(self, protocol=number)

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        from netorch.kinds.base.managers import reason_to_leave

        index = next((link.index for link in netns.links if link.name == self.link), 0)
        there = [
            record
            for record in netns.addresses
            if record.index == index
            and _ifaddr(record.local, record.address, record.prefixlen) == self.address
        ]
        if not there:
            return "it is gone"
        record = there[0]
        if not record.flags & IFA_F_PERMANENT:
            return "it has a lifetime, so a program manages it"
        if reason := reason_to_leave(
            self.netns, self.link, record.protocol, self.protocol, _BY_HAND_OR_LINUX
        ):
            return reason
        marked = replace(record, protocol=self.protocol)
        addresses = tuple(marked if other is record else other for other in netns.addresses)
        detection = record.family == AF_INET6 and not record.flags & IFA_F_NODAD
        before = replace(exact_request(netns.label, self.link, record), detection=detection)
        return Adoption(
            replace(netns, addresses=addresses),
            (replace(before, protocol=self.protocol),),
            (before,),
            Original(protocol=record.protocol, detection=detection),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        if self.protocol not in PROTOCOLS:
            return ()  # because it has no mark of its own: it is on a link that has one
        before = original or Original()
        return tuple(
            replace(request, protocol=before.protocol, detection=before.detection)
            for request in self.create()
            if isinstance(request, AddressAdd)
        )

    def create(self) -> Iterable[Request]:
        if self.exact_request is not None:
            return (self.exact_request,)
        family, local, address, length = self._packed()
        return (
            AddressAdd(
                netns=self.netns,
                link=self.link,
                family=family,
                local=local,
                address=address,
                prefixlen=length,
                scope=self.scope,
                protocol=self.protocol,
            ),
        )

    def delete(self) -> Iterable[Request]:
        return (AddressDel(self.netns, self.link, *self._packed()),)

    def attributes(self) -> Mapping[str, str]:
        attributes = {"address": str(self.address)}
        if self.scope != RT_SCOPE_UNIVERSE and not attributes["address"].lower().startswith(
            ("fe80", "127.", "::1/")
        ):
            attributes["scope"] = _SCOPE_NAMES.get(self.scope, str(self.scope))
        if self.primary is not None:
            attributes["after"] = str(self.primary)
        return attributes | dict(self.settings)

    def default_text(self, name: str) -> str | None:
        return "forever" if name == "lifetime" else None

    def title(self) -> str:
        return f"address {label_text(self.netns)}/{self.link} {self.address}"

    def _packed(self) -> tuple[int, bytes, bytes, int]:
        own = ip_address(self.address.local)
        other = ip_address(self.address.peer) if self.address.peer else own
        return (
            AF_INET6 if own.version == 6 else AF_INET,
            own.packed,
            other.packed,
            self.address.length,
        )


def ifaddr_of(record: AddressRecord) -> Ifaddr:
    return _ifaddr(record.local, record.address, record.prefixlen)


@lru_cache(maxsize=1 << 12)
def _ifaddr(local: bytes, address: bytes, length: int) -> Ifaddr:
    text = ".".join(map(str, local)) if len(local) == 4 else str(ip_address(local))
    return Ifaddr(text, length, str(ip_address(address)) if local != address else "")


_WORDS = {
    IFA_F_DEPRECATED: "deprecated",
    IFA_F_NOPREFIXROUTE: "noprefixroute",
    IFA_F_HOMEADDRESS: "home",
    IFA_F_MANAGETEMPADDR: "mngtmpaddr",
}
_ODD = IFA_F_DEPRECATED | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR
_FIXED = {4: {"noprefixroute", "label"}, 6: {"label", "metric"}}
"""Settings, by IP version, that the kernel changes only by making the address again.

See inet_rtm_newaddr and inet6_addr_modify.
"""
_INFINITY = 0xFFFFFFFF
_BY_HAND_OR_LINUX = frozenset((0, IFAPROT_KERNEL_LO, IFAPROT_KERNEL_LL))
"""Protocol numbers of addresses, without those of programs and router advertisements."""
_BY_LINUX = frozenset((IFAPROT_KERNEL_LO, IFAPROT_KERNEL_RA, IFAPROT_KERNEL_LL))
_LOOPBACK = bytes(15) + b"\x01"


def _settings(record: AddressRecord, link: str) -> tuple[tuple[str, str], ...]:
    """Return the settings of an address that are not those of a new address."""
    odd = record.flags & _ODD
    own_label = bool(record.label) and record.label != link
    if not odd and not record.metric and record.lifetimes is None and not own_label:
        return ()
    settings = {word: "true" for flag, word in _WORDS.items() if odd & flag}
    if record.lifetimes is not None and (
        record.lifetimes[0] != _INFINITY or not odd & IFA_F_DEPRECATED
    ):
        settings["lifetime"] = "limited"
    if record.metric:
        settings["metric"] = str(record.metric)
    if own_label:
        settings["label"] = record.label
    return tuple(settings.items())


def exact_request(netns: str, link: str, record: AddressRecord) -> AddressAdd:
    """Return the request that makes an address exactly as it was read."""
    lifetimes = record.lifetimes
    if record.flags & IFA_F_DEPRECATED:
        lifetimes = (_INFINITY if lifetimes is None else lifetimes[0], 0)
    return AddressAdd(
        netns=netns,
        link=link,
        family=record.family,
        local=record.local,
        address=record.address,
        prefixlen=record.prefixlen,
        scope=record.scope,
        protocol=record.protocol,
        flags=record.flags & _ODD & ~IFA_F_DEPRECATED,
        lifetimes=lifetimes,
        metric=record.metric,
        label=record.label if record.label != link else "",
    )


def is_ours(view: View, record: AddressRecord) -> bool:
    """Return whether an address belongs to the topology.

    Its protocol number and the record decide. On links of the topology, all addresses belong to it
    except those that the kernel, a router advertisement or DHCP has added. Such an address counts
    only if the file asks for it: it is then the topology's address, changed. A bridge with an
    uplink has the addresses of a foreign NIC, so there only the number and the record count.
    """
    if record.protocol == view.mark.protocol and _is_on_record(view, record):
        return True
    link = view.links[record.index]
    if record.protocol not in {0, view.mark.protocol}:
        return False
    lasts = record.flags & IFA_F_PERMANENT and not record.flags & IFA_F_MANAGETEMPADDR
    if lasts and _is_made_with_link(record, link):
        return False
    if not view.owns(link) or read_alias(link.alias).uplink:
        return False
    if lasts:
        return True
    address = _ifaddr(record.local, record.address, record.prefixlen)
    return address_key(view.label, link.name, address) in view.desired_keys


def is_made_by_linux(record: AddressRecord, link: LinkRecord) -> bool:
    """Whether Linux gives an address to a link by itself, or as an advertisement says."""
    if record.family == AF_INET6 and record.flags & IFA_F_SECONDARY:
        return True  # because it is a temporary one
    return record.protocol in _BY_LINUX or _is_made_with_link(record, link)


def _is_made_with_link(record: AddressRecord, link: LinkRecord) -> bool:
    """Whether it is an address that the kernel gives to a link by itself."""
    if record.family == AF_INET6:
        return record.is_link_local or record.local == _LOOPBACK
    return link.name == "lo" and record.local[0] == 127


def _is_on_record(view: View, record: AddressRecord) -> bool:
    if view.created:
        return True
    address = _ifaddr(record.local, record.address, record.prefixlen)
    return view.is_ours("address", view.links[record.index].name, str(address))


@reports_unproven
def _in_doubt(view: View) -> Iterator[tuple[Key, str]]:
    """Yield addresses with the topology's protocol number that no record confirms."""
    for record in view.netns.addresses:
        link = view.links.get(record.index)
        if link is not None and view.is_in_doubt(record.protocol) and not is_ours(view, record):
            address = _ifaddr(record.local, record.address, record.prefixlen)
            what = f"address {label_text(view.label)}/{link.name} {address}"
            yield address_key(view.label, link.name, address), view.doubt(what)
