"""Move the addresses and routes of a link to another link.

The messages are those of the dump, except for the parts that name the link.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Container, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from netorch.immutable import Value
from netorch.netlink import constants as c
from netorch.netlink.codec import (
    RTNEXTHOP,
    DecodeError,
    Message,
    as_i32,
    as_u32,
    attr,
    attribute_list,
    attributes,
    cstring,
    next_hops,
    text,
    u32,
)
from netorch.netlink.decode import addresses as decode_addresses
from netorch.values.requests import AddressIdentity, BelongingIdentity, RouteIdentity
from netorch.values.snapshot import AddressRecord

_IFADDRMSG = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_USER_HZ = 100
_REPLACE = c.NLM_F_CREATE | c.NLM_F_REPLACE

_ADDRESS_PARTS = {
    c.IFA_ADDRESS,
    c.IFA_LOCAL,
    c.IFA_BROADCAST,
    c.IFA_CACHEINFO,
    c.IFA_RT_PRIORITY,
    c.IFA_PROTO,
}
_ADDRESS_FLAGS = {
    c.AF_INET: c.IFA_F_NOPREFIXROUTE | c.IFA_F_MCAUTOJOIN,
    c.AF_INET6: c.IFA_F_NODAD
    | c.IFA_F_HOMEADDRESS
    | c.IFA_F_MANAGETEMPADDR
    | c.IFA_F_NOPREFIXROUTE
    | c.IFA_F_MCAUTOJOIN,
}
"""The flags that the kernel accepts. It sets the others itself."""
_ROUTE_PARTS = {
    *(
        c.RTA_DST,
        c.RTA_SRC,
        c.RTA_GATEWAY,
        c.RTA_VIA,
        c.RTA_PRIORITY,
        c.RTA_PREFSRC,
        c.RTA_METRICS,
        c.RTA_FLOW,
        c.RTA_TABLE,
    ),
    *(c.RTA_PREF, c.RTA_ENCAP_TYPE, c.RTA_ENCAP),
}

_Subnet = tuple[bytes, int]


class Piece(Value):
    """One message that is to be sent."""

    kind: int
    """The message type, RTM_…."""
    flags: int
    """The flags of the netlink header, NLM_F_…."""
    payload: bytes
    about: str
    """The object of the message, for error messages."""


class MovedLink(Value):
    """How a message names a link."""

    index: int
    name: str


class Belongings(Value):
    """The addresses and routes that move with a link, in the order of the dump."""

    addresses: tuple[tuple[AddressRecord, bytes], ...]
    """The addresses, each as a record and as the payload of its message."""
    routes: tuple[bytes, ...]
    """The payloads of routes that have to be made again."""
    implied: tuple[bytes, ...] = ()
    """The payloads of routes that the kernel makes with an address, but does not delete with it."""


def goes_along(record: AddressRecord, mac: bytes, protocol: int | None) -> bool:
    """Return whether an address moves with its link.

    Addresses with the number `protocol` stay, and so do the link-local and temporary addresses that
    the kernel makes on each link. `protocol` is None if no address stays because of its number.
    """
    if record.protocol in {protocol, c.IFAPROT_KERNEL_LO, c.IFAPROT_KERNEL_LL}:
        return False
    if record.family == c.AF_INET6:
        # because kernels before 5.18 do not report the protocol number of an address
        return not record.flags & c.IFA_F_TEMPORARY and record.local != b"\xfe\x80" + bytes(
            6
        ) + _eui64(mac)
    return True


def belongings(
    addresses: Iterable[Message],
    routes: Iterable[Message],
    index: int,
    mac: bytes,
    protocol: int | None,
    own: Container[BelongingIdentity] | None = None,
) -> Belongings:
    """Select the addresses and routes that move with the link `index` from two dumps.

    The dumps are those of RTM_GETADDR and RTM_GETROUTE. Objects with the protocol number `protocol`
    stay on the link. If `own` is given, only those that it names stay.
    """

    def stays(one: BelongingIdentity) -> int | None:
        return protocol if own is None or one in own else None

    moving: list[tuple[AddressRecord, bytes]] = []
    staying: set[_Subnet] = set()
    for message in addresses:
        for record in decode_addresses([message]):
            if record.index == index and goes_along(record, mac, stays(identity(record))):
                moving.append((record, message[1][message[2] : message[3]]))
            elif record.index == index:
                staying.add(_subnet(record))
    moving_subnets = {_subnet(record) for record, _ in moving} - staying
    unrouted = {_subnet(record) for record, _ in moving if record.flags & c.IFA_F_NOPREFIXROUTE}
    explicit: list[bytes] = []
    implied: list[bytes] = []
    for kind, buffer, start, end in routes:
        body = buffer[start:end]
        if kind != c.RTM_NEWROUTE or not _is_route_of(body, index, protocol, own):
            continue
        # Network managers make the route of a subnet themselves, with the protocol number of the
        # kernel. Other routes with that number come with their address.
        if body[5] != c.RTPROT_KERNEL or _subnet_of_route(body) in unrouted:
            explicit.append(body)
        elif body[0] == c.AF_INET6 and _subnet_of_route(body) in moving_subnets:
            implied.append(body)
    return Belongings(tuple(moving), tuple(explicit), tuple(implied))


def take(objects: Belongings, source: MovedLink, owner: MovedLink) -> list[Piece]:
    """Return the messages that delete `objects` from `owner`. They were dumped from `source`.

    Later addresses are deleted first, and their primary address last.
    """
    routes = (*reversed(objects.routes), *objects.implied)
    pieces = [
        Piece(c.RTM_DELROUTE, 0, _route(body, source, owner), _route_text(body)) for body in routes
    ]
    for record, _ in reversed(objects.addresses):
        pair = attr(c.IFA_LOCAL, record.local) + attr(c.IFA_ADDRESS, record.address)
        payload = _IFADDRMSG.pack(record.family, record.prefixlen, 0, 0, owner.index) + pair
        pieces.append(Piece(c.RTM_DELADDR, 0, payload, _address_text(record)))
    return pieces


def give(
    objects: Belongings,
    source: MovedLink,
    target: MovedLink,
    existing: Collection[AddressIdentity] = (),
) -> list[Piece]:
    """Return the messages that make `objects` on `target`, except for addresses in `existing`.

    Routes without a gateway come before routes with one.
    """
    pieces: list[Piece] = []
    # The kernel lists a new IPv6 address before the older ones, so IPv6 addresses are added in
    # reverse order.
    ordered = [pair for pair in objects.addresses if pair[0].family == c.AF_INET]
    ordered += [pair for pair in reversed(objects.addresses) if pair[0].family == c.AF_INET6]
    for record, body in ordered:
        if identity(record) not in existing:
            pieces += _address(record, body, source, target)
    for body in sorted(objects.routes, key=_has_gateway):
        # An IPv4 route comes after the routes of the same metric. IPv6 routes of one metric have no
        # order.
        flags = c.NLM_F_CREATE | (c.NLM_F_APPEND if body[0] == c.AF_INET else 0)
        pieces.append(Piece(c.RTM_NEWROUTE, flags, _route(body, source, target), _route_text(body)))
    return pieces


def identity(record: AddressRecord) -> AddressIdentity:
    return record.family, record.local, record.prefixlen


def _address(
    record: AddressRecord, body: bytes, source: MovedLink, target: MovedLink
) -> Iterator[Piece]:
    scope = body[3]
    parts = [
        attr(number, payload)
        for number, payload in attribute_list(body[8:])
        if number in _ADDRESS_PARTS
    ]
    label = text(attributes(body, 8, len(body)).get(c.IFA_LABEL, b""))
    if (
        label.startswith(f"{source.name}:")
        and len(label := target.name + label[len(source.name) :]) < 16
    ):
        parts.append(attr(c.IFA_LABEL, cstring(label)))
    header = _IFADDRMSG.pack(record.family, record.prefixlen, 0, scope, target.index)
    flags = record.flags & _ADDRESS_FLAGS[record.family]
    about = _address_text(record)
    if record.family == c.AF_INET6 and not record.flags & (
        c.IFA_F_NODAD | c.IFA_F_TENTATIVE | c.IFA_F_DADFAILED
    ):
        # The address has passed duplicate address detection already. With this flag it is usable at
        # once, and a second message gives it its real flags back.
        quick = attr(c.IFA_FLAGS, u32(flags | c.IFA_F_NODAD))
        yield Piece(c.RTM_NEWADDR, _REPLACE, header + b"".join(parts) + quick, about)
    yield Piece(
        c.RTM_NEWADDR, _REPLACE, header + b"".join(parts) + attr(c.IFA_FLAGS, u32(flags)), about
    )


def _is_route_of(
    body: bytes, index: int, protocol: int | None, own: Container[BelongingIdentity] | None
) -> bool:
    if len(body) < _RTMSG.size:
        raise DecodeError("route message without its header")
    family, _, _, _, table, route_protocol, _, _, flags = _RTMSG.unpack_from(body)
    if (
        family not in _ADDRESS_FLAGS
        or flags & c.RTM_F_CLONED
        or route_protocol == c.RTPROT_REDIRECT
        or (route_protocol == protocol and (own is None or _route_identity(body) in own))
    ):
        return False
    attrs = attributes(body, 12, len(body))
    return as_u32(attrs.get(c.RTA_TABLE, u32(table))) != c.RT_TABLE_LOCAL and index in _devices(
        attrs
    )


def _route_identity(body: bytes) -> RouteIdentity:
    family, length, _, _, table, *_ = _RTMSG.unpack_from(body)
    attrs = attributes(body, 12, len(body))
    table, metric = attrs.get(c.RTA_TABLE, u32(table)), attrs.get(c.RTA_PRIORITY, u32(0))
    return family, bytes(attrs.get(c.RTA_DST, b"")), length, as_u32(table), as_u32(metric)


def _subnet(record: AddressRecord) -> _Subnet:
    """Return the key by which the route of the address's subnet is recognised.

    It is the route's source for IPv4, and its destination for IPv6.
    """
    if record.family == c.AF_INET:
        return record.local, 0
    try:
        return ip_network(
            (record.local, record.prefixlen), strict=False
        ).network_address.packed, record.prefixlen
    except ValueError as error:
        raise DecodeError(str(error)) from None


def _subnet_of_route(body: bytes) -> _Subnet:
    attrs = attributes(body, 12, len(body))
    return (
        (attrs.get(c.RTA_PREFSRC, b""), 0)
        if body[0] == c.AF_INET
        else (attrs.get(c.RTA_DST, b""), body[1])
    )


def _devices(attrs: dict[int, bytes]) -> set[int]:
    devices = {as_u32(attrs[c.RTA_OIF])} if c.RTA_OIF in attrs else set()
    return devices | {index for index, _, _, _ in next_hops(attrs.get(c.RTA_MULTIPATH, b""))}


def _route(body: bytes, source: MovedLink, target: MovedLink) -> bytes:
    """Return the route with `target` in the place of `source`.

    Its present state (dead, expiry, nexthop object) is left out, except for the remaining lifetime.
    """

    def swapped(index: int) -> int:
        return target.index if index == source.index else index

    header = list(_RTMSG.unpack_from(body))
    header[8] &= c.RTNH_F_ONLINK
    parts: list[bytes] = []
    for number, payload in attribute_list(body[12:]):
        if number in _ROUTE_PARTS:
            nest = c.NLA_F_NESTED if number in {c.RTA_METRICS, c.RTA_ENCAP} else 0
            parts.append(attr(number | nest, payload))
        elif number == c.RTA_OIF:
            parts.append(attr(number, u32(swapped(as_u32(payload)))))
        elif number == c.RTA_MULTIPATH:
            hops = [
                RTNEXTHOP.pack(8 + len(more), flags & c.RTNH_F_ONLINK, weight, swapped(index))
                + more
                for index, flags, weight, more in next_hops(payload)
            ]
            parts.append(attr(number, b"".join(hops)))
        elif number == c.RTA_CACHEINFO and (ticks := as_i32(payload[8:12])):
            parts.append(attr(c.RTA_EXPIRES, u32(max(1, ticks // _USER_HZ))))
    return _RTMSG.pack(*header) + b"".join(parts)


def _has_gateway(body: bytes) -> bool:
    attrs = attributes(body, 12, len(body))
    return bool({c.RTA_GATEWAY, c.RTA_VIA, c.RTA_MULTIPATH} & attrs.keys())


def _eui64(mac: bytes) -> bytes:
    return bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:])) if len(mac) == 6 else b""


def _address_text(record: AddressRecord) -> str:
    return f"address {_ip(record.local)}/{record.prefixlen}"


def _route_text(body: bytes) -> str:
    dst = attributes(body, 12, len(body)).get(c.RTA_DST)
    return f"route {_ip(dst)}/{body[1]}" if dst else "route default"


def _ip(packed: bytes) -> IPv4Address | IPv6Address:
    try:
        return ip_address(packed)
    except ValueError:
        raise DecodeError(f"an IP address of {len(packed)} bytes") from None
