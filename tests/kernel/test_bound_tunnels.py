"""Test tunnels with a parent, by which their outer packets leave: gre, ipip, sit, ip6tnl, vxlan."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind, require

FILE = """
name: lab
nodes: {a: {interfaces: {t0: $WORDS, u: {kind: KIND, local: NEAR, remote: FAR}}}, b: {}}
links:
  - {endpoints: ["a:eth0", "b:eth0"], subnet: [192.0.2.0/24, "fd00:a::/64"]}
  - {endpoints: ["a:eth1", "b:eth1"], subnet: [198.51.100.0/24, "fd00:b::/64"]}
"""
TWO = """
name: lab
nodes:
  a:
    interfaces:
      lo: {addresses: [10.9.0.1/32]}
      t0: {kind: KIND, local: 10.9.0.1, remote: 10.9.0.2, parent: eth0, addresses: ["fd00:5::1/64"]}
      t1: {kind: KIND, local: 10.9.0.1, remote: 10.9.0.2, parent: eth1, addresses: ["fd00:6::1/64"]}
    routes:
      - {to: 10.9.0.2/32, via: 192.0.2.2}
      - {to: 10.9.0.2/32, via: 198.51.100.2, metric: 9}
  b:
    interfaces:
      lo: {addresses: [10.9.0.2/32]}
      t0: {kind: KIND, local: 10.9.0.2, remote: 10.9.0.1, parent: eth0, addresses: ["fd00:5::2/64"]}
      t1: {kind: KIND, local: 10.9.0.2, remote: 10.9.0.1, parent: eth1, addresses: ["fd00:6::2/64"]}
    routes:
      - {to: 10.9.0.1/32, via: 192.0.2.1}
      - {to: 10.9.0.1/32, via: 198.51.100.1, metric: 9}
links:
  - {endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}
  - {endpoints: ["a:eth1", "b:eth1"], subnet: 198.51.100.0/24}
"""
IN_VRF = """
name: lab
nodes:
  a:
    interfaces:
      blue: {kind: vrf, table: 10, ports: [eth0]}
      t0: {kind: gre, local: 192.0.2.1, remote: 192.0.2.2, parent: blue, addresses: [10.5.0.1/24]}
  b:
    interfaces:
      blue: {kind: vrf, table: 10, ports: [eth0]}
      t0: {kind: gre, local: 192.0.2.2, remote: 192.0.2.1, parent: blue, addresses: [10.5.0.2/24]}
links:
  - {endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}
"""


def case(kind: str, version: int) -> KindCase:
    near, far = ("192.0.2.1", "192.0.2.2") if version == 4 else ("fd00:a::1", "fd00:a::2")
    words = f"{{kind: {kind}, local: '{near}', remote: '{far}', parent: eth0}}"
    file = FILE.replace("KIND", kind).replace("NEAR", f"'{near}'").replace("FAR", f"'{far}'")
    by_hand = f"ip -n a link set t0 type {kind} local {near} remote {far}"
    return KindCase(
        file,
        words,
        (kind,),
        sees=(("ip -n a -d link show t0", f"remote {far} local {near} dev eth0"),),
        edits=(
            Edit(words.replace("eth0", "eth1"), f"~ {kind} a/t0  parent eth0 → eth1 … [update]"),
            Edit(
                words.replace(", parent: eth0", ", ttl: 9").replace(far, far[:-1] + "3"),
                f"~ {kind} a/t0  remote … [update]",
            ),
        ),
        damages=(
            Damage(f"{by_hand} dev eth1", f"~ {kind} a/t0  parent eth1 → eth0"),
            Damage(f"{by_hand} dev u", f"~ {kind} a/t0  parent u → eth0"),
            Damage(
                "ip -n a link del eth0",
                f"~ {kind} a/t0  parent … [update]",
                ("+ veth a/eth0  peer b:eth0",),
            ),
        ),
    )


@pytest.mark.uml
@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("gre", 4),
        ("gretap", 4),
        ("ipip", 4),
        ("sit", 4),
        ("ip6gre", 6),
        ("ip6gretap", 6),
        ("ip6tnl", 6),
    ],
)
def test_a_tunnel_with_a_parent(host: Host, kind: str, version: int) -> None:
    check_kind(host, case(kind, version))


@pytest.mark.uml
@pytest.mark.parametrize("kind", ["gre", "sit"])
def test_two_tunnels_to_one_place_by_two_links(host: Host, kind: str) -> None:
    require(host, kind)
    file = host.write("lab.yaml", TWO.replace("KIND", kind))
    host.netorch("apply", file)
    assert host.netorch("show", "-o", "yaml").stdout.count("parent: eth1") == 2
    assert host.netorch("import", "--live", "a", "b").stdout.count("parent: eth1") == 2
    for number in (5, 6):
        target = f"fd00:{number}::2"
        assert host.reaches("a", target)
        assert "arrives" in host.netorch("explain", "a", target).stdout
    host.run("ip", "-n", "b", "link", "set", "eth1", "down")
    assert host.ping("a", "fd00:5::2")
    assert not host.ping("a", "fd00:6::2")
    explained = host.netorch("explain", "a", "fd00:6::2", check=False)
    assert explained.returncode == 2, explained.stdout
    host.netorch("apply", file)
    host.run(
        "ip",
        "-n",
        "b",
        "link",
        "set",
        "t1",
        "type",
        kind,
        "local",
        "10.9.0.2",
        "remote",
        "10.9.0.1",
        "dev",
        "lo",
    )
    assert not host.ping("a", "fd00:6::2")
    explained = host.netorch("explain", "a", "fd00:6::2", check=False)
    assert explained.returncode == 2, explained.stdout


@pytest.mark.uml
def test_a_tunnel_over_a_vrf(host: Host) -> None:
    require(host, "gre", "vrf")
    host.netorch("apply", host.write("lab.yaml", IN_VRF))
    assert host.reaches("a", "10.5.0.2")
    assert "arrives" in host.netorch("explain", "a", "10.5.0.2").stdout
    bound = "ip -n a link set t0 type gre local 192.0.2.1 remote 192.0.2.2 dev lo"
    host.run("sh", "-c", bound)
    assert not host.ping("a", "10.5.0.2")
    assert host.netorch("explain", "a", "10.5.0.2", check=False).returncode == 2
