"""An IPv4 or IPv6 address on a link (rtnetlink(7), IFA_*)."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from typing import ClassVar, NamedTuple

from netorch.kinds.base.link import link_key
from netorch.kinds.up import up_key
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    IFA_F_MANAGETEMPADDR,
    IFA_F_PERMANENT,
    IFA_F_SECONDARY,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed
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
    """

    # IFA_F_NODAD is always set on IPv6 and IFA_F_SECONDARY by the kernel; labels and lifetimes are left alone
    KIND: ClassVar[str] = "address"
    TAKEN: ClassVar[str] = "address-taken"
    STRANGE: ClassVar[str] = "address"
    HINTS: ClassVar[tuple[str, ...]] = ("shared",)
    netns: str
    link: str
    address: Ifaddr
    scope: int
    protocol: int
    primary: Ifaddr | Foreign | None = None
    shared: bool = False

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
            if record.family == AF_INET and not _is_ours(view, record)
        }
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if link is None:
                continue
            ours = _is_ours(view, record)
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
                yield cls(
                    view.label, link.name, address, record.scope, record.protocol, primary, shared
                )

    @classmethod
    def strangers(cls, view: View) -> Iterator[tuple[Key, str]]:
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if link is not None and not _is_ours(view, record):
                address = _ifaddr(record.local, record.address, record.prefixlen)
                what = (
                    f"{label_text(view.label)}/{link.name} has the address {address} and {NOT_OURS}"
                )
                yield address_key(view.label, link.name, address), what

    def differs(self, before: Resource) -> bool:
        # whoever added it, an address of ours that is as wanted stays as it is
        if not isinstance(before, Address) or self.scope != before.scope:
            return True
        return before.primary is not Foreign.ADDRESS and before.primary != self.primary

    def create(self) -> Iterable[Request]:
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
        return said

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


@lru_cache(maxsize=1 << 12)
def _ifaddr(local: bytes, address: bytes, length: int) -> Ifaddr:
    text = ".".join(map(str, local)) if len(local) == 4 else str(ip_address(local))
    return Ifaddr(text, length, str(ip_address(address)) if local != address else "")


def _is_ours(view: View, record: AddressRecord) -> bool:
    """By its protocol number anywhere; on our own links all but what the kernel, an RA or DHCP put there.

    A bridge with an uplink has the addresses of somebody else's NIC.
    """
    if record.protocol == view.mark.protocol:
        return True
    if (
        record.protocol != 0
        or not record.flags & IFA_F_PERMANENT
        or record.flags & IFA_F_MANAGETEMPADDR
    ):
        return False
    link = view.links[record.index]
    if not view.owns(link) or read_alias(link.alias).uplink:
        return False
    if record.family == AF_INET6:
        return not record.local.startswith(b"\xfe\x80") and record.local != bytes(15) + b"\x01"
    return not (view.links[record.index].name == "lo" and record.local[0] == 127)
