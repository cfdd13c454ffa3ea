"""Tests of rulesets in the syntax of iptables."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from netorch.firewall.iptables import (
    CHAIN_LENGTH,
    ChainNames,
    commands,
    is_marked,
    lines,
    lines_of,
    text_of,
    translate,
)
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

NET, NET6 = ip_network("10.0.0.0/24"), ip_network("fd00::/64")
WEB, WEB6 = ip_address("10.0.0.2"), ip_address("fd00::2")


def rules(*ruleset: FilterRule) -> list[str]:
    """Return the rules in the topology's chains, without the chain's name and the default comment.

    Rules that only mark a chain are left out.
    """
    added = [
        line for table in lines("lab", ruleset).values() for line in table if line.startswith("-A")
    ]
    bodies = [line.split(" ", 2)[2] for line in added if not line.endswith('"netorch:lab"')]
    return [line.replace('-m comment --comment "netorch:lab" ', "") for line in bodies]


def test_a_chain_is_marked_and_the_mark_is_no_rule() -> None:
    made = text_of(lines("lab", (FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP),)))
    mark = 'iptables -t filter -A netorch-lab-fwd -m comment --comment "netorch:lab"'
    assert mark in made.splitlines() and mark not in lines_of(made)
    assert is_marked("lab", made)
    assert not is_marked("lab", "\n".join(line for line in made.splitlines() if line != mark))
    assert not is_marked("lab", made.replace('"netorch:lab"\n', '"netorch:lab2"\n'))
    assert is_marked("lab", "forward drop"), "rules that no kernel has listed yet"


def test_an_empty_ruleset_is_no_table() -> None:
    assert translate("lab", ()) == ()
    assert lines("lab", ()) == {}


def test_a_table_is_its_chains_then_the_jumps_then_the_rules() -> None:
    tables = lines(
        "lab",
        (
            FilterRule(
                4,
                Hook.PREROUTING,
                Match(protocol="tcp", port=(80, 80)),
                DestinationTo(WEB, (8080, 8080)),
                "publish web",
            ),
            FilterRule(4, Hook.POSTROUTING, Match(source=NET), MASQUERADE),
            FilterRule(6, Hook.FORWARD, Match(iif="br0"), Verdict.ACCEPT, "br0"),
            FilterRule(4, Hook.PREROUTING, Match(), Verdict.RETURN, "it's \\ odd"),
        ),
    )
    assert tables == {
        (4, "nat"): (
            "-N netorch-lab-post",
            "-N netorch-lab-pre",
            '-I POSTROUTING -m comment --comment "netorch:lab" -j netorch-lab-post',
            '-I PREROUTING -m comment --comment "netorch:lab" -j netorch-lab-pre',
            '-A netorch-lab-post -m comment --comment "netorch:lab"',
            '-A netorch-lab-post -s 10.0.0.0/24 -m comment --comment "netorch:lab" -j MASQUERADE',
            '-A netorch-lab-pre -m comment --comment "netorch:lab"',
            "-A netorch-lab-pre -p tcp -m tcp --dport 80 -m comment"
            ' --comment "publish web" -j DNAT --to-destination 10.0.0.2:8080',
            '-A netorch-lab-pre -m comment --comment "it\\\'s \\\\ odd" -j RETURN',
        ),
        (6, "filter"): (
            "-N netorch-lab-fwd",
            '-I FORWARD -m comment --comment "netorch:lab" -j netorch-lab-fwd',
            '-A netorch-lab-fwd -m comment --comment "netorch:lab"',
            "-A netorch-lab-fwd -i br0 -m comment --comment br0 -j RETURN",
        ),
    }
    typed = list(commands(tables))
    assert (
        typed[2]
        == "iptables -t nat -I POSTROUTING -m comment --comment netorch:lab -j netorch-lab-post"
    )
    assert (
        typed[8]
        == """iptables -t nat -A netorch-lab-pre -m comment --comment 'it'"'"'s \\ odd' -j RETURN"""
    )
    assert typed[9] == "ip6tables -t filter -N netorch-lab-fwd"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            FilterRule(
                4,
                Hook.POSTROUTING,
                Match(source=NET, destination=Not(NET), oif=Not("br0")),
                MASQUERADE,
            ),
            "-s 10.0.0.0/24 ! -d 10.0.0.0/24 ! -o br0 -j MASQUERADE",
        ),
        (
            FilterRule(6, Hook.POSTROUTING, Match(source=Not(NET6), oif="br0"), SourceTo(WEB6)),
            "! -s fd00::/64 -o br0 -j SNAT --to-source fd00::2",
        ),
        (FilterRule(4, Hook.POSTROUTING, Match(), SourceTo(WEB)), "-j SNAT --to-source 10.0.0.2"),
        (
            FilterRule(4, Hook.POSTROUTING, Match(protocol="tcp"), SourceTo(WEB, (1024, 65535))),
            "-p tcp -j SNAT --to-source 10.0.0.2:1024-65535",
        ),
        (
            FilterRule(6, Hook.POSTROUTING, Match(protocol="udp"), SourceTo(WEB6, (7, 7), True)),
            "-p udp -j SNAT --to-source [fd00::2]:7 --random-fully",
        ),
        (
            FilterRule(6, Hook.POSTROUTING, Match(protocol="sctp"), SourceTo(None, (7, 8), True)),
            "-p sctp -j MASQUERADE --to-ports 7-8 --random-fully",
        ),
        (
            FilterRule(4, Hook.POSTROUTING, Match(), SourceTo(None, random=True)),
            "-j MASQUERADE --random-fully",
        ),
        (
            FilterRule(
                4, Hook.POSTROUTING, Match(source=ip_network("10.0.0.9/32")), Verdict.RETURN
            ),
            "-s 10.0.0.9/32 -j RETURN",
        ),
        (
            FilterRule(4, Hook.FORWARD, Match(source=ip_network("0.0.0.0/0")), Verdict.DROP),
            "-j DROP",
        ),
        (
            FilterRule(6, Hook.FORWARD, Match(source=Not(ip_network("::/0"))), Verdict.DROP),
            "! -s ::/0 -j DROP",
        ),
        (
            FilterRule(
                4,
                Hook.FORWARD,
                Match(states=("established", "new", "related", "invalid")),
                Verdict.ACCEPT,
            ),
            "-m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED -j RETURN",
        ),
        (
            FilterRule(4, Hook.FORWARD, Match(states=("new",), translated=True), Verdict.ACCEPT),
            "-m conntrack --ctstate NEW -m conntrack --ctstate DNAT -j RETURN",
        ),
        (
            FilterRule(
                6, Hook.FORWARD, Match(iif="br0", oif="br1", translated=False), Verdict.DROP
            ),
            "-i br0 -o br1 -m conntrack ! --ctstate DNAT -j DROP",
        ),
        (
            FilterRule(
                4, Hook.INPUT, Match(protocol="udp", port=(53, 54), local=False), Verdict.DROP
            ),
            "-p udp -m udp --dport 53:54 -m addrtype ! --dst-type LOCAL -j DROP",
        ),
        (FilterRule(4, Hook.INPUT, Match(protocol="tcp"), Verdict.DROP), "-p tcp -j DROP"),
        (
            FilterRule(4, Hook.INPUT, Match(protocol="tcp", port=(0, 65535)), Verdict.DROP),
            "-p tcp -m tcp -j DROP",
        ),
        (
            FilterRule(4, Hook.INPUT, Match(protocol="sctp", port=(0, 65535)), Verdict.DROP),
            "-p sctp -m sctp --dport 0:65535 -j DROP",
        ),
        (
            FilterRule(4, Hook.OUTPUT, Match(local=True), DestinationTo(WEB)),
            "-m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.2",
        ),
        (
            FilterRule(
                6,
                Hook.PREROUTING,
                Match(protocol="sctp", port=(80, 80)),
                DestinationTo(WEB6, (81, 81)),
            ),
            "-p sctp -m sctp --dport 80 -j DNAT --to-destination [fd00::2]:81",
        ),
        (
            FilterRule(6, Hook.PREROUTING, Match(protocol="tcp"), DestinationTo(WEB6)),
            "-p tcp -j DNAT --to-destination fd00::2",
        ),
        (
            FilterRule(
                4,
                Hook.PREROUTING,
                Match(protocol="tcp", port=(80, 90)),
                DestinationTo(WEB, (8080, 8080)),
            ),
            "-p tcp -m tcp --dport 80:90 -j DNAT --to-destination 10.0.0.2:8080",
        ),
    ],
)
def test_a_rule(rule: FilterRule, text: str) -> None:
    assert rules(rule) == [text]


def test_a_range_that_stays_is_one_rule_without_ports_so_that_none_is_chosen() -> None:
    same = FilterRule(
        4,
        Hook.PREROUTING,
        Match(protocol="tcp", port=(8000, 8100)),
        DestinationTo(WEB, (8000, 8100)),
    )
    assert rules(same) == ["-p tcp -m tcp --dport 8000:8100 -j DNAT --to-destination 10.0.0.2"]


def test_a_range_that_moves_is_a_rule_for_each_port() -> None:
    moved = FilterRule(
        6,
        Hook.PREROUTING,
        Match(protocol="udp", port=(8000, 8002)),
        DestinationTo(WEB6, (9001, 9003)),
    )
    assert rules(moved) == [
        "-p udp -m udp --dport 8000 -j DNAT --to-destination [fd00::2]:9001",
        "-p udp -m udp --dport 8001 -j DNAT --to-destination [fd00::2]:9002",
        "-p udp -m udp --dport 8002 -j DNAT --to-destination [fd00::2]:9003",
    ]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            FilterRule(
                4, Hook.PREROUTING, Match(protocol="tcp", port=(1, 3)), DestinationTo(WEB, (1, 2))
            ),
            "differ in length",
        ),
        (
            FilterRule(4, Hook.PREROUTING, Match(protocol="tcp"), DestinationTo(WEB, (1, 2))),
            "differ in length",
        ),
        (
            FilterRule(4, Hook.PREROUTING, Match(), DestinationTo(WEB, (1, 1))),
            "ports need a protocol",
        ),
        (
            FilterRule(4, Hook.PREROUTING, Match(port=(1, 1)), DestinationTo(WEB)),
            "ports need a protocol",
        ),
        (
            FilterRule(
                4, Hook.PREROUTING, Match(protocol="tcp", port=(1, 70000)), DestinationTo(WEB)
            ),
            "is not a range of ports",
        ),
        (
            FilterRule(4, Hook.PREROUTING, Match(protocol="tcp", port=(2, 1)), DestinationTo(WEB)),
            "is not a range of ports",
        ),
        (FilterRule(4, Hook.PREROUTING, Match(), DestinationTo(WEB6)), "is not an address of IPv4"),
        (
            FilterRule(6, Hook.POSTROUTING, Match(source=NET), MASQUERADE),
            "is not a network of IPv6",
        ),
        (
            FilterRule(4, Hook.POSTROUTING, Match(), DestinationTo(WEB)),
            "only in PREROUTING and OUTPUT",
        ),
        (FilterRule(4, Hook.PREROUTING, Match(), MASQUERADE), "only in POSTROUTING"),
        (FilterRule(4, Hook.OUTPUT, Match(), SourceTo(WEB)), "only in POSTROUTING"),
        (
            FilterRule(4, Hook.POSTROUTING, Match(protocol="icmp"), SourceTo(None, (1, 9))),
            "ports need a protocol",
        ),
        (
            FilterRule(4, Hook.POSTROUTING, Match(protocol="tcp"), SourceTo(WEB, (9, 1))),
            "is not a range of ports",
        ),
        (FilterRule(4, Hook.OUTPUT, Match(), Verdict.DROP), "nat cannot drop packets"),
        (
            FilterRule(4, Hook.POSTROUTING, Match(iif="br0"), MASQUERADE, "why"),
            r"POSTROUTING \(why\): -i is not possible there",
        ),
        (FilterRule(4, Hook.INPUT, Match(oif="br0"), Verdict.DROP), "-o is not possible there"),
        (FilterRule(4, Hook.INPUT, Match(iif="br+"), Verdict.DROP), "is not an interface name"),
        (
            FilterRule(4, Hook.INPUT, Match(iif=Not('b"r')), Verdict.DROP),
            "is not an interface name",
        ),
        (FilterRule(4, Hook.INPUT, Match(protocol="x"), Verdict.DROP), "is not a protocol"),
        (FilterRule(4, Hook.INPUT, Match(states=("snat",)), Verdict.DROP), "are not states"),
        (
            FilterRule(4, Hook.INPUT, Match(), Verdict.DROP, 'a "quoted" comment'),
            "cannot be the comment",
        ),
    ],
)
def test_rules_that_iptables_cannot_express(rule: FilterRule, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        translate("lab", (rule,))


@pytest.mark.parametrize(
    "topology",
    [
        "a",
        "lab",
        "lab-2",
        "exactly-15-long",
        "a-name-16-letter",
        "a-name-of-thirty-two-characters-",
    ],
)
def test_chains_fit_whatever_the_topology_is_called(topology: str) -> None:
    names = ChainNames(topology)
    assert names.mark == f"netorch:{topology}"
    chains = {names.chain(hook) for hook in Hook}
    assert len(chains) == len(Hook) and all(name in names.chains for name in chains)
    assert all(name.startswith("netorch-") and len(name) <= CHAIN_LENGTH for name in chains)


def test_no_two_topologies_share_a_chain() -> None:
    long = [f"a-topology-with-a-long-name-{number}" for number in range(1000)]
    cut = ChainNames(long[0]).chain(Hook.POSTROUTING).removeprefix("netorch-").removesuffix("-post")
    assert cut.startswith("a-to.")
    names = [*long, "lab", "lab-pre", "lab-post", cut.replace(".", "-")]
    chains = {ChainNames(name).chain(hook) for name in names for hook in Hook}
    assert len(chains) == len(names) * len(Hook)
