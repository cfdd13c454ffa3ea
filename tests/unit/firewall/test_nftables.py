"""Tests of the nft text of a ruleset, and of the lines of a listing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from netorch.firewall import nftables
from netorch.values.filter_rules import (
    MASQUERADE,
    DestinationTo,
    FilterRule,
    Hook,
    Match,
    Not,
    SourceTo,
    Verdict,
)

A, A6 = IPv4Address("10.0.0.2"), IPv6Address("fd00::2")
NET, NET6 = ip_network("10.0.0.0/24"), ip_network("fd00::/64")


def line(rule: FilterRule) -> str:
    """Return the line of a rule in a script that contains only this rule."""
    lines = nftables.script("lab", (rule,)).splitlines()
    assert lines[:4] == [
        "add table inet netorch_lab",
        "delete table inet netorch_lab",
        "table inet netorch_lab {",
        '\tcomment "netorch:lab"',
    ]
    assert lines[-2:] == ["\t}", "}"]
    return lines[6].removeprefix("\t\t")


def test_the_whole_text() -> None:
    rules = (
        FilterRule(4, Hook.FORWARD, Match(iif="br0", oif="br1"), Verdict.DROP, "lab: isolate"),
        FilterRule(
            4,
            Hook.PREROUTING,
            Match(protocol="tcp", port=(8080, 8080), local=True),
            DestinationTo(A, (80, 80)),
            "lab: web",
        ),
        FilterRule(4, Hook.POSTROUTING, Match(source=NET, oif=Not("br0")), MASQUERADE),
        FilterRule(
            6,
            Hook.OUTPUT,
            Match(protocol="udp", port=(53, 53), local=True),
            DestinationTo(A6, (53, 53)),
        ),
        FilterRule(
            4,
            Hook.INPUT,
            Match(iif="br0", destination=ip_network("127.0.0.0/8"), translated=False),
            Verdict.DROP,
        ),
        FilterRule(4, Hook.PREROUTING, Match(iif="eth0"), Verdict.RETURN),
    )
    assert (
        nftables.script("lab", rules)
        == """\
