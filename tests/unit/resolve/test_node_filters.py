"""Test the rules that `filter` of a node becomes, in the forms of both backends.

They are compared with a plain reading of the file: the first rule that matches decides, else the
policy.
"""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.errors import FileError
from netorch.firewall import iptables, nftables
from netorch.firewall.evaluation import Filters, Packet, run
from netorch.firewall.ruleset_chains import chains_of
from netorch.kinds.filter import PacketFilter
from netorch.resolve.loader import load
from netorch.state.resource import Resource
from netorch.values.filter_rules import Ruleset

WAYS = ("forward", "input", "output")
ADDRESSES = ("10.0.0.2", "10.0.1.2", "192.0.2.7", "fd00::2", "fd01::2", "2001:db8::7")
NETWORKS = {
    "lan": {"mode": "nat", "node": "r", "subnet": ["10.0.0.0/24", "fd00::/64"]},
    "dmz": {"mode": "routed", "node": "r", "subnet": ["10.0.1.0/24", "fd01::/64"]},
}
INTERFACES = ("lan", "dmz", "eth0", "lo")


def file(words: Any, *, networks: bool = False) -> dict[str, Any]:
    nodes: dict[str, Any] = {
        "r": {"filter": words, "interfaces": {"eth0": {"kind": "dummy"}}},
        "web": {"interfaces": {"eth0": {"kind": "dummy", "addresses": ["10.0.1.2/24"]}}},
    }
    return {"name": "lab", "nodes": nodes, **({"networks": NETWORKS} if networks else {})}


def ruleset(words: Any, *, networks: bool = False) -> Ruleset:
    state = load(json.dumps(file(words, networks=networks)).encode(), "lab.yaml").desired.state
    filters = [one for one in state.values() if isinstance(one, PacketFilter)]
    return filters[0].rules if filters else ()


def texts(words: Any) -> list[str]:
    """Return the rules for nftables, each with its hook and without what `policy` adds."""
    return [f"{rule.hook.value} {nftables.rule_text(rule)}" for rule in ruleset(words)]


def test_each_combination_is_a_rule() -> None:
    rule = {
        "from": ["10.0.0.0/8", "web"],
        "to": "!192.0.2.0/24",
        "proto": "tcp",
        "port": [80, "8000-8010"],
        "action": "drop",
        "comment": "not there",
    }
    there = "ip daddr != 192.0.2.0/24 tcp dport"
    assert texts({"forward": [rule]}) == [
        f'forward ip saddr {source} {there} {port} drop comment "filter: not there"'
        for source in ("10.0.0.0/8", "10.0.1.2")
        for port in ("80", "8000-8010")
    ]


def test_an_entry_with_too_many_combinations_is_refused() -> None:
    ports = [*range(1, 65)]
    rule = {"proto": ["tcp", "udp"], "port": ports, "action": "drop"}
    assert len(ruleset({"input": [rule]})) == 256
    with pytest.raises(FileError, match="rule of r has 16384 combinations of its values"):
        ruleset({"input": [rule | {"sport": ports}]})


def test_a_rule_is_for_the_versions_of_its_addresses_and_protocol() -> None:
    assert texts({"input": [{"proto": ["icmp", "icmpv6"], "action": "accept"}]}) == [
        "input meta nfproto ipv4 meta l4proto icmp accept",
        "input meta nfproto ipv6 meta l4proto ipv6-icmp accept",
    ]
    assert texts({"output": [{"to": "::/0", "out": "eth0", "action": "reject"}]}) == [
        'output_filter meta nfproto ipv6 oifname "eth0" reject'
    ]
    assert texts({"input": [{"from": "web", "proto": "ospf", "action": "drop"}]}) == [
        "input ip saddr 10.0.1.2 meta l4proto 89 drop"
    ]
    icmp = {"proto": ["icmp", "icmpv6"], "type": "echo-request", "action": "drop"}
    assert texts({"forward": [icmp]}) == [
        "forward meta nfproto ipv4 icmp type echo-request drop",
        "forward meta nfproto ipv6 icmpv6 type echo-request drop",
    ]


