"""Every message that kernels answered netorch with, read by its decoder and by pyroute2 in the same bytes (tests/record.py, tests/oracle.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Literal

import pytest

from netorch.immutable import replace
from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink import address_moves, decode, decode_policy, genl, wireguard
from netorch.netlink import constants as c
from netorch.netlink.attribute_types import ADDRESS, FLAG
from netorch.netlink.codec import Message, as_i32, attr, attribute_list, attributes, message, u16
from netorch.netlink.qdisc import read_netem, read_tbf
from netorch.values.snapshot import LinkRecord
from tests import oracle
from tests.recordings import Recorded, dumped, of, recordings

NAMES = {1: "lo", 2: "two"}
"""Names for some of the indices: the others are named by their number."""

READERS: dict[
    str, tuple[tuple[str, ...], Callable[[list[Message]], Any], Callable[[list[bytes]], Any]]
] = {
    "links": (("links",), decode.links, oracle.links),
    "port_vlans": (("vlans",), decode.port_vlans, oracle.port_vlans),
    "addresses": (("addresses",), decode.addresses, oracle.addresses),
    "routes": (
        ("routes",),
        lambda found: decode.routes(found, NAMES),
        lambda found: oracle.routes(found, NAMES),
    ),
    "whole routes": (
        ("routes",),
        lambda found: decode.routes(found, NAMES, whole=True),
        lambda found: oracle.routes(found, NAMES, whole=True),
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
    "netconf": (("netconf",), decode.forwarding, lambda found: oracle.forwarding(found[0])),
    "nsid": (("nsid",), lambda found: nsid(found[0]), lambda found: oracle.nsid(found[0])),
    "family": (("family",), genl.family_number, lambda found: oracle.family(found[0])),
    "wireguard": (("wireguard",), wireguard.device, oracle.device),
}


def nsid(message: Message) -> int:
    _, buffer, start, end = message
    return as_i32(attributes(buffer, start + 4, end)[c.NETNSA_NSID])


@pytest.mark.parametrize("what", READERS)
def test_each_recorded_message_reads_as_pyroute2_reads_it(what: str) -> None:
    questions, ours, theirs = READERS[what]
    found = of(*questions)
    assert found
    for one in found:
        assert ours([one.message]) == theirs([one.data]), (one.kernel, one.space, one.data.hex())


@pytest.mark.parametrize(
    "what", [what for what in READERS if what not in {"netconf", "nsid", "family"}]
)
def test_whole_answers_read_as_pyroute2_reads_them(what: str) -> None:
    """Message behind message, as the kernel dumps them: what one leaves open, another may close."""
    questions, ours, theirs = READERS[what]
    for kernel, space in dict.fromkeys((one.kernel, one.space) for one in recordings()):
        for question in questions:
            found = dumped(kernel, space, question)
            if found:
                assert ours(found) == theirs([buffer for _, buffer, _, _ in found]), (
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


# every recording has what it is to show


def recorded_links() -> Iterable[tuple[LinkRecord, Recorded]]:
    for one in of("links"):
        [link] = decode.links([one.message])
        yield link, one


def test_the_recordings_have_every_kind_of_link_and_every_form_of_route() -> None:
    kinds = {link.kind for link, _ in recorded_links()}
    made = {CALLED.get(kind.KIND, kind.KIND) for kind in solo_kinds()} | {"veth", "bridge"}
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


# the attributes of each kind of link, through its own table

CALLED = {"tap": "tun"}
"""What Linux calls a kind, where netorch tells two apart."""


def solo_kinds() -> list[type[StandaloneLink]]:
    found, queue = [], [StandaloneLink]
    while queue:
        queue += (below := queue.pop()).__subclasses__()
        if below.KIND and below.ATTRIBUTES and "KIND" in vars(below):
            found.append(below)
    return found


def test_the_attributes_of_each_kind_of_link_are_what_pyroute2_calls_by_their_names() -> None:
    """The number, the form and the byte order of each attribute in a kind's table, on every recorded link of it."""
    seen: set[tuple[str, str]] = set()
    for link, one in recorded_links():
        theirs = {number: (name, value) for number, name, value in oracle.kind_data(one.data)}
        for kind in solo_kinds():
            for attribute in (
                kind.ATTRIBUTES if CALLED.get(kind.KIND, kind.KIND) == link.kind else ()
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
    assert missing == NOT_THERE


NOT_THERE = {("ipvlan", "flags")}
"""Attributes that pyroute2 has no name for."""


def same(attribute: Attribute, payload: bytes, theirs: object) -> bool:
    ours = attribute.form.decode(payload)
    if attribute.form is ADDRESS:
        return (ours or str(ip_address(bytes(len(payload))))) == theirs
    if attribute.form is FLAG:
        return bool(ours) == bool(theirs)
    if ours == payload.hex():
        return theirs in OTHER_WORDS
    if isinstance(ours, str) and not isinstance(theirs, str):
        # a word for a number, in whichever order it stands in the kind's table
        return attribute.form.encode(ours) == payload and theirs in {
            int.from_bytes(payload, order) for order in ORDERS
        }
    return bool(ours == theirs)


OTHER_WORDS = ("source",)
"""What netorch has no word for."""
ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")


# qdiscs and routing tables further on


def test_the_options_of_qdiscs_read_as_pyroute2_reads_them() -> None:
    found = [one for one in of("qdiscs") if decode.qdiscs([one.message])]
    for one in found:
        [record] = decode.qdiscs([one.message]).values()
        if record.kind == "netem":
            assert replace(read_netem(record.options), other="") == oracle.netem(one.data)
        else:
            assert replace(read_tbf(record.options), other="") == oracle.tbf(one.data)
    assert len(found) >= 8


def test_errors_read_as_pyroute2_reads_them() -> None:
    seen = set()
    for one in of("errors"):
        _, buffer, start, end = one.message
        found = decode.failure(buffer, start, end, one.flags)
        assert found == oracle.failure(one.data, one.flags)
        seen.add(found)
    assert len({number for number, _ in seen}) >= 3 and len({sentence for _, sentence in seen}) >= 3


@pytest.mark.parametrize("kernel", sorted({one.kernel for one in recordings()}))
def test_what_goes_along_with_a_link_is_what_pyroute2_puts_back_the_same(kernel: str) -> None:
    """Addresses and routes moved from one link to another: pyroute2 reads the same in the messages, but for the link."""
    link = next(link for link in decode.links(dumped(kernel, "odds", "links")) if link.name == "w0")
    here, there = address_moves.MovedLink(link.index, "w0"), address_moves.MovedLink(9999, "moved")
    things = address_moves.belongings(
        dumped(kernel, "odds", "addresses"),
        dumped(kernel, "odds", "routes"),
        link.index,
        link.mac,
        protocol=100,
    )
    assert len(things.addresses) >= 6 and len(things.routes) >= 10
    taken, given = address_moves.take(things, here, here), address_moves.give(things, here, there)
    names = {link.index: "it", 9999: "it"}
    before = _with_hops_alone([_whole(c.RTM_NEWROUTE, body) for body in things.routes], names)
    for pieces, kind in ((given, c.RTM_NEWROUTE), (taken, c.RTM_DELROUTE)):
        moved = [_whole(piece.kind, piece.payload) for piece in pieces if piece.kind == kind]
        assert _with_hops_alone(moved, names) >= before, kind
    put = oracle.addresses(
        [_whole(piece.kind, piece.payload) for piece in given if piece.kind == c.RTM_NEWADDR]
    )
    assert {(one.local, one.address, one.prefixlen, one.scope, one.protocol) for one in put} == {
        (one.local, one.address, one.prefixlen, one.scope, one.protocol)
        for one, _ in things.addresses
    }
    assert {one.index for one in put} == {9999}


def _with_hops_alone(messages: list[bytes], names: Mapping[int, str]) -> set[str]:
    """Routes as text, without the number of a nexthop object, which stays with its link."""
    return {str(replace(route, nexthop=0)) for route in oracle.routes(messages, names)}


def _whole(kind: int, payload: bytes) -> bytes:
    return message(kind, 0, 1, payload)
