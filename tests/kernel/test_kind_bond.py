"""Test bonds: their modes and options, and the state of their ports."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

BOND = KindCase(
    """
name: lab
nodes:
  a: {interfaces: {bond0: $WORDS}}
  b: {interfaces: {bond0: {kind: bond, mode: active-backup, miimon: 100, primary: eth1, ports: [eth0, eth1], addresses: [10.0.0.2/24]}}}
links: [["a:eth0", "b:eth0"], ["a:eth1", "b:eth1"]]
""",
    "{kind: bond, mode: active-backup, miimon: 100, ports: [eth0, eth1], primary: eth1, "
    "addresses: [10.0.0.1/24, fd00::1/64]}",
    ("bond",),
    sees=(
        ("ip -n a -d link show bond0", "bond mode active-backup active_slave eth1 miimon 100"),
        ("ip -n a -d link show bond0", "primary eth1 "),
        ("ip -n a -o link show master bond0 up | wc -l", "2"),
        ("ip netns exec a ping -c 1 -w 5 10.0.0.2", "1 received"),
    ),
    edits=(
        Edit(
            "{kind: bond, mode: active-backup, miimon: 50, ports: [eth0, eth1], primary: eth0, "
            "addresses: [10.0.0.1/24, fd00::1/64]}",
            "~ bond a/bond0  miimon 100 → 50 … [update]",
            ("~ bond a/bond0  primary eth1 → eth0  [update]",),
        ),
        Edit(
            "{kind: bond, mode: 802.3ad, xmit_hash_policy: layer3+4, mtu: 1400, ports: [eth0], "
            "addresses: [10.0.0.1/24, fd00::1/64]}",
            "± bond a/bond0 … [replace]",
            ("! link a/eth1 … [flap]", "~ veth a/eth0  mtu 1500 → 1400"),
        ),
        Edit(
            "{kind: bond, mode: 802.3ad, lacp_rate: fast, ports: [eth0]}",
            "± bond a/bond0 … [replace]",
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set eth0 nomaster",
            "~ link a/eth0  master none → bond0",
            ("~ link a/eth0  state down → up",),
        ),
        Damage(
            "ip -n a link set eth0 nomaster; ip -n a link set eth0 up",
            "! link a/eth0  master none → bond0  [flap]",
        ),
        Damage("ip -n a link del bond0", "+ bond a/bond0 … ", ("+ address a/bond0 10.0.0.1/24",)),
        Damage(
            "ip -n a link set bond0 type bond miimon 0 primary eth0",
            "~ bond a/bond0  miimon 0 → 100",
            ("~ bond a/bond0  primary eth0 → eth1",),
        ),
        Damage(
            "ip -n a link set eth0 address 02:00:00:00:00:77 mtu 1300",
            "! veth a/eth0  mtu 1300 → 1500  mac 02:00:00:00:00:77 → … ",
        ),
    ),
)


@pytest.mark.uml
def test_a_bond(host: Host) -> None:
    check_kind(host, BOND)
