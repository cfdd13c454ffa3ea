"""Neighbours, bridges and upper links: what receives a frame, and what answers for an address."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netorch.immutable import replace
from netorch.netlink.constants import NUD_FAILED, NUD_PERMANENT, NUD_STALE
from netorch.resolve.loader import load
from netorch.walk import from_state
from netorch.walk.ends import explain
from netorch.walk.result import ARRIVES, FAILS, Walk
from netorch.walk.settings import Settings
from netorch.walk.world import BridgeRoute, Neighbour, World

PAIR = """
nodes: {a: {}, b: {}}
links: [{endpoints: [a:e0, b:e0], subnet: [10.0.0.0/30, "fd00::/64"]}]
"""
LAN = """
nodes: {a: {networks: [lan]}, b: {networks: [lan]}, c: {networks: [lan]}}
networks: {lan: {subnet: [10.0.0.0/24, "fd00::/64"]}}
"""
FABRIC = "netorch-lab"


def world(text: str) -> World:
    return from_state.world(load(text.encode(), "lab.yaml").desired)


def changed(there: World, label: str, **fields: Any) -> World:
    place = replace(there.places[label], **fields)
    return replace(there, places={**there.places, label: place})


def linked(there: World, label: str, iface: str, **fields: Any) -> World:
    ifaces = dict(there.places[label].ifaces)
    ifaces[iface] = replace(ifaces[iface], **fields)
    return changed(there, label, ifaces=ifaces)


def both(there: World, source: str = "a", target: str = "b") -> list[Walk]:
    """Return the walks of IPv4 and of IPv6."""
    held = there.places[target].addresses
    addresses = [
        str(entry.address.ip)
        for entry in held
        if entry.iface != "lo" and not entry.address.is_link_local
    ]
    return [explain(there, source, address) for address in sorted(addresses)]


def outcomes(there: World, source: str = "a", target: str = "b") -> list[str]:
    return [walk.outcome for walk in both(there, source, target)]


def mac(there: World, label: str, iface: str) -> str:
    return there.places[label].ifaces[iface].mac


def test_arp_off_at_either_end() -> None:
    for label in ("a", "b"):
        there = linked(world(PAIR), label, "e0", arp=False)
        for walk in both(there):
            assert walk.outcome == FAILS
            assert f"{label}:e0 has ARP off" in walk.cause


@pytest.mark.parametrize("state", [NUD_STALE, NUD_PERMANENT])
def test_an_entry_of_the_neighbour_table_gets_the_frames(state: int) -> None:
    there, six = world(PAIR), ip_address("fd00::2")
    right = {
        ("e0", ip_address("10.0.0.2")): Neighbour(mac(there, "b", "e0"), state),
        ("e0", six): Neighbour(mac(there, "b", "e0"), state),
    }
    assert outcomes(changed(there, "a", neighbours=right)) == [ARRIVES, ARRIVES]
    wrong = {key: replace(entry, mac="02:00:00:00:00:99") for key, entry in right.items()}
    for walk in both(changed(there, "a", neighbours=wrong)):
        assert "go to 02:00:00:00:00:99" in walk.cause
        assert ("permanent" in walk.cause) == (state == NUD_PERMANENT)


def test_a_failed_neighbour_is_asked_again() -> None:
    there = world(PAIR)
    failed = {("e0", ip_address("10.0.0.2")): Neighbour("", NUD_FAILED)}
    walk = both(changed(there, "a", neighbours=failed))[0]
    assert walk.outcome == ARRIVES
    assert "FAILED" in walk.remarks[0]


@pytest.mark.parametrize(
    ("setting", "value", "arrives"),
    [
        ("arp_ignore", "1", True),
        ("arp_ignore", "2", True),
        ("arp_ignore", "8", False),
        ("arp_filter", "1", True),
        ("arp_announce", "2", True),
        ("rp_filter", "1", True),
    ],
)
def test_settings_of_arp(setting: str, value: str, arrives: bool) -> None:
    there = changed(world(PAIR), "b", settings=Settings({f"net/ipv4/conf/all/{setting}": value}))
    four, six = both(there)
    assert (four.outcome == ARRIVES) == arrives
    assert six.outcome == ARRIVES
    if not arrives:
        assert setting in four.cause


def test_the_mac_of_the_asker_is_known_without_a_question() -> None:
    # a does not answer ARP, but b learns its MAC from a's own question
    deaf = Settings({"net/ipv4/conf/e0/arp_ignore": "8"})
    there = changed(world(PAIR), "a", settings=deaf)
    assert both(there)[0].outcome == ARRIVES
    assert "arp_ignore" in both(there, "b", "a")[0].cause


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("net/ipv6/conf/e0/disable_ipv6", "disable_ipv6"),
        ("net/ipv6/icmp/echo_ignore_all", "icmp_echo_ignore_all"),
    ],
)
def test_settings_of_ipv6(path: str, cause: str) -> None:
    four, six = both(changed(world(PAIR), "b", settings=Settings({path: "1"})))
    assert four.outcome == ARRIVES
    assert cause in six.cause


def test_an_mtu_that_is_too_small_for_ipv6() -> None:
    four, six = both(linked(world(PAIR), "b", "e0", mtu=1279))
    assert four.outcome == ARRIVES
    assert "1280" in six.cause


def test_an_address_that_is_not_ready_does_not_answer() -> None:
    there = world(PAIR)
    held = tuple(replace(entry, ready=False) for entry in there.places["b"].addresses)
    _, six = both(changed(there, "b", addresses=held))
    assert "duplicate address detection" in six.cause


def test_flooding_that_is_off() -> None:
    there = world(LAN)
    assert outcomes(there) == [ARRIVES, ARRIVES]
    four, six = both(linked(there, FABRIC, "b-eth0", bcast_flood=False))
    assert "gets no broadcasts" in four.cause
    assert six.outcome == ARRIVES
    four, six = both(linked(there, FABRIC, "b-eth0", mcast_flood=False))
    assert four.outcome == ARRIVES
    assert "gets no multicasts" in six.cause
    # the bridge learns the MAC from the answer, unless learning is off
    there = linked(there, FABRIC, "b-eth0", flood=False)
    assert outcomes(there) == [ARRIVES, ARRIVES]
    for walk in both(linked(there, FABRIC, "b-eth0", flood=False, learning=False)):
        assert "does not know" in walk.cause


@pytest.mark.parametrize(
    ("route", "cause"),
    [
        (BridgeRoute("c-eth0", sticky=True), "to c-eth0"),
        (BridgeRoute("b-eth0", local=True), "itself (a local entry"),
    ],
)
def test_a_forwarding_database_that_leads_elsewhere(route: BridgeRoute, cause: str) -> None:
    there = world(LAN)
    entry = {("lan", mac(there, "b", "eth0"), 0): route}
    for walk in both(changed(there, FABRIC, macs=entry)):
        assert walk.outcome == FAILS
        assert cause in walk.cause


def test_the_answer_corrects_a_learned_entry_of_the_forwarding_database() -> None:
    there = world(LAN)
    stale = {("lan", mac(there, "b", "eth0"), 0): BridgeRoute("c-eth0")}
    assert outcomes(changed(there, FABRIC, macs=stale)) == [ARRIVES, ARRIVES]


def test_a_locked_port() -> None:
    there = linked(world(LAN), FABRIC, "a-eth0", locked=True)
    assert all("locked port" in walk.cause for walk in both(there))
    known = {("lan", mac(there, "a", "eth0"), 0): BridgeRoute("a-eth0")}
    assert outcomes(changed(there, FABRIC, macs=known)) == [ARRIVES, ARRIVES]


UPPER_LINKS = """
nodes:
  a: {}
  host1: {}
  m:
    interfaces:
      e0: {kind: KIND, parent: "host1:e0", mode: MODE, addresses: [10.0.0.9/24, "fd00::9/64"]}
  n:
    interfaces:
      e0: {kind: KIND, parent: "host1:e0", mode: MODE, addresses: [10.0.0.10/24, "fd00::a/64"]}
