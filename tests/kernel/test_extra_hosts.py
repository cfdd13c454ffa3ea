"""Further names in hosts files: `extra_hosts`."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.test_failure import OWN_FILES, settled, sh, shot

FILE = """\
name: t
extra_hosts: {registry.example.org: 192.0.2.7}
nodes:
  a: {networks: lan, extra_hosts: {me: host-gateway, db: 10.1.0.77}}
  b: {networks: lan}
networks:
  lan: {mode: nat, subnet: 10.1.0.0/24}
"""


def test_programs_in_a_node_resolve_them(host: Host) -> None:
    sh(host, "ip netns add other; mkdir -p /etc/netns")
    before = shot(host)
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    assert "nothing to do" in host.netorch("apply", "topo.yaml").stdout
    for name, address in (("me", "10.1.0.1"), ("registry.example.org", "192.0.2.7")):
        assert address in host.netorch("exec", "a", "getent", "hosts", name).stdout
        assert address in sh(host, f"ip netns exec a getent hosts {name}")
    assert host.netorch("exec", "b", "getent", "hosts", "me", check=False).returncode
    assert host.netorch("exec", "a", "ping", "-c1", "-W5", "me").returncode == 0
    sh(host, "sed -i /db/d /etc/netns/a/hosts")
    drift = host.netorch("diff", "topo.yaml", check=False)
    assert drift.returncode == 2 and "+ 10.1.0.77 db" in drift.stdout, drift.stdout
    host.netorch("apply", "topo.yaml")
    host.write("again.yaml", host.netorch("show", "t", "-o", "yaml").stdout)
    assert host.netorch("diff", "again.yaml").returncode == 0
    host.write("next.yaml", FILE.replace("10.1.0.77", "10.1.0.78"))
    host.netorch("apply", "next.yaml")
    assert "10.1.0.78" in host.netorch("exec", "a", "getent", "hosts", "db").stdout
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []
