"""Networks on a bridge that netorch does not make."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.test_failure import OWN_FILES, settled, sh, shot

BRIDGE = """
ip link add br0 type bridge
ip link set br0 address 02:00:00:00:00:01 up
ip addr add 10.7.0.1/24 dev br0
ip netns add other
ip link add out type veth peer name in netns other
ip link set out master br0 up
ip -n other addr add 10.7.0.9/24 dev in
ip -n other link set in up
ip -n other link set lo up
"""
FILE = """\
name: t
nodes:
  a: {networks: {lan: {address: 10.7.0.2}}}
  b: {networks: [lan]}
networks:
  lan: {bridge: br0, existing: true, subnet: 10.7.0.0/24, ip_range: 10.7.0.64/26, gateway: 10.7.0.1}
checks:
  - {all: lan}
"""


def test_members_join_it_and_nothing_else_changes(host: Host) -> None:
    sh(host, BRIDGE)
    host.write("topo.yaml", FILE)
    before = shot(host)
    host.netorch("apply")
    assert host.netorch("diff").returncode == 0
    assert host.netorch("check").returncode == 0
    for target in ("10.7.0.9", "10.7.0.1", "10.7.0.64"):
        assert host.reaches("a", target)
    assert "arrives" in host.netorch("explain", "a", "b").stdout
    sh(host, "ip link set b-eth0 nomaster")
    drift = host.netorch("diff", check=False)
    assert drift.returncode == 2 and "host/b-eth0  master none → br0" in drift.stdout, drift.stdout
    host.netorch("apply")
    assert host.reaches("b", "10.7.0.9")
    sh(
        host,
        "ip link set br0 type bridge ageing_time 1000; ip link set br0 type bridge ageing_time 30000",
    )
    assert host.netorch("diff").returncode == 0
    host.netorch("destroy", "t")
    assert settled(before, host, [*OWN_FILES, "host: fdb"]) == []


def test_when_somebody_makes_the_bridge_again_the_members_return(host: Host) -> None:
    sh(host, BRIDGE)
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    sh(host, "ip link del br0")
    gone = host.netorch("apply", check=False)
    assert gone.returncode == 1 and "host has no interface br0" in gone.stderr, gone.stderr
    sh(host, "ip link add br0 type bridge; ip link set br0 up; ip addr add 10.7.0.1/24 dev br0")
    host.netorch("apply")
    assert host.reaches("a", "10.7.0.64")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("true", "host has no interface br0"),
        ("ip link add br0 type ifb", "host/br0 is not a bridge"),
    ],
)
def test_without_such_a_bridge_nothing_is_made(host: Host, script: str, words: str) -> None:
    sh(host, script)
    host.write("topo.yaml", FILE)
    before = shot(host)
    done = host.netorch("apply", check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert settled(before, host) == []


def test_in_an_attached_namespace(host: Host) -> None:
    sh(
        host,
        "ip netns add other; ip -n other link add br0 type bridge; ip -n other link set br0 up",
    )
    host.write(
        "topo.yaml",
        "name: t\n"
        "nodes:\n"
        "  o: {attach: 'netns:other'}\n"
        "  a: {networks: {lan: {address: 10.7.0.2}}}\n"
        "  b: {networks: {lan: {address: 10.7.0.3}}}\n"
        "networks: {lan: {node: o, bridge: br0, existing: true, subnet: 10.7.0.0/24}}\n",
    )
    host.netorch("apply")
    assert host.netorch("diff").returncode == 0
    assert host.reaches("a", "10.7.0.3")
    host.netorch("destroy", "t")
    assert "br0" in host.run("ip", "-n", "other", "link").stdout