links: [{endpoints: [host1:e0, a:e0], subnet: [10.0.0.0/24, "fd00::/64"]}]
"""


@pytest.mark.parametrize(
    ("kind", "mode", "siblings"),
    [
        ("macvlan", "bridge", ARRIVES),
        ("macvlan", "private", FAILS),
        ("macvlan", "vepa", FAILS),
        ("ipvlan", "l2", ARRIVES),
    ],
)
def test_a_parents_host_and_its_upper_links_cannot_reach_each_other(
    kind: str, mode: str, siblings: str
) -> None:
    there = world(UPPER_LINKS.replace("KIND", kind).replace("MODE", mode))
    for source, target in (("m", "host1"), ("host1", "m")):
        for walk in both(there, source, target):
            assert walk.outcome == FAILS
            assert f"nothing between a {kind} and its parent host1:e0" in walk.cause
    assert outcomes(there, "m", "n") == [siblings] * 2
    assert outcomes(there, "m", "a") == [ARRIVES] * 2


def test_a_remembered_mac_of_the_parent_leads_to_the_ipvlan() -> None:
    there = world(UPPER_LINKS.replace("KIND", "ipvlan").replace("MODE", "l2"))
    remembered = Neighbour(mac(there, "host1", "e0"), NUD_STALE)
    for address in ("10.0.0.9", "fd00::9"):
        held = {("e0", ip_address(address)): remembered}
        assert explain(changed(there, "a", neighbours=held), "a", address).outcome == ARRIVES


def test_a_parent_that_leads_outside_does_not_hide_its_host() -> None:
    text = """
nodes:
  host: {}
  m: {interfaces: {e0: {kind: macvlan, parent: host:eth0, mode: bridge, addresses: 192.0.2.9/24}}}
