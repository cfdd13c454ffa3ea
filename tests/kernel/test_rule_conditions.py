"""Test the conditions of policy rules: Linux has them, packets follow them, and so does explain."""

from __future__ import annotations

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.traffic import ask, serve

FILE = """\
name: lab
nodes:
  r:
    routes:
      - {to: default, via: 10.0.1.2}
      - {to: default, via: 10.0.2.2, table: 100}
      - {to: "::/0", via: "fd01::2"}
      - {to: "::/0", via: "fd02::2", table: 100}
    rules:
      - {table: 254, suppress_prefixlength: 0}
      - {ipproto: tcp, dport: 80-81, table: 100}
      - {ipproto: tcp, dport: 80-81, table: 100, family: ipv6}
      - {uidrange: 4242-4243, table: 100}
      - {not: true, to: 10.0.0.0/8, table: 100}
      - {tos: 0x10, sport: 9999, table: 100}
  one: {interfaces: {lo: {addresses: [10.9.9.9/32, "fd09::9/128"]}}}
  two: {interfaces: {lo: {addresses: [10.9.9.9/32, "fd09::9/128", 192.0.2.9/32]}}}
links:
  - {endpoints: ["r:e1", "one:e1"], subnet: [10.0.1.0/30, "fd01::/64"]}
  - {endpoints: ["r:e2", "two:e2"], subnet: [10.0.2.0/30, "fd02::/64"]}
"""
LINES = (
    "10000:\tfrom all lookup main suppress_prefixlength 0",
    "10001:\tfrom all ipproto tcp dport 80-81 lookup 100",
    "10003:\tfrom all uidrange 4242-4243 lookup 100",
    "10004:\tnot from all to 10.0.0.0/8 lookup 100",
    "10005:\tfrom all tos 0x10 sport 9999 lookup 100",
)


def test_packets_follow_the_conditions(host: Host) -> None:
    before = host.snapshot()
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    rules = host.run("ip", "-n", "r", "rule").stdout
    for line in LINES:
        assert line in rules, rules
    assert host.netorch("diff").stdout == "lab: in sync\n"
    serve(host, "one", "tcp:79")
    serve(host, "two", "tcp:80")
    asked = (("tcp", "10.9.9.9", 79), ("tcp", "10.9.9.9", 80), ("tcp", "fd09::9", 80))
    assert all(ask(host, "r", *asked))
    for command, dev in (
        ("10.9.9.9", "e1"),
        ("10.9.9.9 ipproto tcp dport 80", "e2"),
        ("10.9.9.9 uid 4242", "e2"),
        ("192.0.2.9", "e2"),
        ("10.0.1.2 ipproto tcp dport 80", "e1"),
    ):
        assert f"dev {dev} " in host.run("ip", "-n", "r", "route", "get", *command.split()).stdout
    for words in ([], ["--offline"]):
        for port, node in (("80", "two"), ("79", "one")):
            way = host.netorch("explain", "--tcp", port, *words, "r", "10.9.9.9", check=False)
            assert f"{node}:" in way.stdout and "r:" in way.stdout, way.stdout
    host.run("ip", "-n", "r", "rule", "del", "priority", "10001")
    host.run("ip", "-n", "r", "rule", "add", "dport", "99", "table", "100", "priority", "7")
    diff = host.netorch("diff", check=False).stdout
    assert "+ rule r priority 10001 ipproto 6 dport 80-81" in diff
    assert "- rule r priority 7 dport 99-99" in diff
    host.write("topo.yaml", FILE.replace("80-81", "80-82"))
    host.netorch("apply")
    assert "dport 80-82" in host.run("ip", "-n", "r", "rule").stdout
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"]) == []
