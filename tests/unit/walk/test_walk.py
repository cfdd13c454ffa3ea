"""Walks over the state that a file asks for: where they end, and what is reported."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.render import walk as render
from netorch.resolve.loader import load
from netorch.walk import from_state
from netorch.walk.ends import explain
from netorch.walk.result import ARRIVES, FAILS, LEAVES, Walk
from tests.strategies import Sketch, topologies

ROUTED = """
nodes:
  a: {routes: [{to: default, via: 10.0.1.1}]}
  r1: {forwarding: true, routes: [{to: 10.0.2.0/24, via: 10.0.12.2}]}
  r2: {forwarding: true, routes: [{to: 10.0.1.0/24, via: 10.0.12.1}]}
  b: {routes: [{to: default, via: 10.0.2.1}]}
links:
  - {endpoints: [r1:lan, a:eth0], subnet: 10.0.1.0/24}
  - {endpoints: [r1:right, r2:left], subnet: 10.0.12.0/30}
  - {endpoints: [r2:lan, b:eth0], subnet: 10.0.2.0/24}
"""
SWITCHED = """
nodes: {a: {networks: [lan]}, b: {networks: [lan]}}
networks: {lan: {subnet: 10.0.0.0/24}}
"""
HOST = """
nodes:
  box: {}
  web: {networks: [inner], publish: ["8080:80"]}
  db: {networks: [inner]}
  other: {networks: [personal]}
  pc: {}
networks:
  inner: {mode: nat, node: box, subnet: 172.17.0.0/16}
  personal: {mode: nat, node: box, subnet: 172.21.0.0/16}
