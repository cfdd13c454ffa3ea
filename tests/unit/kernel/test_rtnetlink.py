"""The netlink socket when the kernel's answers are late, lost, inconsistent, cut off or unrelated.

A fake socket plays these answers.
"""

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


class FakeSocket:
    """A socket that answers each datagram with the next one of `answers`.

    Each of these gets the first sequence number of the datagram.
    """

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


def fake_rtnl(*answers: Callable[[int], list[Answer]]) -> tuple[rtnetlink.Rtnl, FakeSocket]:
    opened = object.__new__(rtnetlink.Rtnl)
    opened.answers = None
    fake = FakeSocket(*answers)
    opened._socket = fake  # type: ignore[assignment]
    opened._seq, opened._size, opened._sends = 0, 32768, True
    return opened, fake


def reply(kind: int, seq: int, payload: bytes = b"", flags: int = c.NLM_F_MULTI) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, seq, 0) + payload


def done(seq: int, number: int = 0, flags: int = c.NLM_F_MULTI) -> bytes:
    return reply(c.NLMSG_DONE, seq, struct.pack("=i", -number), flags)


def link(seq: int, flags: int = c.NLM_F_MULTI) -> bytes:
    return reply(c.RTM_NEWLINK, seq, LINK, flags)


LOST = OSError(errno.ENOBUFS, "lost")
GOOD: Callable[[int], list[Answer]] = lambda seq: [link(seq) + link(seq), done(seq)]  # noqa: E731

AGAIN: dict[str, Callable[[int], list[Answer]]] = {
    "torn": lambda seq: [link(seq, c.NLM_F_MULTI | c.NLM_F_DUMP_INTR), link(seq), done(seq)],
    "torn at its end": lambda seq: [link(seq), done(seq, flags=c.NLM_F_MULTI | c.NLM_F_DUMP_INTR)],
    "lost": lambda seq: [link(seq), LOST],
    "lost, and more lies there": lambda seq: [link(seq), LOST, link(seq), LOST, done(seq)],
    "busy": lambda seq: [reply(c.NLMSG_ERROR, seq, struct.pack("=i", -errno.EBUSY) + bytes(16), 0)],
    "cut off by a small buffer": lambda seq: [(link(seq), socket.MSG_TRUNC), done(seq)],
    "ended with an error": lambda seq: [link(seq), done(seq, errno.ENOBUFS)],
}


@pytest.mark.parametrize("what", AGAIN)
def test_a_dump_is_asked_for_again(what: str) -> None:
    opened, fake = fake_rtnl(AGAIN[what], AGAIN[what], GOOD)
    assert len(opened.dump(c.RTM_GETLINK, LINK)) == 2
    assert (
        len(fake.sent) == 3
        and len({struct.unpack_from("=I", data, 8)[0] for data in fake.sent}) == 3
    )


@pytest.mark.parametrize("what", AGAIN)
def test_a_dump_is_not_asked_for_endlessly(what: str) -> None:
    opened, fake = fake_rtnl(*[AGAIN[what]] * 100)
    with pytest.raises(NetorchError):
        opened.dump(c.RTM_GETLINK, LINK)
    assert len(fake.sent) < 50


def test_answers_to_older_questions_are_passed_over() -> None:
    opened, _ = fake_rtnl(lambda seq: [link(seq + 7), done(seq + 7), *GOOD(seq)])
    assert len(opened.dump(c.RTM_GETLINK, LINK)) == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM, errno.EOPNOTSUPP])
def test_a_refused_dump_is_an_error(number: int) -> None:
    opened, _ = fake_rtnl(
        lambda seq: [reply(c.NLMSG_ERROR, seq, struct.pack("=i", -number) + bytes(16), 0)]
    )
    with pytest.raises(OSError) as caught:
        opened.dump(c.RTM_GETLINK, LINK)
    assert caught.value.errno == number


@pytest.mark.parametrize("size", range(1, 32))
def test_a_datagram_cut_anywhere_is_not_an_answer(size: int) -> None:
    """A part of a message is not mistaken for a whole one."""
    opened, _ = fake_rtnl(lambda seq: [link(seq)[:size], done(seq)])
    with pytest.raises(DecodeError):
        opened.dump(c.RTM_GETLINK, LINK)


def test_lost_acknowledgements_are_a_failure() -> None:
    opened, _ = fake_rtnl(lambda seq: [LOST, reply(c.NLMSG_ERROR, seq, bytes(20), 0)])
    batch = [(seq, reply(c.RTM_NEWLINK, seq, LINK, c.NLM_F_REQUEST)) for seq in (11, 12)]
    assert opened.send(batch) == {12: (errno.ENOBUFS, "answers of the kernel were lost")}


def test_each_error_belongs_to_its_message() -> None:
    def answers(first: int) -> list[Answer]:
        return [
            reply(c.NLMSG_ERROR, first + 1, struct.pack("=i", -errno.EEXIST) + bytes(16), 0),
            reply(c.NLMSG_ERROR, first + 2, bytes(20), 0),
        ]

    opened, _ = fake_rtnl(answers)
    batch = [(seq, reply(c.RTM_NEWLINK, seq, LINK, c.NLM_F_REQUEST)) for seq in (1, 2, 3)]
    assert {seq: number for seq, (number, _) in opened.send(batch).items()} == {2: errno.EEXIST}
