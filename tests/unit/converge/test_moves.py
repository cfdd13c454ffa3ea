"""What a plan moves, and the frames that announce it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.converge.moves import moves
from netorch.kernel.links.announcements import announcement
from netorch.kernel.probe.icmp import checksum
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.state.resource import State
from netorch.values.moves import Moves

LAN = """
name: lab
nodes:
  a: {networks: {lan: 10.0.0.1}}
  b: {networks: {lan: 10.0.0.2}}
  c: {networks: {lan: 10.0.0.3}}
networks: {lan: {subnet: 10.0.0.0/24}}
"""
FABRIC = "netorch-lab"


def state(text: str) -> State:
    return load(text.encode(), "lab.yaml").desired.state


def moved(before: str, after: str) -> Moves | None:
    old, new = state(before), state(after)
    return moves(plan(old, new), old, new)


def macs(text: str, netns: str, link: str = "eth0") -> bytes:
    [mac] = [
        resource.mac  # type: ignore[attr-defined]
        for key, resource in state(text).items()
        if key.kind == "link" and key.netns == netns and key.parts == (link,)
    ]
    return bytes.fromhex(mac.replace(":", ""))


def packed(*addresses: str) -> set[bytes]:
    return {ip_address(address).packed for address in addresses}


def test_a_first_apply_moves_nothing() -> None:
    new = state(LAN)
    assert moves(plan({}, new), {}, new) is None
    assert moves(plan(new, {}), new, {}) is None


def test_the_same_file_moves_nothing() -> None:
    assert moved(LAN, LAN) is None


@pytest.mark.parametrize(
    "words",
    [
        ("networks: {lan: {", "networks: {lan: {ageing_time: 60s, "),
        ("10.0.0.2}", "{address: 10.0.0.2, mtu: 1400}}"),
        ("10.0.0.2}", "{address: 10.0.0.2, description: x}}"),
    ],
)
def test_what_no_neighbour_notices_moves_nothing(words: tuple[str, str]) -> None:
    assert moved(LAN, LAN.replace(*words)) is None


def test_a_renamed_node_announces_itself() -> None:
    result = moved(LAN, LAN.replace("  b:", "  bob:"))
    assert result is not None
    assert result.announced == {"bob": {"eth0"}}
    new = macs(LAN.replace("  b:", "  bob:"), "bob")
    assert result.places == {ip_address("10.0.0.2").packed: {new}}
    assert macs(LAN, "b") in result.gone and macs(LAN, "b") in result.macs
    assert not result.any_mac
    assert result.neighbours == {FABRIC: None, "a": None, "bob": None, "c": None}
    assert result.bridges == {FABRIC: None}


def test_another_mac_is_announced() -> None:
    result = moved(LAN, LAN.replace("10.0.0.2}", "{address: 10.0.0.2, mac: 02:00:00:00:00:99}}"))
    assert result is not None
    assert result.announced == {"b": {"eth0"}}
    assert result.places == {ip_address("10.0.0.2").packed: {bytes.fromhex("020000000099")}}
    assert result.gone == {macs(LAN, "b")}


def test_addresses_that_change_their_members() -> None:
    swapped = LAN.replace("10.0.0.2", "X").replace("10.0.0.3", "10.0.0.2").replace("X", "10.0.0.3")
    result = moved(LAN, swapped)
    assert result is not None
    assert result.announced == {"b": {"eth0"}, "c": {"eth0"}}
    assert result.places == {
        ip_address("10.0.0.2").packed: {macs(LAN, "c")},
        ip_address("10.0.0.3").packed: {macs(LAN, "b")},
    }
    assert not result.gone


def test_an_address_that_goes_is_forgotten_and_a_new_one_announced() -> None:
    result = moved(LAN, LAN.replace("10.0.0.2", "10.0.0.9"))
    assert result is not None
    assert result.places == {ip_address("10.0.0.2").packed: set()}
    assert result.announced == {"b": {"eth0"}}


def test_of_the_host_only_our_links_are_meant() -> None:
    owned = LAN.replace("lan: {subnet", "lan: {mode: routed, node: host, subnet").replace(
        "10.0.0.1}", "10.0.0.4}"
    )
    result = moved(owned, owned.replace("  b:", "  bob:"))
    assert result is not None
    assert result.neighbours["host"] == {"lan", "bob-eth0", "a-eth0", "c-eth0"}
    assert result.bridges == {"host": result.neighbours["host"]}


SWITCHES = """
name: lab
names: false
nodes:
  s1: {interfaces: {br0: {kind: bridge, ports: [t1, p1], addresses: [10.0.0.1/24]}}}
  s2: {interfaces: {br0: {kind: bridge, ports: [t1, p1]}}}
  s3: {interfaces: {br0: {kind: bridge, ports: [t1]}}}
  a:
    interfaces:
      eth0: {addresses: [10.0.0.2/24]}
      v: {kind: vlan, parent: eth0, id: 7, addresses: [10.7.0.2/24]}
