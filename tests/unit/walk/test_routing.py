"""Policy rules and routing tables, with every selector that Linux has."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.immutable import replace
from netorch.netlink import encap
from netorch.netlink.constants import (
    AF_INET,
    AF_INET6,
    FR_ACT_GOTO,
    FR_ACT_NOP,
    FR_ACT_PROHIBIT,
    FR_ACT_TO_TBL,
    RTN_BROADCAST,
    RTN_UNICAST,
)
from netorch.values.policy import KernelRoute, KernelRule
from netorch.values.requests import Hop
from netorch.walk.routing import Flow, RouteChoice, lookup, rule_text
from netorch.walk.world import Place, WorldInterface

DESTINATION = ip_address("10.2.0.2")


def route(prefix: str, dev: str, table: int = 254, **more: object) -> KernelRoute:
    address, _, length = prefix.partition("/")
    fields = {
        "family": AF_INET if "." in address else AF_INET6,
        "dst": ip_address(address).packed if int(length) else None,
        "prefixlen": int(length),
        "table": table,
        "metric": 0,
        "type": RTN_UNICAST,
        "scope": 0,
        "protocol": 4,
        "hops": (Hop(None, dev),),
    }
    return KernelRoute(**{**fields, **more})  # type: ignore[arg-type]


def rule(priority: int, table: int, action: int = FR_ACT_TO_TBL, **more: object) -> KernelRule:
    fields = {
        "family": AF_INET,
        "priority": priority,
        "action": action,
        "table": table,
        "protocol": 0,
    }
    return KernelRule(**{**fields, **more})  # type: ignore[arg-type]


IFACES = {
    name: WorldInterface(name, "veth", carrier=True, group=group)
    for name, group in (("e0", 0), ("e1", 7))
}
MAIN = rule(32766, 254)


def place(*rules: KernelRule, routes: tuple[KernelRoute, ...] = ()) -> Place:
    all_routes = (route("10.0.0.0/8", "e0"), route("10.2.0.0/16", "e1", 100), *routes)
    return Place("n", "n", IFACES, routes=all_routes, rules=(*rules, MAIN))


def by(there: Place, **flow: object) -> str:
    fields = {"destination": DESTINATION, "source": ip_address("10.1.0.1"), "proto": "icmp"}
    return lookup(there, Flow(**{**fields, **flow})).dev(there)  # type: ignore[arg-type]


SELECTORS: dict[str, tuple[dict[str, object], dict[str, object], dict[str, object]]] = {
    "from": ({"src": (ip_address("10.1.0.0").packed, 16)}, {}, {"source": ip_address("10.3.0.1")}),
    "to": ({"dst": (DESTINATION.packed, 32)}, {}, {"destination": ip_address("10.2.0.3")}),
    "iif": ({"iif": "e1"}, {"iif": "e1"}, {}),
    "iif lo": ({"iif": "lo"}, {}, {"iif": "e0"}),
    "oif": ({"oif": "e1"}, {"prefers": "e1"}, {}),
    "fwmark": ({"mark": (0x10, 0xF0)}, {"mark": 0x11}, {"mark": 1}),
    "ipproto": ({"protocol_number": 6}, {"proto": "tcp"}, {}),
    "sport": ({"sport": (100, 200)}, {"sport": 150}, {"sport": 99}),
    "dport": ({"dport": (80, 80)}, {"dport": 80}, {"dport": 81}),
    "uidrange": ({"uids": (0, 0)}, {"uid": 0}, {"uid": 1000}),
}


@pytest.mark.parametrize("what", SELECTORS)
def test_a_selector_chooses_its_packets_and_with_not_all_others(what: str) -> None:
    asks, inside, outside = SELECTORS[what]
    there = place(rule(100, 100, **asks))
    assert (by(there, **inside), by(there, **outside)) == ("e1", "e0")
    inverted = place(rule(100, 100, invert=True, **asks))
    assert (by(inverted, **inside), by(inverted, **outside)) == ("e0", "e1")
    assert rule_text(rule(100, 100, invert=True, **asks)).startswith("100: not ")


@pytest.mark.parametrize("asks", [{"tos": 0x10}, {"tunnel": True}], ids=str)
def test_an_ordinary_packet_has_no_type_of_service_and_no_tunnel(asks: dict[str, object]) -> None:
    assert by(place(rule(100, 100, **asks))) == "e0"
    assert by(place(rule(100, 100, invert=True, **asks))) == "e1"


@pytest.mark.parametrize(
    ("asks", "flow"),
    [
        ({"unknown": (26,)}, {}),
        ({"mark": (1, 1)}, {"mark": None}),
        ({"sport": (1, 9)}, {"sport": None}),
        ({"uids": (5, 5)}, {"uid": None}),
    ],
    ids=str,
)
def test_a_selector_that_cannot_be_evaluated_is_a_doubt(
    asks: dict[str, object], flow: dict[str, object]
) -> None:
    one = rule(100, 100, **asks)
    there = place(one)
    doubts = lookup(there, Flow(DESTINATION, **flow)).doubts  # type: ignore[arg-type]
    assert len(doubts) == 1
    assert rule_text(one) in doubts[0]
    # there is no doubt where another selector decides
    elsewhere = place(replace(one, dst=(ip_address("10.9.0.0").packed, 16)))
    assert lookup(elsewhere, Flow(DESTINATION, **flow)).doubts == ()  # type: ignore[arg-type]


def test_short_prefixes_and_groups_are_suppressed() -> None:
    default = (route("0.0.0.0/0", "e1", 200),)
    assert by(place(rule(100, 200), routes=default)) == "e1"
    assert by(place(rule(100, 200, suppress_length=0), routes=default)) == "e0"
    assert by(place(rule(100, 100, suppress_length=15))) == "e1"
    assert by(place(rule(100, 100, suppress_length=16))) == "e0"
    assert by(place(rule(100, 100, suppress_group=7))) == "e0"
    assert by(place(rule(100, 100, suppress_group=8))) == "e1"


def test_goto_passes_over_the_rules_in_between() -> None:
    forbid = rule(200, 0, FR_ACT_PROHIBIT)
    assert lookup(place(forbid), Flow(DESTINATION)).why.startswith("the rule '200:")
    assert by(place(rule(100, 0, FR_ACT_GOTO, goto=32766), forbid)) == "e0"
    # a `goto` without a target, and a rule without an action
    assert by(place(rule(100, 0, FR_ACT_GOTO, goto=5000), rule(150, 0, FR_ACT_NOP))) == "e0"


def test_ipv6_does_not_ask_its_rules_until_somebody_adds_one() -> None:
    destination = ip_address("fd00::1")
    there = Place("n", "n", IFACES, routes=(route("fd00::/64", "e0"),))
    assert lookup(there, Flow(destination)).why == "no route"
    assert lookup(replace(there, plain_ipv6=True), Flow(destination)).dev(there) == "e0"


def test_routes_for_a_source_for_a_type_of_service_and_to_a_broadcast_address() -> None:
    there = place(routes=(route("10.2.0.0/24", "e1", tos=16),))
    assert by(there) == "e0"
    subtree = route("fd00::/64", "e1", sources=(ip_address("fd01::").packed, 64))
    six = Place("n", "n", IFACES, routes=(route("fd00::/64", "e0"), subtree), plain_ipv6=True)

    def dev(source: str) -> str:
        return lookup(six, Flow(ip_address("fd00::1"), ip_address(source))).dev(six)

    assert (dev("fd01::1"), dev("fd02::1")) == ("e1", "e0")
    there = place(routes=(route("10.2.0.2/32", "e1", type=RTN_BROADCAST),))
    assert "broadcast" in lookup(there, Flow(DESTINATION)).why


def test_a_route_that_encapsulates_is_a_doubt() -> None:
    hops = (Hop(None, "e1", encap=encap.mpls((100, 200))),)
    there = place(routes=(route("10.2.0.0/24", "e1", hops=hops),))
    assert "(mpls 100/200)" in lookup(there, Flow(DESTINATION)).doubts[0]


def test_next_hops_that_are_dead_or_down_do_not_count() -> None:
    hops = (Hop(None, "e0"), Hop(None, "e1"))
    one = route("10.2.0.0/24", "e0", hops=hops)

    def ways(one_route: KernelRoute, there: Place) -> list[str | None]:
        return [hop.dev for hop in RouteChoice(one_route).ways(there)]

    assert ways(one, place()) == ["e0", "e1"]
    assert ways(replace(one, dead=frozenset({0})), place()) == ["e1"]
    down = {**IFACES, "e1": replace(IFACES["e1"], up=False)}
    assert ways(one, replace(place(), ifaces=down)) == ["e0"]
