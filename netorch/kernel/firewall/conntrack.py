"""List and delete tracked connections in the namespace of the calling thread (ctnetlink).

The messages are those of linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink.codec import Message, attr, attributes, message
from netorch.netlink.constants import NLM_F_REQUEST
from netorch.values.connections import Address, Connection, End

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 1 << 8
_NEW, _GET, _DELETE = _SUBSYSTEM, _SUBSYSTEM | 1, _SUBSYSTEM | 2
_HEADER = struct.Struct("=BBH")
_NESTED = 0x8000
_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _ID, _ZONE = 1, 2, 3, 12, 18
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCES, _TARGETS = (1, 3), (2, 4)
"""CTA_IP_V4_SRC and CTA_IP_V6_SRC; CTA_IP_V4_DST and CTA_IP_V6_DST."""
_PROTO_NUM, _PROTO_SRC_PORT, _PROTO_DST_PORT = 1, 2, 3
_EXPECTED = 1
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def connections() -> list[Connection]:
    """Return all tracked connections. The list is empty if the kernel cannot list them."""
    entries: list[Connection] = []
    with suppress(OSError):
        netfilter = Rtnl(_NETLINK_NETFILTER)
        try:
            for family in _FAMILIES.values():
                entries += decoded(netfilter.dump(_GET, _HEADER.pack(family, 0, 0)))
        finally:
            netfilter.close()
    return entries


def end_connections(ended: Iterable[Connection]) -> None:
    """Delete these connections, so that the rules judge their next packets again.

    A connection that no longer exists is not an error.
    """
    with suppress(OSError):
        netfilter = Rtnl(_NETLINK_NETFILTER)
        try:
            batch = []
            for connection in ended:
                payload = _HEADER.pack(_FAMILIES[connection.version], 0, 0) + connection.key
                seq = netfilter.next_seq()
                batch.append((seq, message(_DELETE, NLM_F_REQUEST, seq, payload)))
            netfilter.send(batch)
        finally:
            netfilter.close()


def decoded(messages: Iterable[Message]) -> Iterator[Connection]:
    """Decode the entries of a dump. Incomplete entries are left out."""
    for kind, buffer, start, end in messages:
        if kind != _NEW:
            continue
        parts = attributes(buffer, start + _HEADER.size, end)
        there, back = parts.get(_TUPLE_ORIG), parts.get(_TUPLE_REPLY)
        if there is None or back is None:
            continue
        protocol, source, target = _ends(there)
        _, answered_from, answered_to = _ends(back)
        if source is None or target is None or answered_from is None or answered_to is None:
            continue
        status = int.from_bytes(parts.get(_STATUS, b""), "big")
        yield Connection(
            protocol,
            source,
            target,
            answered_from,
            answered_to,
            expected=bool(status & _EXPECTED),
            key=attr(_TUPLE_ORIG | _NESTED, there)
            + b"".join(attr(number, parts[number]) for number in (_ZONE, _ID) if number in parts),
        )


def _ends(payload: bytes) -> tuple[str, End | None, End | None]:
    parts = attributes(payload, 0, len(payload))
    addresses, protocol = _inner(parts, _TUPLE_IP), _inner(parts, _TUPLE_PROTO)
    number = int.from_bytes(protocol.get(_PROTO_NUM, b"")[:1], "big")
    source, target = _address(addresses, _SOURCES), _address(addresses, _TARGETS)
    return (
        _PROTOCOLS.get(number, str(number)),
        (source, _port(protocol, _PROTO_SRC_PORT)) if source is not None else None,
        (target, _port(protocol, _PROTO_DST_PORT)) if target is not None else None,
    )


def _inner(parts: Mapping[int, bytes], number: int) -> dict[int, bytes]:
    payload = parts.get(number, b"")
    return attributes(payload, 0, len(payload))


def _address(parts: Mapping[int, bytes], numbers: tuple[int, int]) -> Address | None:
    packed = next((parts[number] for number in numbers if number in parts), None)
    return ip_address(packed) if packed is not None else None


def _port(parts: Mapping[int, bytes], number: int) -> int:
    return int.from_bytes(parts.get(number, b""), "big")
