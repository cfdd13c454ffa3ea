"""Test ipvlans: all ipvlans of a parent have the same mode, and the parent's MAC."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

IPVLAN = KindCase(
    """
name: lab
nodes:
  a: {interfaces: {iv0: {addresses: [10.0.0.1/24, "fd00::1/64"], $WORDS}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24], $WORDS}}}
  c: {}
links: [["a:eth0", "c:eth0"], ["a:eth1", "c:eth1"]]
""",
    'kind: ipvlan, parent: "a:eth0", mode: l2',
    ("ipvlan",),
    sees=(
        ("ip -n a -d link show iv0", "ipvlan  mode l2 bridge"),
        ("ip -n b -d link show eth0", "ipvlan  mode l2 bridge"),
    ),
    edits=(
        Edit(
            'kind: ipvlan, parent: "a:eth0", mode: l3s, flags: private',
            "~ ipvlan a/iv0  mode l2 → l3s  flags bridge → private",
            ("~ ipvlan b/eth0  mode l2 → l3s",),
        ),
        Edit(
            'kind: ipvlan, parent: "a:eth0", mtu: 1400',
            "~ ipvlan a/iv0  mode l3s → l3",
            ("~ ipvlan b/eth0  mode l3s → l3",),
        ),
        Edit(
            'kind: ipvlan, parent: "a:eth1", flags: vepa',
            "± ipvlan a/iv0  parent eth0 → eth1 … [replace]",
            ("± ipvlan b/eth0 … [replace]",),
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set iv0 type ipvlan mode l3 vepa",
            "~ ipvlan a/iv0  mode l3 → l2  flags vepa → bridge",
            ("~ ipvlan b/eth0  mode l3 → l2",),
        ),
        Damage(
            "ip -n a link del eth0",
            "+ ipvlan a/iv0  parent eth0  mode l2",
            ("+ address a/iv0 10.0.0.1/24", "+ ipvlan b/eth0  parent a:eth0"),
        ),
        Damage(
            "ip -n a link del iv0; ip -n b link set eth0 down",
            "+ ipvlan a/iv0",
            ("~ link b/eth0  state down → up",),
        ),
    ),
)


@pytest.mark.uml
def test_an_ipvlan(host: Host) -> None:
    check_kind(host, IPVLAN)