links: [{endpoints: [box:eth0, pc:eth0], subnet: 192.0.2.0/30}]
"""


def go(text: str, source: str = "a", target: str = "b", tcp: int | None = None) -> Walk:
    return explain(from_state.world(load(text.encode(), "lab.yaml").desired), source, target, tcp)


def nodes(walk: Walk) -> list[str]:
    return [step.node for step in walk.there.steps]


def test_every_hop_is_named_there_and_back() -> None:
    walk = go(ROUTED)
    assert (walk.outcome, walk.cause, walk.doubts, walk.remarks) == (ARRIVES, "", (), ())
    assert nodes(walk) == ["a", "r1", "r2", "b"]
    assert walk.back is not None
    assert [step.node for step in walk.back.steps] == ["b", "r2", "r1", "a"]
    assert list(render.lines(walk)) == [
        "a → b: ICMP echo from 10.0.1.2 to 10.0.2.2",
        "  1. a: 10.0.1.2 → 10.0.2.2, out by eth0 to 10.0.1.1 (route default)",
        "  2. r1: in by lan, out by right to 10.0.12.2 (route 10.0.2.0/24)",
        "  3. r2: in by left, out by lan to 10.0.2.2, on the link (route 10.0.2.0/24)",
        "  4. b: arrives at eth0",
        "the answer:",
        "  5. b: 10.0.2.2 → 10.0.1.2, out by eth0 to 10.0.2.1 (route default)",
        "  6. r2: in by lan, out by left to 10.0.12.1 (route 10.0.1.0/24)",
        "  7. r1: in by right, out by lan to 10.0.1.2, on the link (route 10.0.1.0/24)",
        "  8. a: arrives at eth0",
        "a → b: arrives, and the answer comes back",
    ]


CAUSES = {
    "no route": (
        ROUTED,
        ", routes: [{to: 10.0.2.0/24, via: 10.0.12.2}]",
        "",
        "r1: no route to 10.0.2.0/24",
    ),
    "no route back": (
        ROUTED,
        ", routes: [{to: 10.0.1.0/24, via: 10.0.12.1}]",
        "",
        "r2: no route back to 10.0.1.0/24",
    ),
    "no forwarding": (
        ROUTED,
        "r2: {forwarding: true",
        "r2: {forwarding: false",
        "r2: IPv4 forwarding is off: packets for 10.0.2.2 are not forwarded",
    ),
    "rejected": (
        ROUTED,
        "r2: {forwarding: true, routes: [",
        "r2: {forwarding: true, routes: [{to: 10.0.2.2/32, type: unreachable}, ",
        "r2: packets for 10.0.2.2 match the route 10.0.2.2/32, which is unreachable",
    ),
    "forbidden by a rule": (
        ROUTED,
        "r1: {forwarding: true",
        "r1: {rules: [{from: 10.0.1.0/24, action: prohibit, priority: 50}], forwarding: true",
        "r1: packets for 10.0.2.2 match the rule '50: from 10.0.1.0/24', which says prohibit",
    ),
    "in circles": (
        ROUTED,
        "r2: {forwarding: true, routes: [",
        "r2: {forwarding: true, rules: [{to: 10.0.2.0/24, table: 7, priority: 9}], "
        "routes: [{to: default, via: 10.0.12.1, table: 7}, ",
        "r2: the packet is in a routing loop (r1, r2)",
    ),
    "down": (ROUTED, "r2:left]", "{node: r2, interface: left, state: down}]", "r2:left is down"),
    "nobody has it": (
        ROUTED,
        "via: 10.0.12.2",
        "via: 10.0.12.9, dev: right, onlink: true",
        "r1: no ARP answer from 10.0.12.9 on right: nobody there has this address",
    ),
    "strict": (
        ROUTED,
        "r2: {forwarding: true, routes: [",
        "r2: {forwarding: true, sysctls: {net.ipv4.conf.all.rp_filter: 1}, "
        "routes: [{to: 10.0.1.2/32, via: 10.0.2.2}, ",
        "r2: rp_filter of left is strict, and the route back to 10.0.1.2 is by lan, not by left",
    ),
    "isolated": (
        SWITCHED,
        "subnet:",
        "gateway: 10.0.0.1, node: r, mode: host-only, port_isolation: true, subnet:",
        "r:a-eth0 and r:b-eth0 are isolated ports of bridge r:lan: neither reaches the other",
    ),
}


@pytest.mark.parametrize("what", list(CAUSES))
def test_a_stopped_packet_is_reported_with_the_cause(what: str) -> None:
    text, old, new, cause = CAUSES[what]
    assert old in text
    if "node: r," in new:
        text = text.replace("nodes: {", "nodes: {r: {}, ")
    walk = go(text.replace(old, new, 1))
    assert (walk.outcome, walk.cause) == (FAILS, cause)


def test_what_is_isolated_published_and_translated() -> None:
    walk = go(HOST, "web", "other")
    assert walk.cause == (
        'box: nft rule "personal: not from another network" in inet netorch_lab forward '
        "drops packets from inner to personal"
    )
    walk = go(HOST, "web", "pc")
    assert (walk.outcome, walk.there.steps[1].notes) == (
        ARRIVES,
        ('masquerade: source 172.17.0.2 becomes 192.0.2.1 (nft rule "inner: out")',),
    )
    walk = go(HOST, "pc", "192.0.2.1", tcp=8080)
    assert (walk.outcome, nodes(walk)) == (ARRIVES, ["pc", "box", "web"])
    assert walk.there.steps[1].notes == (
        'DNAT: 192.0.2.1:8080 becomes 172.17.0.2:80 (nft rule "publish web 8080:80/tcp")',
    )
    assert walk.back is not None
    assert walk.back.steps[1].notes == ("translated back: source 172.17.0.2 becomes 192.0.2.1",)
    # the answer of another member comes back by the owner, which masqueraded the question
    walk = go(HOST, "db", "192.0.2.1", tcp=8080)
    assert (walk.outcome, len(walk.there.steps[1].notes)) == (ARRIVES, 2)
    assert go(HOST, "box", "127.0.0.1", tcp=8080).outcome == ARRIVES
    assert go(HOST, "pc", "192.0.2.1", tcp=81).there.steps[-1].node == "box"


def test_a_source_port_is_translated_there_and_back() -> None:
    nat = "{masquerade: {out: eth0, proto: tcp, ports: 1024-2000}}, {snat: {to: 192.0.2.1}}"
    text = HOST.replace("box: {}", f"box: {{nat: [{nat}]}}")
    walk = go(text, "db", "pc", tcp=80)
    assert walk.there.steps[1].notes == (
        "masquerade: source 172.17.0.3 becomes 192.0.2.1, with a port of 1024-2000"
        ' (nft rule "nat: masquerade")',
    )
    assert walk.back is not None and walk.outcome == ARRIVES
    assert walk.back.steps[1].notes == ("translated back: 192.0.2.1 becomes 172.17.0.3",)
    walk = go(text, "db", "pc")
    assert walk.there.steps[1].notes == (
        'SNAT: source 172.17.0.3 becomes 192.0.2.1 (nft rule "nat: snat")',
    )
    # the answer to this port is still one to the connection of the owner itself
    own = text.replace("1024-2000", "7")
    walk = go(own, "box", "pc", tcp=80)
    assert walk.outcome == ARRIVES
    assert walk.there.steps[0].notes == (
        'masquerade: source 192.0.2.1 becomes 192.0.2.1, with port 7 (nft rule "nat: masquerade")',
    )


def test_a_frame_meets_only_the_ports_of_its_vlan() -> None:
    text = """
nodes:
  a: {networks: {lan: {port: {pvid: 10}}}}
  b: {networks: {lan: {port: {pvid: PVID}}}}
