"""Messages that no kernel has sent yet, read by netorch's decoder and by pyroute2 in the same bytes (tests/messages.py)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.netlink import decode, decode_policy, wireguard
from netorch.netlink.codec import Message, headers
from tests import messages, oracle

NAMES = {index: f"link{index}" for index in range(1, 9)}


def received(datas: list[bytes]) -> list[Message]:
    """Messages of one datagram, as they come from a socket."""
    datagram = b"".join(datas)
    return [(kind, datagram, start, end) for kind, _, _, start, end in headers(datagram)]


several = {
    "links": (messages.links, decode.links, oracle.links),
    "port_vlans": (messages.vlans, decode.port_vlans, oracle.port_vlans),
    "addresses": (messages.addresses(), decode.addresses, oracle.addresses),
    "routes": (
        messages.routes(),
        lambda found: decode.routes(found, NAMES),
        lambda found: oracle.routes(found, NAMES),
    ),
    "whole routes": (
        messages.routes(),
        lambda found: decode.routes(found, NAMES, whole=True),
        lambda found: oracle.routes(found, NAMES, whole=True),
    ),
    "rules": (messages.rules(), decode.rules, oracle.rules),
    "kernel_rules": (messages.rules(), decode_policy.kernel_rules, oracle.kernel_rules),
    "neighbours": (messages.neighbours, decode.neighbours, oracle.neighbours),
    "static_macs": (messages.neighbours, decode.static_macs, oracle.static_macs),
    "neighbour_table": (
        messages.neighbours,
        decode_policy.neighbour_table,
        oracle.neighbour_table,
    ),
    "bridge_entries": (messages.neighbours, decode_policy.bridge_entries, oracle.bridge_entries),
    "qdiscs": (messages.qdiscs, decode.qdiscs, oracle.qdiscs),
    "wireguard": (messages.wireguard(), wireguard.device, oracle.device),
}


@pytest.mark.parametrize("what", several)
@given(data=st.data())
def test_generated_messages_read_as_pyroute2_reads_them(what: str, data: st.DataObject) -> None:
    made, ours, theirs = several[what]
    found = data.draw(st.lists(made, min_size=1, max_size=3))
    assert ours(received(found)) == theirs(found)


@given(messages.netconf)
def test_generated_settings_read_as_pyroute2_reads_them(data: bytes) -> None:
    assert decode.forwarding(received([data])) == oracle.forwarding(data)


@given(st.lists(messages.links | messages.addresses() | messages.routes(), max_size=5))
def test_a_datagram_is_cut_as_its_lengths_say(datas: list[bytes]) -> None:
    found = received(datas)
    assert [buffer[start - 16 : end] for _, buffer, start, end in found] == [
        data[: struct.unpack_from("=I", data)[0]] for data in datas
    ]
