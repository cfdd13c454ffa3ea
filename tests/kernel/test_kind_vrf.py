"""Test VRFs: each has a routing table for its ports.

The ports keep their addresses, and routes follow them into the table.
"""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import NAME, Damage, Edit, KindCase, check_kind, require

ADDRESSED = (
    "eth0: {addresses: [10.0.0.1/24, fd00::1/64]}, eth1: {addresses: [10.0.0.1/24, fd00::1/64]}"
)
ROUTED = (
    "routes: [{to: 10.9.0.0/24, via: 10.0.0.2, vrf: red}, {to: fd09::/64, "
    "via: 'fd00::2', dev: eth1}]"
)
NODE = (
    "{interfaces: {red: {kind: vrf, table: $TABLE, ports: [$PORTS]}, blue: {kind: vrf, "
    "table: 11, ports: [eth1]}, $MORE}, $ROUTES}"
)


def node(table: int = 10, ports: str = "eth0", routes: str = ROUTED) -> str:
    words = NODE.replace("$TABLE", str(table)).replace("$PORTS", ports)
    return words.replace("$MORE", ADDRESSED).replace("$ROUTES", routes)


VRF = KindCase(
    """
name: lab
nodes:
  a: $WORDS
  b: {}
  c: {}
links:
  - ["a:eth0", {node: b, interface: eth0, addresses: [10.0.0.2/24]}]
  - ["a:eth1", {node: c, interface: eth0, addresses: [10.0.0.2/24]}]
""",
    node(),
    ("vrf",),
    sees=(
        ("ip -n a -d link show red", "vrf table 10"),
        ("ip -n a -br link show master red", "eth0"),
        ("ip -n a route show vrf red", "10.9.0.0/24 via 10.0.0.2 dev eth0"),
        ("ip -n a -6 route show vrf blue", "fd09::/64 via fd00::2 dev eth1"),
        ("ip -n a -6 addr show eth0", "fd00::1/64"),
    ),
    edits=(
        Edit(
            node(table=12),
            "± vrf a/red  table 10 → 12 … [replace]",
            (
                "± link a/eth0  master red … [replace]  (goes with vrf a/red)",
                "+ route a 10.9.0.0/24 table 12  via 10.0.0.2  dev eth0",
            ),
        ),
        Edit(
            node(ports="", routes="routes: []"),
            "! link a/eth0  master red → none … [flap]",
            ("± address a/eth0 fd00::1/64  [replace] … ",),
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set eth0 nomaster",
            "! link a/eth0  master none → red … [flap]",
            ("+ route a 10.9.0.0/24 table 10 … ",),
        ),
        Damage(
            "ip -n a link del red",
            "+ vrf a/red  table 10 … ",
            ("+ route a 10.9.0.0/24 table 10 … ",),
        ),
        Damage("ip -n a link set eth0 master blue", "! link a/eth0  master blue → red  [flap]"),
        Damage(
            "ip -n a route del 10.9.0.0/24 vrf red",
            "+ route a 10.9.0.0/24 table 10  via 10.0.0.2  dev eth0",
        ),
    ),
)


@pytest.mark.uml
def test_a_vrf(host: Host) -> None:
    check_kind(host, VRF)


@pytest.mark.uml
def test_the_first_apply_is_one_round_and_the_kernels_rule_is_left_alone(host: Host) -> None:
    require(host, "vrf")
    file = host.write("lab.yaml", VRF.file.replace("$WORDS", node()))
    host.run("sh", "-c", "ip rule add pref 900 from 192.0.2.0/24 lookup 7; ip rule > before")
    assert "1 round" not in host.netorch("apply", file).stderr
    rules = host.run("ip", "-n", "a", "rule").stdout
    assert "l3mdev" in rules
    host.netorch("destroy", NAME)
    assert host.run("sh", "-c", "ip rule | diff before - && rm before").stdout == ""
