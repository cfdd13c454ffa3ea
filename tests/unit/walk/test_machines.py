"""Following packets from machine to machine: by the file, or live as far as one machine sees."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.render import walk as render
from netorch.resolve.loader import load
from netorch.walk import from_state
from netorch.walk.ends import explain
from netorch.walk.result import ARRIVES, FAILS, LEAVES, Walk
from netorch.walk.world import InterfaceAddress, Place, World

LAB = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2, mtu: 9000}
  rack3: {address: 198.51.100.3}
defaults: {node: {on: rack1}}
nodes:
  r1: {forwarding: true}
  leaf: {on: rack2, networks: [lan]}
  h3: {on: rack3, networks: [lan, out]}
  h1: {networks: [lan]}
links:
  - {endpoints: [r1:eth1, leaf:eth1], subnet: [10.0.0.0/30, "fd00::/64"]}
  - {endpoints: [host.rack1:eth9, r1:eth9], subnet: 10.0.9.0/30}
networks:
  lan: {subnet: 10.60.0.0/24}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
"""


def whole(text: str = LAB) -> World:
    return from_state.world(load(text.encode(), "lab.yaml").desired)


def live(here: str = "rack1", text: str = LAB) -> World:
    """Return a world that is as in the file, but as if one machine's part came from the kernel."""
    part = load(text.encode(), "lab.yaml", choose=lambda *_: here).desired
    asked = from_state.world(part, load(text.encode(), "lab.yaml").desired)
    return replace(asked, asked=asked)


def changed(there: World, label: str, **fields: Any) -> World:
    place = replace(there.places[label], **fields)
    return replace(there, places={**there.places, label: place})


def without(there: World, label: str, iface: str) -> World:
    ifaces = {name: one for name, one in there.places[label].ifaces.items() if name != iface}
    return changed(there, label, ifaces=ifaces)


def tunnelled(there: World, label: str, iface: str, **fields: Any) -> World:
    ifaces = dict(there.places[label].ifaces)
    tunnel = ifaces[iface].tunnel
    assert tunnel is not None
    ifaces[iface] = replace(ifaces[iface], tunnel=replace(tunnel, **fields))
    return changed(there, label, ifaces=ifaces)


def crossings(walk: Walk) -> list[tuple[str, str, int]]:
    legs = [walk.there, *([walk.back] if walk.back is not None else [])]
    return [
        (one.source, one.target, one.vni)
        for leg in legs
        for step in leg.steps
        for one in step.crossings
    ]


def test_a_link_between_machines_is_followed_like_a_cable() -> None:
    walk = explain(whole(), "r1", "10.0.0.2")
    assert walk.outcome == ARRIVES
    assert crossings(walk) == [("rack1", "rack2", 10001), ("rack2", "rack1", 10001)]
    assert [(step.node, step.machine) for step in walk.there.steps] == [
        ("r1", "rack1"),
        ("leaf", "rack2"),
    ]
    assert list(render.lines(walk)) == [
        "r1 → 10.0.0.2: ICMP echo from 10.0.0.1 to 10.0.0.2",
        "  1. r1 (rack1): 10.0.0.1 → 10.0.0.2, out by eth1 to 10.0.0.2, on the link"
        " (route 10.0.0.0/30)",
        "     through VXLAN 10001 from rack1 (198.51.100.1) to rack2 (198.51.100.2) into leaf:eth1",
        "  2. leaf (rack2): arrives at eth1",
        "the answer:",
        "  3. leaf (rack2): 10.0.0.2 → 10.0.0.1, out by eth1 to 10.0.0.1, on the link"
        " (route 10.0.0.0/30)",
        "     through VXLAN 10001 from rack2 (198.51.100.2) to rack1 (198.51.100.1) into r1:eth1",
        "  4. r1 (rack1): arrives at eth1",
        "not certain: the network between rack1 and rack2 is not in the file, so netorch assumes"
        " that it works",
        "r1 → 10.0.0.2: arrives, and the answer comes back, as far as could be evaluated",
    ]
    assert explain(whole(), "leaf", "fd00::1").outcome == ARRIVES


def test_a_network_is_followed_from_bridge_to_bridge() -> None:
    for source, target, machines in (
        ("h1", "leaf", ("rack1", "rack2")),
        ("leaf", "h3", ("rack2", "rack3")),
        ("h3", "h1", ("rack3", "rack1")),
    ):
        there = whole()
        address = next(
            str(held.address.ip)
            for held in there.places[target].addresses
            if held.address.ip in held.network and held.iface not in {"lo", "eth1"}
        )
        walk = explain(there, source, address)
        assert (walk.outcome, walk.cause) == (ARRIVES, "")
        assert crossings(walk)[0] == (*machines, 10000)
        assert crossings(walk)[-1] == (*reversed(machines), 10000)


def test_a_machine_is_an_end() -> None:
    walk = explain(whole(), "h3", "host.rack1")
    assert (walk.outcome, walk.target_address) == (ARRIVES, "10.61.0.1")
    assert walk.there.steps[-1].node == "host.rack1"
    assert explain(whole(), "host.rack1", "r1").outcome == ARRIVES
    # the way from machine to machine is not in the file
    walk = explain(whole(), "host.rack1", "host.rack2")
    assert (walk.outcome, walk.target_address) == (LEAVES, "198.51.100.2")


