"""Raw netlink sockets: batches of requests with one acknowledgement, and dumps.

See netlink(7) and rtnetlink(7).
"""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Collection, Sequence

from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.sockets import socket
from netorch.netlink import constants as c
from netorch.netlink.answers import ABSENT_TABLE, digest
from netorch.netlink.codec import Message, as_i32, failure, headers, message

_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SO_NETNS_COOKIE = 71
_BUFFER = 1 << 20
_DATAGRAM = 1 << 16
_CHUNK = 128
_TRIES = 32
_TRUNCATED = int(socket.MSG_TRUNC)
_FLAGS = struct.Struct("=H")

Question = tuple[bool, int, bytes]
"""Whether it asks for a dump, the type of the request, and the rest of it."""

ABSENT = (errno.EOPNOTSUPP, errno.EAFNOSUPPORT)
"""The errors of a kernel that is built without a table of routing."""


class Rtnl:
    """A netlink socket in the namespace of the thread that opens it.

    The default protocol is NETLINK_ROUTE. Any thread can use the socket, one at a time.
    """

    __slots__ = ("_sends", "_seq", "_size", "_socket", "answers")

    def __init__(self, protocol: int = c.NETLINK_ROUTE) -> None:
        self._size = _DATAGRAM
        self._seq = 0
        self._sends = False
        self.answers: dict[Question, bytes | None] | None = None
        """Question → the digest of its last answer (`netorch.netlink.answers`), None for a question
        of which no digest is known. Nothing is recorded while this is None.
        """
        kind = socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
        fd = move_up(socket.socket(*kind).detach())
        self._socket = opened = socket.socket(*kind, fileno=fd)
        try:
            for option in (c.NETLINK_EXT_ACK, c.NETLINK_GET_STRICT_CHK):
                opened.setsockopt(c.SOL_NETLINK, option, 1)
        except BaseException:
            opened.close()
            raise

    @property
    def cookie(self) -> int:
        """Return the number of the namespace, or 0 before Linux 5.14 (SO_NETNS_COOKIE).

        The kernel never uses a number again.
        """
        try:
            return int.from_bytes(
                self._socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder
            )
        except OSError:
            return 0

    def close(self) -> None:
        self._socket.close()

    def next_seq(self) -> int:
        """Return a sequence number for a message."""
        self._seq = self._seq % 0xFFFFFFFF + 1
        return self._seq

    def send(self, batch: Sequence[tuple[int, bytes]]) -> dict[int, tuple[int, str]]:
        """Send (sequence number, message) pairs in order.

        Return the failures: sequence number → errno and the kernel's sentence. The kernel continues
        after an error. Only the last message of a chunk requests an acknowledgement. A chunk is so
        small that the errors of all its messages fit in the receive buffer.
        """
        errors: dict[int, tuple[int, str]] = {}
        if not self._sends:
            self._get_ready()
        for first in range(0, len(batch), _CHUNK):
            chunk = batch[first : first + _CHUNK]
            last_seq, last = chunk[-1]
            flags = _FLAGS.unpack_from(last, 6)[0] | c.NLM_F_ACK
            parts = [part for _, part in chunk[:-1]]
            parts += (last[:6], _FLAGS.pack(flags), last[8:])
            self._socket.send(b"".join(parts))
            self._collect(last_seq, {seq for seq, _ in chunk}, errors)
        return errors

    def _get_ready(self) -> None:
        """Set the options that only `send` needs.

        This happens at the first `send`, because most sockets only read.
        """
        sends = self._socket
        sends.setsockopt(c.SOL_NETLINK, c.NETLINK_CAP_ACK, 1)
        for force, polite in (
            (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
            (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
        ):
            try:
                sends.setsockopt(socket.SOL_SOCKET, force, _BUFFER)
            except PermissionError:
                sends.setsockopt(socket.SOL_SOCKET, polite, _BUFFER)
        self._sends = True

    def _collect(self, last: int, expected: set[int], errors: dict[int, tuple[int, str]]) -> None:
        while True:
            try:
                datagram = self._receive()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # because answers were lost, it is unknown whether the last message was carried out
                self._drain()
                errors[last] = (errno.ENOBUFS, "answers of the kernel were lost")
                return
            for kind, flags, seq, start, end in headers(datagram):
                if kind == c.NLMSG_ERROR and seq in expected:
                    number, sentence = failure(datagram, start, end, flags)
                    if number:
                        errors[seq] = (number, sentence)
                    if seq == last:
                        return

    def get(self, kind: int, payloads: Sequence[bytes]) -> list[list[Message]]:
        """Send several requests for single objects together, and return one answer for each.

        The answer to a failed request is an empty list.
        """
        for _ in range(_TRIES):
            try:
                return self._get(kind, payloads)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._drain()
        raise _unsteady()

    def _get(self, kind: int, payloads: Sequence[bytes]) -> list[list[Message]]:
        seqs = [self.next_seq() for _ in payloads]
        self._socket.send(
            b"".join(
                message(kind, c.NLM_F_REQUEST, seq, payload)
                for seq, payload in zip(seqs, payloads, strict=True)
            )
        )
        answers: dict[int, list[Message]] = {}
        while len(answers) < len(seqs):
            datagram = self._receive()
            for answer, _, seq, start, end in headers(datagram):
                if seq in seqs:
                    answers[seq] = (
                        [] if answer == c.NLMSG_ERROR else [(answer, datagram, start, end)]
                    )
        if self.answers is not None:
            for seq, payload in zip(seqs, payloads, strict=True):
                self.answers[False, kind, payload] = digest(kind, payload, answers[seq])
        return [answers[seq] for seq in seqs]

    def dump(self, kind: int, payload: bytes) -> list[Message]:
        """Return all messages of a dump.

        A dump during which the state changed (NLM_F_DUMP_INTR) is repeated.
        """
        for _ in range(_TRIES):
            seq = self.next_seq()
            self._socket.send(message(kind, c.NLM_F_REQUEST | c.NLM_F_DUMP, seq, payload))
            try:
                messages = self._dumped(seq)
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.EBUSY):
                    raise
                self._drain()
                continue
            if messages is not None:
                if self.answers is not None:
                    self.answers[True, kind, payload] = digest(kind, payload, messages)
                return messages
        raise _unsteady()

    def dump_if_built(
        self, kind: int, payload: bytes, absent: Collection[int] = ABSENT
    ) -> list[Message]:
        """Dump a table, or return an empty list if the kernel is built without it.

        `absent` are the error numbers that say so.
        """
        try:
            return self.dump(kind, payload)
        except OSError as error:
            if error.errno not in absent:
                raise
            if self.answers is not None:
                self.answers[True, kind, payload] = ABSENT_TABLE
            return []

    def _dumped(self, seq: int) -> list[Message] | None:
        messages: list[Message] = []
        add, interrupted, overrun, torn = messages.append, c.NLM_F_DUMP_INTR, c.NLMSG_OVERRUN, 0
        while True:
            datagram = self._receive()
            for kind, flags, message_seq, start, end in headers(datagram):
                if message_seq != seq:
                    continue
                torn |= flags & interrupted
                if kind > overrun:
                    add((kind, datagram, start, end))
                elif kind == c.NLMSG_DONE:
                    number = -as_i32(datagram[start : start + 4]) if end - start >= 4 else 0
                    if number > 0:
                        raise OSError(number, "dump failed")
                    return None if torn else messages
                elif kind == c.NLMSG_ERROR:
                    number, sentence = failure(datagram, start, end, flags)
                    raise OSError(number, sentence or "dump refused")

    def _receive(self) -> bytes:
        datagram, _, flags, _ = self._socket.recvmsg(self._size)
        if flags & _TRUNCATED:
            self._size *= 4
            raise OSError(errno.ENOBUFS, "a message of the kernel is larger than the buffer")
        return datagram

    def _drain(self) -> None:
        while True:
            try:
                self._socket.recv(self._size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise


def _unsteady() -> Exception:
    # here, because importing the errors takes longer than reading a few namespaces
    from netorch.errors import NetorchError, Problem

    what = "the kernel's network state changes faster than it can be read."
    return NetorchError(Problem("kernel-unsteady", what, remedy="Try again when it is quiet."))
