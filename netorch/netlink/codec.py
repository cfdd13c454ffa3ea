"""Netlink's wire format: encode and decode messages and attributes (linux/netlink.h).

All numbers are in the machine's byte order.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from netorch.netlink import constants as c

_HEADER = struct.Struct("=IHHII")
_ATTR = struct.Struct("=HH")
RTNEXTHOP = struct.Struct("=HBBi")
"""struct rtnexthop: length, flags, weight minus one, device (linux/rtnetlink.h)."""
_U16 = struct.Struct("=H")
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")
_I64 = struct.Struct("=q")
_U64 = struct.Struct("=Q")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")

HEADER_SIZE = 16

Message = tuple[int, bytes, int, int]
"""One received message: its type, its datagram, and the start and end of its payload there."""


class DecodeError(ValueError):
    """Bytes that do not have the structure that the kernel's headers define."""


def u8(value: int) -> bytes:
    return bytes((value,))


def u16(value: int) -> bytes:
    return _U16.pack(value)


def u32(value: int) -> bytes:
    return _U32.pack(value)


def i32(value: int) -> bytes:
    return _I32.pack(value)


def i64(value: int) -> bytes:
    return _I64.pack(value)


def u64(value: int) -> bytes:
    return _U64.pack(value)


def cstring(value: str) -> bytes:
    """Encode a string with a terminating zero byte."""
    return value.encode("utf-8", "surrogateescape") + b"\0"


def text(payload: bytes) -> str:
    """Decode the string in a payload. The terminating zero byte may be missing."""
    return payload.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def as_u8(payload: bytes) -> int:
    if len(payload) != 1:
        raise DecodeError(f"1 byte expected, {len(payload)} found")
    return payload[0]


def as_u16(payload: bytes) -> int:
    return _number(_U16, payload)


def as_u32(payload: bytes) -> int:
    # inlined, because each link and route has several of these
    try:
        number: int = _U32.unpack(payload)[0]
    except struct.error:
        raise DecodeError(f"4 bytes expected, {len(payload)} found") from None
    return number


def as_i32(payload: bytes) -> int:
    return _number(_I32, payload)


def as_i64(payload: bytes) -> int:
    return _number(_I64, payload)


def as_u64(payload: bytes) -> int:
    return _number(_U64, payload)


def _number(form: struct.Struct, payload: bytes) -> int:
    try:
        number: int = form.unpack(payload)[0]
    except struct.error:
        raise DecodeError(f"{form.size} bytes expected, {len(payload)} found") from None
    return number


def attr(number: int, payload: bytes) -> bytes:
    """Encode an attribute, padded to four bytes."""
    length = len(payload)
    return _ATTR.pack(length + 4, number) + payload + _PADDING[length & 3]


def pack(attributes: Iterable[tuple[int, bytes]]) -> bytes:
    """Encode attributes one after the other: the same as `attr` for each, but faster."""
    return b"".join(
        [
            _ATTR.pack(len(payload) + 4, number) + payload + _PADDING[len(payload) & 3]
            for number, payload in attributes
        ]
    )


def nested(number: int, *attributes: bytes) -> bytes:
    """Encode an attribute that consists of encoded attributes."""
    return attr(number | c.NLA_F_NESTED, b"".join(attributes))


def message(kind: int, flags: int, seq: int, payload: bytes) -> bytes:
    """Encode a netlink message. The kernel fills in the sender's port."""
    return (
        _HEADER.pack(HEADER_SIZE + len(payload), kind, flags, seq, 0)
        + payload
        + _PADDING[len(payload) & 3]
    )


def attributes(buffer: bytes, offset: int, end: int) -> dict[int, bytes]:
    """Decode the attributes in `buffer[offset:end]` to number → payload.

    If a number occurs twice, the last payload counts. Fewer than four bytes at the end are padding.
    """
    if end > len(buffer):
        raise DecodeError("attributes end after their buffer")
    known = _LAYOUTS.get(end - offset, _NONE)
    for position, (unpack, headers, numbers) in enumerate(known):
        parts = unpack(buffer, offset)
        if parts[::2] == headers:
            if position:
                known[0], known[position] = known[position], known[0]
            return dict(zip(numbers, parts[1::2]))  # noqa: B905  # a layout has both for each
    return _walk(buffer, offset, end)


