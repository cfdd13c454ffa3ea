"""Translations that are read hold for no packet that their source exempts."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.firewall import iptables_save
from netorch.firewall.chains import ListedChain
from netorch.firewall.evaluation import HookVerdict, Packet, run
from netorch.firewall.ruleset_chains import chains_of
from netorch.importers.draft import Draft
from netorch.importers.live import translations
from netorch.importers.shell_lines.node import Node
from netorch.importers.shell_lines.reader import read_lines
from netorch.importers.shell_lines.write import write
from netorch.kinds.filter import PacketFilter
from netorch.resolve.loader import load

CHAINS = ("POSTROUTING", "one", "two")
TARGETS = ("ACCEPT", "RETURN", "MASQUERADE", "SNAT --to-source 192.0.2.1", "one", "two")
CONDITIONS = (
    ("-s 10.0.0.0/24", "! -s 10.0.0.0/24", "-s 10.0.0.5"),
    ("-d 10.9.0.0/16", "! -d 10.9.0.0/16"),
    ("-o eth0", "! -o eth0", "-o wg0", "-o e+"),
    ("-p tcp", "-p udp", "! -p tcp"),
)
LAST = ("-A POSTROUTING -j MASQUERADE", "-A POSTROUTING -o eth0 -p tcp -j MASQUERADE")


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Return rules of three chains, each of which jumps only to later ones, and a translation."""
    result = []
    for _ in range(draw(st.integers(1, 7))):
        place = draw(st.integers(0, len(CHAINS) - 1))
        targets = TARGETS[: len(TARGETS) - 2] + CHAINS[place + 1 :]
        conditions = [
            draw(st.sampled_from(some))
            for some in CONDITIONS
            if draw(st.integers(0, 2 + place)) == 0
        ]
        target = draw(st.sampled_from(targets))
        jump = "-g" if target in CHAINS and draw(st.booleans()) else "-j"
        result.append(" ".join(["-A", CHAINS[place], *conditions, jump, target]))
    return [*result, draw(st.sampled_from(LAST))]


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    return Packet(
        ip_address(draw(st.sampled_from(("10.0.0.5", "10.0.0.7", "10.2.0.1")))),
        ip_address(draw(st.sampled_from(("10.9.0.1", "198.51.100.1")))),
        draw(st.sampled_from(("tcp", "udp"))),
        sport=40000,
        dport=80,
        oif=draw(st.sampled_from(("eth0", "eth1", "wg0"))),
    )


def listed(some: list[str]) -> tuple[ListedChain, ...]:
    there = ("-P POSTROUTING ACCEPT", "-N one", "-N two", *some)
    return iptables_save.chains({(4, "nat"): there})


def verdict(chains: Any, packet: Packet) -> HookVerdict:
    return run(chains, "postrouting", packet, first=True)


def assert_no_more(some: list[str], nat: list[Any], tried: list[Packet]) -> None:
    """Assert that `nat` translates no packet that the rules do not translate."""
    file = {"name": "lab", "nodes": {"n": {"nat": nat}}}
    state = load(json.dumps(file).encode(), "lab.yaml").desired.state
    (packet_filter,) = [one for one in state.values() if isinstance(one, PacketFilter)]
    again = chains_of("lab", packet_filter.rules)
    for packet in tried:
        if verdict(again, packet).source is not None:
            assert verdict(listed(some), packet).source is not None, (packet, nat)


@settings(max_examples=60, deadline=None)
@given(lines(), st.lists(packets(), min_size=1, max_size=12))
def test_a_machine_is_translated_no_more_than_before(some: list[str], tried: list[Packet]) -> None:
    draft = Draft("t", "s", "t")
    translations.add_chains(draft, "n", listed(some), False)
    if nat := draft.nodes.get("n", {}).get("nat"):
        assert_no_more(some, nat, tried)


@settings(max_examples=60, deadline=None)
@given(lines(), st.lists(packets(), min_size=1, max_size=12))
def test_lines_of_a_shell_translate_no_more_than_they_say(
    some: list[str], tried: list[Packet]
) -> None:
    node, draft = Node("n"), Draft("t", "s", "t")
    text = "\n".join(f"iptables -t nat {one}" for one in ("-N one", "-N two", *some))
    read_lines(node, text, lambda line: f"t.sh:{line}")
    write(node, draft)
    if nat := draft.nodes["n"].get("nat"):
        assert_no_more(some, nat, tried)
