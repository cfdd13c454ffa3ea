"""Captures packets of nodes to pcapng files in a thread, for programs.

It reads AF_PACKET sockets, as tcpdump does (packet(7)).
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO

from netorch.kernel.capture import pcapng
from netorch.kernel.capture.pcapng import Interface
from netorch.version import __version__

ETH_P_ALL = 3
BUFFER = 8 << 20
"""Size of a socket's receive buffer in bytes."""

_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_SO_TIMESTAMPNS = 35
_PACKET_OUTGOING = 4
_ETHERNET = (1, 772)
"""ARPHRD_ETHER and ARPHRD_LOOPBACK, whose frames have an Ethernet header."""
_LOOPBACK = 772
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_AUXDATA = struct.Struct("=IIIHHHH")
_TIME = struct.Struct("=qq")
_LARGEST = 1 << 18

Ancillary = list[tuple[int, int, bytes]]
"""What recvmsg(2) returns beside a packet: level, type and data."""


class Capture:
    """Writes all packets that the sockets receive until `close`. A context manager.

    Each socket gets a file of its own, in which each link is an interface.
    """

    def __init__(self, sockets: Mapping[int, str | os.PathLike[str]]) -> None:
        """Start the capture. Raise OSError if a file cannot be written.

        `sockets` maps file descriptors of AF_PACKET sockets (SOCK_RAW, ETH_P_ALL) to the files to
        write. The descriptors are closed at the end, or on an error.
        """
        self._error: OSError | None = None
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._writers: list[_Writer] = []
        left = dict(sockets)
        try:
            for fd, path in sockets.items():
                del left[fd]
                writer = _Writer(fd, path)
                self._writers.append(writer)
                self._selector.register(writer.packets, selectors.EVENT_READ, writer)
        except BaseException:
            for fd in left:
                os.close(fd)
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name="netorch-capture", daemon=True)
        self._thread.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write the packets that have arrived, and end. A second call does nothing.

        Raise OSError if a file could not be written.
        """
        if self._thread.is_alive():
            with suppress(OSError):
                self._wake.send(b".")
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        try:
            while True:
                ready = [key.data for key, _ in self._selector.select()]
                for writer in self._writers if None in ready else ready:
                    writer.drain()
                if None in ready:
                    return
        except OSError as error:
            self._error = error
        finally:
            self._release()

    def _release(self) -> None:
        for writer in self._writers:
            try:
                writer.close()
            except OSError as error:
                # closing a file writes its last packets, which may fail
                self._error = self._error or error
        self._selector.close()
        self._wake.close()
        self._woken.close()


class _Writer:
    def __init__(self, fd: int, path: str | os.PathLike[str]) -> None:
        self.packets = socket.socket(fileno=fd)
        self.packets.setblocking(False)
        self.packets.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self.packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.interfaces: dict[str, int] = {}
        try:
            self.file: BinaryIO = open(path, "wb")  # noqa: SIM115  closed with the socket
        except BaseException:
            self.packets.close()
            raise
        self.file.write(pcapng.section_header(f"netorch {__version__}", ""))

    def drain(self) -> None:
        while True:
            try:
                frame, extra, _, (name, protocol, sort, hardware, _) = self.packets.recvmsg(
                    _LARGEST, 256
                )
            except BlockingIOError:
                return
            except OSError:
                continue  # the socket reports once that a link went down
            if hardware == _LOOPBACK and sort == _PACKET_OUTGOING:
                continue  # every packet on lo is received a second time as an incoming one
            self._put(name, _framed(frame, protocol, hardware, extra), extra, pcapng.flags(sort))

    def _put(self, name: str, frame: bytes, extra: Ancillary, flags: int) -> None:
        number = self.interfaces.get(name)
        if number is None:
            number = self.interfaces[name] = len(self.interfaces)
            self.file.write(pcapng.interface_description(Interface(name, pcapng.ETHERNET)))
        self.file.write(pcapng.packet(number, _stamp(extra), frame, len(frame), flags))

    def close(self) -> None:
        self.packets.close()
        self.file.close()


def _framed(frame: bytes, protocol: int, hardware: int, extra: Ancillary) -> bytes:
    """Return the frame as an Ethernet frame.

    The VLAN tag, which the kernel strips, is put back. If the link has no Ethernet header, the
    frame gets one whose addresses are zero, because tcpdump reads only files with one link type.
    """
    aux = next(
        (
            _AUXDATA.unpack_from(data)
            for level, kind, data in extra
            if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA)
        ),
        None,
    )
    if hardware not in _ETHERNET:
        ahead = aux[4] - aux[3] if aux is not None else 0
        return bytes(12) + struct.pack("!H", protocol) + frame[max(0, ahead) :]
    if aux is not None and aux[0] & _VLAN_VALID:
        tag = aux[6] if aux[0] & _TPID_VALID else 0x8100
        return frame[:12] + struct.pack("!HH", tag, aux[5]) + frame[12:]
    return frame


def _stamp(extra: Ancillary) -> int:
    """Return when the packet was received, in nanoseconds since 1970."""
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIME.size:
            seconds, nanoseconds = _TIME.unpack_from(data)
            return int(seconds) * 10**9 + int(nanoseconds)
    return time.time_ns()
