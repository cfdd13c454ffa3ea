"""Reads the packets of one interface from a ring that the kernel shares (packet(7), TPACKET_V3)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import struct
from typing import NamedTuple

from netorch.kernel.capture import pcapng
from netorch.kernel.capture.libpcap import Program
from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.sockets import opened, socket

RETIRE = 0.05
"""The seconds after which the kernel passes on a block that is not full."""
BLOCK = 1 << 17
"""The size of a block of the ring in bytes. The kernel cuts packets that are larger."""
MAX_SNAP_LENGTH = 1 << 18
"""The largest snap length in bytes, which is the default of tcpdump."""

_FEWEST = 2
_FRAME = 1 << 11
_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TPACKET_V3 = 2
_SO_ATTACH_FILTER = 26
_STATUS_USER = 1
_STATUS_VLAN_VALID, _STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
_TAG = 0x8100

_SIOCGIFHWADDR, _SIOCGIFINDEX = 0x8927, 0x8933
_LOOPBACK = 772
_ETHERNET = frozenset((1, _LOOPBACK))
"""ARPHRD_ETHER and ARPHRD_LOOPBACK, whose frames have an Ethernet header."""
_IP = frozenset((512, 519, 768, 769, 776, 778, 823, 0xFFFE))
"""Types of links (ARPHRD_…) that carry IP packets: tun, wireguard, ipip, sit, gre and others."""

_libc = ctypes.CDLL(None, use_errno=True)
_BLOCK_HEAD = struct.Struct("=III")
"""Of a block, from byte 8 on: its status, the number of its packets, the place of the first."""
_HEAD = struct.Struct("=IIIIIIHH4xIH20xB")
"""Of a packet: `struct tpacket3_hdr`, and the packet type of the `struct sockaddr_ll` after it."""
_OUTGOING = 4
"""The type of outgoing packets (PACKET_OUTGOING)."""
_PACKET_TYPE = 0xFFFFF004
"""Where a program finds the packet type (SKF_AD_OFF + SKF_AD_PKTTYPE)."""


class Packet(NamedTuple):
    """A packet of an interface."""

    stamp: int
    """When the kernel saw it, in nanoseconds since 1970."""
    interface: int
    """The number of the interface."""
    frame: bytes
    """Its first bytes, with the VLAN tag."""
    length: int
    """Its length on the link."""
    flags: int
    """Its direction, as in pcapng."""


class Unsuitable(Exception):
    """An interface whose packets cannot be captured, or not with this filter."""


class Ring:
    """The packets of one interface, from the moment it was opened."""

    def __init__(
        self, index: int, name: str, program: Program | None, snap: int, size: int
    ) -> None:
        """Open the ring in the namespace of the calling thread.

        `snap` is the largest number of bytes of a packet, and `size` that of the ring. Raise
        Unsuitable or OSError.
        """
        hardware = _hardware(name)
        is_ethernet = hardware in _ETHERNET
        if not is_ethernet and hardware not in _IP:
            raise Unsuitable(f"links of type {hardware} are not supported")
        instructions = _instructions(program, is_ethernet, snap)
        if hardware == _LOOPBACK:
            # because every packet on lo is received a second time, as an incoming one
            instructions = _NOT_OUTGOING + instructions
        self.link_type = pcapng.ETHERNET if is_ethernet else pcapng.RAW_IP
        self.number = 0
        """The number of the interface in its packets."""
        self._next = 0
        # SOCK_DGRAM leaves out the header, which some tunnels have on some packets
        kind = socket.SOCK_RAW if is_ethernet else socket.SOCK_DGRAM
        # The socket gets no packets until it is bound with a protocol.
        fd = move_up(socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC, 0).detach())
        self._socket = socket.socket(socket.AF_PACKET, kind, 0, fileno=fd)
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            _attach(self._socket, instructions)
            self._blocks = _make_ring(self._socket, max(_FEWEST, size // BLOCK))
            self._ring = mmap.mmap(fd, self._blocks * BLOCK)
            self._socket.bind((name, _ETH_P_ALL))
            if _index(self._socket, name) != index:
                raise OSError(errno.ENODEV, "the interface is gone", name)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        if hasattr(self, "_ring"):
            self._ring.close()
        self._socket.close()

    def read(self, packets: list[Packet]) -> None:
        """Append the packets of all blocks that the kernel has passed on.

        The last packets are passed on after RETIRE seconds, at most twice that.
        """
        ring, number, new, head = self._ring, self.number, Packet, _HEAD.unpack_from
        flags_of = pcapng.flags
        has_frames = self.link_type == pcapng.ETHERNET
        while True:
            base = self._next * BLOCK
            status, count, place = _BLOCK_HEAD.unpack_from(ring, base + 8)
            if not status & _STATUS_USER:
                break
            place += base
            for _ in range(count):
                step, seconds, rest, captured, length, state, mac, net, tci, tpid, kind = head(
                    ring, place
                )
                start = place + (mac if has_frames else net)
                frame = ring[start : start + captured]
                if state & _STATUS_VLAN_VALID and has_frames:
                    tag = tpid if state & _STATUS_VLAN_TPID_VALID else _TAG
                    frame = frame[:12] + struct.pack("!HH", tag, tci) + frame[12:]
                    length += 4
                packets.append(new(seconds * 10**9 + rest, number, frame, length, flags_of(kind)))
                place += step
            struct.pack_into("=I", ring, base + 8, 0)
            self._next = (self._next + 1) % self._blocks

    def clear_error(self) -> None:
        """Read the error that the socket reports once when its link goes down."""
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def count(self) -> tuple[int, int]:
        """Return how many packets were received and dropped since the last call.

        Those that were received include those that were dropped.
        """
        # the kernel counts from zero again after each call
        counts = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        received, dropped, _ = struct.unpack("=III", counts)
        return received, dropped


_NOT_OUTGOING = struct.pack(
    "=HBBIHBBIHBBI", 0x30, 0, 0, _PACKET_TYPE, 0x15, 0, 1, _OUTGOING, 6, 0, 0, 0
)
"""Load the packet type; if it is that of outgoing packets, continue, else skip one; drop."""


def _instructions(program: Program | None, is_ethernet: bool, snap: int) -> bytes:
    if program is None:
        return struct.pack("=HBBI", 6, 0, 0, snap)
    if is_ethernet:
        return program.ethernet
    if program.raw_ip is None:
        raise Unsuitable("it carries IP packets without an Ethernet header, which cannot match")
    return program.raw_ip


def _attach(to: socket.socket, instructions: bytes) -> None:
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    count = len(instructions) // 8
    to.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(buffer))
    )


def _make_ring(of: socket.socket, blocks: int) -> int:
    """Let the kernel make the ring. Returns the number of its blocks, fewer if memory is short."""
    while True:
        frames = blocks * BLOCK // _FRAME
        request = struct.pack("=IIIIIII", BLOCK, blocks, _FRAME, frames, round(RETIRE * 1000), 0, 0)
        # not by `socket`, which would stop all other threads while the kernel waits
        if _libc.setsockopt(of.fileno(), _SOL_PACKET, _PACKET_RX_RING, request, len(request)) == 0:
            return blocks
        number = ctypes.get_errno()
        if number != errno.ENOMEM or blocks == _FEWEST:
            raise OSError(number, os.strerror(number))
        blocks = max(_FEWEST, blocks // 2)


def _hardware(name: str) -> int:
    """Return the type of a link (ARPHRD_…)."""
    with opened(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFHWADDR, struct.pack("40s", name.encode()))
    return int(struct.unpack_from("=H", answer, 16)[0])


def _index(of: socket.socket, name: str) -> int:
    """Return the index of the link to which a socket is bound."""
    request = struct.pack("40s", name.encode())
    return int(struct.unpack_from("=i", fcntl.ioctl(of, _SIOCGIFINDEX, request), 16)[0])
