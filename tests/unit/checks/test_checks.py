"""Checks: their ends, their probes, and the meaning of replies, among them ICMP messages."""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.checks.probes import Live, Outcome, Pair, outcome, pairs
from netorch.checks.replies import ICMP, ICMP6
from netorch.errors import FileError
from netorch.immutable import replace
from netorch.kernel.probe import icmp
from netorch.kernel.probe.probes import NeighbourTrace, Probe, Reply, Sort
from netorch.language.scalars import Address
from netorch.render import checks as render
from netorch.resolve.checks import CheckEnd
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load

FILE = """
name: lab
nodes:
  host: {}
  a: {networks: [lan], interfaces: {lo: {addresses: [10.255.0.1/32]}}}
  b: {networks: [lan, other]}
  c: {networks: [other]}
  mute: {}
  box: {attach: "netns:box"}
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"]}
  other: {subnet: 10.1.0.0/24}
checks:
"""
NO_ANSWER = Reply(Sort.SILENT)


def loaded(*entries: str) -> Loaded:
    return load((FILE + "".join(f"  - {entry}\n" for entry in entries)).encode(), "lab.yaml")


def planned(entry: str, live: Live | None = None) -> list[Pair]:
    return pairs(loaded(entry).desired.checks, live or {})


def sent(pair: Pair) -> list[str]:
    return [str(probe.address) for probe in pair.probes]


def result(
    entry: str, *replies: Reply, live: Live | None = None, small: Reply = NO_ANSWER
) -> Outcome:
    pair, *_ = planned(entry, live)
    assert len(replies) == len(pair.probes)
    return outcome(0, pair, (*replies, *(small for _ in pair.small)), None)


def answered(seconds: float = 0.001) -> Reply:
    return Reply(Sort.ANSWERED, seconds)


@pytest.mark.parametrize(
    ("entry", "addresses"),
    [
        ("{from: a, to: b}", ["10.0.0.2", "fd00::2", "10.1.0.1"]),
        ("{from: b, to: a}", ["10.255.0.1", "10.0.0.1", "fd00::1"]),
        ("{from: a, to: 'b:eth1'}", ["10.1.0.1"]),
        ("{from: c, to: a}", ["10.255.0.1", "10.0.0.1"]),  # c has no IPv6
        ("{from: c, to: a, reachable: false}", ["10.255.0.1", "10.0.0.1", "fd00::1"]),
        ("{from: mute, to: a}", ["10.255.0.1", "10.0.0.1", "fd00::1"]),
        ("{from: a, to: mute}", []),
        ("{from: c, to: 'fd00::1'}", ["fd00::1"]),
        ("{from: a, to: 'fe80::1%eth0'}", ["fe80::1%eth0"]),
        ("{from: a, to: 127.0.0.1}", ["127.0.0.1"]),
    ],
)
def test_a_name_stands_for_its_addresses(entry: str, addresses: list[str]) -> None:
    (pair,) = planned(entry)
    assert sent(pair) == addresses
    assert {probe.netns for probe in pair.probes} <= {pair.source.name}


def test_an_attached_node_stands_for_its_live_addresses() -> None:
    live = {"@box": [("eth0", ip_address("172.17.0.2")), ("eth1", ip_address("fd17::2"))]}
    (pair,) = planned("{from: a, to: box}", live)
    assert sent(pair) == ["172.17.0.2", "fd17::2"]
    (pair,) = planned("{from: box, to: a}", live)
    assert {probe.netns for probe in pair.probes} == {"@box"}
    assert sent(pair) == ["10.255.0.1", "10.0.0.1", "fd00::1"]


def test_every_pair_of_a_network_is_tried_both_ways_by_its_own_addresses() -> None:
    all_pairs = planned("{all: lan, tcp: 22}")
    assert [(pair.source.name, pair.target.name, sent(pair)) for pair in all_pairs] == [
        ("a", "b", ["10.0.0.2", "fd00::2"]),
        ("b", "a", ["10.0.0.1", "fd00::1"]),
    ]
    assert all(probe.port == 22 and not probe.traces for pair in all_pairs for probe in pair.probes)