add table inet netorch_lab
delete table inet netorch_lab
table inet netorch_lab {
	comment "netorch:lab"
	chain prerouting {
		type nat hook prerouting priority -100; policy accept;
		meta nfproto ipv4 tcp dport 8080 fib daddr type local dnat ip to 10.0.0.2:80 comment "lab: web"
		meta nfproto ipv4 iifname "eth0" return
	}
	chain output {
		type nat hook output priority -100; policy accept;
		meta nfproto ipv6 udp dport 53 fib daddr type local dnat ip6 to [fd00::2]:53
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		oifname != "br0" ip saddr 10.0.0.0/24 masquerade
	}
	chain forward {
		type filter hook forward priority 0; policy accept;
		meta nfproto ipv4 iifname "br0" oifname "br1" drop comment "lab: isolate"
	}
	chain input {
		type filter hook input priority 0; policy accept;
		iifname "br0" ip daddr 127.0.0.0/8 ct status & dnat == 0 drop
	}
}
"""
    )


def test_a_table_is_marked_and_the_mark_is_no_rule() -> None:
    script = nftables.script("lab", (FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP),))
    listed = script.removeprefix(nftables.delete("netorch_lab"))
    assert nftables.is_marked("lab", listed)
    assert not nftables.is_marked("lab", listed.replace('"netorch:lab"', '"netorch:lab2"'))
    assert nftables.is_marked("lab", "forward drop"), "rules that no kernel has listed yet"
    assert "comment" not in "".join(nftables.lines_of(listed))


def test_a_new_table_is_refused_where_one_is() -> None:
    script = nftables.script("lab", (FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP),))
    listed = script.removeprefix(nftables.delete("netorch_lab"))
    marked = 'create table inet netorch_lab { comment "netorch:lab"; }\n' + listed
    assert nftables.create("lab", script) == nftables.create("lab", listed) == marked
    bare = listed.replace('\tcomment "netorch:lab"\n', "")
    assert nftables.create("lab", bare) == "create table inet netorch_lab\n" + bare


def test_no_rules_are_no_table() -> None:
    gone = "add table inet netorch_lab\ndelete table inet netorch_lab\n"
    assert nftables.script("lab", ()) == nftables.delete("netorch_lab") == gone


@pytest.mark.parametrize(
    ("family", "match", "text"),
    [
        (4, Match(), "meta nfproto ipv4 accept"),
        (6, Match(), "meta nfproto ipv6 accept"),
        (4, Match(source=NET), "ip saddr 10.0.0.0/24 accept"),
        (4, Match(destination=Not(NET)), "ip daddr != 10.0.0.0/24 accept"),
        (
            6,
            Match(source=NET6, destination=Not(ip_network("ff00::/8"))),
            "ip6 saddr fd00::/64 ip6 daddr != ff00::/8 accept",
        ),
        (4, Match(destination=ip_network("10.0.0.1/32")), "ip daddr 10.0.0.1 accept"),
        (6, Match(destination=ip_network("::1/128")), "ip6 daddr ::1 accept"),
        (
            4,
            Match(iif="eth0.10@x", oif=Not("br-lab")),
            'meta nfproto ipv4 iifname "eth0.10@x" oifname != "br-lab" accept',
        ),
        (4, Match(protocol="sctp"), "meta nfproto ipv4 meta l4proto sctp accept"),
        (
            4,
            Match(protocol="udp", port=(8000, 8010)),
            "meta nfproto ipv4 udp dport 8000-8010 accept",
        ),
        (4, Match(local=False), "meta nfproto ipv4 fib daddr type != local accept"),
        (
            6,
            Match(states=("established", "related")),
            "meta nfproto ipv6 ct state established,related accept",
        ),
        (4, Match(translated=True), "meta nfproto ipv4 ct status dnat accept"),
        (4, Match(translated=False), "meta nfproto ipv4 ct status & dnat == 0 accept"),
    ],
)
def test_matches(family: int, match: Match, text: str) -> None:
    assert line(FilterRule(family, Hook.FORWARD, match, Verdict.ACCEPT)) == text


@pytest.mark.parametrize(
    ("match", "target", "text"),
    [
        (Match(), DestinationTo(A), "dnat ip to 10.0.0.2"),
        (
            Match(protocol="tcp", port=(80, 80)),
            DestinationTo(A),
            "tcp dport 80 dnat ip to 10.0.0.2",
        ),
        (
            Match(protocol="tcp", port=(80, 80)),
            DestinationTo(A, (80, 80)),
            "tcp dport 80 dnat ip to 10.0.0.2:80",
        ),
        (
            Match(protocol="tcp", port=(80, 90)),
            DestinationTo(A, (80, 90)),
            "tcp dport 80-90 dnat ip to 10.0.0.2",
        ),
        (
            Match(protocol="tcp"),
            DestinationTo(A, (80, 80)),
            "meta l4proto tcp dnat ip to 10.0.0.2:80",
        ),
        (
            Match(protocol="sctp", port=(80, 82)),
            DestinationTo(A, (90, 92)),
            "sctp dport 80-82 dnat ip to 10.0.0.2 : sctp dport map { 80 : 90, 81 : 91, 82 : 92 }",
        ),
        (Match(), SourceTo(IPv4Address("192.0.2.1")), "snat ip to 192.0.2.1"),
        (
            Match(protocol="tcp"),
            SourceTo(IPv4Address("192.0.2.1"), (1024, 65535)),
            "meta l4proto tcp snat ip to 192.0.2.1:1024-65535",
        ),
        (
            Match(protocol="udp"),
            SourceTo(None, (1024, 31000)),
            "meta l4proto udp masquerade to :1024-31000",
        ),
        (
            Match(protocol="sctp"),
            SourceTo(None, (7, 7), random=True),
            "meta l4proto sctp masquerade to :7 fully-random",
        ),
        (Match(), SourceTo(None, random=True), "masquerade fully-random"),
    ],
)
def test_translations(match: Match, target: DestinationTo | SourceTo, text: str) -> None:
    assert line(FilterRule(4, Hook.PREROUTING, match, target)) == f"meta nfproto ipv4 {text}"


def test_ipv6_targets() -> None:
    match = Match(protocol="udp", port=(80, 81))
    assert line(FilterRule(6, Hook.PREROUTING, match, DestinationTo(A6, (90, 91)))).endswith(
        "dnat ip6 to fd00::2 : udp dport map { 80 : 90, 81 : 91 }"
    )
    assert (
        line(FilterRule(6, Hook.POSTROUTING, Match(), SourceTo(A6)))
        == "meta nfproto ipv6 snat ip6 to fd00::2"
    )
    with_ports = SourceTo(A6, (1, 9), random=True)
    assert line(FilterRule(6, Hook.POSTROUTING, Match(protocol="tcp"), with_ports)).endswith(
        "meta l4proto tcp snat ip6 to [fd00::2]:1-9 fully-random"
    )


TCP = Match(protocol="tcp", port=(80, 81))


@pytest.mark.parametrize(
    "rule",
    [
        FilterRule(4, Hook.FORWARD, Match(source=NET6), Verdict.DROP),
        FilterRule(4, Hook.POSTROUTING, Match(), SourceTo(None, (1, 9))),
        FilterRule(4, Hook.POSTROUTING, Match(protocol="icmp"), SourceTo(None, (1, 9))),
        FilterRule(4, Hook.POSTROUTING, Match(protocol="tcp"), SourceTo(None, (9, 1))),
        FilterRule(4, Hook.POSTROUTING, Match(), SourceTo(A6)),
        FilterRule(
            4,
            Hook.FORWARD,
            Match(source="example.org"),  # type: ignore[arg-type]
            Verdict.DROP,
        ),
        FilterRule(4, Hook.FORWARD, Match(iif=""), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(iif="sixteen-bytes-xx"), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(iif="ümläutümläut"), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(iif='x" accept #'), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(oif=Not("eth*")), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(port=(80, 80)), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(protocol="tcp", port=(80, 79)), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(protocol="tcp", port=(80, 65536)), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(protocol="http", port=(80, 80)), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(states=("NEW",)), Verdict.DROP),
        FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP, 'a "quote"'),
        FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP, "two\nlines"),
        FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP, "x" * 101),
        FilterRule(4, Hook.PREROUTING, TCP, DestinationTo(A6)),
        FilterRule(6, Hook.PREROUTING, TCP, DestinationTo(IPv6Address("fe80::1%eth0"))),
        FilterRule(4, Hook.PREROUTING, TCP, DestinationTo("example.org")),  # type: ignore[arg-type]
        FilterRule(4, Hook.PREROUTING, TCP, DestinationTo(A, (80, 90))),
        FilterRule(4, Hook.PREROUTING, Match(protocol="tcp"), DestinationTo(A, (80, 90))),
        FilterRule(4, Hook.PREROUTING, Match(), DestinationTo(A, (80, 80))),
    ],
)
def test_values_that_nft_would_interpret_differently_are_refused(rule: FilterRule) -> None:
    with pytest.raises(
        ValueError, match=r"is not an? |cannot be the|are not states|a port needs|differ in length"
    ):
        nftables.script("lab", (rule,))


def test_table_names() -> None:
    assert nftables.table_name("my-lab-2") == "netorch_my_lab_2"
    for name in ("my_lab", "", "Lab", "x; flush ruleset"):
        with pytest.raises(ValueError, match="is not the name"):
            nftables.table_name(name)
    for table in ("filter", "netorch_", "netorch_x {}"):
        with pytest.raises(ValueError, match="is not the name"):
            nftables.delete(table)


def test_a_listing() -> None:
    text = """\
table inet netorch_lab {
	flags dormant

	set s {
		type ipv4_addr
		elements = { 1.2.3.4, 1.2.3.5,
				1.2.3.6 }
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 8080 dnat ip to 10.0.0.2:80 comment "a { b"
		counter jump {
			ip saddr @s drop
			accept
		}
	}

	chain empty {
	}
}
"""
    assert nftables.listing(text) == (
        "flags dormant",
        "set s type ipv4_addr",
        "set s 1.2.3.4",
        "set s 1.2.3.5",
        "set s 1.2.3.6",
        "prerouting type nat hook prerouting priority dstnat; policy accept;",
        'prerouting tcp dport 8080 dnat ip to 10.0.0.2:80 comment "a { b"',
        "prerouting counter jump { ip saddr @s drop accept }",
        "empty",
    )
    assert nftables.listing("") == nftables.listing("table inet netorch_lab {\n}\n") == ()
