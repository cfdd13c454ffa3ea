"""Test VLANs, with a parent in the same namespace and in another one."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

VLAN = KindCase(
    """
name: lab
nodes:
  a: {interfaces: {eth0.10: $WORDS}}
  b: {interfaces: {far: {kind: vlan, parent: "a:eth0", id: 30, addresses: [10.30.0.1/24]}}}
links: [["a:eth0", "b:eth0"]]
""",
    "{kind: vlan, parent: eth0, id: 10, addresses: [10.10.0.1/24]}",
    ("vlan",),
    sees=(
        ("ip -n a -d link show eth0.10", "vlan protocol 802.1Q id 10"),
        ("ip -n b -d link show far", "link-netns a"),
    ),
    edits=(
        Edit(
            "{kind: vlan, parent: eth0, id: 11, addresses: [10.10.0.1/24]}",
            "± vlan a/eth0.10  parent eth0  id 10 → 11  [replace]",
        ),
        Edit(
            "{kind: vlan, parent: eth0, id: 11, protocol: 802.1ad, addresses: [10.10.0.1/24]}",
            "± vlan a/eth0.10 … [replace]",
        ),
    ),
    damages=(
        Damage(
            "ip -n a link del eth0.10",
            "+ vlan a/eth0.10  parent eth0  id 10",
            ("+ address a/eth0.10 10.10.0.1/24",),
        ),
        Damage(
            "ip -n a link del eth0",
            "+ vlan a/eth0.10  parent eth0  id 10",
            ("+ vlan b/far  parent a:eth0  id 30",),
        ),
        Damage(
            "ip -n a link del eth0.10; ip -n a link add link eth0 name eth0.10 type vlan id 12; "
            "ip -n a link set eth0.10 alias netorch:lab",
            "± vlan a/eth0.10 … [replace]",
        ),
    ),
)


@pytest.mark.uml
def test_a_vlan(host: Host) -> None:
    check_kind(host, VLAN)
