"""Groups of members of a network: the VLANs of the ports, and networks that cannot have groups."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.mac import PortMac
from netorch.kinds.vlans import PortVlans
from netorch.resolve.loader import load

FILE = """
name: lab
nodes:
  a: {networks: {lan: {group: red, mac: "02:00:00:00:00:0a"}}}
  b: {networks: {lan: {group: blue, mac: "02:00:00:00:00:0b"}}}
  c: {networks: {lan: {group: red, mac: "02:00:00:00:00:0c"}}}
  d: {networks: [lan]}
networks: {lan: {KEYS}}
"""


def test_a_group_is_a_community_of_a_private_vlan() -> None:
    state = load(FILE.replace("KEYS", "").encode(), "lab.yaml").desired.state.values()
    vlans = {one.link: (one.pvid, dict(one.vlans)) for one in state if isinstance(one, PortVlans)}
    assert vlans == {
        "lan": (1, {1: True, 2: True, 3: True}),
        "a-eth0": (2, {1: True, 2: True}),
        "b-eth0": (3, {1: True, 3: True}),
        "c-eth0": (2, {1: True, 2: True}),
        "d-eth0": (1, {1: True, 2: True, 3: True}),
    }
    macs = {one.link: (one.mac, one.vlan) for one in state if isinstance(one, PortMac)}
    assert macs == {f"{name}-eth0": (f"02:00:00:00:00:0{name}", 1) for name in "abc"}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("vlan_filtering: true", "`vlan_filtering` says that the file sets these"),
        ("port_isolation: true", "with `port_isolation` no member reaches another one"),
        ("bridge: br0, existing: true, node: host", "VLANs of its bridge, which others use too"),
        ("mcast_querier: true", "it has not heard of those in other VLANs"),
        ("driver: macvlan", "VLANs of one bridge, and it has driver macvlan"),
        ("vlan_default_pvid: 0", "`vlan_default_pvid`, which is 0"),
    ],
)
def test_a_network_that_cannot_have_groups(keys: str, why: str) -> None:
    with pytest.raises(FileError) as caught:
        load(FILE.replace("KEYS", keys).encode(), "lab.yaml")
    problems = [one for one in caught.value.problems if one.code == "no-groups"]
    assert [why in one.what for one in problems] == [True]
    assert problems[0].what.startswith("network lan cannot have groups")


def test_the_vlans_of_a_member_with_a_group_are_not_set_by_hand() -> None:
    file = FILE.replace("KEYS", "").replace("group: blue", "group: blue, port: {pvid: 9}")
    with pytest.raises(FileError, match="netorch sets the VLANs of the ports of a network with"):
        load(file.encode(), "lab.yaml")