links: [[s1:t1, s2:t1], [a:eth0, s2:p1], [s1:p1, s3:t1]]
"""


def test_a_node_behind_another_port_and_the_upper_link_of_its_link() -> None:
    s3 = "s3: {interfaces: {br0: {kind: bridge, ports: [t1"
    after = SWITCHES.replace("s2:p1]", "s3:p1]").replace("[t1, p1]}}}", "[t1]}}}")
    result = moved(SWITCHES, after.replace(s3, f"{s3}, p1"))
    assert result is not None
    assert result.announced["a"] == {"eth0", "v"}
    assert not result.any_mac
    assert macs(SWITCHES, "a") in result.macs


def test_a_bridge_behind_another_port_takes_all_with_it() -> None:
    after = SWITCHES.replace("[s1:p1, s3:t1]", "[s2:p2, s3:t1]")
    after = after.replace("[t1, p1], addr", "[t1], addr").replace("[t1, p1]}}}", "[t1, p1, p2]}}}")
    result = moved(SWITCHES, after)
    assert result is not None
    assert result.any_mac
    assert set(result.bridges) == {"s1", "s2", "s3"}


def test_a_link_that_is_down_has_no_address_for_anybody() -> None:
    down = LAN.replace("10.0.0.2}", "{address: 10.0.0.2, state: down}}")
    result = moved(LAN, down)
    assert result is not None and result.places == {ip_address("10.0.0.2").packed: set()}
    back = moved(down, LAN)
    assert back is not None and back.announced["b"] == {"eth0"}


def test_a_changed_route_makes_cached_ones_wrong() -> None:
    old = LAN.replace("a: {", "a: {routes: [{to: 10.9.0.0/24, via: 10.0.0.2}], ")
    result = moved(old, old.replace("via: 10.0.0.2", "via: 10.0.0.3"))
    assert result is not None and not result.announced and not result.places
    assert result.rerouted and "a" in result.neighbours
    forwarding = moved(LAN, LAN.replace("b: {", "b: {forwarding: true, "))
    assert forwarding is not None and forwarding.rerouted and not forwarding.announced
    another = moved(LAN, LAN.replace("10.0.0.2}", "{address: 10.0.0.2, mac: 02:00:00:00:00:99}}"))
    assert another is not None and not another.rerouted, "the same node still has the address"


MAC = bytes.fromhex("020000000099")


def test_an_announcement_of_ipv4() -> None:
    frame = announcement(MAC, ip_address("10.0.0.2").packed)
    assert frame.hex(":", -1) == (
        "ff:ff:ff:ff:ff:ff:02:00:00:00:00:99:08:06:00:01:08:00:06:04:00:01:"
        "02:00:00:00:00:99:0a:00:00:02:00:00:00:00:00:00:0a:00:00:02"
    )


@pytest.mark.parametrize(("router", "flags"), [(False, 0x20), (True, 0xA0)])
def test_an_announcement_of_ipv6(router: bool, flags: int) -> None:
    address = ip_address("fd00::2").packed
    frame = announcement(MAC, address, router=router)
    assert frame[:14].hex() == "333300000001" + MAC.hex() + "86dd"
    header, message = frame[14:54], frame[54:]
    assert header[4:8] == bytes((0, len(message), 58, 255))
    assert header[8:24] == address and header[24:] == ip_address("ff02::1").packed
    assert message[0] == 136 and message[4] == flags
    assert message[8:24] == address and message[24:] == b"\2\1" + MAC
    pseudo = header[8:] + len(message).to_bytes(4) + (58).to_bytes(4)
    assert checksum(pseudo + message) == 0