def test_a_large_network_removes_its_neighbour_entries() -> None:
    text = (
        "name: lab\nnodes: {'h[1-17]': {networks: [lan]}}\n"
        "networks: {lan: {subnet: 10.0.0.0/24}}\nchecks: [{all: lan}]\n"
    )
    all_pairs = pairs(load(text.encode(), "lab.yaml").desired.checks, {})
    assert len(all_pairs) == 17 * 16
    there = NeighbourTrace("h1", "eth0", ip_address("10.0.0.2"))
    back = NeighbourTrace("h2", "eth0", ip_address("10.0.0.1"))
    assert all_pairs[0].probes[0].traces == (there, back)
    assert all_pairs[1].probes[0].traces == (back, there)


def test_only_the_next_member_is_asked_for_its_mac_by_a_packet_to_all() -> None:
    text = (
        "name: lab\nnodes: {'h[1-17]': {networks: [lan]}}\n"
        "networks: {lan: {subnet: 10.0.0.0/24}}\nchecks: [{all: lan, tcp: 1}]\n"
    )
    macs = {(f"h{number}", "eth0"): bytes((2, 0, 0, 0, 0, number)) for number in range(1, 17)}

    def is_shared(_: CheckEnd, owner: CheckEnd, address: Address) -> bool:
        return owner.name == "h9"

    checks = load(text.encode(), "lab.yaml").desired.checks
    entered = {
        (pair.source.name, pair.target.name): [trace.mac for trace in probe.traces]
        for pair in pairs(checks, {}, is_shared, macs)
        for probe in pair.probes
    }
    assert entered["h2", "h3"] == entered["h1", "h17"] == [b"", b""], "they are next in a ring"
    assert entered["h2", "h4"] == [macs["h4", "eth0"], macs["h2", "eth0"]]
    assert entered["h4", "h2"] == entered["h2", "h4"][::-1]
    assert entered["h2", "h9"] == [b"", macs["h2", "eth0"]], "somebody else has its address, too"
    assert entered["h2", "h17"] == [b"", b""], "nothing is known of the MAC of h17"
    silent = load(text.replace("tcp: 1", "reachable: false").encode(), "lab.yaml").desired.checks
    assert not any(
        trace.mac
        for pair in pairs(silent, {}, macs=macs)
        for probe in pair.probes
        for trace in probe.traces
    )


def test_a_second_instance_is_tried_in_its_own_namespaces() -> None:
    text = (FILE + "  - {from: a, to: b}\n").encode()
    (pair,) = pairs(load(text, "lab.yaml", name="two").desired.checks, {})
    assert {probe.netns for probe in pair.probes} == {"two-a"}


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (
            "{from: a, to: 'fe80::1'}",
            "fe80::1 is a link-local address, which exists on every link. Add the interface: fe80::1%INTERFACE.",
        ),
        ("{from: a, to: 'ff02::1%eth0'}", "is not an address of one host"),
        ("{from: a, to: 255.255.255.255}", "is not an address of one host"),
        ("{from: a, to: 0.0.0.0}", "is not an address of one host"),
        ("{from: a, to: 'b:eth7'}", "node b has no interface 'eth7'."),
        ("{from: a, to: example.org}", "node or address 'example.org' does not exist."),
        ("{from: a, all: lan}", "a check needs `from` and `to`, or only `all`"),
        ("{from: a, to: b, all: lan}", "a check needs `from` and `to`, or only `all`"),
        ("{from: a, to: b, tcp: 80, mtu: 1500}", "write two checks"),
    ],
)
def test_what_makes_no_check(entry: str, what: str) -> None:
    with pytest.raises(FileError) as error:
        loaded(entry)
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("{from: a, to: b}", "{from: a, to: b, reachable: false}", True),
        ("{all: lan, reachable: false}", "{all: lan}", True),
        ("{from: a, to: b}", "{from: a, to: b}", False),
        ("{from: a, to: b}", "{from: b, to: a, reachable: false}", False),
        ("{from: a, to: b}", "{from: a, to: b, tcp: 22, reachable: false}", False),
        ("{from: a, to: nobody}", "{from: a, to: no-one, reachable: false}", False),
    ],
)
def test_checks_that_contradict_each_other(first: str, second: str, wrong: bool) -> None:
    codes: list[str] = []
    try:
        loaded(first, second)
    except FileError as error:
        codes = [problem.code for problem in error.problems]
    assert ("contradicting-checks" in codes) is wrong


