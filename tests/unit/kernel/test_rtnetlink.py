"""The netlink socket when the kernel's answers are late, lost, torn, cut off or not to the point: against a socket that plays them."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from netorch.errors import NetorchError
from netorch.kernel.system import rtnetlink
from netorch.netlink import constants as c
from netorch.netlink.codec import DecodeError

Answer = bytes | OSError | tuple[bytes, int]
"""A datagram, an error, or a datagram with flags of recvmsg(2)."""
LINK = bytes(16)


class Played:
    """A socket that answers each datagram with what `answers` makes of its first sequence number."""

    def __init__(self, *answers: Callable[[int], list[Answer]]) -> None:
        self.answers = list(answers)
        self.queue: list[Answer] = []
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        self.queue += self.answers.pop(0)(struct.unpack_from("=I", data, 8)[0])
        return len(data)

    def recvmsg(self, size: int) -> tuple[bytes, list[Any], int, None]:
        answer = self.queue.pop(0)
        if isinstance(answer, OSError):
            raise answer
        data, flags = answer if isinstance(answer, tuple) else (answer, 0)
        return data, [], flags, None

    def recv(self, size: int, flags: int) -> bytes:
        assert flags == socket.MSG_DONTWAIT
        if not self.queue:
            raise BlockingIOError
        answer = self.queue.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer if isinstance(answer, bytes) else answer[0]


def door(*answers: Callable[[int], list[Answer]]) -> tuple[rtnetlink.Rtnl, Played]:
    opened = object.__new__(rtnetlink.Rtnl)
    played = Played(*answers)
    opened._socket, opened._seq, opened._size, opened._sends = played, 0, 32768, True  # type: ignore[assignment]
    return opened, played


def said(kind: int, seq: int, payload: bytes = b"", flags: int = c.NLM_F_MULTI) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, seq, 0) + payload


def done(seq: int, number: int = 0, flags: int = c.NLM_F_MULTI) -> bytes:
    return said(c.NLMSG_DONE, seq, struct.pack("=i", -number), flags)


def link(seq: int, flags: int = c.NLM_F_MULTI) -> bytes:
    return said(c.RTM_NEWLINK, seq, LINK, flags)


LOST = OSError(errno.ENOBUFS, "lost")
GOOD: Callable[[int], list[Answer]] = lambda seq: [link(seq) + link(seq), done(seq)]  # noqa: E731

AGAIN: dict[str, Callable[[int], list[Answer]]] = {
    "torn": lambda seq: [link(seq, c.NLM_F_MULTI | c.NLM_F_DUMP_INTR), link(seq), done(seq)],
    "torn at its end": lambda seq: [link(seq), done(seq, flags=c.NLM_F_MULTI | c.NLM_F_DUMP_INTR)],
    "lost": lambda seq: [link(seq), LOST],
    "lost, and more lies there": lambda seq: [link(seq), LOST, link(seq), LOST, done(seq)],
    "busy": lambda seq: [said(c.NLMSG_ERROR, seq, struct.pack("=i", -errno.EBUSY) + bytes(16), 0)],
    "cut off by a small buffer": lambda seq: [(link(seq), socket.MSG_TRUNC), done(seq)],
    "ended with an error": lambda seq: [link(seq), done(seq, errno.ENOBUFS)],
}


@pytest.mark.parametrize("what", AGAIN)
def test_a_dump_is_asked_for_again(what: str) -> None:
    opened, played = door(AGAIN[what], AGAIN[what], GOOD)
    assert len(opened.dump(c.RTM_GETLINK, LINK)) == 2
    assert (
        len(played.sent) == 3
        and len({struct.unpack_from("=I", data, 8)[0] for data in played.sent}) == 3
    )


@pytest.mark.parametrize("what", AGAIN)
def test_but_not_for_ever(what: str) -> None:
    opened, played = door(*[AGAIN[what]] * 100)
    with pytest.raises(NetorchError):
        opened.dump(c.RTM_GETLINK, LINK)
    assert len(played.sent) < 50


def test_answers_to_older_questions_are_passed_over() -> None:
    opened, _ = door(lambda seq: [link(seq + 7), done(seq + 7), *GOOD(seq)])
    assert len(opened.dump(c.RTM_GETLINK, LINK)) == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM, errno.EOPNOTSUPP])
def test_a_refused_dump_is_an_error(number: int) -> None:
    opened, _ = door(
        lambda seq: [said(c.NLMSG_ERROR, seq, struct.pack("=i", -number) + bytes(16), 0)]
    )
    with pytest.raises(OSError) as caught:
        opened.dump(c.RTM_GETLINK, LINK)
    assert caught.value.errno == number


@pytest.mark.parametrize("size", range(1, 32))
def test_a_datagram_cut_anywhere_is_no_answer(size: int) -> None:
    """Half a message is not taken for a whole one."""
    opened, _ = door(lambda seq: [link(seq)[:size], done(seq)])
    with pytest.raises(DecodeError):
        opened.dump(c.RTM_GETLINK, LINK)


def test_lost_acknowledgements_are_no_success() -> None:
    opened, _ = door(lambda seq: [LOST, said(c.NLMSG_ERROR, seq, bytes(20), 0)])
    batch = [(seq, said(c.RTM_NEWLINK, seq, LINK, c.NLM_F_REQUEST)) for seq in (11, 12)]
    assert opened.send(batch) == {12: (errno.ENOBUFS, "answers of the kernel were lost")}


def test_each_error_is_that_of_its_message() -> None:
    def answers(first: int) -> list[Answer]:
        return [
            said(c.NLMSG_ERROR, first + 1, struct.pack("=i", -errno.EEXIST) + bytes(16), 0),
            said(c.NLMSG_ERROR, first + 2, bytes(20), 0),
        ]

    opened, _ = door(answers)
    batch = [(seq, said(c.RTM_NEWLINK, seq, LINK, c.NLM_F_REQUEST)) for seq in (1, 2, 3)]
    assert {seq: number for seq, (number, _) in opened.send(batch).items()} == {2: errno.EEXIST}
