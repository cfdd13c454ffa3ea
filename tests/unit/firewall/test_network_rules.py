"""Laws of the rules for networks: who may reach whom, and how many rules that takes.

The rules for sets of networks are compared with rules for each pair of networks, which say the same
in the plainest way. Both the form for nftables and that for iptables are evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.firewall import iptables, nftables
from netorch.firewall.evaluation import Filters, Packet, run
from netorch.firewall.ruleset_chains import chains_of
from netorch.firewall.syntax import SYNTAXES, syntax_of
from netorch.immutable import Value
from netorch.kinds.filter import PacketFilter
from netorch.resolve.loader import load
from netorch.values.filter_rules import (
    MASQUERADE,
    FilterRule,
    Hook,
    Match,
    Network,
    Not,
    Ruleset,
    SourceTo,
    Verdict,
    single_rules,
)

LEADING_OUT = {"nat", "routed"}
LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
MULTICAST = {4: ip_network("224.0.0.0/4"), 6: ip_network("ff00::/8")}
OUTSIDE = {4: "192.0.2.7", 6: "2001:db8::7"}


class Drawn(Value):
    """A network of the owner `r`."""

    name: str
    v4: str
    """The mode for IPv4."""
    v6: str
    isolated: bool | None
    allow: tuple[str, ...]
    subnets: tuple[Network, ...]
    egress: bool
    """Whether it has `egress` for IPv4."""

    def mode(self, version: int) -> str:
        return self.v4 if version == 4 else self.v6

    @property
    def is_isolated(self) -> bool:
        if self.isolated is not None:
            return self.isolated
        return not {self.v4, self.v6}.isdisjoint({"nat", "host-only"})

    def of(self, version: int) -> list[Network]:
        return [subnet for subnet in self.subnets if subnet.version == version]

    @property
    def entry(self) -> dict[str, Any]:
        """The entry in the file."""
        egress = {"egress": "198.51.100.1"} if self.has_egress else {}
        isolated = {} if self.isolated is None else {"isolated": self.isolated}
        return {
            "mode": {"v4": self.v4, "v6": self.v6},
            "node": "r",
            "subnet": [*map(str, self.subnets)],
            "allow": [*self.allow],
            **isolated,
            **egress,
        }

    @property
    def has_egress(self) -> bool:
        return self.egress and self.v4 == "nat" and bool(self.of(4))


@st.composite
def drawn_networks(draw: st.DrawFn) -> list[Drawn]:
    names = [f"n{number}" for number in range(draw(st.integers(1, 5)))]
    modes = st.sampled_from(("nat", "host-only", "routed"))
    networks = []
    for number, name in enumerate(names):
        choices = [
            ip_network(f"10.{number}.0.0/24"),
            ip_network(f"fd00:{number}::/64"),
            ip_network(f"10.{number}.1.0/24"),
        ]
        subnets = draw(st.sets(st.sampled_from(choices), min_size=1))
        networks.append(
            Drawn(
                name,
                draw(modes),
                draw(modes),
                draw(st.sampled_from((None, True, False))),
                tuple(sorted(draw(st.sets(st.sampled_from(names), max_size=2)) - {name})),
                tuple(subnet for subnet in choices if subnet in subnets),
                draw(st.booleans()),
            )
        )
    return networks


def ruleset(networks: Sequence[Drawn], nodes: dict[str, Any] | None = None) -> Ruleset:
    """Return the rules that netorch makes of the networks."""
    text = {
        "name": "lab",
        "nodes": {"r": {}, **(nodes or {})},
        "networks": {one.name: one.entry for one in networks},
    }
    state = load(json.dumps(text).encode(), "lab.yaml").desired.state
    return next(one for one in state.values() if isinstance(one, PacketFilter)).rules


def opens(one: Drawn, other: Drawn) -> bool:
    return other.name in one.allow or one.name in other.allow


def closed(one: Drawn, other: Drawn) -> bool:
    return not opens(one, other) and (one.is_isolated or other.is_isolated)


def reaches(one: Drawn, other: Drawn, version: int) -> bool:
    if opens(one, other):
        return True
    modes = {one.mode(version), other.mode(version)}
    return not closed(one, other) and modes <= LEADING_OUT


def rules_for_pairs(networks: Sequence[Drawn]) -> Iterator[FilterRule]:
    """Yield rules for each pair of networks."""
    for version in (4, 6):
        here = [one for one in networks if one.of(version)]
        yield from _of_version(here, version)


def _of_version(here: Sequence[Drawn], version: int) -> Iterator[FilterRule]:
    def rule(hook: Hook, act: Verdict | SourceTo, **match: Any) -> FilterRule:
        return FilterRule(version, hook, Match(**match), act)

    answers = ("established", "related")
    natted = [one for one in here if one.mode(version) == "nat"]
    if natted:
        yield rule(Hook.POSTROUTING, Verdict.RETURN, oif="lo")
    for one in natted:
        for subnet in one.of(version):
            out = {"oif": Not(one.name), "source": subnet, "destination": Not(MULTICAST[version])}
            egress = SourceTo(ip_address("198.51.100.1"))
            act = egress if version == 4 and one.has_egress else MASQUERADE
            yield rule(Hook.POSTROUTING, act, **out)
            yield rule(Hook.FORWARD, Verdict.DROP, states=("invalid", "untracked"), **out)
    for one in here:
        yield rule(Hook.INPUT, Verdict.ACCEPT, iif=one.name, states=answers)
        if version == 4:
            near = {"destination": LOOPBACK[4], "translated": False}
            yield rule(Hook.INPUT, Verdict.DROP, iif=one.name, **near)
        for other in here:
            if other is not one and closed(one, other):
                for subnet in other.of(version):
                    yield rule(Hook.INPUT, Verdict.DROP, iif=one.name, destination=subnet)
    for one in here:
        yield rule(Hook.FORWARD, Verdict.ACCEPT, oif=one.name, states=answers)
        yield rule(Hook.FORWARD, Verdict.ACCEPT, iif=one.name, states=answers)
        yield rule(Hook.FORWARD, Verdict.ACCEPT, iif=one.name, oif=one.name)
        if one.mode(version) in LEADING_OUT:
            yield rule(Hook.FORWARD, Verdict.ACCEPT, oif=one.name, translated=True)
        yield rule(Hook.FORWARD, Verdict.ACCEPT, iif=one.name, translated=True)
        for other in here:
            if other is not one and reaches(other, one, version):
                yield rule(Hook.FORWARD, Verdict.ACCEPT, iif=other.name, oif=one.name)
    for one in here:
        for other in here:
            if other is not one and not reaches(other, one, version):
                yield rule(Hook.FORWARD, Verdict.DROP, iif=other.name, oif=one.name)
        if one.mode(version) == "host-only":
            yield rule(Hook.FORWARD, Verdict.DROP, oif=one.name)
            yield rule(Hook.FORWARD, Verdict.DROP, iif=one.name)
        elif one.mode(version) == "nat":
            yield rule(Hook.FORWARD, Verdict.DROP, iif=Not(one.name), oif=one.name)


def packets(networks: Sequence[Drawn]) -> Iterator[tuple[str, Packet]]:
    """Yield packets of all sorts, each with the hook that it passes."""
    names = [*(one.name for one in networks), "eth0"]
    states = (("new", False), ("new", True), ("established", False), ("invalid", False))
    for version in (4, 6):
        ends = [subnet[9] for one in networks for subnet in one.of(version)]
        ends.append(ip_address(OUTSIDE[version]))
        targets = [*ends, LOOPBACK[version][0], MULTICAST[version][5]]
        for (state, translated), iif, oif in product(states, names, names):
            for source in (ends[0], ends[-1], ends[-2] if len(ends) > 1 else ends[0]):
                packet = Packet(
                    source,
                    targets[0],
                    "udp",
                    iif=iif,
                    oif=oif,
                    state=state,
                    translated=translated,
                )
                yield "forward", packet
        for (state, translated), iif, target in product(states, names, targets):
            yield (
                "input",
                Packet(
                    ends[-1], target, "udp", iif=iif, state=state, translated=translated, local=True
                ),
            )
        for source, target, oif in product(ends, targets, (*names, "lo")):
            yield "postrouting", Packet(source, target, "udp", oif=oif)


def fate(filters: Filters, hook: str, packet: Packet) -> tuple[bool, object]:
    """Return whether a packet is dropped, and its new source."""
    verdict = run(filters, hook, packet, first=True)
    assert not verdict.doubts
    return bool(verdict.dropped), verdict.source


@settings(max_examples=12, deadline=None)
@given(drawn_networks())
def test_sets_mean_the_same_as_rules_for_each_pair(networks: list[Drawn]) -> None:
    plain = Filters(chains_of("lab", tuple(rules_for_pairs(networks))))
    rules = ruleset(networks)
    made = {
        "nftables": Filters(chains_of("lab", rules)),
        "iptables": Filters(iptables.own_chains(iptables.text_of_rules("lab", rules))),
        "one by one": Filters(chains_of("lab", tuple(single_rules(rules)))),
    }
    for hook, packet in packets(networks):
        expected = fate(plain, hook, packet)
        for name, filters in made.items():
            assert fate(filters, hook, packet) == expected, (name, hook, packet)


def many(count: int, **keys: Any) -> list[Drawn]:
    """Return many networks of each mode."""
    modes = ("nat", "host-only", "routed")
    return [
        Drawn(
            f"n{number}",
            modes[number % 3],
            modes[number % 3],
            keys.get("isolated"),
            keys.get("allow", ()),
            (
                ip_network(f"10.{number >> 8}.{number & 255}.0/24"),
                ip_network(f"fd00:{number}::/64"),
            ),
            False,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("backend", SYNTAXES)
@pytest.mark.parametrize("isolated", [None, False, True])
def test_the_number_of_rules_is_linear(backend: str, isolated: bool | None) -> None:
    syntax = syntax_of(backend)
    counts = []
    for count in (40, 80):
        text = syntax.text_of_rules("lab", ruleset(many(count, isolated=isolated)))
        assert syntax.count_of(text) <= 45 * count
        counts.append(syntax.count_of(text))
    assert counts[1] < 2.05 * counts[0]


@pytest.mark.parametrize("backend", SYNTAXES)
def test_one_more_network_changes_few_lines(backend: str) -> None:
    syntax = syntax_of(backend)
    networks = many(80)
    before, after = (
        set(syntax.lines_of(syntax.text_of_rules("lab", ruleset(part))))
        for part in (networks[:-1], networks)
    )
    assert before <= after, "no line of another network changes"
    assert len(after - before) <= 40


@pytest.mark.parametrize("backend", SYNTAXES)
def test_an_allowed_network_is_a_few_lines(backend: str) -> None:
    syntax = syntax_of(backend)
    networks = many(60)
    text = syntax.text_of_rules("lab", ruleset(networks))
    networks[0] = Drawn(
        *(getattr(networks[0], name) for name in ("name", "v4", "v6", "isolated")),
        ("n33",),
        networks[0].subnets,
        False,
    )
    allowed = syntax.text_of_rules("lab", ruleset(networks))
    assert len(set(syntax.lines_of(text)) ^ set(syntax.lines_of(allowed))) <= 12


@pytest.mark.parametrize("backend", SYNTAXES)
def test_each_published_port_is_one_entry(backend: str) -> None:
    syntax = syntax_of(backend)
    texts = []
    for count in (300, 301):
        ports = [f"{3000 + number}:80" for number in range(count)]
        rules = ruleset(many(1), {"a": {"networks": ["n0"], "publish": ports}})
        texts.append(syntax.text_of_rules("lab", rules))
    before, after = (set(syntax.lines_of(text)) for text in texts)
    assert before <= after
    # nftables has one map for both hooks, and iptables has a rule in each
    assert len(after - before) == {"nftables": 2, "iptables": 4}[backend]


@settings(max_examples=8, deadline=None)
@given(
    st.sets(st.integers(1, 65535), min_size=1, max_size=150),
    st.sampled_from(["", "127.0.0.1:", "192.0.2.1:"]),
)
def test_ports_lead_to_their_node_in_both_forms(ports: set[int], address: str) -> None:
    nodes = {
        "r": {"interfaces": {"e0": {"kind": "dummy", "addresses": ["192.0.2.1/24"]}}},
        "a": {"networks": ["n0"], "publish": [f"{address}{port}:80" for port in sorted(ports)]},
    }
    rules = ruleset(many(1), nodes)
    forms = [
        Filters(chains_of("lab", rules)),
        Filters(iptables.own_chains(iptables.text_of_rules("lab", rules))),
    ]
    asked = ip_address(address.rstrip(":") or "192.0.2.9")
    near = asked.is_loopback
    for port in (*sorted(ports), min(ports) - 1, max(ports) + 1):
        for hook, local in product(("prerouting", "output"), (True, False)):
            packet = Packet(ip_address("10.0.0.9"), asked, "tcp", 4000, port, local=local)
            there = port in ports and local and (hook == "output" or not near)
            for filters in forms:
                destination = run(filters, hook, packet, first=True).destination
                assert destination == ((ip_address("10.0.0.2"), 80) if there else None)


def test_names_of_chains_belong_to_one_topology() -> None:
    topologies = ("lab", "lab-2", "a", "a-name-of-thirty-two-characters-")
    all_names = [ChainNamesOf(topology) for topology in topologies]
    for own in all_names:
        for other in all_names:
            names = other.names()
            assert all((name in own.known) == (own is other) for name in names)
            assert all(len(name) <= iptables.CHAIN_LENGTH for name in names)
            assert len(names) == len(set(names))


class ChainNamesOf:
    """The chains that a topology has for some interfaces."""

    def __init__(self, topology: str) -> None:
        self.known = iptables.ChainNames(topology).chains
        self._names = iptables.ChainNames(topology)

    def names(self) -> list[str]:
        labels = ("_lan", "_fifteen-letters", "=between4", "_a+b", "_ü")
        return [
            *(self._names.chain(hook) for hook in Hook),
            *(self._names.further_chain(hook, label) for hook in Hook for label in labels),
        ]


def test_elements_are_lines_of_their_own() -> None:
    text = nftables.text_of_rules("lab", ruleset(many(3)))
    lines = nftables.lines_of(text)
    assert 'set networks4 "n0"' in lines
    assert 'map into4 "n1" comment "n1: nothing from beyond" : drop' in lines
    assert nftables.count_of(text) == sum(
        not line.split(" ", 2)[2].startswith(("type ", "flags "))
        if line.startswith(("set", "map"))
        else " type " not in f" {line.split(' ', 1)[1]}"[:6]
        for line in lines
    )
