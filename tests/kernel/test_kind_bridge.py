"""Test bridges and their ports: the options of a port, and VLANs if the kernel supports them."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import Damage, Edit, KindCase, assert_in_sync, check_kind

PORT = KindCase(
    """
name: lab
nodes:
  a: {interfaces: {br0: {kind: bridge, ports: [eth0]}, eth0: $WORDS}, networks: {lan: {name: lan0, port: {isolated: true}}}}
  b: {}
networks: {lan: {}}
links: [["a:eth0", "b:eth0"]]
""",
    "{port: {hairpin: true, isolated: true, learning: false, neigh_suppress: true, cost: 7, priority: 5, "
    "fdb: ['02:00:00:00:00:0a']}}",
    ("bridge",),
    sees=(
        ("bridge -n a -d link show dev eth0", "priority 5 cost 7"),
        ("bridge -n a -d link show dev eth0", "hairpin on"),
        ("bridge -n a -d link show dev eth0", "learning off"),
        ("bridge -n a -d link show dev eth0", "isolated on"),
        ("bridge -n a -d link show dev eth0", "neigh_suppress on"),
        ("bridge -n a fdb show dev eth0", "02:00:00:00:00:0a master br0 static"),
        ("bridge -n netorch-lab -d link show dev a-lan0", "isolated on"),
    ),
    edits=(
        Edit(
            "{port: {hairpin: true, cost: 100, fdb: '02:00:00:00:00:0b'}}",
            "~ link a/eth0  cost 7 → 100  isolated true → none  learning false → none  "
            "neigh_suppress true → none  priority 5 → none  [update]",
            ("- fdb a/eth0 02:00:00:00:00:0a", "+ fdb a/eth0 02:00:00:00:00:0b"),
        ),
        Edit("{}", "~ link a/eth0  hairpin true → none … [update]"),
    ),
    damages=(
        Damage(
            "bridge -n a link set dev eth0 cost 100 learning on",
            "~ link a/eth0  learning none → false  cost 100 → 7",
        ),
        Damage(
            "bridge -n a link set dev eth0 neigh_suppress off",
            "~ link a/eth0  neigh_suppress none → true",
        ),
        Damage(
            "bridge -n netorch-lab link set dev a-lan0 isolated off",
            "~ link netorch-lab/a-lan0  isolated none → true",
        ),
        Damage(
            "ip -n a link set eth0 nomaster",
            "~ link a/eth0  master none → br0 … ",
            ("+ fdb a/eth0 02:00:00:00:00:0a",),
        ),
        Damage(
            "bridge -n a fdb del 02:00:00:00:00:0a dev eth0 master",
            "+ fdb a/eth0 02:00:00:00:00:0a",
        ),
        Damage(
            "bridge -n a fdb add 02:00:00:00:00:0c dev eth0 master static",
            "- fdb a/eth0 02:00:00:00:00:0c",
        ),
    ),
)

VLANS = KindCase(
    """
name: lab
nodes:
  a:
    interfaces: {sw: {kind: bridge, $WORDS}, sw.30: {kind: vlan, parent: sw, id: 30, addresses: [10.30.0.1/24]}}
  b: {}
links: [["a:eth0", "b:eth0"], ["a:eth1", "b:eth1"]]
""",
    "vlan_filtering: true, ports: [eth0, eth1], port: {pvid: 0, vlans: [40-42]}}, "
    "eth0: {port: {pvid: 10, fdb: ['02:00:00:00:00:0a']}},"
    " eth1: {port: {fdb: {mac: '02:00:00:00:00:0a', vlan: 20}, vlans: [10, 20-30, {id: 40, "
    "untagged: true}]}",
    ("bridge-vlans", "vlan"),
    sees=(
        ("ip -n a -d link show sw", "vlan_filtering 1"),
        (
            "bridge -n a -compressvlans vlan show dev eth0 | tr -s ' \\t' ' '",
            "eth0 10 PVID Egress Untagged",
        ),
        (
            "bridge -n a -compressvlans vlan show dev eth1 | tr -s ' \\t\\n' ' '",
            "eth1 1 PVID Egress Untagged 10 20-30 40 Egress Untagged",
        ),
        ("bridge -n a fdb show dev eth0", "02:00:00:00:00:0a vlan 10 master sw static"),
        ("bridge -n a fdb show dev eth1", "02:00:00:00:00:0a vlan 20 master sw static"),
        ("bridge -n a -compressvlans vlan show dev sw | tr -s ' \\t\\n' ' '", "sw 30 40-42"),
    ),
    edits=(
        Edit(
            "vlan_filtering: true, vlan_default_pvid: 7, ports: [eth0, eth1]}, "
            "eth0: {port: {pvid: 11, vlans: [10]}}, eth1: {port: {pvid: 0}",
            "~ bridge a/sw  vlan_default_pvid 1 → 7  [update]",
            (
                "~ link a/eth0  pvid 10 → 11  vlans none → 10  [update]",
                "~ link a/eth1  pvid 1 → none  vlans 10, 20-30, 40 untagged → none  [update]",
                "~ link a/sw  pvid none → 7  vlans 30, 40-42 → 30  [update]",
            ),
        ),
        Edit("ports: [eth0, eth1]", "~ bridge a/sw  vlan_filtering true → false … [update]"),
    ),
    damages=(
        Damage(
            "bridge -n a fdb del 02:00:00:00:00:0a vlan 20 dev eth1 master",
            "+ fdb a/eth1 02:00:00:00:00:0a  vlan 20",
        ),
        Damage("bridge -n a vlan add vid 99 dev eth0", "~ link a/eth0  vlans 99 → none"),
        Damage(
            "bridge -n a vlan del vid 20-25 dev eth1",
            "~ link a/eth1  vlans 10, 26-30, 40 untagged → 10, 20-30, 40 untagged",
        ),
        Damage(
            "bridge -n a vlan add vid 12 dev eth0 pvid untagged",
            "~ link a/eth0  pvid 12 → 10  vlans 10 untagged → none",
        ),
        Damage(
            "bridge -n a vlan del vid 40 dev sw self", "~ link a/sw  vlans 30, 41-42 → 30, 40-42"
        ),
        Damage(
            "ip -n a link set sw type bridge vlan_filtering 0",
            "~ bridge a/sw  vlan_filtering false → true",
            ("~ link a/eth0 … ",),
        ),
        Damage(
            "ip -n a link set eth1 nomaster",
            "~ link a/eth1  master none → sw … ",
            ("~ link a/eth1  pvid … ",),
        ),
    ),
)


def test_the_port_of_a_bridge(host: Host) -> None:
    check_kind(host, PORT)


@pytest.mark.uml
def test_a_bridge_with_vlans(host: Host) -> None:
    check_kind(host, VLANS)


def test_a_kernel_without_vlans_in_bridges_is_an_error_before_anything_changes(host: Host) -> None:
    if (
        host.run(
            "unshare",
            "-n",
            "ip",
            "link",
            "add",
            "x",
            "type",
            "bridge",
            "vlan_filtering",
            "1",
            check=False,
        ).returncode
        == 0
    ):
        pytest.skip("this kernel has VLAN filtering, unlike that of the first test run")
    before = host.snapshot()
    file = host.write(
        "lab.yaml",
        "nodes: {a: {networks: {lan: {port: {pvid: 10}}}}}\n"
        "networks: {lan: {vlan_filtering: true}}\n",
    )
    for command in ("diff", "apply"):
        done = host.netorch(command, file, check=False)
        assert (done.returncode, done.stderr.splitlines()[0]) == (
            1,
            f"{file}:2:12: this kernel has no VLAN filtering in bridges: bridge netorch-lab/lan cannot be made."
            " Use a kernel built with CONFIG_BRIDGE_VLAN_FILTERING.",
        ), done.stderr
    assert diff_snapshots(before, host.snapshot()) == []
    file.write_text("nodes: {a: {networks: [lan]}}\nnetworks: {lan: {}}\n")
    host.netorch("apply", file)
    assert_in_sync(host)