networks: {lan: {subnet: 10.0.0.0/24, vlan_filtering: true}}
"""
    assert go(text.replace("PVID", "10")).outcome == ARRIVES
    walk = go(text.replace("PVID", "20"))
    assert walk.outcome == FAILS
    assert "is not in VLAN 10" in walk.cause


def test_settings_that_suppress_an_answer_or_give_one() -> None:
    mute = ROUTED.replace("b: {routes", "b: {sysctls: {net.ipv4.icmp_echo_ignore_all: 1}, routes")
    assert go(mute).cause == "b: ICMP echo requests are not answered (icmp_echo_ignore_all)"
    assert go(mute, tcp=80).outcome == ARRIVES
    # a's route says that b is on its link; with proxy_arp the router answers for b
    near = ROUTED.replace(
        "a: {routes: [{to: default, via: 10.0.1.1}]}", "a: {routes: [{to: 10.0.0.0/16, dev: eth0}]}"
    )
    assert go(near).cause == (
        "a: no ARP answer from 10.0.2.2 on eth0: nobody there has this address, "
        "but b:eth0 has it, on another link"
    )
    assert (
        go(near.replace("r1: {", "r1: {sysctls: {net.ipv4.conf.all.proxy_arp: 1}, ")).outcome
        == ARRIVES
    )


def test_a_port_that_spanning_tree_blocks_passes_nothing() -> None:
    world = from_state.world(load(SWITCHED.encode(), "lab.yaml").desired)
    fabric = world.places["netorch-lab"]
    blocked = replace(fabric.ifaces["b-eth0"], state=4)
    places = {
        **world.places,
        "netorch-lab": replace(fabric, ifaces={**fabric.ifaces, "b-eth0": blocked}),
    }
    walk = explain(replace(world, places=places), "a", "b")
    assert walk.cause == "bridge netorch-lab:lan: spanning tree has set port b-eth0 to blocking"


def test_a_link_with_a_small_mtu_is_a_remark() -> None:
    walk = go(ROUTED.replace("subnet: 10.0.12.0/30", "subnet: 10.0.12.0/30, mtu: 1400"))
    assert walk.outcome == ARRIVES
    assert walk.remarks == (
        "mtu 1400 on r1:right is smaller than 1500 on a:eth0: "
        "larger packets are fragmented, or dropped if they must not be fragmented",
    )


def test_a_tunnel_depends_on_the_link_below_it() -> None:
    text = """
nodes:
  a: {interfaces: {t: {kind: gre, local: 10.0.0.1, remote: 10.0.0.2, addresses: [10.9.0.1/30]}}}
  b: {interfaces: {t: {kind: gre, local: 10.0.0.2, remote: 10.0.0.1, addresses: [10.9.0.2/30]}}}
links: [{endpoints: [a:eth0, b:eth0], subnet: 10.0.0.0/30}]
"""
    assert go(text, target="b:t").outcome == ARRIVES
    walk = go(text.replace("b:eth0]", "{node: b, interface: eth0, state: down}]"), target="b:t")
    assert (walk.outcome, walk.cause) == (
        FAILS,
        "a:t, whose packets go to 10.0.0.2: b:eth0 is down",
    )
    walk = go(text.replace("remote: 10.0.0.1", "key: 5, remote: 10.0.0.1"), target="b:t")
    assert walk.cause.startswith("b has no gre interface that matches a:t")


def test_a_tunnel_to_an_unknown_address_leaves() -> None:
    text = """
nodes:
  host: {}
  a:
    interfaces: {t: {kind: gre, local: 10.0.0.2, remote: 192.0.2.9, addresses: [10.9.0.1/30]}}
    networks: [lan]
networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}
"""
    walk = go(text, target="10.9.0.2")
    assert (walk.outcome, walk.cause) == (
        LEAVES,
        "the packet leaves through the tunnel a:t, and netorch cannot see its other end",
    )


def test_a_packet_that_leaves_the_file_has_no_verdict() -> None:
    text = (
        "nodes: {host: {}, a: {networks: [lan]}}\nnetworks: {lan: {mode: nat, subnet: 10.0.0.0/24}}"
    )
    walk = go(text, target="8.8.8.8")
    assert (walk.outcome, walk.cause) == (
        LEAVES,
        "host: the file does not say where it sends packets for 8.8.8.8",
    )
    assert walk.doubts == (
        "host: netorch knows only what the file says about it, "
        "not its own interfaces, routes and packet filters",
    )


def test_an_end_that_has_no_address_is_an_answer_and_a_wrong_name_an_error() -> None:
    assert go("nodes: {a: , b: }").cause == "b has no address"
    for source, target, what in (
        ("a", "c", "there is no node 'c'."),
        ("a", "b:eth9", "b has no interface 'eth9'."),
        ("a", "b:", "has no interface after the colon"),
        ("a", "10.7.7.", "there is no node"),
        ("10.7.7.7", "b", "no node has the address 10.7.7.7"),
        ("a", "224.0.0.1", "not a unicast address"),
        ("10.0.1.2", "fd00::1", "of different IP versions"),
    ):
        with pytest.raises(NetorchError, match=what):
            go(ROUTED, source, target)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(topologies())
def test_each_pair_of_any_topology_gets_an_answer(sketch: Sketch) -> None:
    world = from_state.world(load(sketch.text.encode(), "random.yaml").desired)
    for source in world.names:
        for target in world.names:
            walk = explain(world, source, target)
            assert (walk.outcome == FAILS) <= bool(walk.cause)
            assert list(render.lines(walk))[-1].startswith(f"{source} → {target}: ")
