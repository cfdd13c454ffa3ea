"""The law of digests: answers with the same digest are decoded to the same records."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.netlink import answers, decode
from netorch.netlink import constants as c
from netorch.netlink.codec import DecodeError, Message, attr, u32

NAMES = {1: "lo", 2: "eth0"}
LINK = struct.Struct("=BxHiII")
SIZES = {
    c.RTM_GETLINK: 16,
    c.RTM_GETADDR: 8,
    c.RTM_GETROUTE: 12,
    c.RTM_GETRULE: 12,
    c.RTM_GETNEIGH: 12,
    c.RTM_GETNETCONF: 4,
    c.RTM_GETQDISC: 20,
}


def _neighbours(messages: list[Message]) -> Any:
    return sorted(map(repr, decode.neighbours(messages))), {
        index: sorted(macs) for index, macs in decode.static_macs(messages).items()
    }


def _routes(messages: list[Message]) -> Any:
    counts: dict[tuple[int, int], int] = {}
    return (
        decode.routes(messages, NAMES, counts=counts),
        counts,
        decode.routes(messages, NAMES, whole=True),
    )


DECODED: dict[tuple[int, bytes], Callable[[list[Message]], Any]] = {
    (c.RTM_GETLINK, bytes(16)): decode.links,
    (c.RTM_GETLINK, bytes((c.AF_BRIDGE,)) + bytes(15)): decode.port_vlans,
    (c.RTM_GETADDR, bytes(8)): decode.addresses,
    (c.RTM_GETROUTE, bytes(12)): _routes,
    (c.RTM_GETRULE, bytes(12)): decode.rules,
    (c.RTM_GETNEIGH, bytes(12)): _neighbours,
    (c.RTM_GETNETCONF, bytes(12)): decode.forwarding,
    (c.RTM_GETQDISC, bytes(20)): decode.qdiscs,
}  # fmt: skip
numbers = st.integers(1, 60)
values = st.sampled_from(
    [
        *(b"", bytes(4), u32(1), u32(2), b"\xff" * 4, b"\xff" * 8, bytes(8), bytes(6), bytes(16)),
        *(b"lo\0", b"fq\0", b"tbf\0", b"bridge\0", b"\xff" * 16),
        *(b"\x02\0\0\0\0\x09", b"\x01\0\x5e\0\0\1"),
    ]
)
attributes = st.lists(st.tuples(numbers, values), max_size=6)
heads = st.binary(min_size=20, max_size=20) | st.sampled_from(
    [
        LINK.pack(family, 0, index, flags, 0) + bytes(4)
        for family in (0, c.AF_INET, c.AF_INET6, c.AF_BRIDGE)
        for index in (1, 2)
        for flags in (0, c.NUD_NOARP, c.NUD_PERMANENT, c.NUD_REACHABLE, 0x20002)
    ]
)


def encoded(question: int, head: bytes, attrs: list[tuple[int, bytes]]) -> bytes:
    return head[: SIZES[question]] + b"".join(attr(number, value) for number, value in attrs)


def dump(question: int, parts: list[bytes]) -> list[Message]:
    answer = question + c.RTM_NEWLINK - c.RTM_GETLINK
    data, messages = b"", []
    for part in parts:
        messages.append((len(data), len(data) + len(part)))
        data += part
    return [(answer, data, start, end) for start, end in messages]


def outcome(question: int, payload: bytes, parts: list[bytes]) -> tuple[bytes | None, Any]:
    messages = dump(question, parts)
    digest = None
    decoded: Any = DecodeError
    with suppress(DecodeError):
        decoded = repr(DECODED[question, payload](messages))
    with suppress(DecodeError):
        digest = answers.digest(question, payload, messages)
    return digest, decoded


@pytest.mark.parametrize(("question", "payload"), DECODED)
@given(data=st.data())
@settings(max_examples=300)
def test_answers_with_the_same_digest_are_decoded_to_the_same(
    question: int, payload: bytes, data: st.DataObject
) -> None:
    head, attrs = data.draw(heads), data.draw(attributes)
    changed_head = data.draw(st.sampled_from([head]) | heads)
    changed = data.draw(
        st.one_of(
            st.tuples(numbers, values).map(lambda one: [*attrs, one]),
            st.just(attrs[1:]),
            st.just(attrs[::-1]),
            attributes,
        )
    )
    both = [
        outcome(question, payload, [encoded(question, *one), encoded(question, head, attrs)])
        for one in ((head, attrs), (changed_head, changed))
    ]
    (before, decoded_before), (after, decoded_after) = both
    if (
        before is not None
        and before == after
        and DecodeError not in (decoded_before, decoded_after)
    ):
        assert decoded_before == decoded_after
    if decoded_before != decoded_after and before is not None:
        assert before != after


def test_routes_of_other_families_are_left_out() -> None:
    kernel, number = bytes((0, 0, 0, 0, 0, c.RTPROT_KERNEL)), c.RTM_GETROUTE
    other = [bytes((128,)) + head[1:] + bytes(6) for head in (kernel, bytes(6))]
    assert outcome(number, bytes(12), other[:1]) == outcome(number, bytes(12), other[1:])


def test_a_message_cannot_be_hidden_in_the_one_before() -> None:
    one, two = bytes(20), bytes(8) + attr(1, bytes(8))
    whole = answers.digest(c.RTM_GETRULE, bytes(12), dump(c.RTM_GETRULE, [one + two]))
    assert whole != answers.digest(c.RTM_GETRULE, bytes(12), dump(c.RTM_GETRULE, [one, two]))


def bridge(
    *data: tuple[int, bytes], kind: int = c.IFLA_INFO_DATA, about: int = c.IFLA_INFO_KIND
) -> bytes:
    info = attr(about, b"bridge\0") + attr(kind, b"".join(attr(*one) for one in data))
    return (
        LINK.pack(0, 1, 5, 0x11043, 0) + attr(c.IFLA_IFNAME, b"br0\0") + attr(c.IFLA_LINKINFO, info)
    )


def test_what_changes_by_itself_is_left_out() -> None:
    def link(part: bytes) -> bytes | None:
        return answers.digest(c.RTM_GETLINK, bytes(16), dump(c.RTM_GETLINK, [part]))

    age = (c.IFLA_BR_AGEING_TIME, u32(300))
    assert link(bridge(age, (c.IFLA_BR_GC_TIMER, bytes(8)))) == link(
        bridge(age, (c.IFLA_BR_GC_TIMER, b"\1" * 8))
    )
    assert link(bridge(age)) != link(bridge((c.IFLA_BR_AGEING_TIME, u32(301))))
    port = {"kind": c.IFLA_INFO_SLAVE_DATA, "about": c.IFLA_INFO_SLAVE_KIND}
    assert link(bridge((c.IFLA_BRPORT_HOLD_TIMER, bytes(8)), **port)) == link(
        bridge((c.IFLA_BRPORT_HOLD_TIMER, b"\1" * 8), **port)
    )

    def address(valid: int) -> bytes | None:
        part = struct.pack("=BBBBI", c.AF_INET, 24, 0, 0, 2) + attr(c.IFA_LOCAL, b"\x0a\0\0\1")
        part += attr(c.IFA_CACHEINFO, struct.pack("=4I", valid, valid, 7, 7))
        return answers.digest(c.RTM_GETADDR, bytes(8), dump(c.RTM_GETADDR, [part]))

    assert address(300) == address(299)
    assert address(300) != address(0xFFFFFFFF)


def test_a_question_that_is_not_known_has_no_digest() -> None:
    assert answers.digest(c.RTM_GETNSID, bytes(4), []) is None
