"""Writes the packets of `capture`: as pcapng to a file or a pipe, or as lines of text."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from netorch.cli.streams import flush_output, put
from netorch.errors import NetorchError, Problem, printable
from netorch.immutable import replace
from netorch.kernel.capture import pcapng
from netorch.kernel.capture.pcapng import Interface, Statistics
from netorch.kernel.capture.ring import Packet
from netorch.kernel.capture.session import system
from netorch.render import packet_text
from netorch.version import __version__

_PIECE = 4096
"""The number of bytes that a pipe accepts without blocking, if it accepts any (PIPE_BUF)."""
_PATIENCE = 2.0
"""The seconds that a reader of a pipe gets, once the capture has ended."""
_WAKE = 200
"""The milliseconds after which a writer looks whether the capture has ended."""
_DIRECTIONS = {pcapng.INBOUND: "in", pcapng.OUTBOUND: "out"}


class Sink(Protocol):
    """Where the packets go."""

    @property
    def fd(self) -> int | None:
        """The pipe whose reader may end the capture, if there is one."""

    def begin(self) -> None:
        """Write what precedes the packets."""

    def write(self, packets: Sequence[Packet], interfaces: Sequence[Interface]) -> None:
        """Write packets of these interfaces, of which some may be new."""

    def end(self, statistics: Sequence[Statistics]) -> None:
        """Write what follows the packets."""


class Lines:
    """Prints one line for each packet on standard output."""

    fd = 1

    def begin(self) -> None:
        return

    def write(self, packets: Sequence[Packet], interfaces: Sequence[Interface]) -> None:
        for packet in packets:
            interface = interfaces[packet.interface]
            put(
                packet_text.line(
                    packet.stamp,
                    interface.name,
                    _DIRECTIONS.get(packet.flags & 3, ""),
                    packet.frame,
                    packet.length,
                    ethernet=interface.link_type == pcapng.ETHERNET,
                )
            )
        flush_output()

    def end(self, statistics: Sequence[Statistics]) -> None:
        return


class Stream:
    """Writes pcapng to a file, or to standard output."""

    def __init__(self, file: str, has_ended: Callable[[], bool]) -> None:
        """Open the file, or standard output for `-`. Raise NetorchError if that fails.

        `has_ended` tells whether the capture has ended, so that a reader which does not read stops
        nobody.
        """
        self._name = "standard output" if file == "-" else printable(file) or repr(file)
        self._has_ended = has_ended
        try:
            self._fd = (
                1 if file == "-" else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            )
            self._is_plain = stat.S_ISREG(os.fstat(self._fd).st_mode)
            if file != "-" and self._is_plain:
                os.ftruncate(self._fd, 0)
        except (OSError, ValueError) as error:
            raise self._failure(error) from None
        self.fd = None if self._is_plain else self._fd
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        self._seen = 0
        """The number of interfaces of the capture that `write` was called with."""
        self._link_type: int | None = None
        self._numbers: dict[int, int] = {}
        """The number of an interface in the capture → its number in the stream."""
        self._counts: list[int] = []

    def begin(self) -> None:
        self._put(pcapng.section_header(f"netorch {__version__}", system()))

    def write(self, packets: Sequence[Packet], interfaces: Sequence[Interface]) -> None:
        numbers, blocks = self._numbers, self._describe(interfaces)
        counts, packet_block = self._counts, pcapng.packet
        for stamp, interface, frame, length, flags in packets:
            number = numbers.get(interface)
            if number is None:
                blocks.append(self._describe_one(interface, interfaces[interface]))
                number = numbers[interface]
            blocks.append(packet_block(number, stamp, frame, length, flags))
            counts[number] += 1
        if blocks:
            self._put(b"".join(blocks))

    def _describe(self, interfaces: Sequence[Interface]) -> list[bytes]:
        """Return the blocks of new interfaces.

        Those with another link type than the first one follow when they have a packet, because
        tcpdump reads only streams with one link type.
        """
        new = range(self._seen, len(interfaces))
        self._seen = len(interfaces)
        types = [interface.link_type for interface in interfaces]
        if self._link_type is None and types:
            self._link_type = pcapng.ETHERNET if pcapng.ETHERNET in types else types[0]
        return [
            self._describe_one(place, interfaces[place])
            for place in new
            if types[place] == self._link_type
        ]

    def _describe_one(self, place: int, interface: Interface) -> bytes:
        self._numbers[place] = len(self._numbers)
        self._counts.append(0)
        return pcapng.interface_description(interface)

    def end(self, statistics: Sequence[Statistics]) -> None:
        self._put(
            b"".join(
                pcapng.interface_statistics(
                    number, replace(statistics[place], delivered=self._counts[number])
                )
                for place, number in self._numbers.items()
            )
        )
        if self._fd != 1:
            try:
                os.close(self._fd)
            except OSError as error:
                raise self._failure(error) from None

    def _put(self, blocks: bytes) -> None:
        """Write whole blocks. Raise BrokenPipeError, or NetorchError."""
        try:
            if self._is_plain:
                self._put_in_file(blocks)
            else:
                self._put_in_pipe(blocks)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failure(error) from None

    def _put_in_file(self, blocks: bytes) -> None:
        rest, written = memoryview(blocks), 0
        while rest:
            try:
                size = os.write(self._fd, rest)
            except OSError:
                # take back the part of a block, so that the file stays readable
                with suppress(OSError):
                    end = os.lseek(self._fd, 0, os.SEEK_CUR)
                    os.ftruncate(self._fd, end - written)
                raise
            written += size
            rest = rest[size:]

    def _put_in_pipe(self, blocks: bytes) -> None:
        rest = memoryview(blocks)
        deadline = None
        while rest:
            # A write that blocks could not be ended by a signal.
            if self._poll.poll(_WAKE):
                rest = rest[os.write(self._fd, rest[:_PIECE]) :]
            elif self._has_ended():
                deadline = deadline or time.monotonic() + _PATIENCE
                if time.monotonic() > deadline:
                    raise OSError(errno.ETIMEDOUT, "its reader does not read")

    def _failure(self, error: OSError | ValueError) -> NetorchError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        number = error.errno if isinstance(error, OSError) else None
        full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = ""
        code = "file-unwritable"
        if full:
            code = "no-space"
            remedy = "The packets so far are in it. Capture fewer, with a FILTER or `-s 128`."
        what = f"{self._name} cannot be written: {reason}."
        return NetorchError(Problem(code, what, remedy=remedy, object=self._name))
