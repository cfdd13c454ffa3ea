"""Connections that the kernel remembers: datagrams to a published port must not go on to where it led before (ctnetlink).

Messages as in linux/netfilter/nfnetlink_conntrack.h; an entry is deleted by its own original tuple.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink.codec import attributes, nested
from netorch.netlink.constants import RTM_GETADDR
from netorch.netlink.decode import addresses

_NETLINK_NETFILTER = 12
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCES = (1, 3)
"""CTA_IP_V4_SRC, CTA_IP_V6_SRC."""
_DESTINATIONS = (2, 4)
_BY_LENGTH = {4: socket.AF_INET, 16: socket.AF_INET6}
_LOOPBACK = 127
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_UDP = 17
_HEADER = struct.Struct("=IHHII")


class Target(NamedTuple):
    """A range of UDP ports and the address that it leads to now; addresses are packed.

    `destination`: the address that it is for, empty for any. `local`: only the namespace's own.
    """

    family: int
    first: int
    last: int
    address: bytes
    destination: bytes = b""
    local: bool = False


class _Entry(NamedTuple):
    original: bytes
    destination: bytes
    port: int
    answers_from: bytes


def delete_flows(targets: Iterable[Target], led_to: Collection[bytes] = ()) -> int:
    """Delete the UDP entries for these ports that are answered from elsewhere, and those led to one of `led_to` by no target any
    more; how many there were.
    """
    wanted = list(targets)
    count = 0
    for family in sorted(
        {target.family for target in wanted} | {_BY_LENGTH[len(address)] for address in led_to}
    ):
        own = _own_addresses(family)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as sock:
            sock.settimeout(10)
            here = [target for target in wanted if target.family == family]
            for entry in [
                entry for entry in _entries(sock, family) if _is_stale(entry, here, led_to, own)
            ]:
                _send(sock, _DELETE, _REQUEST | _ACK, family, nested(_TUPLE_ORIG, entry.original))
                sock.recv(65536)
                count += 1
    return count


def _is_stale(
    entry: _Entry, targets: Iterable[Target], led_to: Collection[bytes], own: Collection[bytes]
) -> bool:
    # in the order of the rules, so that the first one counts
    meant = next((target for target in targets if _is_for(entry, target, own)), None)
    if meant is not None:
        return entry.answers_from != meant.address
    return entry.answers_from in led_to and entry.answers_from != entry.destination


def _is_for(entry: _Entry, target: Target, own: Collection[bytes]) -> bool:
    if not target.first <= entry.port <= target.last:
        return False
    if target.destination:
        return entry.destination == target.destination
    return (
        not target.local
        or entry.destination in own
        or (len(entry.destination) == 4 and entry.destination[0] == _LOOPBACK)
    )


def _own_addresses(family: int) -> set[bytes]:
    rtnl = Rtnl()
    try:
        return {
            record.local
            for record in addresses(rtnl.dump(RTM_GETADDR, bytes((family,)) + bytes(7)))
        }
    finally:
        rtnl.close()


def _send(sock: socket.socket, kind: int, flags: int, family: int, payload: bytes = b"") -> None:
    body = struct.pack("=BBH", family, 0, 0) + payload
    sock.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)


def _entries(sock: socket.socket, family: int) -> Iterator[_Entry]:
    _send(sock, _GET, _REQUEST | _DUMP, family)
    while True:
        data = sock.recv(1 << 17)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            if kind in {_DONE, _ERROR} or length < _HEADER.size:
                return
            found = attributes(data, offset + 20, offset + length)
            there, back = found.get(_TUPLE_ORIG, b""), found.get(_TUPLE_REPLY, b"")
            proto = _inner(_inner(there).get(_TUPLE_PROTO, b""))
            if proto.get(_PROTO_NUM, b"")[:1] == bytes((_UDP,)):
                addresses = _inner(_inner(back).get(_TUPLE_IP, b""))
                source = next(
                    (addresses[number] for number in _SOURCES if number in addresses), b""
                )
                places = _inner(_inner(there).get(_TUPLE_IP, b""))
                destination = next(
                    (places[number] for number in _DESTINATIONS if number in places), b""
                )
                yield _Entry(
                    there,
                    destination,
                    int.from_bytes(proto.get(_PROTO_DST_PORT, b""), "big"),
                    source,
                )
            offset += length + 3 & ~3


def _inner(payload: bytes) -> dict[int, bytes]:
    return attributes(payload, 0, len(payload))