"""
    there = world(text)
    nic = replace(there.places["host"].ifaces["eth0"], mac="02:00:00:00:00:01")
    other = world(PAIR).places["a"].addresses
    mine = next(entry for entry in other if entry.iface == "e0" and entry.address.version == 4)
    held = from_state.ip_interface("192.0.2.1/24")
    there = changed(
        there,
        "host",
        ifaces={**there.places["host"].ifaces, "eth0": nic},
        addresses=(replace(mine, iface="eth0", address=held),),
        partial=False,
    )
    connected = tuple(
        from_state._kernel_route(route)
        for route in from_state.connected_routes(there.places["host"])
    )
    there = changed(there, "host", routes=connected)
    walk = explain(there, "m", "192.0.2.1")
    assert walk.outcome == FAILS
    assert "Linux passes nothing" in walk.cause
    assert explain(there, "m", "192.0.2.7").outcome == "leaves"


DIAMOND = """
nodes:
  a: {routes: [{to: 10.9.0.0/24, nexthops: [{via: 10.0.1.2}, {via: 10.0.2.2}]}]}
  r1: {forwarding: true, routes: [{to: 10.9.0.0/24, via: 10.0.3.2}]}
  r2: {forwarding: true, routes: [{to: 10.9.0.0/24, via: 10.0.4.2}]}
  b:
    loopback: [10.9.0.1/32]
    routes: [{to: 10.0.1.0/24, via: 10.0.3.1}, {to: 10.0.2.0/24, via: 10.0.4.1}]
links:
  - {endpoints: [a:e1, r1:e0], subnet: 10.0.1.0/24}
  - {endpoints: [a:e2, r2:e0], subnet: 10.0.2.0/24}
  - {endpoints: [r1:e1, b:e1], subnet: 10.0.3.0/24}
  - {endpoints: [r2:e1, b:e2], subnet: 10.0.4.0/24}
"""


def test_every_way_is_followed() -> None:
    text = DIAMOND.replace(
        "loopback: [10.9.0.1/32]", "interfaces: {lo: {addresses: [10.9.0.1/32]}}"
    )
    walk = explain(world(text), "a", "10.9.0.1")
    assert (walk.outcome, len(walk.ways), walk.differs) == (ARRIVES, 2, False)
    for dead, way in (("r1", "a by e1 to 10.0.1.2"), ("r2", "a by e2 to 10.0.2.2")):
        there = changed(world(text), dead, routes=())
        walk = explain(there, "a", "10.9.0.1")
        assert (walk.outcome, walk.differs) == (FAILS, True)
        assert [one.text for one in walk.ways if one.outcome == FAILS] == [way]
    # a next hop whose interface is down is not a way
    walk = explain(linked(world(text), "a", "e2", up=False), "a", "10.9.0.1")
    assert (walk.outcome, walk.ways) == (ARRIVES, ())


def test_two_interfaces_with_one_address_are_two_ways() -> None:
    there = world(LAN)
    held = (entry for entry in there.places["b"].addresses if entry.iface == "eth0")
    duplicate = next(entry for entry in held if entry.address.version == 4)
    place = there.places["c"]
    there = changed(there, "c", addresses=(*place.addresses, duplicate))
    there = changed(
        there,
        "c",
        routes=tuple(map(from_state._kernel_route, from_state.connected_routes(there.places["c"]))),
    )
    walk = explain(there, "a", "b")
    assert (walk.outcome, walk.differs) == (FAILS, True)
    assert f"c also has the address {duplicate.address.ip}" in walk.cause


def test_a_packet_that_is_too_large_for_a_link() -> None:
    four, six = both(linked(world(PAIR), "b", "e0", mtu=70))
    assert "has an mtu of 70" in four.cause
    assert "1280" in six.cause or "has an mtu of 70" in six.cause
    # the sender fragments the packet
    there = linked(linked(world(PAIR), "a", "e0", mtu=80), "b", "e0", mtu=80)
    assert both(there)[0].outcome == ARRIVES
    for walk in both(linked(world(LAN), FABRIC, "b-eth0", mtu=68)):
        assert "netorch-lab:b-eth0 has an mtu of 68" in walk.cause


def test_the_ipv6_source_has_the_longest_prefix_in_common_with_the_destination() -> None:
    text = PAIR.replace("a: {}", 'a: {routes: [{to: "fd00:1::/64", via: "fd00::2"}]}')
    text = text.replace("b: {}", 'b: {interfaces: {lo: {addresses: ["fd00:1::1/128"]}}}')
    there = world(text)
    held = there.places["a"].addresses
    mine = next(entry for entry in held if str(entry.address.ip) == "fd00::1")
    near = replace(mine, address=from_state.ip_interface("fd00:1:0:1::1/64"))
    there = changed(there, "a", addresses=(*held, near))
    assert explain(there, "a", "fd00:1::1").source_address == "fd00:1:0:1::1"
    assert explain(there, "a", "fd00::2").source_address == "fd00::1"


def test_a_port_that_is_disabled_though_it_is_up() -> None:
    there = linked(world(LAN), FABRIC, "b-eth0", state=0)
    assert all("is disabled, although it is up" in walk.cause for walk in both(there))
    # a port without a carrier is disabled by that, so the carrier is the cause
    there = linked(
        linked(world(LAN), FABRIC, "b-eth0", state=0, carrier=False), "b", "eth0", up=False
    )
    assert all(walk.cause == "b:eth0 is down" for walk in both(there))
