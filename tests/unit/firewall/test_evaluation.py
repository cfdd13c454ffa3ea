"""Tests that evaluate packets with rules from libnftables' listings.

A rule that is not understood is a doubt, and never a fact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import pytest

from netorch.firewall import nftables_json
from netorch.firewall.chains import ChosenPort, ListedChain
from netorch.firewall.evaluation import HookVerdict, Packet, run
from netorch.firewall.syntax import syntax_of
from netorch.immutable import replace
from netorch.values.snapshot import FilterListing
from tests.filterlistings import chains_of, recorded, statements

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

# rules whose JSON this version of the library cannot produce
HAND_WRITTEN: dict[str, list[object]] = {
    "xt match physdev counter drop": [
        {"xt": {"type": "match", "name": "physdev"}},
        {"counter": None},
        {"drop": None},
    ],
    "xt match physdev, of an older library": [{"xt": None}, {"counter": None}, {"drop": None}],
    "xt target NFQUEUE": [{"counter": None}, {"xt": {"type": "target", "name": "NFQUEUE"}}],
    "xt target, of an older library": [{"counter": None}, {"xt": None}],
    "queue to 3": [{"queue": {"num": 3}}],
    "a statement of tomorrow": [{"teleport": {"to": "mars"}}],
    "an expression of tomorrow": [
        {"match": {"op": "==", "left": {"meta": {"key": "mood"}}, "right": "good"}},
        {"drop": None},
    ],
    "an operator of tomorrow": [
        {
            "match": {
                "op": "~",
                "left": {"payload": {"protocol": "tcp", "field": "dport"}},
                "right": 80,
            }
        },
        {"drop": None},
    ],
    "update @m { ip saddr limit rate over 1/second } drop": [
        {
            "set": {
                "op": "update",
                "elem": {"payload": {"protocol": "ip", "field": "saddr"}},
                "set": "@m",
                "stmt": [{"limit": {"rate": 1, "per": "second", "inv": True}}],
            }
        },
        {"drop": None},
    ],
    "ip saddr @gone drop": [
        {
            "match": {
                "op": "==",
                "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                "right": "@gone",
            }
        },
        {"drop": None},
    ],
}


def listed(
    *lines: str,
    policy: str = "accept",
    family: str = "inet",
    inner: Iterable[str] = (),
    name: str = "t",
    chain: str = "f",
    base: Any = None,
) -> tuple[ListedChain, ...]:
    """Return the chains of a table with rules in a base chain, and others in the chain `inner`."""
    hook = {"type": "filter", "hook": "forward", "prio": 0, "policy": policy, **(base or {})}
    where = {"family": family, "table": name}
    entries: list[dict[str, object]] = [
        {"metainfo": {"json_schema_version": 1}},
        {"table": {"family": family, "name": name, "handle": 1}},
    ]
    entries += [
        {"set": {**where, "name": key, "elem": elements}}
        for key, elements in recorded()["sets"].items()
    ]
    entries += [
        {"chain": {**where, "name": chain, "handle": 1, **hook}},
        {"chain": {**where, "name": "inner", "handle": 2}},
    ]
    texts = {}
    for place, line in (
        (place, line) for place, rules in ((chain, lines), ("inner", inner)) for line in rules
    ):
        handle = len(entries)
        known = HAND_WRITTEN.get(line)
        expr = (
            known
            if known is not None
            else statements(
                family if line in recorded()["rules"].get(family, {}) else "inet", [line]
            )[0]
        )
        texts[family, name, handle] = line
        entries.append({"rule": {**where, "chain": place, "handle": handle, "expr": expr}})
    return nftables_json.chains(json.dumps({"nftables": entries}), texts, {})


def through(*lines: str, packet: Packet = PACKET, first: bool = True, **how: Any) -> HookVerdict:
    """Return the verdict of rules on a packet."""
    return run(listed(*lines, **how), "forward", packet, first=first)


def dropped(*lines: str, **how: Any) -> bool:
    """Return whether rules certainly drop a packet."""
    verdict = through(*lines, **how)
    assert not verdict.doubts
    return bool(verdict.dropped)


MATCHING = [
    "drop",
    'iifname "docker0" oifname "personal" drop',
    'iifname { "eth0", "docker*" } drop',
    'oifname != "eth0" counter drop',
    "ip saddr 10.0.0.0/24 ip daddr 10.2.0.0-10.2.0.20 drop",
    "ip saddr { 10.1.0.0/16, 10.0.0.5 } drop",
    "ip daddr != 10.3.0.0/16 drop",
    "tcp dport { 22, 80-90 } drop",
    "meta l4proto { tcp, udp } th dport 80 drop",
    "ip protocol tcp drop",
    "meta nfproto ipv4 ct state new,established reject with icmp port-unreachable",
    "ct state & (established | related) == 0 drop",
    "ct status & dnat == 0 drop",
    "ct state vmap { established : accept, new : drop }",
    "fib daddr type != local drop",
    'log prefix "no way: " level info drop comment "not from here"',
    "reject",
]
OTHERS = [
    "accept",
    'iifname "eth0" drop',
    "ip saddr 10.0.1.0/24 drop",
    "ip6 saddr fd00::/8 drop",
    "udp dport 80 drop",
    "tcp dport 81 drop",
    "ct state established,related drop",
    "ct state != new drop",
    "ct status dnat drop",
    "fib daddr type local drop",
    "meta mark 0x1 drop",
    "icmp type echo-reply drop",
    "return",
    "continue",
    "counter",
    "notrack",
    "meta mark set 0x7",
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


def test_the_sentence_names_the_rule_that_drops() -> None:
    assert (
        through('iifname "docker0" drop comment "keep out"').dropped
        == 'nft rule "keep out" in inet t f drops packets from docker0 to personal'
    )
    assert (
        through('iifname "docker0" drop').dropped
        == 'nft rule `iifname "docker0" drop` in inet t f drops packets from docker0 to personal'
    )
    assert (
        through(policy="drop").dropped
        == "nft chain inet t f drops packets from docker0 to personal, because none of its rules "
        "accepts that"
    )


def test_an_accept_ends_one_chain_and_a_drop_all() -> None:
    assert not dropped("accept", "drop")
    assert not dropped("accept", policy="drop")
    both = (
        *listed("accept", family="ip", name="one", base={"prio": -1}),
        *listed("drop", family="ip", name="two", base={"prio": 10}),
    )
    assert run(both, "forward", PACKET, first=True).dropped.startswith(
        "nft rule `drop` in ip two f"
    )
    assert not run(both, "forward", SIX, first=True).dropped
    assert not run(both, "input", PACKET, first=True).dropped


def test_jumps_return_and_gotos_do_not() -> None:
    inner = ("tcp dport 22 drop",)
    assert dropped("jump inner", "drop", inner=inner)
    assert not dropped("goto inner", "drop", inner=inner)
    assert dropped("jump inner", inner=("tcp dport 80 drop",))
    assert dropped('iifname vmap { "docker0" : jump inner }', inner=("tcp dport 80 drop",))
    assert dropped("iifname vmap @verdicts", inner=("tcp dport 80 drop",))


def test_sets_are_looked_into() -> None:
    assert dropped("ip saddr @s drop")
    assert not dropped("ip daddr @s drop")


def test_pairs_of_interfaces_are_looked_up() -> None:
    assert dropped("iifname . oifname @ways drop")
    assert not dropped("iifname . oifname != @ways drop")


def test_the_comment_of_an_element_is_what_drops() -> None:
    assert (
        through("iifname vmap @reasons").dropped
        == 'nft rule "docker0: no" in inet t f drops packets from docker0 to personal'
    )


@pytest.mark.parametrize(
    ("line", "destination", "by"),
    [
        ("dnat ip to tcp dport map @targets", ("10.9.0.1", 8080), '"publish web"'),
        (
            "dnat ip to ip daddr . tcp dport map @addressed",
            ("10.9.0.2", 8080),
            "`dnat ip to ip daddr . tcp dport map @addressed`",
        ),
        ("dnat ip to udp dport map @targets", None, ""),
    ],
)
def test_maps_of_targets(line: str, destination: tuple[str, int] | None, by: str) -> None:
    verdict = run(listed(line, family="ip"), "forward", PACKET, first=True)
    assert not verdict.doubts
    expected = (ip_address(destination[0]), destination[1]) if destination else None
    assert (verdict.destination, verdict.by) == (expected, f"nft rule {by}" if by else "")


@pytest.mark.parametrize(
    "line",
    [
        "limit rate 1/second drop",
        "ip saddr . tcp dport @pairs drop",
        "tcp flags syn / fin,syn drop",
        "meta skuid 1000 drop",
        "tcp dport < 1024 drop",
        "ct status dnat,snat drop",
        "ct original ip saddr 10.0.0.5 drop",
        "fib daddr type broadcast drop",
        "ct state new jump { ip saddr 10.0.0.0/24 drop; accept; }",
        *HAND_WRITTEN,
    ],
)
def test_a_rule_that_is_not_understood_is_a_doubt(line: str) -> None:
    verdict = through(line)
    assert not verdict.dropped
    assert len(verdict.doubts) == 1
    # a rule that may have accepted the packet makes the drop after it a doubt
    verdict = through("limit rate 1/second accept", policy="drop")
    assert not verdict.dropped
    assert "may drop" in verdict.doubts[0]


def test_of_a_rule_that_is_not_understood_the_rest_counts() -> None:
    udp = Packet(
        ip_address("10.0.0.5"),
        ip_address("10.2.0.9"),
        "udp",
        40000,
        80,
        iif="docker0",
        oif="personal",
    )
    for line in ("tcp flags syn / fin,syn drop", "tcp dport < 1024 drop"):
        assert not dropped(line, packet=udp)


def test_only_the_first_packet_of_a_connection_is_translated() -> None:
    base = {"type": "nat", "hook": "prerouting", "prio": -100}
    for line, target in (
        ("tcp dport 80 dnat to 10.9.0.1:8080", (ip_address("10.9.0.1"), 8080)),
        ("dnat to 10.9.0.1", (ip_address("10.9.0.1"), 0)),
        ("tcp dport 80 dnat to 10.9.0.1:8080 random,persistent", (ip_address("10.9.0.1"), 8080)),
        (
            "tcp dport 80-81 dnat ip to 10.9.0.1 : tcp dport map { 80 : 8080, 81 : 8081 }",
            (ip_address("10.9.0.1"), 8080),
        ),
        ("tcp dport 80 redirect to :8080", (None, 8080)),
        ("tcp dport 81 dnat to 10.9.0.1", None),
    ):
        chains = listed(line, family="ip", base=base)
        assert run(chains, "prerouting", PACKET, first=True).destination == target
        assert run(chains, "prerouting", PACKET, first=False).destination is None
    rule = nftables_json.rule([{"dnat": {"family": "ip6", "addr": "fd00::2", "port": 53}}], {}, "")
    assert rule.target == (ip_address("fd00::2"), 53)
    for line in ("limit rate 1/second dnat to 10.9.0.1", "dnat to 10.9.0.1-10.9.0.9"):
        verdict = run(listed(line, family="ip", base=base), "prerouting", PACKET, first=True)
        assert verdict.destination is None
        assert len(verdict.doubts) == 1


def test_sources_and_their_ports() -> None:
    base = {"type": "nat", "hook": "postrouting", "prio": 100}
    packet = replace(SIX, proto="tcp", icmp="", dport=80)
    there = ip_address("fd00::1")
    for line, source in (
        ("masquerade", (None, 0)),
        ("masquerade random", (None, ChosenPort(random=True))),
        ("masquerade fully-random,persistent", (None, ChosenPort(random=True))),
        ("tcp dport 80 masquerade to :1024-31000", (None, ChosenPort((1024, 31000)))),
        ("meta l4proto udp masquerade to :1024 random", None),
        ("snat to fd00::1", (there, 0)),
        ("snat to fd00::1 fully-random", (there, ChosenPort(random=True))),
        ("meta l4proto tcp snat to [fd00::1]:1024-65535", (there, ChosenPort((1024, 65535)))),
        (
            "meta l4proto tcp snat to [fd00::1]:7 fully-random,persistent",
            (there, ChosenPort((7, 7), random=True)),
        ),
    ):
        chains = listed(line, family="ip6", base=base)
        assert run(chains, "postrouting", packet, first=True).source == source, line
    for line in ("snat to fd00::1-fd00::9", "meta l4proto tcp snat to [fd00::1]-[fd00::9]:7-8"):
        verdict = run(listed(line, family="ip6", base=base), "postrouting", packet, first=True)
        assert verdict.source is None and len(verdict.doubts) == 1


def test_a_dormant_table_has_no_effect() -> None:
    text = "table inet t { # handle 1\n\tflags dormant\n\n\tchain f { # handle 1\n\t}\n}\n"
    chain = {"family": "inet", "table": "t", "name": "f", "hook": "forward", "policy": "drop"}
    table = {"family": "inet", "name": "t", "flags": "t"}
    document = json.dumps({"nftables": [{"table": table}, {"chain": chain}]})
    for listing, drops in ((text, False), (text.replace("\tflags dormant\n", ""), True)):
        chains = syntax_of("nftables").chains_of(FilterListing(listing, document))
        assert bool(run(chains, "forward", PACKET, first=True).dropped) == drops


def test_a_listing_that_is_none_is_an_error() -> None:
    for text in ("", "{", '{"nftables": {}}', '{"nftables": [{"rule": {"family": "inet"}}]}'):
        with pytest.raises(ValueError, match="libnftables' JSON is not understood"):
            nftables_json.chains(text, {}, {})
    assert (
        nftables_json.chains('{"nftables": [{"metainfo": {}}, {"gadget": {"family": 7}}]}', {}, {})
        == ()
    )


# rulesets of well-known programs


def ruleset(name: str, hook: str = "forward", *, first: bool = True, **fields: Any) -> HookVerdict:
    """Return the verdict of a recorded ruleset on a packet with some fields changed."""
    packet = {
        "source": ip_address("192.0.2.7"),
        "destination": ip_address("172.17.0.2"),
        "proto": "tcp",
        "dport": 80,
        **fields,
    }
    return run(chains_of(recorded()["rulesets"][name]), hook, Packet(**packet), first=first)


def test_docker_with_iptables_nft() -> None:
    inward = {"iif": "wan", "oif": "docker0"}
    assert (ruleset("docker", **inward).dropped, ruleset("docker", **inward).doubts) == ("", [])
    closed = (
        "nft chain ip filter FORWARD drops packets from wan to docker0, because none of its rules "
        "accepts that"
    )
    assert ruleset("docker", **inward, dport=81).dropped == closed
    # an answer, by -m conntrack
    assert ruleset("docker", **inward, dport=81, state="established").dropped == ""
    other = ruleset("docker", iif="docker0", oif="wan")
    assert (other.dropped, other.doubts) == ("", [])
    # a published port, by -m addrtype and -j DNAT
    came = ruleset(
        "docker",
        "prerouting",
        iif="wan",
        destination=ip_address("192.0.2.1"),
        dport=8080,
        local=True,
    )
    assert (came.destination, came.doubts) == ((ip_address("172.17.0.2"), 80), [])
    assert ruleset("docker", "prerouting", iif="wan", dport=8080, local=False).destination is None
    left = ruleset(
        "docker",
        "postrouting",
        source=ip_address("172.17.0.2"),
        oif="wan",
        destination=ip_address("192.0.2.7"),
    )
    assert (left.source, left.doubts) == ((None, 0), [])


def test_libvirt_with_iptables_nft() -> None:
    guest = {"source": ip_address("192.168.122.5"), "iif": "virbr0", "oif": "wan"}
    assert ruleset("libvirt", **guest).dropped == ""
    refused = ruleset(
        "libvirt", iif="wan", oif="virbr0", destination=ip_address("192.168.122.5")
    ).dropped
    assert refused.startswith(
        'nft rule `oifname "virbr0" counter reject` in ip filter LIBVIRT_FWI rejects packets from '
        "wan to virbr0"
    )
    answer = ruleset(
        "libvirt",
        iif="wan",
        oif="virbr0",
        destination=ip_address("192.168.122.5"),
        state="established",
    )
    assert (answer.dropped, answer.doubts) == ("", [])
    for proto, port in (("tcp", ChosenPort((1024, 65535))), ("icmp", 0)):
        left = ruleset(
            "libvirt", "postrouting", source=ip_address("192.168.122.5"), oif="wan", proto=proto
        )
        assert (left.source, left.doubts) == ((None, port), [])


def test_firewalld() -> None:
    assert ruleset("firewalld", iif="docker0", oif="wan").dropped == ""
    refused = ruleset("firewalld", iif="personal", oif="wan")
    assert refused.dropped.startswith(
        "nft rule `reject with icmpx admin-prohibited` in inet firewalld filter_FORWARD rejects"
    )
    assert refused.doubts == []
    for fields in (
        {"dport": 22},
        {"state": "established"},
        {"translated": True},
        {"proto": "icmp"},
    ):
        passed = ruleset("firewalld", iif="personal", oif="wan", **fields)
        assert (passed.dropped, passed.doubts) == ("", [])


@pytest.mark.parametrize(
    ("mark", "fields", "verdict"),
    [
        (1, {"state": "established"}, "drops"),
        (1, {"state": "related"}, ""),
        (2, {}, "drops"),
        (2, {"translated": True}, ""),
        (3, {}, "doubt"),
        (3, {"state": "established"}, ""),
        (4, {"source": ip_address("10.0.0.7")}, "drops"),
        (4, {"source": ip_address("10.0.0.7"), "dport": 8050}, ""),
        (4, {}, ""),
        (5, {}, "drops"),
        (5, {"local": True}, ""),
        (6, {}, "doubt"),
        (0, {"proto": "icmp", "icmp": "echo-request"}, "drops"),
        (0, {"proto": "icmp", "icmp": "echo-reply"}, ""),
    ],
)
def test_matches_of_iptables_in_nftables(mark: int, fields: dict[str, Any], verdict: str) -> None:
    result = ruleset("iptables", mark=mark, iif="a", oif="b", **fields)
    assert ("drops" if result.dropped else "doubt" if result.doubts else "") == verdict


def test_targets_of_iptables_in_nftables() -> None:
    targets = {mark: ruleset("iptables", "prerouting", mark=mark) for mark in (1, 2, 3)}
    assert targets[1].destination == (None, 8080)
    assert targets[2].destination == (ip_address("10.9.0.1"), 8080)
    assert targets[3].destination is None
    assert len(targets[3].doubts) == 1
    assert ruleset("iptables", "postrouting", mark=1).source == (ip_address("192.0.2.1"), 0)
    six = {"source": ip_address("fd00::7"), "destination": ip_address("fd00::1")}
    assert ruleset("iptables", "prerouting", **six).destination == (ip_address("fd00::2"), 8080)
    assert ruleset("iptables", **six, proto="icmpv6", icmp="echo-request").dropped
