"""A node with two interfaces in one network."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.test_failure import OWN_FILES, settled, sh, shot

FILE = """\
name: t
nodes:
  a: {networks: {lan: [{address: 10.1.0.5}, {address: 10.1.0.6}]}}
  b: {networks: lan}
networks:
  lan: {subnet: 10.1.0.0/24}
checks:
  - {all: lan}
  - {from: b, to: "a:eth1"}
"""
NAT = FILE.replace("subnet: ", "mode: nat, subnet: ")


@pytest.mark.parametrize("file", [FILE, NAT])
def test_both_answer(host: Host, file: str) -> None:
    sh(host, "ip netns add other")
    before = shot(host)
    host.write("topo.yaml", file)
    host.netorch("apply", "topo.yaml")
    assert "nothing to do" in host.netorch("apply", "topo.yaml").stdout
    assert host.netorch("diff", "topo.yaml").returncode == 0
    for target in ("10.1.0.5", "10.1.0.6"):
        assert host.reaches("b", target)
    done = host.netorch("check", "topo.yaml")
    assert "a:eth0" in done.stdout
    assert "a: arrives at eth1" in host.netorch("explain", "b", "10.1.0.6").stdout
    host.write("again.yaml", host.netorch("show", "t", "-o", "yaml").stdout)
    assert host.netorch("diff", "again.yaml").returncode == 0
    sh(host, "ip -n a link del eth1")
    drift = host.netorch("diff", "topo.yaml", check=False)
    assert drift.returncode == 2 and "+ veth a/eth1" in drift.stdout, drift.stdout
    text = host.netorch("show", "t", "-o", "yaml").stdout
    assert "10.1.0.5" in text and "10.1.0.6" not in text, text
    host.netorch("apply", "topo.yaml")
    assert host.reaches("b", "10.1.0.6")
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


def test_from_one_to_two_and_back(host: Host) -> None:
    one = FILE.replace("[{address: 10.1.0.5}, {address: 10.1.0.6}]", "{address: 10.1.0.5}")
    one = one.replace('  - {from: b, to: "a:eth1"}\n', "")
    host.write("one.yaml", one)
    host.write("two.yaml", FILE)
    host.netorch("apply", "one.yaml")
    assert "veth a/eth0" not in host.netorch("apply", "two.yaml").stdout
    assert host.reaches("b", "10.1.0.6")
    host.netorch("apply", "one.yaml")
    assert "eth1" not in host.links("-n", "a")
