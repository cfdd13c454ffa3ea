"""Tests of the decoders with bytes that no kernel sends.

Each decoder ends soon, and returns a value or raises DecodeError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.netlink import (
    address_moves,
    codec,
    decode,
    decode_extras,
    decode_policy,
    generic_dumps,
    genl,
    wireguard,
)
from netorch.netlink import constants as c
from netorch.netlink.codec import DecodeError, Message, attr, attribute_list, attributes, headers
from netorch.netlink.qdisc import read_netem, read_tbf
from tests import messages
from tests.recordings import of

NAMES = {1: "lo", 2: "two"}
HERE, THERE = address_moves.MovedLink(2, "w0"), address_moves.MovedLink(3, "w1")


def check_qdiscs(dump: list[Message]) -> None:
    for record in decode.qdiscs(dump).values():
        {"netem": read_netem, "tbf": read_tbf}[record.kind](record.options)


def check_moves(dump: list[Message]) -> None:
    for mac in (bytes(6), b""):
        objects = address_moves.belongings(dump, dump, 2, mac, 100)
        address_moves.take(objects, HERE, THERE)
        address_moves.give(objects, HERE, THERE)


def check_failures(dump: list[Message]) -> None:
    for _, buffer, start, end in dump:
        for flags in (0, c.NLM_F_ACK_TLVS, c.NLM_F_ACK_TLVS | c.NLM_F_CAPPED):
            codec.failure(buffer, start, end, flags)


def check_link_extras(dump: list[Message]) -> None:
    list(decode_extras.links(dump))


def check_queue_extras(dump: list[Message]) -> None:
    list(decode_extras.queues(dump, NAMES))


def check_generic_extras(dump: list[Message]) -> None:
    generic_dumps.families(dump)
    list(generic_dumps.mptcp_limits(dump))
    list(generic_dumps.tunnel_source(dump))


DECODERS: dict[str, tuple[tuple[str, ...], int, list[Callable[[list[Message]], Any]]]] = {
    "links": (("links",), c.RTM_NEWLINK, [decode.links, check_link_extras]),
    "vlans": (("vlans",), c.RTM_NEWLINK, [decode.port_vlans]),
    "addresses": (("addresses",), c.RTM_NEWADDR, [decode.addresses, check_moves]),
    "routes": (
        ("routes",),
        c.RTM_NEWROUTE,
        [
            lambda dump: decode.routes(dump, NAMES),
            lambda dump: decode.routes(dump, {}, whole=True),
            lambda dump: decode_policy.kernel_routes(dump, {}),
            decode_policy.route_type,
            check_moves,
        ],
    ),
    "rules": (("rules",), c.RTM_NEWRULE, [decode.rules, decode_policy.kernel_rules]),
    "neighbours": (
        ("neighbours", "forwarding"),
        c.RTM_NEWNEIGH,
        [
            decode.neighbours,
            decode.static_macs,
            decode_policy.neighbour_table,
            decode_policy.bridge_entries,
            lambda dump: list(decode_extras.neighbours(dump, NAMES, ())),
        ],
    ),
    "qdiscs": (
        ("qdiscs",),
        c.RTM_NEWQDISC,
        [decode.qdiscs, decode_policy.filtered_links, check_qdiscs, check_queue_extras],
    ),
    "netconf": (("netconf",), c.RTM_NEWNETCONF, [decode.forwarding]),
    "errors": (("errors",), c.NLMSG_ERROR, [check_failures]),
    "family": (("family",), genl.GENL_ID_CTRL, [genl.family_number, check_generic_extras]),
    "wireguard": (("wireguard",), 0x20, [wireguard.device]),
}
"""The kind of recording → the type of its messages, and all decoders in netorch that read them."""


def bodies(what: str) -> list[bytes]:
    return [one.data[16:] for one in of(*DECODERS[what][0])]


def feed(what: str, body: bytes, rest: bytes = b"") -> None:
    """Give the body to each decoder. `rest` are the bytes after it in its datagram."""
    _, kind, decoders = DECODERS[what]
    for decoder in decoders:
        with suppress(DecodeError):
            decoder([(kind, body + rest, 0, len(body))])


@pytest.mark.parametrize("what", DECODERS)
@pytest.mark.slow
def test_a_recorded_message_cut_at_any_byte(what: str) -> None:
    for body in bodies(what):
        for size in places(body):
            feed(what, body[:size])
    for body in one_of_each_size(bodies(what)):
        for size in places(body):
            feed(what, body[:size], body[size:])


LENGTHS = (0, 3, 4, 5, 8, 0x7FFF, 0xFFFF)


@pytest.mark.parametrize("what", DECODERS)
@pytest.mark.slow
def test_any_attribute_of_a_recorded_message_with_another_length(what: str) -> None:
    for body in one_of_each_size(bodies(what)):
        for at in places(body, 2, 500):
            for length in LENGTHS:
                feed(what, body[:at] + struct.pack("=H", length) + body[at + 2 :])


def places(body: bytes, step: int = 1, long: int = 2000) -> Iterator[int]:
    """Return every place in a message, or only some in the middle of a long one.

    The middle of a message of more than twice `long` repeats itself.
    """
    yield from range(0, min(len(body) - 1, long), step)
    yield from range(long, len(body) - long, 254)
    yield from range(max(len(body) - long, long) & -step, len(body) - 1, step)


def one_of_each_size(all_: list[bytes]) -> Iterator[bytes]:
    """Return one of the messages of about the same length."""
    yield from {len(body) // 32: body for body in all_}.values()


@pytest.mark.parametrize("what", DECODERS)
@given(data=st.data())
def test_a_recorded_message_with_some_bits_turned(what: str, data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(bodies(what))))
    for bit in data.draw(st.lists(st.integers(0, len(body) * 8 - 1), min_size=1, max_size=12)):
        body[bit // 8] ^= 1 << bit % 8
    feed(what, bytes(body))


HEADERS = {
    "links": 16,
    "vlans": 16,
    "addresses": 8,
    "routes": 12,
    "rules": 12,
    "neighbours": 12,
    "qdiscs": 20,
}
"""The sizes of the structs before the attributes, if they are not 4 bytes."""

tree = st.recursive(
    st.binary(max_size=20),
    lambda inner: st.lists(st.tuples(st.integers(0, 0xFFFF), inner), max_size=5).map(
        lambda pairs: b"".join(attr(number, payload) for number, payload in pairs)
    ),
    max_leaves=20,
)
"""A tree of attributes with any numbers."""


@pytest.mark.parametrize("what", DECODERS)
@given(data=st.data())
def test_garbage(what: str, data: st.DataObject) -> None:
    """Random bytes and well-formed attributes of all sizes after a valid header."""
    start = data.draw(st.sampled_from(bodies(what)))[: HEADERS.get(what, 4)]
    known = st.lists(st.tuples(st.integers(0, 31), tree), max_size=6)
    rest = (
        known.map(lambda pairs: b"".join(attr(number, payload) for number, payload in pairs))
        | tree
        | st.binary(max_size=80)
    )
    feed(what, start + data.draw(rest))
    feed(what, data.draw(st.binary(max_size=80)))


@given(messages.wireguard() | messages.routes() | messages.links, st.data())
def test_a_made_up_message_cut_and_bent(message: bytes, data: st.DataObject) -> None:
    body = bytearray(message[16:])
    at = data.draw(st.integers(0, max(0, len(body) - 2)))
    body[at : at + 2] = struct.pack("=H", data.draw(st.sampled_from(LENGTHS)))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    for what in ("links", "vlans", "routes", "addresses", "wireguard"):
        feed(what, cut)


@pytest.mark.parametrize("what", DECODERS)
def test_recorded_datagrams_are_cut_into_messages_or_refused(what: str) -> None:
    whole = b"".join(one.data + bytes(-len(one.data) % 4) for one in of(*DECODERS[what][0])[:40])
    count = sum(1 for _ in headers(whole))
    assert count == len(of(*DECODERS[what][0])[:40])
    for size in range(0, len(whole), 7):
        with suppress(DecodeError):
            assert sum(1 for _ in headers(whole[:size])) <= count


# Decoding ends soon: the number of bytes limits the work


@given(st.binary(max_size=400))
def test_no_more_attributes_than_fit(payload: bytes) -> None:
    with suppress(DecodeError):
        assert sum(1 for _ in attribute_list(payload)) <= len(payload) // 4
    with suppress(DecodeError):
        assert len(attributes(payload, 0, len(payload))) <= len(payload) // 4


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_an_attribute_shorter_than_its_header_is_refused_and_not_read_for_ever(length: int) -> None:
    payload = struct.pack("=HH", length, 1) + bytes(60)
    for read in (lambda: attributes(payload, 0, 64), lambda: [*attribute_list(payload)]):
        with pytest.raises(DecodeError):
            read()


@pytest.mark.parametrize("length", [0, 4, 7])
def test_a_next_hop_shorter_than_its_header_is_refused(length: int) -> None:
    body = struct.pack("=BBBBBBBBI", c.AF_INET, 0, 0, 0, 254, 4, 0, c.RTN_UNICAST, 0) + attr(
        c.RTA_MULTIPATH, struct.pack("=HBBi", length, 0, 0, 2) * 4
    )
    with pytest.raises(DecodeError):
        decode.routes([(c.RTM_NEWROUTE, body, 0, len(body))], {})
    with pytest.raises(DecodeError):
        address_moves.belongings([], [(c.RTM_NEWROUTE, body, 0, len(body))], 2, bytes(6), 100)


def test_ranges_of_vlans_end_where_vlans_do() -> None:
    pair = (
        struct.pack("=HH", c.BRIDGE_VLAN_INFO_RANGE_BEGIN, 0),
        struct.pack("=HH", c.BRIDGE_VLAN_INFO_RANGE_END, 0xFFFF),
    )
    body = bytes(16) + attr(
        c.IFLA_AF_SPEC, b"".join(attr(c.IFLA_BRIDGE_VLAN_INFO, one) for one in pair)
    )
    with pytest.raises(DecodeError):
        decode.port_vlans([(c.RTM_NEWLINK, body, 0, len(body))])