def test_one_address_of_each_ip_version_must_answer() -> None:
    live = {"b": [("eth0", ip_address("10.0.0.2"))]}
    unneeded = Reply(Sort.NOT_NEEDED)
    actual = result("{from: a, to: b}", answered(0.001), answered(0.002), unneeded, live=live)
    assert (actual.passed, actual.reason, actual.seconds) == (True, "", 0.002)
    actual = result("{from: a, to: b}", NO_ANSWER, answered(), answered())
    assert (actual.passed, actual.reason) == (True, "")
    actual = result("{from: a, to: b}", answered(), NO_ANSWER, unneeded)
    assert (actual.passed, actual.reason) == (False, "IPv6: no answer from fd00::2")
    groups = [probe.group for probe in planned("{from: a, to: b}")[0].probes]
    assert groups[0] == groups[2] != groups[1]


def test_no_address_may_answer_where_no_answer_is_expected() -> None:
    entry = "{from: a, to: b, reachable: false}"
    stopped = Reply(Sort.STOPPED, errno=errno.ENETUNREACH)
    actual = result(entry, NO_ANSWER, stopped, NO_ANSWER)
    assert (actual.passed, actual.reason) == (
        True,
        "no answer from 10.0.0.2; a has no route to fd00::2; no answer from 10.1.0.1",
    )
    actual = result(entry, NO_ANSWER, NO_ANSWER, answered())
    assert (actual.passed, actual.reason) == (False, "10.1.0.1 answers")
    actual = result("{from: a, to: c, tcp: 80, reachable: false}", answered())
    assert actual.reason == "10.1.0.2 takes a connection"
    assert result(
        "{from: a, to: c, tcp: 80, reachable: false}", Reply(Sort.REFUSED, sender="10.1.0.2")
    ).passed
    assert result("{from: a, to: mute, reachable: false}").reason == "mute has no address"


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOBUFS,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.ENOENT,
        errno.ENODEV,
        errno.EMFILE,
        errno.ENOMEM,
        9999,
    ],
)
def test_what_could_not_be_tried_is_never_right(number: int) -> None:
    unsent = Reply(Sort.UNSENT, errno=number)
    for entry in ("{from: a, to: c}", "{from: a, to: c, reachable: false}"):
        actual = result(entry, unsent)
        assert not actual.passed
        assert actual.reason.startswith("could not be tried: ")


def test_a_large_packet_alone_that_is_lost() -> None:
    entry = "{from: a, to: c, mtu: 1500}"
    assert (
        "a small packet: something on the way" in result(entry, NO_ANSWER, small=answered()).reason
    )
    assert result(entry, NO_ANSWER).reason == "no answer from 10.1.0.2"
    too_big = Reply(Sort.UNREACHABLE, sender="10.0.0.9", icmp=(3, 4), mtu=1400)
    assert (
        result(entry, too_big, small=answered()).reason
        == "fragmentation needed, says 10.0.0.9: at most 1400 bytes pass there"
    )


def test_the_table_has_what_the_walk_says_below_the_row() -> None:
    file = loaded("{from: a, to: c}", "{all: lan}")
    outcomes = [
        outcome(number, pair, [NO_ANSWER for _ in pair.probes], None)
        for pair, number in zip(pairs(file.desired.checks, {}), (0, 1, 1), strict=True)
    ]
    lines = list(
        render.lines(
            file.desired.checks,
            [replace(entry, why=("gw: no route to 10.1.0.0/24",)) for entry in outcomes],
        )
    )
    assert lines[:2] == [
        "FAILED  a    c    ping  no answer from 10.1.0.2",
        "        gw: no route to 10.1.0.0/24",
    ]
    assert lines[-2:] == [
        "        b → a: IPv4: no answer from 10.0.0.1; IPv6: no answer from fd00::1",
        "          gw: no route to 10.1.0.0/24",
    ]
    assert render.summarize(file.desired.checks, outcomes) == "2 of 2 checks FAILED"