def next_hops(payload: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Decode RTA_MULTIPATH to the next hops: device, flags, weight minus one, attributes."""
    offset = 0
    while offset + 8 <= len(payload):
        length, flags, weight, index = RTNEXTHOP.unpack_from(payload, offset)
        if length < 8 or offset + length > len(payload):
            raise DecodeError(f"next hop of {length} bytes where {len(payload) - offset} are left")
        yield index, flags, weight, payload[offset + 8 : offset + length]
        offset += (length + 3) & -4


class _Layout(NamedTuple):
    """The positions of attributes in a message that was decoded before."""

    unpack: Callable[[bytes, int], tuple[Any, ...]]
    """Returns header, payload, header, payload and so on."""
    headers: tuple[int, ...]
    """The expected headers, as 32-bit numbers."""
    numbers: tuple[int, ...]
    """The numbers of the attributes."""


# A cache. The attributes of most links are at the same positions as those of other links. If each
# header is the expected one, a single call of `unpack` decodes all attributes.
_LAYOUTS: dict[int, list[_Layout]] = {}
"""The size of all attributes together → the layouts of messages of that size."""
_NONE: list[_Layout] = []
_WORTH_IT = 4
_MOST_SIZES, _MOST_OF_A_SIZE = 256, 4


def _walk(buffer: bytes, offset: int, end: int) -> dict[int, bytes]:
    attrs: dict[int, bytes] = {}
    start, headers = offset, []
    unpack = _ATTR.unpack_from
    last = end - 4
    while offset <= last:
        length, number = unpack(buffer, offset)
        stop = offset + length
        if length < 4 or stop > end:
            raise DecodeError(f"attribute of {length} bytes where {end - offset} are left")
        attrs[number & 0x3FFF] = buffer[offset + 4 : stop]
        offset += (length + 3) & -4
        headers.append((length, number))
    size = end - start
    if len(headers) >= _WORTH_IT and (size in _LAYOUTS or len(_LAYOUTS) < _MOST_SIZES):
        known = _LAYOUTS.setdefault(size, [])
        if len(known) < _MOST_OF_A_SIZE:
            known.append(_layout(headers, size))
    return attrs


def _layout(headers: Sequence[tuple[int, int]], size: int) -> _Layout:
    form, used = ["="], 0
    for length, _ in headers:
        padding = min(-length & 3, size - used - length)
        form.append(f"I{length - 4}s{padding}x")
        used += length + padding
    packed = tuple(int.from_bytes(_ATTR.pack(*header), sys.byteorder) for header in headers)
    return _Layout(
        struct.Struct("".join(form)).unpack_from,
        packed,
        tuple(number & 0x3FFF for _, number in headers),
    )


def attribute_list(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Decode a payload's attributes in order. A number may occur several times, as in
    IFLA_PROP_LIST.
    """
    offset, end = 0, len(payload)
    while offset <= end - 4:
        length, number = _ATTR.unpack_from(payload, offset)
        if length < 4 or offset + length > end:
            raise DecodeError(f"attribute of {length} bytes where {end - offset} are left")
        yield number & 0x3FFF, payload[offset + 4 : offset + length]
        offset += (length + 3) & -4


def headers(datagram: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Return type, flags, sequence number, payload start and payload end of each message."""
    offset, size = 0, len(datagram)
    unpack, last = _HEADER.unpack_from, size - HEADER_SIZE
    while offset <= last:
        length, kind, flags, seq, _ = unpack(datagram, offset)
        stop = offset + length
        if length < 16 or stop > size:
            raise DecodeError(f"message of {length} bytes where {size - offset} are left")
        yield kind, flags, seq, offset + 16, stop
        offset = (stop + 3) & -4
    if offset < size:
        raise DecodeError(f"{size - offset} bytes are too few for a message")


def failure(buffer: bytes, start: int, end: int, flags: int) -> tuple[int, str]:
    """Decode NLMSG_ERROR to the errno as a positive number and the kernel's sentence.

    The number 0 means success. The sentence is the attribute NLMSGERR_ATTR_MSG, or "" if the
    message does not have it.
    """
    if end - start < 20:
        raise DecodeError("error message without its header")
    number = -as_i32(buffer[start : start + 4])
    if not flags & c.NLM_F_ACK_TLVS:
        return number, ""
    echoed = _U32.unpack_from(buffer, start + 4)[0]
    offset = start + 20 if flags & c.NLM_F_CAPPED else start + 4 + ((echoed + 3) & -4)
    sentence = attributes(buffer, offset, end).get(c.NLMSGERR_ATTR_MSG) if offset <= end else None
    return number, "" if sentence is None else text(sentence)
