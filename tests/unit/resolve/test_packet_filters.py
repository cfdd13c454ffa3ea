"""The packet filter rules of networks, published ports and `nat` lists."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.immutable import replace
from netorch.kinds.filter import PacketFilter
from netorch.kinds.sysctl import Sysctl
from netorch.resolve.loader import load
from netorch.values.filter_rules import (
    FilterRule,
    Hook,
    Not,
    Ruleset,
    SourceTo,
    Verdict,
    single_rules,
)

NETWORKS = """
nodes: {a: {networks: [lan], publish: ["80:80"]}, b: {networks: [dual]}, c: {networks: [open]}}
networks:
  lan: {mode: nat, subnet: [10.0.0.0/24, "fd00::/64"], egress: 192.0.2.1}
  dual: {mode: {v4: nat, v6: routed}, subnet: [10.1.0.0/24, "fd01::/64"], isolated: false}
  open: {mode: routed, subnet: [10.2.0.0/24, "fd02::/64"], allow: [lan, dual]}
"""
OWN = """
nodes:
  r:
    interfaces: {e0: {kind: dummy}}
    nat:
      - masquerade: {out: e0}
      - snat: {from: 10.0.0.0/24, out: "!e0", to: 192.0.2.1}
      - dnat: {port: 80, in: e0, to: 10.0.0.2}
"""
PORTS = """
nodes:
  r:
    interfaces: {e0: {kind: dummy}}
    nat:
      - masquerade: {out: e0, proto: [tcp, udp], ports: 1024-2000}
      - snat: {proto: tcp, ports: 7, random: true, to: 192.0.2.1}
"""


def rules_of(text: str) -> Ruleset:
    """Return the rules of the only filter of a file."""
    state = load(text.encode(), "lab.yaml").desired.state
    return next(one for one in state.values() if isinstance(one, PacketFilter)).rules


def leaves_translated(rule: FilterRule) -> bool:
    """Whether a rule gives leaving packets another source."""
    return (
        rule.hook is Hook.POSTROUTING
        and rule.act is not Verdict.RETURN
        and rule.match.translated is None
    )


@pytest.mark.parametrize(
    ("text", "count"), [(NETWORKS, 3), (OWN, 3), (PORTS, 5)], ids=["networks", "own", "ports"]
)
def test_packets_never_leave_with_an_untranslated_source(text: str, count: int) -> None:
    rules = [*single_rules(rules_of(text))]
    translated = [rule for rule in rules if leaves_translated(rule)]
    assert len(translated) == count
    forward = [rule for rule in rules if rule.hook is Hook.FORWARD]
    drops = forward[:count]
    assert all(drop.act is Verdict.DROP for drop in drops), "they come before every accept"
    for rule in translated:
        match = replace(rule.match, states=("invalid", "untracked"))
        assert (rule.family, match) in [(drop.family, drop.match) for drop in drops]


@pytest.mark.parametrize("nat", ["{masquerade: {}}", "{masquerade: }", "{snat: {to: 192.0.2.1}}"])
def test_without_an_interface_a_translation_holds_for_all_but_lo(nat: str) -> None:
    rules = [*single_rules(rules_of(f"nodes: {{r: {{nat: [{nat}]}}}}"))]
    translated = [rule for rule in rules if leaves_translated(rule)]
    assert {rule.match.oif for rule in translated} == {Not("lo")}
    assert [rule.family for rule in translated] == ([4] if "snat" in nat else [4, 6])


def test_ports_of_a_translation_are_a_rule_for_each_protocol() -> None:
    rules = [rule for rule in single_rules(rules_of(PORTS)) if leaves_translated(rule)]
    assert [(rule.family, rule.match.protocol, rule.act) for rule in rules] == [
        *(
            (family, protocol, SourceTo(None, (1024, 2000)))
            for family in (4, 6)
            for protocol in ("tcp", "udp")
        ),
        (4, "tcp", SourceTo(ip_address("192.0.2.1"), (7, 7), random=True)),
    ]


SEVERAL = """
nodes:
  r: {}
  one: {networks: [lan], publish: ["81:80"]}
  two: {networks: [lan, dmz], publish: ["82:80"]}
  three: {networks: [lan, dmz], publish: [{network: dmz, port: 83, to: 80}]}
networks:
  lan: {mode: nat, node: r, subnet: 10.0.0.0/24}
  dmz: {mode: nat, node: r, subnet: 10.1.0.0/24}
"""


def loose(text: str) -> dict[str, str]:
    """Return the values of the `rp_filter` settings of a file."""
    state = load(text.encode(), "lab.yaml").desired.state
    return {
        f"{key.netns} {key.name}": resource.value
        for key, resource in state.items()
        if isinstance(resource, Sysctl) and "rp_filter" in key.name
    }


def test_reverse_path_filters_are_loose_only_where_answers_take_another_interface() -> None:
    asked, answered = "three net/ipv4/conf/eth1/rp_filter", "r net/ipv4/conf/lan/rp_filter"
    assert loose(SEVERAL) == {asked: "2", answered: "2"}
    assert (
        loose(SEVERAL.replace("three: {networks: [lan, dmz]", "three: {networks: [dmz, lan]")) == {}
    )
    own = SEVERAL.replace(
        "three: {networks: [lan, dmz]",
        "three: {interfaces: {up: {sysctls: {rp_filter: 0}}}, networks: {lan: {}, dmz: {name: up}}",
    )
    assert loose(own) == {asked.replace("eth1", "up"): "0", answered: "2"}, (
        "a setting in the file has precedence"
    )