def test_a_policy_comes_last_and_lets_answers_and_neighbour_discovery_pass() -> None:
    words = {"policy": {"input": "drop"}, "input": [{"from": "::/0", "action": "accept"}]}
    assert texts(words) == [
        "input meta nfproto ipv6 accept",
        'input meta nfproto ipv4 ct state established,related accept comment "filter: answers"',
        'input meta nfproto ipv4 iifname "lo" accept comment "filter: the node to itself"',
        'input meta nfproto ipv4 drop comment "filter: policy of input"',
        'input meta nfproto ipv6 ct state established,related accept comment "filter: answers"',
        'input meta nfproto ipv6 iifname "lo" accept comment "filter: the node to itself"',
        "input meta nfproto ipv6 meta l4proto ipv6-icmp ct state untracked accept"
        ' comment "filter: neighbour discovery"',
        'input meta nfproto ipv6 drop comment "filter: policy of input"',
    ]
    assert not texts({"policy": {"input": "accept"}})


def test_rules_come_before_those_of_networks_and_the_policy_after_them() -> None:
    words = {"policy": {"forward": "drop"}, "forward": [{"from": "lan", "action": "reject"}]}
    rules = [rule for rule in ruleset(words, networks=True) if rule.family == 4]
    forward = [rule for rule in rules if rule.hook.value == "forward"]
    comments = [rule.comment for rule in forward]
    assert comments[0] == "" and forward[0].act != "reject", "what is untranslated goes first"
    own = next(place for place, rule in enumerate(forward) if rule.comment == "" and place)
    assert comments.index("answers") > own
    assert comments[-1] == "filter: policy of forward"


def test_only_nodes_that_netorch_makes_have_one() -> None:
    for node, words in (("host", {}), ("box", {"attach": "netns:box"})):
        nodes = {node: {**words, "filter": {"policy": {"input": "drop"}}}}
        with pytest.raises(FileError) as error:
            load(json.dumps({"name": "lab", "nodes": nodes}).encode(), "lab.yaml")
        assert [problem.code for problem in error.value.problems] == ["cannot-filter"]


@pytest.mark.parametrize("key", ["from", "to", "proto", "port", "sport", "state"])
def test_an_empty_list_is_not_everything(key: str) -> None:
    """Whoever empties a list of sources does not mean all sources."""
    rule = {"proto": "tcp", "action": "accept", key: []}
    with pytest.raises(FileError, match=f"the list of `{key}` is empty: leave it out"):
        load(json.dumps(file({"input": [rule]})).encode(), "lab.yaml")


# The law


_ends = st.sampled_from(
    ("10.0.0.0/24", "fd00::/64", "!10.0.0.0/24", "0.0.0.0/0", "::/0", ["192.0.2.7", "fd01::2"])
)
_rules = st.fixed_dictionaries(
    {"action": st.sampled_from(("accept", "drop", "reject"))},
    optional={
        "from": _ends,
        "to": _ends,
        "in": st.sampled_from(("lan", "eth0", "!eth0")),
        "out": st.sampled_from(("dmz", "eth0", "!lan")),
        "proto": st.sampled_from(("tcp", "icmp", "icmpv6", ["tcp", "udp"], 89)),
        "port": st.sampled_from((80, "80-90", [22, 80])),
        "sport": st.sampled_from((53, "1024-65535")),
        "type": st.sampled_from(("echo-request", "echo-reply")),
        "state": st.sampled_from(("new", ["established", "related"], "untracked")),
    },
)