def test_only_pairs_that_are_listed_are_explained() -> None:
    pair = Outcome(1, "a", "b", False, network="lan")
    listed = render.Listed(all_pairs=False)
    assert [listed.lists(pair) for _ in range(22)] == [True] * 20 + [False] * 2
    assert listed.lists(replace(pair, number=2)) and listed.lists(replace(pair, network=""))
    assert all(render.Listed(all_pairs=True).lists(pair) for _ in range(22))


# ICMP


def ipv4(protocol: int, source: str, target: str, inner: bytes) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(inner),
        0,
        0,
        64,
        protocol,
        0,
        socket.inet_aton(source),
        socket.inet_aton(target),
    )
    return head + inner


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(min_size=12, max_size=12),
    st.sampled_from([0, 68, 1500, 65535]),
)
def test_an_echo_is_heard_as_it_was_sent(ident: int, seq: int, token: bytes, size: int) -> None:
    packet = icmp.echo(4, ident, seq, token, size)
    assert icmp.checksum(packet) == 0
    assert size == 0 or len(packet) == size - 20
    reply = ipv4(1, "10.0.0.2", "10.0.0.1", b"\0" + packet[1:])
    assert icmp.parse_reply(4, reply, 12) == icmp.ReceivedMessage((0, 0), ident, seq, token)
    packet = icmp.echo(6, ident, seq, token, size)
    assert size == 0 or len(packet) == size - 40
    assert icmp.parse_reply(6, bytes([129]) + packet[1:], 12) == icmp.ReceivedMessage(
        (129, 0), ident, seq, token
    )


def test_an_error_is_about_the_packet_that_it_quotes() -> None:
    echo = icmp.echo(4, 7, 9, bytes(12))
    quoted = ipv4(1, "10.0.0.1", "10.9.0.1", echo[:8])
    error = ipv4(1, "10.0.0.254", "10.0.0.1", struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + quoted)
    assert icmp.parse_reply(4, error, 12) == icmp.ReceivedMessage(
        (3, 4), 7, 9, b"", "10.0.0.1", "10.9.0.1", 0, 1400
    )
    quoted = ipv4(6, "10.0.0.1", "10.9.0.1", struct.pack("!HHI", 40000, 80, 1))
    error = ipv4(1, "10.0.0.254", "10.0.0.1", struct.pack("!BBHHH", 3, 13, 0, 0, 0) + quoted)
    assert icmp.parse_reply(4, error, 12) == icmp.ReceivedMessage(
        (3, 13), source="10.0.0.1", target="10.9.0.1", port=40000
    )
    ends = ip_address("fd00::1").packed + ip_address("fd09::1").packed
    quoted = (
        struct.pack("!IHBB", 0x60000000, 16, 60, 64)
        + ends
        + bytes([58, 0])
        + bytes(6)
        + icmp.echo(6, 7, 9, bytes(12))[:8]
    )
    error = struct.pack("!BBHI", 2, 0, 0, 70000) + quoted
    assert icmp.parse_reply(6, error, 12) == icmp.ReceivedMessage(
        (2, 0), 7, 9, b"", "fd00::1", "fd09::1", 0, 70000
    )


@given(st.sampled_from([4, 6]), st.binary(max_size=120))
def test_no_packet_confuses_the_listener(version: int, data: bytes) -> None:
    icmp.parse_reply(version, data, 12)
    icmp.parse_reply(4, ipv4(1, "10.0.0.2", "10.0.0.1", bytes([3, 1]) + bytes(6) + data), 12)
    icmp.parse_reply(6, bytes([1, 0]) + bytes(6) + data, 12)


def test_every_word_of_icmp_is_one() -> None:
    assert all(kind in icmp.RECEIVED_TYPES[4] for kind, _ in ICMP)
    assert all(kind in icmp.RECEIVED_TYPES[6] for kind, _ in ICMP6)
    assert Probe("a", ip_address("10.0.0.1")).expects_answer
