"""An IPv4 or IPv6 address on a link (rtnetlink(7), IFA_*)."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import ClassVar

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
from netorch.state.core import Key, Resource, remembered, shown
from netorch.state.registry import View, observed
from netorch.values.frozen import frozen
from netorch.values.marks import NOT_OURS, read_alias
from netorch.values.requests import AddressAdd, AddressDel, Feature, Request
from netorch.values.snapshot import AddressRecord

IPV6 = Feature(
    "IPv6",
    "CONFIG_IPV6",
    "ipv6",
    (
        AddressAdd(
            "",
            "lo",
            AF_INET6,
            ip_address("fd00::1").packed,
            ip_address("fd00::1").packed,
            128,
            RT_SCOPE_UNIVERSE,
            0,
        ),
    ),
    frozenset((errno.EOPNOTSUPP, errno.EAFNOSUPPORT)),
)
SCOPES = {"global": RT_SCOPE_UNIVERSE, "link": RT_SCOPE_LINK, "host": RT_SCOPE_HOST}
FOREIGN = "an address of others"
"""The primary address of a subnet, where it is not ours: with which of ours it goes along is not for us to say."""
_SCOPE_NAMES = {number: name for name, number in SCOPES.items()}


@remembered
def address_key(netns: str, link: str, address: str) -> Key:
    return Key("address", netns, f"{link} {address}")


@remembered
def ipv4_key(netns: str, link: str) -> Key:
    """That a link has an IPv4 address at all: with the last one its IPv4 routes go (fib_disable_ip in net/ipv4/fib_frontend.c)."""
    return Key("ipv4", netns, link)


@observed
@frozen
class Address(Resource):
    """`address` is `10.0.0.1/24`, with a peer `10.0.0.1 peer 10.0.0.2/32`. `primary` names the address of the same subnet
    that came first, if one did: the kernel takes the later ones away together with it. `shared`: others have an address there as well.
    """

    # IFA_F_NODAD is always set on IPv6 and IFA_F_SECONDARY by the kernel; labels and lifetimes are left alone
    KIND: ClassVar[str] = "address"
    TAKEN: ClassVar[str] = "address-taken"
    STRANGE: ClassVar[str] = "address"
    netns: str
    link: str
    address: str
    scope: int
    protocol: int
    primary: str = ""
    shared: bool = field(default=False, compare=False)

    @property
    def key(self) -> Key:
        return address_key(self.netns, self.link, self.address)

    @property
    def within(self) -> tuple[Key, ...]:
        link = link_key(self.netns, self.link)
        if ":" in self.address:
            return link, up_key(self.netns, self.link)
        return (
            (link, address_key(self.netns, self.link, self.primary))
            if self.primary not in ("", FOREIGN)
            else (link,)
        )

    @property
    def bears(self) -> Key | None:
        # 127.0.0.1 is on lo whatever goes
        return (
            None
            if ":" in self.address or self.shared or self.link == "lo"
            else ipv4_key(self.netns, self.link)
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        return (IPV6,) if ":" in self.address else ()

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        firsts: dict[tuple[int, int, int], str] = {}
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
            text = _text(record) if ours or record.family == AF_INET else ""
            primary = ""
            if record.family == AF_INET:
                subnet = (
                    record.index,
                    record.prefixlen,
                    int.from_bytes(record.address, "big") >> (32 - record.prefixlen),
                )
                if record.flags & IFA_F_SECONDARY:
                    primary = firsts.get(subnet, "")
                else:
                    firsts.setdefault(subnet, text if ours else FOREIGN)
            if ours:
                shared = record.family == AF_INET and record.index in theirs
                yield cls(
                    view.label, link.name, text, record.scope, record.protocol, primary, shared
                )

    @classmethod
    def strangers(cls, view: View) -> Iterator[tuple[Key, str]]:
        for record in view.netns.addresses:
            link = view.links.get(record.index)
            if link is not None and not _is_ours(view, record):
                text = _text(record)
                yield (
                    address_key(view.label, link.name, text),
                    f"{shown(view.label)}/{link.name} has the address {text} and {NOT_OURS}",
                )

    def differs(self, before: Resource) -> bool:
        # whoever added it, an address of ours that is as wanted stays as it is
        if not isinstance(before, Address) or self.scope != before.scope:
            return True
        return before.primary not in {self.primary, FOREIGN}

    def create(self) -> Iterable[Request]:
        family, local, address, length = self._packed()
        return (
            AddressAdd(
                self.netns, self.link, family, local, address, length, self.scope, self.protocol
            ),
        )

    def delete(self) -> Iterable[Request]:
        return (AddressDel(self.netns, self.link, *self._packed()),)

    def attributes(self) -> Mapping[str, str]:
        said = {"address": self.address}
        if self.scope != RT_SCOPE_UNIVERSE and not self.address.lower().startswith(
            ("fe80", "127.", "::1/")
        ):
            said["scope"] = _SCOPE_NAMES.get(self.scope, str(self.scope))
        if self.primary:
            said["after"] = self.primary
        return said

    def title(self) -> str:
        return f"address {shown(self.netns)}/{self.link} {self.address}"

    def _packed(self) -> tuple[int, bytes, bytes, int]:
        local, _, rest = self.address.partition(" peer ")
        if not rest:
            local, _, length = self.address.partition("/")
            rest = self.address
        other, _, length = rest.partition("/")
        family = AF_INET6 if ":" in local else AF_INET
        return family, ip_address(local).packed, ip_address(other).packed, int(length)


def address_text(interface: IPv4Interface | IPv6Interface, peer: object = None) -> str:
    """The one spelling of an address by which states are compared."""
    if peer is None:
        return interface.with_prefixlen
    length = (
        interface.network.prefixlen
        if interface.network.prefixlen < interface.max_prefixlen
        else interface.max_prefixlen
    )
    return f"{interface.ip} peer {peer}/{length}"


def _text(record: AddressRecord) -> str:
    return _spelt(record.local, record.address, record.prefixlen)


@lru_cache(maxsize=1 << 12)
def _spelt(local: bytes, address: bytes, length: int) -> str:
    if local != address:
        return f"{ip_address(local)} peer {ip_address(address)}/{length}"
    if len(local) == 4:
        return ".".join(map(str, local)) + f"/{length}"
    return f"{ip_address(local)}/{length}"


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