def _possible(way: str, rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule without keys that do not go together."""
    protocols = rule.get("proto", [])
    several = [*protocols] if isinstance(protocols, list) else [protocols]
    without = {"input": {"out"}, "output": {"in"}}.get(way, set())
    if not several or not {*several} <= {"tcp", "udp"}:
        without |= {"port", "sport"}
    if not several or not {*several} <= {"icmp", "icmpv6"}:
        without |= {"type"}
    return {key: value for key, value in rule.items() if key not in without}


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    words: dict[str, Any] = {"policy": {}}
    for way in WAYS:
        words[way] = [_possible(way, rule) for rule in draw(st.lists(_rules, max_size=4))]
        words["policy"][way] = draw(st.sampled_from(("accept", "drop", "reject")))
    return words


@st.composite
def packets(draw: st.DrawFn) -> tuple[str, Packet]:
    way = draw(st.sampled_from(WAYS))
    source = ip_address(draw(st.sampled_from(ADDRESSES)))
    others = [one for one in ADDRESSES if ip_address(one).version == source.version]
    proto = draw(st.sampled_from(("tcp", "udp", "icmp" if source.version == 4 else "icmpv6")))
    icmp = proto.startswith("icmp")
    return way, Packet(
        source,
        ip_address(draw(st.sampled_from(others))),
        proto,
        sport=0 if icmp else draw(st.sampled_from((53, 40000))),
        dport=0 if icmp else draw(st.sampled_from((22, 80, 85, 443))),
        icmp=draw(st.sampled_from(("echo-request", "echo-reply"))) if icmp else "",
        iif="" if way == "output" else draw(st.sampled_from(INTERFACES)),
        oif="" if way == "input" else draw(st.sampled_from(INTERFACES)),
        state=draw(st.sampled_from(("new", "established", "related", "invalid", "untracked"))),
    )


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _in(address: Any, ends: Any) -> bool:
    for end in _many(ends):
        network = ip_network(end.removeprefix("!"))
        if address.version == network.version and (address in network) != end.startswith("!"):
            return True
    return False


def _is_interface(name: str, text: str) -> bool:
    return (name == text.removeprefix("!")) != text.startswith("!")


def _has_port(number: int, ports: Any) -> bool:
    for port in map(str, _many(ports)):
        first, _, last = port.partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False


def matches(rule: dict[str, Any], packet: Packet) -> bool:
    tests = {
        "from": lambda value: _in(packet.source, value),
        "to": lambda value: _in(packet.destination, value),
        "in": lambda value: _is_interface(packet.iif, value),
        "out": lambda value: _is_interface(packet.oif, value),
        "proto": lambda value: packet.proto in _many(value),
        "port": lambda value: _has_port(packet.dport, value),
        "sport": lambda value: _has_port(packet.sport, value),
        "type": lambda value: packet.icmp == value,
        "state": lambda value: packet.state in _many(value),
    }
    return all(tests[key](value) for key, value in rule.items() if key != "action")


def decided(words: dict[str, Any], way: str, packet: Packet) -> str:
    """Return what the file says about a packet."""
    for rule in words[way]:
        if matches(rule, packet):
            return str(rule["action"])
    always = packet.state in {"established", "related"}
    if way != "forward":
        always |= "lo" in (packet.iif, packet.oif)
        always |= packet.proto == "icmpv6" and packet.state == "untracked"
    return "accept" if always else str(words["policy"][way])


@settings(max_examples=60, deadline=None)
@given(filters(), st.lists(packets(), min_size=1, max_size=12))
def test_both_forms_do_what_the_file_says(
    words: dict[str, Any], tried: list[tuple[str, Packet]]
) -> None:
    try:
        rules = ruleset(words)
    except FileError as error:
        assert {problem.code for problem in error.problems} == {"mixed-families"}
        return
    forms = {
        "nftables": Filters(chains_of("lab", rules)),
        "iptables": Filters(iptables.own_chains(iptables.text_of_rules("lab", rules))),
    }
    for way, packet in tried:
        expected = decided(words, way, packet)
        for name, form in forms.items():
            verdict = run(form, way, packet, first=True)
            assert not verdict.doubts, (name, verdict.doubts)
            assert bool(verdict.dropped) == (expected != "accept"), (name, packet, verdict.dropped)
            if verdict.dropped:
                assert f" {expected}s " in verdict.dropped, (name, verdict.dropped)


@settings(max_examples=40, deadline=None)
@given(filters(), st.lists(packets(), min_size=1, max_size=12))
def test_both_forms_agree_in_an_owner_of_networks(
    words: dict[str, Any], tried: list[tuple[str, Packet]]
) -> None:
    try:
        rules = ruleset(words, networks=True)
    except FileError:
        return
    nft = Filters(chains_of("lab", rules))
    legacy = Filters(iptables.own_chains(iptables.text_of_rules("lab", rules)))
    for way, packet in tried:
        dropped = bool(run(nft, way, packet, first=True).dropped)
        assert dropped == bool(run(legacy, way, packet, first=True).dropped), (way, packet)
        by_rule = next((rule for rule in words[way] if matches(rule, packet)), None)
        if by_rule is not None and packet.state not in {"invalid", "untracked"}:
            assert dropped == (by_rule["action"] != "accept"), (way, packet)


def test_a_filter_is_essential() -> None:
    state = load(json.dumps(file({"policy": {"input": "drop"}})).encode(), "lab.yaml").desired.state
    made: list[Resource] = [one for one in state.values() if isinstance(one, PacketFilter)]
    assert len(made) == 1
    assert isinstance(made[0], PacketFilter)
    assert made[0].is_essential