def test_host_is_that_of_a_machine() -> None:
    with pytest.raises(NetorchError, match=r"several machines.* Write host\.rack1"):
        explain(whole(), "host", "r1")
    desired = load(LAB.encode(), "lab.yaml").desired
    assert explain(from_state.world(desired, here="rack1"), "host", "r1").outcome == ARRIVES
    assert explain(live(), "host", "r1").outcome == ARRIVES
    assert explain(live(), "host.rack1", "r1").there.steps[0].machine == "rack1"


def test_what_is_on_other_machines_is_as_in_the_file() -> None:
    walk = explain(live(), "h1", "h3")
    assert walk.outcome == ARRIVES
    assert [(step.node, step.by_file) for step in walk.there.steps] == [("h1", False), ("h3", True)]
    assert walk.doubts == (
        "the network between rack1 and rack3 is not in the file, so netorch assumes that it works",
        "netorch sees the kernel of rack1 alone: what is on rack3 is as in the file",
    )
    assert "  2. h3 (rack3, as in the file): arrives at eth0" in render.lines(walk)
    hop = render.document(walk, live=True)["there"]["hops"][0]  # type: ignore[index]
    assert (hop["machine"], hop["by_file"]) == ("rack1", False)
    assert hop["tunnels"] == [
        {
            "from": "rack1",
            "to": "rack3",
            "vni": 10000,
            "port": 14789,
            "local": "198.51.100.1",
            "remote": "198.51.100.3",
            "encrypted": False,
            "mtu": 1450,
        }
    ]


def test_without_hosts_a_hop_names_no_machine() -> None:
    text = "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:e, b:e], subnet: 10.0.0.0/30}]"
    walk = explain(whole(text), "a", "b")
    assert list(render.lines(walk))[1].startswith("  1. a: ")
    hop = render.document(walk, live=False)["there"]["hops"][0]  # type: ignore[index]
    assert "machine" not in hop


@pytest.mark.parametrize("here", ["rack1", "rack2"])
def test_a_tunnel_that_is_gone(here: str) -> None:
    near = without(live(here), "r1" if here == "rack1" else "leaf", "eth1")
    walk = explain(near, "r1", "10.0.0.2")
    assert walk.outcome == FAILS
    expected = {
        "rack1": "r1: the interface of the route 10.0.0.0/30 does not exist",
        "rack2": "rack2 has no vxlan interface that matches r1:eth1 (vni 10001 port 14789)",
    }
    assert walk.cause == expected[here]


def test_another_vni_at_the_other_end() -> None:
    there = tunnelled(whole(), "leaf", "eth1", ident=("vni 7", "port 14789"))
    walk = explain(there, "r1", "10.0.0.2")
    assert (walk.outcome, walk.cause) == (
        FAILS,
        "rack2 has no vxlan interface that matches r1:eth1 (vni 10001 port 14789)",
    )


def test_an_entry_of_the_forwarding_database_leads_to_another_machine() -> None:
    there = whole()
    mac = there.places["h3"].ifaces["eth0"].mac
    wrong = {mac: (ip_address("198.51.100.2"),)}
    walk = explain(tunnelled(there, "netorch-lab.rack1", "lan-vtep", macs=wrong), "h1", "10.60.0.1")
    assert walk.outcome == ARRIVES, "leaf is not concerned"
    target = next(
        str(held.address.ip) for held in there.places["h3"].addresses if held.iface == "eth0"
    )
    walk = explain(tunnelled(there, "netorch-lab.rack1", "lan-vtep", macs=wrong), "h1", target)
    assert walk.outcome == FAILS
    assert f"sends frames for {mac} to 198.51.100.2 (its forwarding database)" in walk.cause


def machine(there: World, *, mtu: int = 1500, routed: bool = True) -> World:
    """Give this machine's host the uplink `eth0`, with or without a route to the other machines."""
    place = there.places["host"]
    uplink = replace(
        next(one for one in place.ifaces.values() if one.name != "lo"),
        name="eth0",
        kind="",
        mtu=mtu,
        peer=None,
        carrier=True,
    )
    network = "198.51.100.1/24" if routed else "198.51.100.1/32"
    held = InterfaceAddress("eth0", ip_interface(network))
    place = replace(
        place, ifaces={**place.ifaces, "eth0": uplink}, addresses=(*place.addresses, held)
    )
    return changed(there, "host", **_with_routes(place))


def _with_routes(place: Place) -> dict[str, Any]:
    routes = tuple(map(from_state._kernel_route, from_state.connected_routes(place)))
    return {
        "ifaces": place.ifaces,
        "addresses": place.addresses,
        "routes": (*place.routes, *(one for one in routes if one not in place.routes)),
        "partial": False,
    }


def test_the_outer_packets_leave_this_machine() -> None:
    assert explain(machine(live()), "r1", "10.0.0.2").outcome == ARRIVES
    walk = explain(machine(live(), routed=False), "r1", "10.0.0.2")
    assert walk.outcome == FAILS
    assert walk.cause.startswith("r1:eth1, whose packets go to 198.51.100.2: host")
    assert "no route to" in walk.cause


def test_the_mtu_of_the_way_between_the_machines() -> None:
    walk = explain(machine(live(), mtu=1400), "r1", "10.0.0.2")
    assert walk.outcome == ARRIVES
    assert walk.remarks == (
        "mtu 1350 on the tunnel from rack1 to rack2 is smaller than 1450 on r1:eth1:"
        " larger packets are fragmented, or dropped if they must not be fragmented",
    )
    assert explain(machine(live()), "r1", "10.0.0.2").remarks == ()
