"""Listings of nftables read, and packets sent through them; what is not understood is a doubt, never a fact."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from netorch.walk.nfttext import chains, rule

from netorch.walk.filters import Packet, Verdict, run

PACKET = Packet(
    ip_address("10.0.0.5"), ip_address("10.2.0.9"), "tcp", 40000, 80, iif="docker0", oif="personal"
)
SIX = Packet(
    ip_address("fd00::5"),
    ip_address("fd01::9"),
    "icmpv6",
    icmp="echo-request",
    iif="docker0",
    oif="personal",
)


def through(
    *lines: str,
    policy: str = "accept",
    family: str = "inet",
    packet: Packet = PACKET,
    more: str = "",
    **how: bool,
) -> Verdict:
    body = "\n".join(f"\t\t{line}" for line in lines)
    text = f"table {family} t {{ # handle 1\n{more}\tchain f {{\n\t\ttype filter hook forward priority filter; policy {policy};\n{body}\n\t}}\n}}\n"
    return run(chains(text), "forward", packet, first=how.get("first", True))


def dropped(*lines: str, **how: Any) -> bool:
    verdict = through(*lines, **how)
    assert not verdict.doubts
    return bool(verdict.dropped)


MATCHING = [
    "drop",
    'iifname "docker0" oifname "personal" drop',
    'iifname { "eth0", "docker*" } drop',
    'oifname != "eth0" counter packets 3 bytes 180 drop # handle 7',
    "ip saddr 10.0.0.0/24 ip daddr 10.2.0.0-10.2.0.20 drop",
    "ip saddr { 10.1.0.0/16, 10.0.0.5 } drop",
    "ip daddr != 10.3.0.0/16 drop",
    "tcp dport { 22, 80-90 } drop",
    "meta l4proto { tcp, udp } th dport 80 drop",
    "ip protocol tcp drop",
    "meta nfproto ipv4 ct state new,established reject with icmp port-unreachable",
    "ct status & dnat == 0 drop",
    "ct state vmap { established : accept, new : drop }",
    "fib daddr type != local drop",
    'log prefix "no way: " level info drop comment "not from here"',
]
OTHERS = [
    "accept",
    'iifname "eth0" drop',
    "ip saddr 10.0.1.0/24 drop",
    "ip6 saddr fd00::/8 drop",
    "udp dport 80 drop",
    "tcp dport 81 drop",
    "ct state established,related drop",
    "ct status dnat drop",
    "fib daddr type local drop",
    "meta mark 0x1 drop",
    "icmp type echo-reply drop",
    "return",
    "counter packets 1 bytes 2",
]


@pytest.mark.parametrize("line", MATCHING)
def test_rules_that_drop_it(line: str) -> None:
    assert dropped(line)


@pytest.mark.parametrize("line", OTHERS)
def test_rules_that_do_not(line: str) -> None:
    assert not dropped(line)
    assert not dropped(line, packet=SIX) or "ip6" in line


def test_a_word_of_one_ip_version_is_not_for_the_other() -> None:
    assert dropped("icmpv6 type echo-request drop", packet=SIX)
    assert not dropped("icmp type echo-request drop", packet=SIX)
    assert not dropped("ip saddr 0.0.0.0/0 drop", packet=SIX)


def test_who_drops_it_is_said_in_its_own_words() -> None:
    assert (
        through('iifname "docker0" drop comment "keep out"').dropped
        == 'nft rule "keep out" in inet t f drops docker0 → personal'
    )
    assert (
        through('iifname "docker0" drop').dropped
        == 'nft rule `iifname "docker0" drop` in inet t f drops docker0 → personal'
    )
    assert (
        through(policy="drop").dropped
        == "nft chain inet t f drops docker0 → personal, since no rule of it accepts that"
    )


def test_an_accept_ends_one_chain_and_a_drop_all() -> None:
    assert not dropped("accept", "drop")
    assert not dropped("accept", policy="drop")
    text = "table ip {0} {{\n\tchain f {{\n\t\ttype filter hook forward priority {1}; policy accept;\n\t\t{2}\n\t}}\n}}\n"
    both = text.format("one", "-1", "accept") + text.format("two", "filter + 10", "drop")
    assert run(chains(both), "forward", PACKET, first=True).dropped.startswith(
        "nft rule `drop` in ip two f"
    )
    assert not run(chains(both), "forward", SIX, first=True).dropped
    assert not run(chains(both), "input", PACKET, first=True).dropped


def test_jumps_return_and_gotos_do_not() -> None:
    inner = "\tchain inner {\n\t\ttcp dport 22 drop\n\t}\n"
    assert dropped("jump inner", "drop", more=inner)
    assert not dropped("goto inner", "drop", more=inner)
    assert dropped("jump inner", more=inner.replace("22", "80"))
    assert dropped('iifname vmap { "docker0" : jump inner }', more=inner.replace("22", "80"))


def test_sets_are_looked_into() -> None:
    some = "\tset s {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 10.0.0.0/24,\n\t\t\t     10.9.0.1 }\n\t}\n"
    assert dropped("ip saddr @s drop", more=some)
    assert not dropped("ip daddr @s drop", more=some)


@pytest.mark.parametrize(
    "line",
    [
        "limit rate 1/second drop",
        "ip saddr . tcp dport @pairs drop",
        "ip saddr @gone drop",
        "tcp flags syn / fin,syn drop",
        "xt match physdev counter drop",
        "meta skuid 1000 drop",
        "tcp dport < 1024 drop",
        "queue to 3",
    ],
)
def test_what_is_not_understood_may_drop_it_and_is_no_fact(line: str) -> None:
    verdict = through(line)
    assert not verdict.dropped
    assert len(verdict.doubts) == 1
    # and what may have let it pass makes a doubt of the drop behind it
    verdict = through("limit rate 1/second accept", policy="drop")
    assert not verdict.dropped
    assert "may drop" in verdict.doubts[0]


def test_only_the_first_packet_of_a_connection_is_translated() -> None:
    text = "table ip nat {\n\tchain pre {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tLINE\n\t}\n}\n"
    for line, target in (
        ("tcp dport 80 dnat to 10.9.0.1:8080", (ip_address("10.9.0.1"), 8080)),
        ("dnat to 10.9.0.1", (ip_address("10.9.0.1"), 0)),
        (
            "tcp dport 80-81 dnat ip to 10.9.0.1 : tcp dport map { 80 : 8080, 81 : 8081 }",
            (ip_address("10.9.0.1"), 8080),
        ),
        ("tcp dport 80 redirect to :8080", (None, 8080)),
        ("tcp dport 81 dnat to 10.9.0.1", None),
    ):
        there = chains(text.replace("LINE", line))
        assert run(there, "prerouting", PACKET, first=True).destination == target
        assert run(there, "prerouting", PACKET, first=False).destination is None
    assert rule("dnat ip6 to [fd00::2]:53").target == (ip_address("fd00::2"), 53)
    found = run(
        chains(text.replace("LINE", "limit rate 1/second dnat to 10.9.0.1")),
        "prerouting",
        PACKET,
        first=True,
    )
    assert found.destination is None
    assert len(found.doubts) == 1
