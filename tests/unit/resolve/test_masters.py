"""Bridges, bonds and VRFs: errors, what ports get from their masters, and VLANs in netlink."""

from __future__ import annotations

import pytest

from netorch.kinds.base.link import link_key
from netorch.kinds.port import port_key
from netorch.kinds.up import up_key
from netorch.kinds.vlans import PortVlans, ranges, vlans_key
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, headers, nested
from netorch.netlink.decode import port_vlans
from netorch.netlink.encode import encode
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.resource import State
from netorch.values.requests import VlanAdd, VlanDel
from tests.unit.resolve.test_load_errors import problems

WIRED = '\n  b: {}\nlinks: [["a:eth[0-3]", "b:eth[0-3]"]]\n'


def a(interfaces: str, more: str = "") -> str:
    """Return a file with a node `a` that has these interfaces and four cables to `b`."""
    return f"name: t\nnodes:\n  a: {{interfaces: {{{interfaces}}}{more}}}{WIRED}"


def state(text: str) -> State:
    """Return the desired state of a file."""
    return load(text.encode(), "t.yaml").desired.state


WRONG = {
    "a port that a bond refuses": (
        a("x: {kind: bond, ports: [v]}, v: {kind: vrf, table: 5}"),
        ["a:v is a VRF: it cannot be a port of the bond x"],
    ),
    "ports that bridges and bonds refuse": (
        a(
            "x: {kind: bond, ports: [t]}, y: {kind: bridge, ports: [u]}, t: {kind: sit, remote: 192.0.2.1}, u: {kind: vrf, table: 7}"
        ),
        [
            "a:t is a sit, which carries no Ethernet frames: it cannot be a port of the bond x",
            "a:u is a VRF: it cannot be a port of the bridge y",
        ],
    ),
    "VRF in VRF": (
        a("x: {kind: vrf, table: 5, ports: [y]}, y: {kind: vrf, table: 6}"),
        ["a:y is a VRF: it cannot be a port of the VRF x"],
    ),
    "a ring of bonds": (
        a("x: {kind: bond, ports: [y]}, y: {kind: bond, ports: [z]}, z: {kind: bond, ports: [x]}"),
        ["a:x is on top of z: it cannot be a port of the bond z"],
    ),
    "a bond in itself": (
        a("x: {kind: bond, ports: [x]}"),
        ["a:x: it cannot be a port of the bond x"],
    ),
    "a VLAN on top of the bond": (
        a("x: {kind: bond, ports: [v]}, v: {kind: vlan, parent: x, id: 5}"),
        ["a:v is on top of x: it cannot be a port of the bond x"],
    ),
    "values that a bond's port gets from the bond": (
        a(
            "x: {kind: bond, ports: [eth0, eth1], mtu: 1400}, eth0: {mac: '02:00:00:00:00:01', addresses: 10.0.0.1/24}, eth1: {mtu: 1500}"
        ),
        [
            "a:eth0 is a port of the bond x and gets the bond's own MAC, so it cannot have MAC 02:00:00:00:00:01. Set `mac` on a:x.",
            "a:eth0 is a port of x, so it cannot have the address 10.0.0.1/24. Give it to a:x.",
            "a:eth1 is a port of the bond x and gets the bond's MTU 1400, so it cannot have MTU 1500. Set `mtu` on a:x.",
        ],
    ),
    "options of a bond": (
        a(
            "x: {kind: bond, lacp_rate: fast}, y: {kind: bond, primary: eth0}, z: {kind: bond, mode: '802.3-ad'}"
        ),
        [
            "nodes.a.interfaces.x: `lacp_rate` is for mode 802.3ad, not for balance-rr",
            "nodes.a.interfaces.y: mode balance-rr has no primary port: `primary` is for active-backup, balance-tlb, balance-alb",
            "nodes.a.interfaces.z.mode: '802.3-ad' is not one of 'balance-rr', 'active-backup', 'balance-xor', 'broadcast', '802.3ad',"
            " 'balance-tlb' or 'balance-alb'. Did you mean '802.3ad'?",
        ],
    ),
    "a primary that is not a port": (
        a("x: {kind: bond, mode: active-backup, ports: [eth0], primary: eth1}"),
        ["interface 'eth1' is not a port of a:x. Add it to its ports."],
    ),
    "tables of VRFs": (
        a("x: {kind: vrf, table: 5}, y: {kind: vrf, table: 5}"),
        ["the VRFs a:x and a:y both have table 5"],
    ),
    "the main table": (
        a("x: {kind: vrf, table: 254}"),
        [
            "nodes.a.interfaces.x.table: table 254 is main, which every interface that is in no VRF uses"
        ],
    ),
    "a gateway in two VRFs": (
        a(
            "x: {kind: vrf, table: 5, ports: [eth0]}, y: {kind: vrf, table: 6, ports: [eth1]}, eth0: {addresses: 10.0.0.1/24},"
            " eth1: {addresses: 10.0.0.1/24}",
            ", routes: [{to: default, via: 10.0.0.2}, {to: 10.9.0.0/16, via: 10.0.0.2, vrf: z}, {to: 10.8.0.0/16, dev: x, vrf: x, table: 5}]",
        ),
        [
            "node a has no VRF 'z'. Declare it under nodes.a.interfaces.",
            "nodes.a.routes.2: a route cannot have both `vrf` and `table`: a VRF is a table",
        ],
    ),
    "VLANs of a bridge that does not filter them": (
        a(
            "x: {kind: bridge, ports: [eth0], port: {pvid: 5}}, eth0: {port: {vlans: [7]}}, eth1: {port: {hairpin: true}}"
        ),
        [
            "`pvid` means nothing to the bridge x, which does not filter VLANs. Set `vlan_filtering: true` on the bridge.",
            "`vlans` means nothing to the bridge x, which does not filter VLANs. Set `vlan_filtering: true` on the bridge.",
            "a:eth1 is not a port, but `port` is for ports of a bridge. In a network write `port` in the membership.",
        ],
    ),
    "VLANs that do not exist": (
        a(
            "x: {kind: bridge, vlan_filtering: true, vlan_default_pvid: 4095}, eth0: {port: {pvid: 4095, vlans: [0, 30-20, 5, 3-7, x]}}"
        ),
        [
            "nodes.a.interfaces.x.vlan_default_pvid: 4095 is not between 0 and 4094",
            "a:eth0 is not a port, but `port` is for ports of a bridge."
            " In a network write `port` in the membership.",
            "nodes.a.interfaces.eth0.port.pvid: 4095 is not between 0 and 4094",
            "nodes.a.interfaces.eth0.port.vlans.0: 0 is not between 1 and 4094",
            "nodes.a.interfaces.eth0.port.vlans.1: '30-20' is not a range: 20 comes before 30",
            "nodes.a.interfaces.eth0.port.vlans.4: 'x' is not a whole number",
        ],
    ),
    "a VLAN twice": (
        a("x: {kind: bridge, vlan_filtering: true, ports: eth0}, eth0: {port: {vlans: [5, 3-7]}}"),
        ["nodes.a.interfaces.eth0.port: VLAN 5 appears twice: remove one of them"],
    ),
    "MACs behind ports": (
        a(
            "x: {kind: bridge, vlan_filtering: true, ports: [eth0]}, eth0: {port: {fdb: [{mac: '02:00:00:00:00:01', vlan: 7}]}},"
            " y: {kind: bridge, ports: [eth1, eth2]}, eth1: {port: {fdb: ['02:00:00:00:00:02', {mac: '02:00:00:00:00:03', vlan: 7}]}},"
            " eth2: {port: {fdb: '02:00:00:00:00:02'}}"
        ),
        [
            "a:eth0 is not in VLAN 7, so 02:00:00:00:00:01 cannot be behind it there",
            "the bridge y knows no VLANs, so 02:00:00:00:00:03 cannot be behind it there",
            "02:00:00:00:00:02 is behind a:eth1 already, so it cannot be behind a:eth2 too",
        ],
    ),
    "a bridge's own port": (
        a("x: {kind: bridge, vlan_filtering: true, port: {pvid: 5, cost: 7}}"),
        ["a:x is a bridge, whose own port takes `pvid` and `vlans`, but no `cost`"],
    ),
    "a NIC that the file does not make": (
        "name: t\nnodes: {host: {interfaces: {eth0: {}, x: {kind: bond, ports: [eth0]}}}}",
        [
            "host:eth0 is not made by this file: it cannot be a port of x. To bridge a NIC of the host, make a network of mode bridged with the NIC as `uplink`."
        ],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong(what: str) -> None:
    text, expected = WRONG[what]
    assert [line.partition(" ")[2] for line in problems(text)] == expected


def test_a_gateway_in_two_vrfs_is_an_error_unless_the_main_table_has_it() -> None:
    vrfs = "x: {kind: vrf, table: 5, ports: [eth0]}, y: {kind: vrf, table: 6, ports: [eth1]}"
    same = "eth0: {addresses: 10.0.0.1/24}, eth1: {addresses: 10.0.0.1/24}"
    text = a(f"{vrfs}, {same}", ", routes: [{to: default, via: 10.0.0.2}]")
    assert problems(text)[0].endswith(
        "the gateway 10.0.0.2 is in several VRFs of a: x, y. Add `vrf` or `dev`."
    )
    for more, name in (("dev: eth1", "table 6"), ("vrf: x", "table 5"), ("table: 6", "table 6")):
        assert Key("route", "a", "default", name) in state(text.replace("via:", f"{more}, via:"))
    assert Key("route", "a", "default") in state(
        text.replace("eth1: {", "eth2: {addresses: 10.0.0.3/24}, eth1: {")
    )


def test_networks_of_two_vrfs_may_have_one_subnet_and_a_default_route_each() -> None:
    text = """
name: t
nodes:
  pe: {interfaces: {red: {kind: vrf, table: 5, ports: [eth0]}, blue: {kind: vrf, table: 6, ports: [eth1]}}, networks: [one, two]}
  gw1: {networks: {one: {address: 10.0.0.2}}}
  gw2: {networks: {two: {address: 10.0.0.2}}}
networks:
  one: {subnet: 10.0.0.0/24, gateway: 10.0.0.2}
  two: {subnet: 10.0.0.0/24, gateway: 10.0.0.2}
"""
    resources = state(text)
    assert {key.name for key in resources if key.kind == "route" and key.netns == "pe"} == {
        "default table 5",
        "default table 6",
    }
    assert (
        "overlap"
        in problems(
            text.replace(", ports: [eth1]", ", ports: []").replace("ports: [eth0]", "ports: []")
        )[0]
    )


def test_the_ports_of_a_bond_get_its_mac_and_mtu_and_are_made_with_their_own_mac() -> None:
    resources = state(
        a(
            "x: {kind: bond, mtu: 1400, ports: [eth0]}, y: {kind: bond, mode: balance-alb, ports: [eth1]}"
        )
    )
    bond, port, other = (resources[link_key("a", name)] for name in ("x", "eth0", "eth1"))
    assert (port.mac, port.mtu) == (bond.mac, 1400)  # type: ignore[attr-defined]
    assert port.own_mac not in {"", bond.mac}  # type: ignore[attr-defined]
    assert other.mac == ""  # type: ignore[attr-defined]
    assert resources[link_key("b", "eth0")].mtu == 1400  # type: ignore[attr-defined]
    assert port_key("a", "eth0") in resources[up_key("a", "eth0")].dies_with


def test_vlans_of_ports() -> None:
    resources = state(
        a(
            "x: {kind: bridge, vlan_filtering: true, vlan_default_pvid: 3, ports: ['eth0', eth1, eth2]}, eth0: {port: {pvid: 10}},"
            " eth1: {port: {pvid: 0, vlans: [5, 7-8, {id: 9, untagged: true}]}}, x.4: {kind: vlan, parent: x, id: 4}"
        )
    )
    vlans = {name: resources[vlans_key("a", name)] for name in ("x", "eth0", "eth1", "eth2")}
    assert vlans["x"] == PortVlans("a", "x", "x", 3, ((3, True), (4, False)))
    assert vlans["eth0"] == PortVlans("a", "eth0", "x", 10, ((10, True),))
    assert vlans["eth1"] == PortVlans(
        "a", "eth1", "x", 0, ((5, False), (7, False), (8, False), (9, True))
    )
    assert vlans["eth2"] == PortVlans("a", "eth2", "x", 3, ((3, True),))


def test_cables_between_the_bridges_of_a_network_carry_all_its_vlans() -> None:
    text = "name: t\nnodes: {'h[1-970]': {networks: {lan: {port: {pvid: $(i % 7 + 10)}}}}}\nnetworks: {lan: {vlan_filtering: true}}"
    resources = state(text)
    for name in ("lan-1-up", "lan-1-down"):
        trunk = resources[vlans_key("netorch-t", name)]
        assert isinstance(trunk, PortVlans)
        assert trunk.vlans == ((1, True), *((vlan, False) for vlan in range(10, 17)))


# VLANs in netlink messages


class Indices:
    """Gives every link the index 7."""

    def index_of(self, netns: str, name: str) -> int:
        return 7

    new_index = nsid_of = fd_of = index_of


def test_vlans_are_written_as_ranges() -> None:
    flags = c.BRIDGE_VLAN_INFO_UNTAGGED
    assert ranges({5: 0, 6: 0, 7: flags, 8: flags, 9: flags | c.BRIDGE_VLAN_INFO_PVID, 11: 0}) == (
        (5, 6, 0),
        (7, 8, flags),
        (9, 9, flags | c.BRIDGE_VLAN_INFO_PVID),
        (11, 11, 0),
    )


@pytest.mark.parametrize("own", [False, True])
def test_encoded_vlans_are_decoded_alike(own: bool) -> None:
    desired = {5: 0, 6: 0, 7: 0, 9: 6, 4094: 4}
    for request, kind in (
        (VlanAdd("a", "x", own, ranges(desired)), c.RTM_SETLINK),
        (VlanDel("a", "x", own, ranges(desired)), c.RTM_DELLINK),
    ):
        data = encode(request, 1, 0, Indices())  # type: ignore[arg-type]
        ((number, _, _, start, end),) = headers(data)
        assert number == kind
        assert data[start] == c.AF_BRIDGE
        assert port_vlans([(c.RTM_NEWLINK, data, start, end)]) == {7: desired}


def test_a_port_without_vlans_is_read_as_one() -> None:
    body = (
        bytes(4)
        + (3).to_bytes(4, "little")
        + bytes(8)
        + nested(c.IFLA_AF_SPEC, attr(c.IFLA_BRIDGE_FLAGS, b"\2\0"))
    )
    assert port_vlans([(c.RTM_NEWLINK, body, 0, len(body)), (c.RTM_NEWADDR, b"", 0, 0)]) == {3: {}}
