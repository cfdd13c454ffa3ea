"""An IPv4 or IPv6 address on a link (rtnetlink(7), IFA_*)."""

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
    IFA_F_NOPREFIXROUTE,
    IFA_F_PERMANENT,
    IFA_F_SECONDARY,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, read_alias
from netorch.values.requests import AddressAdd, AddressDel, Feature, Request
from netorch.values.snapshot import AddressRecord

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
    """An address of an interface, IFADDR in ip-address(8): with the length of its subnet, or with the other end's address and the
    length of that. Both addresses are as `ipaddress` spells them, so that equal ones are equal.
    """

    local: str
    length: int
    peer: str = ""

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
        """The interface's own address and the length, whether there is another end or not."""
        return f"{self.local}/{self.length}"


@cached_key
def address_key(netns: str, link: str, address: Ifaddr) -> Key:
    return Key("address", netns, link, str(address))


@cached_key
def ipv4_key(netns: str, link: str) -> Key:
    """That a link has an IPv4 address at all: with the last one its IPv4 routes go (fib_disable_ip in net/ipv4/fib_frontend.c)."""
    return Key("ipv4", netns, link)


class Foreign(Enum):
    """The primary address of a subnet where it is not ours: with which of ours it goes along is not for us to say."""

    ADDRESS = "an address of others"

    def __str__(self) -> str:
        return self.value


@observed
class Address(Resource):
    """`primary` is the address of the same subnet that came first, if one did: the kernel takes the later ones away together with it.
    `shared`: others have an address there as well.

    `settings`: what somebody has set of it that netorch leaves at the kernel's default; name → value. `given`: the request that
    sets the same.
    """

    # IFA_F_NODAD is always set on IPv6 and IFA_F_SECONDARY by the kernel; the broadcast address is left alone
    KIND: ClassVar[str] = "address"
    TAKEN: ClassVar[str] = "address-taken"
    FOREIGN_KIND: ClassVar[str] = "address"
    HINTS: ClassVar[tuple[str, ...]] = ("shared", "given")
    netns: str
    link: str
    address: Ifaddr
    scope: int
    protocol: int
    primary: Ifaddr | Foreign | None = None
    shared: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    given: AddressAdd | None = None

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
        # 127.0.0.1 is on lo whatever goes
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
        theirs = {
            record.index
            for record in view.netns.addresses
            if record.family == AF_INET and not is_ours(view, record)
        }
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if link is None:
                continue
            ours = is_ours(view, record)
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
                shared = record.family == AF_INET and record.index in theirs
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
                    given=_again(view.label, link.name, record) if settings else None,
                )

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if link is not None and not is_ours(view, record):
                address = _ifaddr(record.local, record.address, record.prefixlen)
                what = (
                    f"{label_text(view.label)}/{link.name} has the address {address} and {NOT_OURS}"
                )
                yield address_key(view.label, link.name, address), what

    def differs(self, before: Resource) -> bool:
        # whoever added it, an address of ours that is as desired stays as it is
        if not isinstance(before, Address) or self.scope != before.scope:
            return True
        if self.settings != before.settings:
            return True
        return before.primary is not Foreign.ADDRESS and before.primary != self.primary

    def update(self, before: Self) -> Sequence[Request] | None:
        """In place where only what RTM_NEWADDR changes of an address is another: not its scope, nor what comes after what."""
        changed = {name for name, _ in set(self.settings) ^ set(before.settings)}
        fixed = _FIXED[self.address.version]
        moves = before.primary is not Foreign.ADDRESS and before.primary != self.primary
        if not changed or changed & fixed or moves or self.scope != before.scope:
            return None
        return tuple(self.create())

    def with_number(self, number: int) -> Self:
        return replace(self, protocol=number)

    def create(self) -> Iterable[Request]:
        if self.given is not None:
            return (self.given,)
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
        said = {"address": str(self.address)}
        if self.scope != RT_SCOPE_UNIVERSE and not said["address"].lower().startswith(
            ("fe80", "127.", "::1/")
        ):
            said["scope"] = _SCOPE_NAMES.get(self.scope, str(self.scope))
        if self.primary is not None:
            said["after"] = str(self.primary)
        return said | dict(self.settings)

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
"""What the kernel sets, or takes back, only of a new address, by IP version (inet_rtm_newaddr, inet6_addr_modify)."""
_INFINITY = 0xFFFFFFFF


def _settings(record: AddressRecord, link: str) -> tuple[tuple[str, str], ...]:
    """What of an address is not as the kernel makes a new one."""
    odd = record.flags & _ODD
    own_label = bool(record.label) and record.label != link
    if not odd and not record.metric and record.lifetimes is None and not own_label:
        return ()
    said = {word: "true" for flag, word in _WORDS.items() if odd & flag}
    if record.lifetimes is not None and (
        record.lifetimes[0] != _INFINITY or not odd & IFA_F_DEPRECATED
    ):
        said["lifetime"] = "limited"
    if record.metric:
        said["metric"] = str(record.metric)
    if own_label:
        said["label"] = record.label
    return tuple(said.items())


def _again(netns: str, link: str, record: AddressRecord) -> AddressAdd:
    """The request that makes an address just as it was read."""
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
    """By its protocol number and the record; on our own links all but what the kernel, an RA or DHCP put there.

    What they put in the place of one that the file asks for is that one, changed. A bridge with an uplink has the addresses
    of somebody else's NIC.
    """
    if record.protocol == view.mark.protocol and _is_on_record(view, record):
        return True
    link = view.links[record.index]
    by_hand = record.protocol in {0, view.mark.protocol}
    if not by_hand or not view.owns(link) or read_alias(link.alias).uplink:
        return False
    if not record.flags & IFA_F_PERMANENT or record.flags & IFA_F_MANAGETEMPADDR:
        address = _ifaddr(record.local, record.address, record.prefixlen)
        return address_key(view.label, link.name, address) in view.desired_keys
    if record.family == AF_INET6:
        return not record.local.startswith(b"\xfe\x80") and record.local != bytes(15) + b"\x01"
    return not (link.name == "lo" and record.local[0] == 127)


def _is_on_record(view: View, record: AddressRecord) -> bool:
    if view.created:
        return True
    address = _ifaddr(record.local, record.address, record.prefixlen)
    return view.is_ours("address", view.links[record.index].name, str(address))


@reports_unproven
def _in_doubt(view: View) -> Iterator[tuple[Key, str]]:
    """Addresses that have nothing but our number."""
    for record in view.netns.addresses:
        link = view.links.get(record.index)
        if link is not None and view.is_in_doubt(record.protocol) and not is_ours(view, record):
            address = _ifaddr(record.local, record.address, record.prefixlen)
            what = f"address {label_text(view.label)}/{link.name} {address}"
            yield address_key(view.label, link.name, address), view.doubt(what)
