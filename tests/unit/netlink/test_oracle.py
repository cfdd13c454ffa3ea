"""Tests that netorch and pyroute2 decode each recorded message of the kernel to the same result.

The recordings are made by tests/record.py; tests/oracle has pyroute2's side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Literal

import pytest

from netorch.immutable import replace
from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.kinds.erspan import Erspan
from netorch.netlink import address_moves, codec, decode, decode_policy, genl, wireguard
from netorch.netlink import constants as c
from netorch.netlink.attribute_types import ADDRESS, FLAG
from netorch.netlink.codec import Message, as_i32, attr, attribute_list, attributes, message, u16
from netorch.netlink.qdisc import read_netem, read_tbf
from netorch.values.snapshot import LinkRecord
from tests import oracle
from tests.recordings import Recorded, dumped, of, recordings

NAMES = {1: "lo", 2: "two"}
"""Names for some of the indices. Other links are named by their number."""

READERS: dict[
    str, tuple[tuple[str, ...], Callable[[list[Message]], Any], Callable[[list[bytes]], Any]]
] = {
    "links": (("links",), decode.links, oracle.links),
    "port_vlans": (("vlans",), decode.port_vlans, oracle.port_vlans),
    "addresses": (("addresses",), decode.addresses, oracle.addresses),
    "routes": (
        ("routes",),
        lambda dump: decode.routes(dump, NAMES),
        lambda dump: oracle.routes(dump, NAMES),
    ),
    "whole routes": (
        ("routes",),
        lambda dump: decode.routes(dump, NAMES, whole=True),
        lambda dump: oracle.routes(dump, NAMES, whole=True),
    ),
    "rules": (("rules",), decode.rules, oracle.rules),
    "kernel_rules": (("rules",), decode_policy.kernel_rules, oracle.kernel_rules),
    "neighbours": (("neighbours", "forwarding"), decode.neighbours, oracle.neighbours),
    "static_macs": (("neighbours", "forwarding"), decode.static_macs, oracle.static_macs),
    "neighbour_table": (
        ("neighbours", "forwarding"),
        decode_policy.neighbour_table,
        oracle.neighbour_table,
    ),
    "bridge_entries": (
        ("neighbours", "forwarding"),
        decode_policy.bridge_entries,
        oracle.bridge_entries,
    ),
    "qdiscs": (("qdiscs",), decode.qdiscs, oracle.qdiscs),
    "netconf": (("netconf",), decode.forwarding, lambda dump: oracle.forwarding(dump[0])),
    "nsid": (("nsid",), lambda dump: nsid(dump[0]), lambda dump: oracle.nsid(dump[0])),
    "family": (("family",), genl.family_number, lambda dump: oracle.family(dump[0])),
    "wireguard": (("wireguard",), wireguard.device, oracle.device),
}


def nsid(message: Message) -> int:
    _, buffer, start, end = message
    return as_i32(attributes(buffer, start + 4, end)[c.NETNSA_NSID])


@pytest.mark.parametrize("what", READERS)
def test_each_recorded_message_reads_as_pyroute2_reads_it(what: str) -> None:
    questions, ours, theirs = READERS[what]
    recorded_messages = of(*questions)
    assert recorded_messages
    for one in recorded_messages:
        assert ours([one.message]) == theirs([one.data]), (one.kernel, one.space, one.data.hex())


@pytest.mark.parametrize(
    "what", [what for what in READERS if what not in {"netconf", "nsid", "family"}]
)
def test_whole_answers_read_as_pyroute2_reads_them(what: str) -> None:
    """Whole dumps, because the decoding of one message must not affect the next."""
    questions, ours, theirs = READERS[what]
    for kernel, space in dict.fromkeys((one.kernel, one.space) for one in recordings()):
        for question in questions:
            dump = dumped(kernel, space, question)
            if dump:
                assert ours(dump) == theirs([buffer for _, buffer, _, _ in dump]), (
                    kernel,
                    space,
                    question,
                )


def test_a_peer_that_goes_on_in_the_next_message_is_one_peer() -> None:
    [one] = of("wireguard")
    peers = [
        peer
        for _, peer in attribute_list(
            attributes(one.data, 20, len(one.data))[wireguard.WGDEVICE_A_PEERS]
        )
    ]
    largest = max(peers, key=len)
    parts = (
        (wireguard.WGDEVICE_A_PEERS, attr(0, largest)),
        (wireguard.WGDEVICE_A_LISTEN_PORT, u16(7)),
    )
    datas = [
        one.data,
        *(
            message(0x20, c.NLM_F_MULTI, 1, one.data[16:20] + attr(number, payload))
            for number, payload in (*parts, parts[0])
        ),
    ]
    for order in (datas, datas[1:], datas[::-1]):
        assert wireguard.device([(0x20, data, 16, len(data)) for data in order]) == oracle.device(
            order
        )
    [whole] = wireguard.device([(0x20, data, 16, len(data)) for data in datas[1:]]).peers
    assert len(whole.allowed) == 1200


# The recordings are complete


def recorded_links() -> Iterable[tuple[LinkRecord, Recorded]]:
    for one in of("links"):
        [link] = decode.links([one.message])
        yield link, one


def test_the_recordings_have_every_kind_of_link_and_every_form_of_route() -> None:
    kinds = {link.kind for link, _ in recorded_links()}
    made = {LINUX_KIND.get(kind.KIND, kind.KIND) for kind in solo_kinds()} | {"veth", "bridge"}
    assert kinds >= made - {"physical"}
    routes = decode.routes([one.message for one in of("routes")], NAMES, whole=True)
    assert {len(route.hops) for route in routes} >= {0, 1, 2, 3}
    assert {route.type for route in routes} >= set(range(1, 10))
    assert any(
        hop.via and len(hop.via) == 16
        for route in routes
        if route.family == c.AF_INET
        for hop in route.hops
    )
    assert any(hop.onlink for route in routes for hop in route.hops) and any(
        route.mtu for route in routes
    )
    assert {
        record.kind for record in decode.qdiscs([one.message for one in of("qdiscs")]).values()
    } == {"netem", "tbf"}
    for what in (
        "neighbours",
        "static_macs",
        "neighbour_table",
        "bridge_entries",
        "kernel_rules",
        "port_vlans",
    ):
        questions, ours, _ = READERS[what]
        assert ours([one.message for one in of(*questions)]), what


# The attributes of each kind of link, decoded by the kind's table

LINUX_KIND = {"tap": "tun"}
"""The kind's name in Linux, where netorch distinguishes two kinds."""


