"""Rules of iptables-legacy that are read, and packets that are sent through them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.firewall.chains import ChosenPort
from netorch.firewall.evaluation import HookVerdict, Packet, run
from netorch.firewall.iptables_save import chains

PACKET = Packet(
    ip_address("10.0.0.5"), ip_address("10.2.0.9"), "tcp", 40000, 80, iif="docker0", oif="personal"
)


def through(*lines: str, table: str = "filter", hook: str = "forward") -> HookVerdict:
    return run(
        chains({(4, table): ("-P FORWARD ACCEPT", "-N mine", *lines)}), hook, PACKET, first=True
    )


@pytest.mark.parametrize(
    "line",
    [
        "-A FORWARD -j DROP",
        "-A FORWARD -s 10.0.0.0/24 -i docker0 ! -o docker0 -p tcp -m tcp --dport 80:90 "
        "-j REJECT --reject-with icmp-port-unreachable",
        "-A FORWARD -i dock+ -m conntrack --ctstate NEW,RELATED "
        '-m comment --comment "keep out" -j DROP',
        "-A FORWARD -m conntrack ! --ctstate DNAT -m addrtype ! --dst-type LOCAL -j DROP",
        "-P FORWARD DROP",
    ],
)
def test_rules_that_drop_the_packet(line: str) -> None:
    verdict = through(line)
    assert verdict.dropped.startswith("iptables ")
    assert not verdict.doubts


@pytest.mark.parametrize(
    "line",
    [
        "-A FORWARD -p udp -m udp --dport 80 -j DROP",
        "-A FORWARD ! -s 10.0.0.0/8 -j DROP",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j DROP",
        "-A FORWARD -m conntrack --ctstate DNAT -j DROP",
        "-A INPUT -j DROP",
        '-A FORWARD -j LOG --log-prefix "seen "',
        "-A FORWARD -j mine",
    ],
)
def test_rules_that_do_not_drop_the_packet(line: str) -> None:
    verdict = through(line)
    assert (verdict.dropped, verdict.doubts) == ("", [])


def test_the_rule_that_drops_the_packet_is_reported() -> None:
    assert through(
        "-A FORWARD -j mine", '-A mine -m comment --comment "keep out" -j DROP'
    ).dropped == ('iptables rule "keep out" in filter mine drops packets from docker0 to personal')
    assert through('-A FORWARD -o personal -m comment --comment "netorch:lab" -j DROP').dropped == (
        'iptables rule `-o personal -m comment --comment "netorch:lab" -j DROP` '
        "in filter FORWARD drops packets from docker0 to personal"
    )


@pytest.mark.parametrize(
    "line",
    [
        "-A FORWARD -m limit --limit 1/sec -j DROP",
        "-A FORWARD -j NFQUEUE --queue-num 1",
        "-A FORWARD -m physdev [00] -j DROP",
    ],
)
def test_what_is_not_understood_is_a_doubt(line: str) -> None:
    verdict = through(line)
    assert verdict.dropped == ""
    assert len(verdict.doubts) == 1


def test_translations() -> None:
    for line, target in (
        (
            "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.1:8080",
            (ip_address("10.9.0.1"), 8080),
        ),
        ("-A PREROUTING -j DNAT --to-destination 10.9.0.1", (ip_address("10.9.0.1"), 0)),
        ("-A PREROUTING -p tcp -j REDIRECT --to-ports 8080", (None, 8080)),
    ):
        assert through(line, table="nat", hook="prerouting").destination == target
    verdict = through(
        "-A POSTROUTING -s 10.0.0.0/8 ! -o docker0 -j MASQUERADE", table="nat", hook="postrouting"
    )
    assert verdict.source == (None, 0)
    assert verdict.by == "iptables rule `-s 10.0.0.0/8 ! -o docker0 -j MASQUERADE`"
    for line, source in (
        ("-p tcp -j MASQUERADE --to-ports 7-9", (None, ChosenPort((7, 9)))),
        ("-j MASQUERADE --random", (None, ChosenPort(random=True))),
        ("-j SNAT --to-source 10.9.0.1", (ip_address("10.9.0.1"), 0)),
        (
            "-p tcp -j SNAT --to-source 10.9.0.1:7 --random-fully --persistent",
            (ip_address("10.9.0.1"), ChosenPort((7, 7), random=True)),
        ),
        ("-j SNAT --to-source 10.9.0.1-10.9.0.9", None),
    ):
        assert through(f"-A POSTROUTING {line}", table="nat", hook="postrouting").source == source
