"""Test the routes and metrics that networks give to their members."""

from __future__ import annotations

from tests.kernel.host import Host, diff_snapshots

FILE = """\
name: lab
nodes:
  r1:
    forwarding: true
    networks: [lan]
    interfaces: {d: {kind: bridge, addresses: [10.9.0.1/16, "fd09::1/64"]}}
  a: {networks: [lan, backup]}
networks:
  lan:
    mode: nat
    subnet: [10.0.0.0/24, "fd00::/64"]
    metric: 50
    routes: [{to: 10.9.0.0/16, via: r1}, {to: "fd09::/64", via: r1, metric: 7}]
  backup: {mode: nat, subnet: 10.1.0.0/24, metric: 100}
"""


def test_members_reach_what_is_behind_another_member(host: Host) -> None:
    before = host.snapshot()
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    routes = host.run("ip", "-n", "a", "route").stdout
    assert "10.9.0.0/16 via 10.0.0.2 dev eth0" in routes
    assert "default via 10.0.0.1 dev eth0 proto 1" in routes and "metric 50" in routes
    assert "default via 10.1.0.1 dev eth1 proto 1" in routes and "metric 100" in routes
    assert host.ping("a", "10.9.0.1") and host.ping("a", "fd09::1")
    assert "arrives" in host.netorch("explain", "a", "10.9.0.1").stdout
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.run("ip", "-n", "a", "route", "del", "10.9.0.0/16")
    assert "+ route a 10.9.0.0/16" in host.netorch("diff", check=False).stdout
    host.write("topo.yaml", FILE.replace("metric: 50", "metric: 60").replace(", metric: 7", ""))
    host.netorch("apply")
    assert "metric 60" in host.run("ip", "-n", "a", "route").stdout
    assert host.ping("a", "10.9.0.1") and host.ping("a", "fd09::1")
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"]) == []
