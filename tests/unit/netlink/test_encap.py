"""Test that encapsulations of routes are encoded and decoded without loss, and as by pyroute2."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.netlink import constants as c
from netorch.netlink import decode, encap
from netorch.netlink.codec import Message, attr, headers, nested, u16, u32
from netorch.netlink.encode import encode
from netorch.topology.encaps import EncapModel
from netorch.values.requests import Encap, Hop, RouteAdd, RouteSpec

NAMES = {2: "eth0", 3: "eth1"}
IPV4 = st.integers(1, 2**32 - 1).map(lambda number: str(IPv4Address(number)))
IPV6 = st.integers(1, 2**128 - 1).map(lambda number: str(IPv6Address(number)))
SEGMENTS = st.lists(IPV6, min_size=1, max_size=9)
LABELS = st.lists(
    st.integers(0, encap.LARGEST_LABEL).filter(lambda label: label != encap.IMPLICIT_NULL),
    min_size=1,
    max_size=30,
)
TABLE = st.integers(1, 2**32 - 1)


def local(action: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"action": st.just(action), **more})


LOCAL = st.one_of(
    local("End"),
    local("End.X", nh6=IPV6),
    local("End.T", table=TABLE),
    local("End.DX2", oif=st.just("eth1")),
    local("End.DX4", nh4=IPV4),
    local("End.DX6", nh6=IPV6),
    local("End.DT4", vrftable=TABLE),
    local("End.DT6", table=TABLE),
    local("End.DT6", vrftable=TABLE),
    local("End.DT46", vrftable=TABLE),
    local("End.B6", segments=SEGMENTS),
    local("End.B6.Encaps", segments=SEGMENTS),
)
_BYTE, _TRUE = st.integers(1, 255), st.just(True)


def header(
    address: st.SearchStrategy[str], ttl: str, tos: str
) -> st.SearchStrategy[dict[str, Any]]:
    optional = {"id": TABLE, "dst": address, "src": address, ttl: _BYTE, tos: _BYTE}
    flags = dict.fromkeys(encap.FLAGS, _TRUE)
    return st.fixed_dictionaries({}, optional={**optional, **flags})


WORDS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    LABELS.map(lambda labels: {"mpls": labels}),
    st.tuples(LABELS, _BYTE).map(lambda one: {"mpls": {"labels": one[0], "ttl": one[1]}}),
    st.tuples(st.sampled_from(sorted(encap.MODES)), SEGMENTS).map(
        lambda one: {"seg6": {"mode": one[0], "segments": one[1]}}
    ),
    LOCAL.map(lambda words: {"seg6local": words}),
    header(IPV4, "ttl", "tos").map(lambda words: {"ip": words}),
    header(IPV6, "hoplimit", "tc").map(lambda words: {"ip6": words}),
)


class Links:
    """Finds the links of NAMES."""

    def index_of(self, netns: str, name: str) -> int:
        return next(index for index, known in NAMES.items() if known == name)

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        raise NotImplementedError

    def fd_of(self, netns: str) -> int:
        raise NotImplementedError


def route(*hops: Hop) -> RouteSpec:
    return RouteSpec(c.AF_INET6, None, 0, 254, 1024, c.RTN_UNICAST, 0, 4, hops)


def there_and_back(spec: RouteSpec) -> RouteSpec:
    datagram = encode(RouteAdd("a", spec), 1, 0, Links())
    messages = [
        Message((kind, datagram, start, end)) for kind, _, _, start, end in headers(datagram)
    ]
    (result,) = decode.routes(messages, NAMES)
    return result


@given(WORDS)
def test_words_are_kept(words: dict[str, Any]) -> None:
    one = encap.from_words(words)
    assert encap.words(one) == words
    assert encap.from_words(EncapModel.model_validate(words).words()) == one
    assert encap.text(one).startswith(next(iter(words)))


@given(st.lists(WORDS, min_size=1, max_size=3))
def test_the_kernel_gets_and_gives_the_same(each: list[dict[str, Any]]) -> None:
    hops = [Hop(bytes(15) + b"\2", "eth0", encap=encap.from_words(words)) for words in each]
    spec = route(*hops)
    assert there_and_back(spec) == spec
    assert spec.encaps == tuple(hop.encap for hop in hops)


@given(st.integers(0, 20), st.dictionaries(st.integers(1, 30), st.binary(max_size=40)))
def test_what_nobody_knows_is_kept_and_has_no_words(kind: int, parts: dict[int, bytes]) -> None:
    """Neither an unknown kind nor damaged attributes raise an error."""
    attrs = b"".join(attr(number, payload) for number, payload in parts.items() if number != 7)
    one = encap.decode({c.RTA_ENCAP_TYPE: u16(kind), c.RTA_ENCAP: attrs}, NAMES)
    assert one is not None
    assert encap.text(one)
    words = encap.words(one)
    assert words is None or encap.from_words(words) == one


def test_values_that_no_file_can_have() -> None:
    """A traffic class in a label, a tag and a counter in a segment, and flavors have no words."""
    assert encap.words(Encap(1, ((1, b"\0\6\x43\0"),))) is None
    (number, payload), *_ = encap.seg6("encap", [bytes(15) + b"\1"]).attrs
    assert encap.words(Encap(5, ((number, payload[:10] + b"\0\7" + payload[12:]),))) is None
    flavors = nested(11, attr(1, u32(2)))[4:]
    one = Encap(7, ((1, u32(1)), (11, flavors)))
    assert encap.words(one) is None
    assert encap.text(one) == "seg6local"
    assert encap.words(Encap(2, ((1, b"\1" + bytes(7)),))) is None


def test_counters_do_not_matter() -> None:
    attrs = attr(1, u32(1)) + nested(10, attr(1, bytes(8)))
    one = encap.decode({c.RTA_ENCAP_TYPE: u16(7), c.RTA_ENCAP: attrs}, NAMES)
    assert one == encap.seg6local("End")


@pytest.mark.parametrize(
    ("words", "kind", "theirs"),
    [
        (
            {"mpls": [100, 200]},
            1,
            [
                {"label": 100, "tc": 0, "bos": 0, "ttl": 0},
                {"label": 200, "tc": 0, "bos": 1, "ttl": 0},
            ],
        ),
        (
            {"seg6": {"mode": "encap", "segments": ["fd00::1", "fd00::2"]}},
            5,
            [("SEG6_IPTUNNEL_SRH", {"mode": "encap", "segs": ["fd00::2", "fd00::1"]})],
        ),
        (
            {"seg6local": {"action": "End.DX4", "nh4": "10.0.0.1"}},
            7,
            [
                ("SEG6_LOCAL_ACTION", {"value": "End.DX4"}),
                ("SEG6_LOCAL_NH4", {"value": "10.0.0.1"}),
            ],
        ),
        (
            {"seg6local": {"action": "End.DT46", "vrftable": 100}},
            7,
            [
                ("SEG6_LOCAL_ACTION", {"value": "End.DT46"}),
                ("SEG6_LOCAL_VRFTABLE", {"value": 100}),
            ],
        ),
    ],
)
def test_pyroute2_writes_the_same(words: dict[str, Any], kind: int, theirs: Any) -> None:
    attrs = {"attrs": [("MPLS_IPTUNNEL_DST", theirs)] if kind == 1 else theirs}
    message = rtmsg()
    message["family"] = c.AF_INET6
    message["attrs"] = [("RTA_OIF", 2), ("RTA_ENCAP_TYPE", kind), ("RTA_ENCAP", attrs)]
    message["header"]["type"] = c.RTM_NEWROUTE
    message.encode()
    data = bytes(message.data)
    ((start, end),) = [(start, end) for _, _, _, start, end in headers(data)]
    (spec,) = decode.routes([(c.RTM_NEWROUTE, data, start, end)], NAMES)
    assert spec.encaps == (encap.from_words(words),)
