"""Test which options of links are named that no topology file can say."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from netorch.importers.live.link_options import other_options
from netorch.kinds.vxlan import Vxlan
from netorch.values.snapshot import LinkRecord

NO_ATTRS: Mapping[int, bytes] = {}


def link(
    kind: str, data: Mapping[int, bytes] = NO_ATTRS, port: Mapping[int, bytes] = NO_ATTRS
) -> LinkRecord:
    return LinkRecord(
        index=2,
        name="x",
        flags=0,
        mtu=1500,
        mac=b"\2\0\0\0\0\1",
        kind=kind,
        master=0,
        link=0,
        link_netnsid=None,
        group=0,
        alias="",
        txqueuelen=1000,
        altnames=(),
        data=data,
        port=port,
    )


@pytest.mark.parametrize(
    ("kind", "number", "payload", "text", "matters"),
    [
        ("bridge", 22, b"\2", "mcast_router 2", False),
        ("bridge", 36, b"\1", "nf_call_iptables 1", True),
        ("bridge", 8, b"\x88\xa8", "vlan_protocol 34984", True),
        ("bridge", 46, b"\1\0\0\0\xff\0\0\0", "no_linklocal_learn", False),
        ("bond", 18, b"\2\0\0\0", "min_links 2", True),
        ("bond", 8, b"\x08\0\0\0\x0a\0\0\1", "arp_ip_target 10.0.0.1", True),
        ("vxlan", 10, b"\x9c\x40\xa0\x28", "srcport 40000 41000", False),
        ("vxlan", 23, b"", "gbp", True),
        ("vlan", 2, b"\3\0\0\0\xff\xff\xff\xff", "gvrp on", False),
        ("vlan", 2, b"\0\0\0\0\xff\xff\xff\xff", "reorder_hdr off", False),
    ],
)
def test_an_option_without_a_word(
    kind: str, number: int, payload: bytes, text: str, matters: bool
) -> None:
    assert list(other_options(link(kind, {number: payload}), None)) == [(text, matters)]


@pytest.mark.parametrize(
    ("kind", "number", "payload"),
    [
        ("bridge", 22, b"\1"),
        ("bridge", 35, b"\x34\x0c\0\0\0\0\0\0"),
        ("bridge", 8, b"\x81\0"),
        ("bond", 6, b"\1"),
        ("bond", 8, b""),
        ("vxlan", 18, b"\1"),
        ("vlan", 2, b"\1\0\0\0\xff\xff\xff\xff"),
        ("dummy", 22, b"\2"),
    ],
)
def test_a_default_is_not_named(kind: str, number: int, payload: bytes) -> None:
    assert list(other_options(link(kind, {number: payload}), None)) == []


def test_an_option_that_netorch_sets_is_not_named() -> None:
    made = Vxlan(netns="a", name="x", mtu=1450, mac="", group=0, alias="", vni=7)
    record = link("vxlan", dict.fromkeys(range(1, 30), b"\x01"))
    (first, *_) = other_options(record, made)
    assert first[0] == "tos 1"
    assert "learning" not in {text.split()[0] for text, _ in other_options(record, made)}


def test_the_options_of_a_port_are_those_of_its_master() -> None:
    port = link("veth", port={9: b"\0", 27: b"\1"})
    assert list(other_options(port, None, "bridge")) == [("port: flood 0", True)]
    assert list(other_options(link("veth", port={9: b"\1"}), None, "bond")) == [
        ("port: prio 1", False)
    ]