def solo_kinds() -> list[type[StandaloneLink]]:
    kinds, queue = [], [StandaloneLink]
    while queue:
        queue += (subclass := queue.pop()).__subclasses__()
        if subclass.KIND and subclass.ATTRIBUTES and "KIND" in vars(subclass):
            kinds.append(subclass)
    return kinds


def test_the_attributes_of_each_kind_of_link_are_what_pyroute2_calls_by_their_names() -> None:
    """Check number, form and byte order of the attributes in the kinds' tables with recorded
    links.
    """
    seen: set[tuple[str, str]] = set()
    for link, one in recorded_links():
        theirs = {number: (name, value) for number, name, value in oracle.kind_data(one.data)}
        for kind in solo_kinds():
            for attribute in (
                kind.ATTRIBUTES if LINUX_KIND.get(kind.KIND, kind.KIND) == link.kind else ()
            ):
                for number in {attribute.number, attribute.number6} & theirs.keys():
                    name, value = theirs[number]
                    if name != "UNKNOWN":
                        assert same(attribute, link.data[number], value), (
                            one.kernel,
                            link,
                            attribute.key,
                            name,
                            value,
                        )
                        seen.add((kind.KIND, attribute.key))
    missing = {
        (kind.KIND, attribute.key) for kind in solo_kinds() for attribute in kind.ATTRIBUTES
    } - seen
    assert missing == UNKNOWN_TO_PYROUTE2


