"""Macvlans, ipvlans and the networks made of them: their resources and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from netorch.errors import FileError
from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.kinds.ipvlan import Ipvlan
from netorch.kinds.macvlan import Macvlan
from netorch.kinds.netns import netns_key
from netorch.kinds.up import up_key
from netorch.netlink.codec import u16, u32
from netorch.netlink.constants import IFF_LOOPBACK, IFF_UP
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.marks import Mark
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

LINKS = "links: [[a:eth0, c:eth0], [a:eth1, c:eth1]]\n"


def state(text: str) -> Mapping[Key, Resource]:
    """Return the desired state of a file."""
    return load(("name: t\n" + text).encode(), "t.yaml").desired.state


def link(resources: Mapping[Key, Resource], netns: str, name: str) -> Any:
    return resources[link_key(netns, name)]


def problems(text: str) -> list[str]:
    """Return the messages of all errors of a file, without their places."""
    with pytest.raises(FileError) as caught:
        load(text.encode(), "t.yaml")
    return [line.removeprefix("t.yaml:").partition(": ")[2] for line in caught.value.lines()]


# The resources of a file


def test_the_kernels_mode_for_an_interface_and_dockers_for_a_network() -> None:
    resources = state(
        "nodes:\n  a: {networks: [m, i], interfaces: {x: {kind: macvlan, parent: eth0}}}\n  c: {interfaces: {y: {kind: ipvlan, parent: eth1}}}\n"
        'networks: {m: {driver: macvlan, parent: "a:eth0"}, i: {driver: ipvlan, parent: "a:eth1"}}\n'
        + LINKS.replace("a:eth0,", "a:eth0,")
    )
    assert link(resources, "a", "x").mode == "vepa" and link(resources, "c", "y").mode == "l3"
    member, other = link(resources, "a", "eth2"), link(resources, "a", "eth3")
    assert (member.KIND, member.mode, member.parent) == ("macvlan", "bridge", ("a", "eth0"))
    assert (other.KIND, other.mode, other.parent, other.mac) == ("ipvlan", "l2", ("a", "eth1"), "")


def test_the_parent_is_the_hosts_unless_the_file_says_whose() -> None:
    for words, parent in {
        "parent: eth7": ("host", "eth7"),
        "parent: eth0, node: a": ("a", "eth0"),
        'parent: "a:eth0", node: a': ("a", "eth0"),
        'parent: "host:eth7"': ("host", "eth7"),
    }.items():
        resources = state(
            f"nodes: {{a: {{}}, b: {{networks: [lan]}}, c: {{}}}}\nnetworks: {{lan: {{driver: macvlan, {words}}}}}\n"
            + LINKS
        )
        assert link(resources, "b", "eth0").parent == parent
        assert netns_key("netorch-t") not in resources


def test_a_network_without_a_parent_is_on_a_dummy_in_the_fabric_while_it_has_members() -> None:
    resources = state(
        "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {driver: macvlan, mtu: 1400}, none: {driver: ipvlan}}"
    )
    assert link(resources, "a", "eth0").parent == ("netorch-t", "lan")
    assert (
        link(resources, "netorch-t", "lan").KIND,
        link(resources, "netorch-t", "lan").mtu,
        link(resources, "a", "eth0").mtu,
    ) == (
        "dummy",
        1400,
        1400,
    )
    assert link_key("netorch-t", "none") not in resources


def test_a_vlan_is_made_once_and_for_members_only() -> None:
    text = (
        "nodes: {a: {}, b: {networks: [v, w]}, c: {networks: [v]}}\nnetworks:\n  v: {driver: macvlan, parent: 'a:eth0', vlan: 20}\n"
        "  w: {driver: macvlan, parent: eth0, node: a, vlan: 20}\n  x: {driver: macvlan, parent: 'a:eth0', vlan: 30}\n"
    )
    resources = state(text + LINKS)
    device = link(resources, "a", "eth0.20")
    assert (device.KIND, device.id, device.parent) == ("vlan", 20, ("a", "eth0"))
    assert {
        link(resources, node, name).parent
        for node, name in (("b", "eth0"), ("b", "eth1"), ("c", "eth2"))
    } == {("a", "eth0.20")}
    assert link_key("a", "eth0.30") not in resources


def test_a_vlan_that_the_file_declares_is_used() -> None:
    resources = state(
        "nodes: {a: {interfaces: {eth0.20: {kind: vlan, parent: eth0, id: 20, mtu: 1400}}}, b: {networks: [v]}, c: {}}\n"
        "networks: {v: {driver: macvlan, parent: 'a:eth0', vlan: 20}}\n" + LINKS
    )
    assert link(resources, "a", "eth0.20").mtu == 1400 == link(resources, "b", "eth0").mtu


def test_a_vlan_of_a_parent_that_is_down_is_down_and_what_is_on_it_is_up() -> None:
    resources = state(
        "nodes: {a: {interfaces: {eth0: {state: down}}}, b: {networks: [v]}, c: {}}\n"
        "networks: {v: {driver: macvlan, parent: 'a:eth0', vlan: 20}}\n" + LINKS
    )
    assert up_key("a", "eth0.20") not in resources and up_key("b", "eth0") in resources


def test_the_mtu_is_the_parents_and_on_a_nic_the_kernel_chooses_it() -> None:
    resources = state(
        "nodes: {a: {interfaces: {eth0: {mtu: 9000}}}, b: {interfaces: {x: {kind: macvlan, parent: 'a:eth0'}}, networks: [lan]}, c: {}}\n"
        "networks: {lan: {driver: macvlan, parent: eth7}}\n" + LINKS
    )
    assert link(resources, "b", "x").mtu == 9000 and link(resources, "b", "eth0").mtu == 0


def test_in_passthru_the_mac_is_the_parents() -> None:
    resources = state(
        "nodes: {a: {interfaces: {x: {kind: macvlan, parent: eth0, mode: passthru}}}, c: {}}\n"
        + LINKS
    )
    assert link(resources, "a", "x").mac == ""


def test_addresses_are_assigned_as_in_a_segment_and_the_gateway_may_be_a_router_outside() -> None:
    resources = state(
        "nodes: {b: {networks: [lan]}, c: {networks: {lan: {address: [192.168.1.7, 192.168.1.9/24]}}}}\n"
        "networks: {lan: {driver: macvlan, parent: eth7, subnet: 192.168.1.0/24, ip_range: 192.168.1.128/25, gateway: 192.168.1.1}}"
    )
    assert [key.name for key in resources if key.kind == "address"] == [
        "eth0 192.168.1.128/24",
        "eth0 192.168.1.7/24",
        "eth0 192.168.1.9/24",
    ]
    assert [key.netns for key in resources if key.kind == "route"] == ["b", "c"]


def test_in_l3_the_default_route_leads_into_the_link() -> None:
    resources = state(
        "nodes: {b: {networks: [lan]}}\n"
        "networks: {lan: {driver: ipvlan, driver_mode: l3, parent: eth7, subnet: [10.0.0.0/24, 'fd00::/64']}}"
    )
    routes = [resource.attributes() for key, resource in resources.items() if key.kind == "route"]
    assert [(route.get("via"), route["dev"]) for route in routes] == [
        (None, "eth0"),
        (None, "eth0"),
    ]


# The errors of a file

NETWORKS = {
    "mode: nat, subnet: 10.0.0.0/24, driver: macvlan": "driver macvlan supports only the mode segment",
    "driver: macvlan, driver_mode: l2": "driver macvlan has no driver_mode l2: use one of bridge, private, vepa, passthru",
    "driver: ipvlan, driver_mode: bridge": "driver ipvlan has no driver_mode bridge: use one of l2, l3, l3s",
    "driver: macvlan, driver_mode: bridged": "'bridged' is not one of 'bridge', 'private', 'vepa', 'passthru', 'l2', 'l3' or 'l3s'",
    "driver: macvlan, vlan: 20": "`vlan` needs a `parent`, because driver macvlan without a `parent` makes a closed network",
    "driver: macvlan, node: a": "`node` needs a `parent`",
    "driver: macvlan, parent: eth0, vlan: 4095": "4095 is not between 0 and 4094",
    "driver: macvlan, parent: 'a:eth0', node: c": "the parent a:eth0 is not in `node: c`: remove `node`",
    "driver: macvlan, parent: 'a:eth0/1'": "'eth0/1'",
    "driver: macvlan, parent: 'a:eth9'": "node a has no interface 'eth9'.",
    "driver: macvlan, parent: 'q:eth0'": "node 'q' does not exist.",
    "driver: macvlan, parent: eth0, node: q": "node 'q' does not exist.",
    "driver: macvlan, parent: 'a:eth0', stp: true": "driver macvlan does not support `stp`: it makes no bridge",
    "driver: macvlan, bridge: br0": "driver macvlan does not support `bridge`: it makes no bridge",
    "driver: macvlan, port_isolation: true": "driver macvlan does not support `port_isolation`: it makes no bridge",
    "driver: ipvlan, driver_mode: l3, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.1": "driver ipvlan does not support `gateway` with `driver_mode: l3`",
    "driver: macvlan, subnet: 10.0.0.0/24, gateway: 10.0.0.9": "gateway 10.0.0.9: no member of network lan has this address.",
    "driver: macvlan, parent: 'a:eth0', mtu: 1600": "network lan cannot have MTU 1600: its parent a:eth0 has 1500",
    "driver: macvlan, parent: 'a:lo'": "a:lo is the loopback interface, which carries no macvlan",
    "driver: macvlan, driver_mode: passthru, parent: 'a:eth0'": "b:eth1 and b:eth0 cannot both be on a:eth0: a link with the mode passthru must be",
    "parent: eth0": "`parent` needs the driver macvlan or ipvlan: add `driver: macvlan`, or remove `parent`",
    "vlan: 10": "`vlan` needs the driver macvlan or ipvlan",
    "driver_mode: l3": "`driver_mode` needs the driver macvlan or ipvlan",
}


@pytest.mark.parametrize("words", NETWORKS)
def test_a_network_that_cannot_be(words: str) -> None:
    text = f"name: t\nnodes: {{a: {{interfaces: {{lo: }}}}, b: {{networks: {{lan: , other: }}}}, c: {{}}}}\nnetworks: {{lan: {{{words}}}, other: {{driver: macvlan, parent: 'a:eth0'}}}}\n"
    lines = [
        line
        for line in problems(text + LINKS)
        if line != "network 'lan' does not exist. Declare it under networks."
    ]
    assert len(lines) == 1 and NETWORKS[words] in lines[0], lines


INTERFACES = {
    "x: {kind: macvlan, parent: eth0, mode: brdige}": ["'brdige' is not one of"],
    "x: {kind: macvlan}": ["lacks the key 'parent'"],
    "x: {kind: ipvlan, parent: eth0, mode: l2, flags: passthru}": ["'passthru' is not one of"],
    "x: {kind: ipvlan, parent: eth0, mac: '02:00:00:00:00:01'}": [
        "a:x is of kind ipvlan, which has no MAC of its own"
    ],
    "x: {kind: macvlan, parent: eth9}": ["node a has no interface 'eth9'."],
    "x: {kind: macvlan, parent: eth0, mtu: 9000}": ["a:x cannot have MTU 9000: a:eth0 has 1500"],
    "x: {kind: ipvlan, parent: eth0, mtu: 9000}": ["a:x cannot have MTU 9000: a:eth0 has 1500"],
    "x: {kind: vlan, parent: eth0, id: 5, mtu: 9000}": [
        "a:x cannot have MTU 9000: a:eth0 has 1500"
    ],
    "x: {kind: macvlan, parent: eth0, mode: passthru, mac: '02:00:00:00:00:01'}": [
        "a:x has the MAC of its parent because of its mode passthru"
    ],
    "x: {kind: macvlan, parent: eth0}, y: {kind: ipvlan, parent: eth0}": [
        "a:y and a:x cannot both be on a:eth0: a parent has either ipvlans or macvlans, never both"
    ],
    "x: {kind: macvlan, parent: eth0, mode: passthru}, y: {kind: macvtap, parent: eth0, mode: bridge}": [
        "a:y and a:x cannot both be on a:eth0: a link with the mode passthru must be the only one on its parent"
    ],
    "x: {kind: ipvlan, parent: eth0, mode: l2}, y: {kind: ipvlan, parent: eth0}": [
        "a:y and a:x cannot both be on a:eth0: all ipvlans of a parent have the same mode and flags: l3 bridge or l2 bridge"
    ],
    "x: {kind: ipvlan, parent: eth0}, y: {kind: ipvlan, parent: eth0, flags: vepa}": [
        "l3 vepa or l3 bridge"
    ],
    "x: {kind: tun}, y: {kind: macvlan, parent: x}": [
        "a:x is of kind tun, which has no Ethernet of its own, so it carries no macvlan"
    ],
    "x: {kind: macvlan, parent: eth0}, y: {kind: macvlan, parent: x}": [
        "a:y cannot be on a:x, which is of kind macvlan itself. Write `parent: a:eth0`."
    ],
    "br0: {kind: bridge, ports: eth0}, x: {kind: macvlan, parent: eth0}": [
        "a:eth0 is a port of a:br0, which gets all its frames, so it cannot be the parent of a:x. Write `parent: a:br0`."
    ],
    "x: {kind: macvlan, parent: eth0, addresses: 10.0.0.1/24}, eth0: {addresses: 10.0.0.1/24}": [
        "are on one segment, but both have 10.0.0.1"
    ],
}


@pytest.mark.parametrize("words", INTERFACES)
def test_an_interface_that_cannot_be(words: str) -> None:
    lines = problems(f"name: t\nnodes: {{a: {{interfaces: {{{words}}}}}, c: {{}}}}\n" + LINKS)
    assert len(lines) == len(INTERFACES[words]), lines
    assert all(part in line for part, line in zip(INTERFACES[words], lines, strict=True)), lines


def test_the_uplink_of_a_bridged_network_cannot_be_a_parent() -> None:
    lines = problems(
        "name: t\nnodes: {b: {networks: [lan]}}\nnetworks: {lan: {driver: macvlan, parent: eth7}, wire: {mode: bridged, uplink: eth7}}"
    )
    assert lines == [
        "host:eth7 is a port of host:wire, which gets all its frames, so it cannot be the parent of b:eth0. Write `parent: host:wire`."
    ]


def test_another_interface_with_the_name_of_the_vlan_device_is_an_error() -> None:
    lines = problems(
        "name: t\nnodes: {a: {interfaces: {eth0.20: {kind: vlan, parent: eth0, id: 21}}}, b: {networks: [v]}, c: {}}\n"
        "networks: {v: {driver: macvlan, parent: 'a:eth0', vlan: 20}}\n" + LINKS
    )
    assert lines == [
        "network v needs a:eth0.20 for VLAN 20 of a:eth0, but the file has another interface of that name"
    ]


def test_a_bridge_and_a_vlan_device_are_good_parents() -> None:
    state(
        "nodes: {a: {interfaces: {br0: {kind: bridge, ports: eth0}, x: {kind: macvlan, parent: br0},"
        " v: {kind: vlan, parent: eth1, id: 4}, y: {kind: ipvlan, parent: v}, z: {kind: macvlan, parent: eth1}}}, c: {}}\n"
        + LINKS
    )


# Obstacles on the machine

GROUP = Mark("t").group


def record(index: int, name: str, kind: str = "", **more: Any) -> LinkRecord:
    return replace(
        LinkRecord(index, name, IFF_UP, 1500, bytes(6), kind, 0, 0, None, 0, "", 1000, (), {}, {}),
        **more,
    )


def host(*links: LinkRecord) -> Snapshot:
    return Snapshot({"host": NetnsSnapshot("host", (0, 0), links)})


MACVLAN = Macvlan("b", "eth0", 0, "", GROUP, "", parent=("host", "eth7"), mode="bridge")
IPVLAN = Ipvlan("b", "eth0", 0, "", GROUP, "", parent=("host", "eth7"), mode="l2")
NIC = record(7, "eth7")

OBSTACLES = {
    "nothing there": (
        MACVLAN,
        host(record(2, "eth0")),
        "there is no interface eth7 in host",
        "It has eth0.",
    ),
    "a VLAN device that does not exist": (
        replace(MACVLAN, parent=("host", "eth7.20")),
        host(NIC),
        "there is no interface eth7.20 in host",
        "eth7 exists: write `kind: vlan` with `parent: eth7` and `id: 20`, or in a network `vlan: 20`.",
    ),
    "a bridge's port": (
        MACVLAN,
        host(record(7, "eth7", master=9), record(9, "br0", "bridge")),
        "host:eth7 is a port of the bridge br0",
        "Write `parent: br0`, or free eth7.",
    ),
    "a bond's port": (
        IPVLAN,
        host(record(7, "eth7", master=9), record(9, "bond0", "bond")),
        "host:eth7 is a port of the bond bond0",
        "",
    ),
    "the loopback": (
        replace(MACVLAN, parent=("host", "lo")),
        host(record(1, "lo", flags=IFF_LOOPBACK)),
        "loopback interface",
        "",
    ),
    "a macvlan": (
        MACVLAN,
        host(record(7, "eth7", "macvtap")),
        "host:eth7 is of kind macvtap itself",
        "Name that parent.",
    ),
    "a narrow NIC": (
        replace(MACVLAN, mtu=9000),
        host(NIC),
        "its MTU of 9000 is more than the 1500 of host:eth7",
        "",
    ),
    "a foreign ipvlan": (
        MACVLAN,
        host(NIC, record(8, "iv", "ipvlan", link=7, data={1: u16(0), 2: u16(0)})),
        "host:eth7 has the ipvlan iv on it, which netorch did not make: a parent has either macvlans or ipvlans",
        "",
    ),
    "a foreign macvlan in passthru": (
        MACVLAN,
        host(NIC, record(8, "mv", "macvlan", link=7, data={1: u32(8)})),
        "host:eth7 has the macvlan mv on it, which netorch did not make: a link with the mode passthru",
        "",
    ),
    "another mode": (
        IPVLAN,
        host(NIC, record(8, "iv", "ipvlan", link=7, data={1: u16(1), 2: u16(0)})),
        "all ipvlans of a parent have the same mode and flags: l2 bridge or l3 bridge",
        "",
    ),
}


@pytest.mark.parametrize("what", OBSTACLES)
def test_what_is_in_the_way_on_the_machine(what: str) -> None:
    resource, snapshot, message, remedy = OBSTACLES[what]
    [(_, text, way)] = resource.obstacles(snapshot, {})
    assert message in text and remedy in way, (text, way)


@pytest.mark.parametrize(
    "snapshot",
    [
        host(NIC),
        host(NIC, record(8, "mv", "macvlan", link=7, data={1: u32(1)})),
        host(record(7, "eth7", master=9), record(9, "vrf0", "vrf")),
        host(record(7, "eth7", "vlan", link=2), record(2, "eth0")),
        host(NIC, record(8, "iv", "ipvlan", link=7, group=GROUP)),
        host(NIC, record(8, "iv", "ipvlan", link=7, link_netnsid=3)),
    ],
)
def test_what_is_not_in_the_way(snapshot: Snapshot) -> None:
    assert list(MACVLAN.obstacles(snapshot, {})) == []


def test_a_parent_that_the_file_makes_may_not_be_there_yet() -> None:
    assert list(MACVLAN.obstacles(host(), {link_key("host", "eth7"): MACVLAN})) == []
    assert list(MACVLAN.obstacles(Snapshot({}), {})) == []


# Changes in place


def test_a_mode_changes_in_place_but_into_passthru_and_out_of_it() -> None:
    for mode, other, live in (
        ("bridge", "vepa", True),
        ("private", "bridge", True),
        ("bridge", "passthru", False),
        ("passthru", "vepa", False),
    ):
        update = replace(MACVLAN, mode=other).update(replace(MACVLAN, mode=mode))
        assert (update is not None) is live
    assert replace(IPVLAN, mode="l3s", flags="vepa").update(IPVLAN) is not None
    assert replace(IPVLAN, parent=("host", "eth8")).update(IPVLAN) is None
