"""Encodes the blocks of a pcapng stream (draft-ietf-opsawg-pcapng), without I/O."""

from __future__ import annotations

import struct

from netorch.immutable import Value

ETHERNET, RAW_IP = 1, 101
"""Link types (LINKTYPE_…): frames with an Ethernet header, and IP packets without one."""
INBOUND, OUTBOUND = 1, 2
"""Directions of a packet (epb_flags)."""
UNICAST, MULTICAST, BROADCAST, PROMISCUOUS = 1 << 2, 2 << 2, 3 << 2, 4 << 2
"""Whom an inbound packet is for (epb_flags). PROMISCUOUS: for another MAC address."""

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = -1
_END, _LONGEST = 0, 0xFFFF
_SHB_OS, _SHB_USERAPPL = 3, 4
_IF_NAME, _IF_DESCRIPTION, _IF_MACADDR, _IF_TSRESOL = 2, 3, 6, 9
_IF_FILTER, _IF_OS, _IF_HARDWARE = 11, 12, 15
_EPB_FLAGS = 2
_ISB_STARTTIME, _ISB_ENDTIME, _ISB_IFRECV, _ISB_IFDROP = 2, 3, 4, 5
_ISB_FILTERACCEPT, _ISB_OSDROP, _ISB_USRDELIV = 6, 7, 8
_NANOSECONDS = b"\x09"
_LIBPCAP_TEXT = b"\0"
"""The first byte of a filter that is an expression of libpcap."""

_PACKET_HEAD = struct.Struct("=IIIIIII")
_PACKET_TAIL = struct.Struct("=HHIII")
_PACKET_SIZE = _PACKET_HEAD.size + _PACKET_TAIL.size
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")

_FLAGS = (
    INBOUND | UNICAST,
    INBOUND | BROADCAST,
    INBOUND | MULTICAST,
    INBOUND | PROMISCUOUS,
    OUTBOUND,
)


def flags(packet_type: int) -> int:
    """Return the flags for the type that Linux gives a packet (PACKET_HOST, …)."""
    return _FLAGS[packet_type] if packet_type < len(_FLAGS) else 0


class Interface(Value):
    """An interface whose packets are in the stream."""

    name: str
    """The name that Wireshark shows, such as `r1:eth0`."""
    link_type: int
    """ETHERNET or RAW_IP."""
    description: str = ""
    hardware: str = ""
    """The kind of the interface, such as `veth`."""
    mac: bytes = b""
    snap_length: int = 0
    """The largest number of bytes of a packet that are in the stream, 0 for no limit."""
    filter: str = ""
    """The filter in libpcap's language, "" if there is none."""
    system: str = ""
    """The operating system."""


class Statistics(Value):
    """What happened to the packets of an interface during a capture."""

    start: int
    """When the capture of this interface began, in nanoseconds since 1970."""
    end: int
    received: int
    """The number of packets that the filter let pass."""
    dropped: int
    """How many of them were dropped, because they came faster than netorch read them."""
    delivered: int
    """How many of them are in the stream."""


def section_header(application: str, system: str) -> bytes:
    """Return the first block of a stream. `application` is the program that writes it."""
    head = struct.pack("=IHHq", _MAGIC, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION, head + _texts((_SHB_OS, system), (_SHB_USERAPPL, application)))


def interface_description(interface: Interface) -> bytes:
    """Return the block of an interface. The first one in a stream has the number 0."""
    options = _texts((_IF_NAME, interface.name), (_IF_DESCRIPTION, interface.description), end=b"")
    if len(interface.mac) == 6:
        options += _option(_IF_MACADDR, interface.mac)
    options += _option(_IF_TSRESOL, _NANOSECONDS)
    if interface.filter:
        options += _option(_IF_FILTER, _LIBPCAP_TEXT + interface.filter.encode(errors="replace"))
    options += _texts((_IF_OS, interface.system), (_IF_HARDWARE, interface.hardware))
    head = struct.pack("=HHI", interface.link_type, 0, interface.snap_length)
    return _block(_INTERFACE, head + options)


def packet(interface: int, stamp: int, frame: bytes, length: int, flags: int) -> bytes:
    """Return the block of a packet.

    `interface` is the number of its interface, `stamp` its time in nanoseconds since 1970 and
    `length` its length on the link, which may be more than that of `frame`. `flags` is made of the
    constants above.
    """
    captured = len(frame)
    padding = _PADDING[captured & 3]
    size = _PACKET_SIZE + captured + len(padding)
    return b"".join(
        (
            _PACKET_HEAD.pack(
                _PACKET, size, interface, stamp >> 32, stamp & 0xFFFFFFFF, captured, length
            ),
            frame,
            padding,
            _PACKET_TAIL.pack(_EPB_FLAGS, 4, flags, _END, size),
        )
    )


def interface_statistics(interface: int, of: Statistics) -> bytes:
    """Return the block with the statistics of an interface."""
    words = (_ISB_STARTTIME, of.start), (_ISB_ENDTIME, of.end)
    counts = (
        (_ISB_IFRECV, of.received),
        (_ISB_IFDROP, of.dropped),
        (_ISB_FILTERACCEPT, of.received),
        (_ISB_OSDROP, of.dropped),
        (_ISB_USRDELIV, of.delivered),
    )
    options = b"".join(
        (
            *(_option(code, _halves(stamp)) for code, stamp in words),
            *(_option(code, struct.pack("=Q", count)) for code, count in counts),
            _option(_END, b""),
        )
    )
    return _block(_STATISTICS, struct.pack("=I", interface) + _halves(of.end) + options)


def _halves(stamp: int) -> bytes:
    return struct.pack("=II", stamp >> 32, stamp & 0xFFFFFFFF)


def _texts(*options: tuple[int, str], end: bytes | None = None) -> bytes:
    """Return the options that have a text, and the option that ends the list."""
    encoded = (_option(code, text.encode(errors="replace")) for code, text in options if text)
    return b"".join((*encoded, _option(_END, b"") if end is None else end))


def _option(code: int, value: bytes) -> bytes:
    value = value[:_LONGEST]
    return struct.pack("=HH", code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length