UNKNOWN_TO_PYROUTE2 = {
    ("ipvlan", "flags"),
    *(("erspan", attribute.key) for attribute in Erspan.ATTRIBUTES),
}
"""Attributes that pyroute2 has no name for."""


def same(attribute: Attribute, payload: bytes, theirs: object) -> bool:
    ours = attribute.form.decode(payload)
    if attribute.form is ADDRESS:
        return (ours or str(ip_address(bytes(len(payload))))) == theirs
    if attribute.form is FLAG:
        return bool(ours) == bool(theirs)
    if ours == payload.hex():
        return theirs in WORDS_OF_PYROUTE2
    if isinstance(ours, str) and not isinstance(theirs, str):
        # because this is a word for a number, in the byte order of the kind's table
        return attribute.form.encode(ours) == payload and theirs in {
            int.from_bytes(payload, order) for order in ORDERS
        }
    return bool(ours == theirs)


WORDS_OF_PYROUTE2 = ("source",)
"""Words of pyroute2 that netorch has no word for."""
ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")


# Qdiscs, errors and moved routes


def test_the_options_of_qdiscs_read_as_pyroute2_reads_them() -> None:
    recorded_qdiscs = [one for one in of("qdiscs") if decode.qdiscs([one.message])]
    for one in recorded_qdiscs:
        [record] = decode.qdiscs([one.message]).values()
        if record.kind == "netem":
            assert replace(read_netem(record.options), other="") == oracle.netem(one.data)
        else:
            assert replace(read_tbf(record.options), other="") == oracle.tbf(one.data)
    assert len(recorded_qdiscs) >= 8


def test_errors_read_as_pyroute2_reads_them() -> None:
    seen = set()
    for one in of("errors"):
        _, buffer, start, end = one.message
        decoded = codec.failure(buffer, start, end, one.flags)
        assert decoded == oracle.failure(one.data, one.flags)
        seen.add(decoded)
    assert len({number for number, _ in seen}) >= 3 and len({sentence for _, sentence in seen}) >= 3


@pytest.mark.parametrize("kernel", sorted({one.kernel for one in recordings()}))
def test_what_goes_along_with_a_link_is_what_pyroute2_puts_back_the_same(kernel: str) -> None:
    """pyroute2 reads the same addresses and routes before and after a move, except for the link."""
    link = next(link for link in decode.links(dumped(kernel, "odds", "links")) if link.name == "w0")
    source, target = (
        address_moves.MovedLink(link.index, "w0"),
        address_moves.MovedLink(9999, "moved"),
    )
    objects = address_moves.belongings(
        dumped(kernel, "odds", "addresses"),
        dumped(kernel, "odds", "routes"),
        link.index,
        link.mac,
        protocol=100,
    )
    assert len(objects.addresses) >= 6 and len(objects.routes) >= 10
    taken, given = (
        address_moves.take(objects, source, source),
        address_moves.give(objects, source, target),
    )
    names = {link.index: "it", 9999: "it"}
    before = _with_hops_alone([_whole(c.RTM_NEWROUTE, body) for body in objects.routes], names)
    for pieces, kind in ((given, c.RTM_NEWROUTE), (taken, c.RTM_DELROUTE)):
        moved = [_whole(piece.kind, piece.payload) for piece in pieces if piece.kind == kind]
        assert _with_hops_alone(moved, names) >= before, kind
    put = oracle.addresses(
        [_whole(piece.kind, piece.payload) for piece in given if piece.kind == c.RTM_NEWADDR]
    )
    assert {(one.local, one.address, one.prefixlen, one.scope, one.protocol) for one in put} == {
        (one.local, one.address, one.prefixlen, one.scope, one.protocol)
        for one, _ in objects.addresses
    }
    assert {one.index for one in put} == {9999}


def _with_hops_alone(messages: list[bytes], names: Mapping[int, str]) -> set[str]:
    """Return routes as text, without the number of a nexthop object, which stays with its link."""
    return {str(replace(route, nexthop=0)) for route in oracle.routes(messages, names)}


def _whole(kind: int, payload: bytes) -> bytes:
    return message(kind, 0, 1, payload)
