"""Test routes with several next hops, over links that go down and up and in both families."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import require

FILE = """\
name: lab
nodes:
  r:
    interfaces: {$DOWN}
    routes:
      - {to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2, weight: 3}, {via: 10.0.1.2}]}
      - {to: "fd09::/64", nexthops: [{via: "fd00::2", weight: 3}, {via: "fd01::2"}]}
      - {to: default, nexthops: [{via: "fd00::2"}, {dev: e1, via: "fd01::2"}], table: 100, metric: 5}
      - {to: 10.8.0.0/16, nexthops: [{via: "fd00::2"}, {via: 10.0.1.2}]}
  s: {interfaces: {lo: {addresses: [10.9.0.1/32, 10.8.0.1/32, "fd09::1/128"]}}}
links:
  - {endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, "fd00::/64"]}
  - {endpoints: [r:e1, s:e1], subnet: [10.0.1.0/24, "fd01::/64"]}
"""
LOCK = ["files: /run/netorch/"]

GATEWAYS = {
    "e0": {
        "10.9.0.0/16": "10.0.0.2",
        "fd09::/64": "fd00::2",
        "default table 100": "fd00::2",
        "10.8.0.0/16": "inet6 fd00::2",
    },
    "e1": {
        "10.9.0.0/16": "10.0.1.2",
        "fd09::/64": "fd01::2",
        "default table 100": "fd01::2",
        "10.8.0.0/16": "10.0.1.2",
    },
}


def apply(host: Host, *down: str) -> None:
    host.write(
        "topo.yaml", FILE.replace("$DOWN", ", ".join(f"{name}: {{state: down}}" for name in down))
    )
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert "in sync" in host.netorch("apply").stdout
    for route in GATEWAYS["e0"]:
        family = "-4" if route.startswith("10.") else "-6"
        output = host.run("ip", "-n", "r", family, "route", "show", *route.split()).stdout
        for name, gateways in GATEWAYS.items():
            assert (f"via {gateways[route]} " in output) == (name not in down), output


@pytest.mark.uml
def test_the_route_has_the_next_hops_whose_links_are_up(host: Host) -> None:
    apply(host)
    both = host.snapshot()
    for down in (("e1",), ("e0",), ("e0", "e1"), ("e1",), ()):
        apply(host, *down)
        if "e0" not in down:
            assert host.ping("r", "10.9.0.1")
            assert host.ping("r", "fd09::1")
            assert host.ping("r", "10.8.0.1")
    assert diff_snapshots(both, host.snapshot(), LOCK) == []
    host.netorch("destroy")


def test_a_link_that_somebody_takes_down(host: Host) -> None:
    """Linux keeps the dead next hop, which works again as soon as the link is up."""
    apply(host)
    both = host.snapshot()
    host.run("ip", "-n", "r", "link", "set", "e1", "down")
    diff = host.netorch("diff", check=False).stdout
    assert diff.startswith("~ link r/e1  state down → up"), diff
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(both, host.snapshot(), LOCK) == []
    # an apply of a file in which the link is down removes the dead next hops
    host.run("ip", "-n", "r", "link", "set", "e1", "down")
    apply(host, "e1")


def test_one_next_hop_of_two_changes_without_a_gap(host: Host) -> None:
    apply(host)
    text = FILE.replace("$DOWN", "").replace('{via: "fd01::2"}', '{via: "fd01::3"}', 1)
    host.write("topo.yaml", text)
    diff = host.netorch("diff", check=False).stdout
    assert diff.startswith("~ route r fd09::/64  nexthops "), diff
    assert diff.splitlines()[0].endswith("[update]")
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_route_with_gateways_of_both_families(host: Host) -> None:
    apply(host)
    output = host.run("ip", "-n", "r", "route", "show", "10.8.0.0/16").stdout
    assert "via inet6 fd00::2 dev e0" in output
    before = host.snapshot()
    host.run("ip", "-n", "r", "route", "replace", "10.8.0.0/16", "via", "10.0.1.2")
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    # `show` writes a file that makes the same route again
    written = host.netorch("show", "lab", "-o", "yaml").stdout
    host.netorch("destroy", "lab")
    host.write("again.yaml", written)
    host.netorch("apply", "again.yaml")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.uml
def test_next_hops_of_a_vrf(host: Host) -> None:
    require(host, "vrf")
    text = """\
name: lab
nodes:
  r:
    interfaces: {red: {kind: vrf, table: 10, ports: [e0, e1]}, $DOWN}
    routes:
      - {to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2}, {via: "fd01::2"}]}
      - {to: "fd09::/64", nexthops: [{via: "fd00::2"}, {via: "fd01::2"}]}
  s: {}
links:
  - {endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, "fd00::/64"]}
  - {endpoints: [r:e1, s:e1], subnet: [10.0.1.0/24, "fd01::/64"]}
"""
    for down in ("", "e1: {state: down}", ""):
        host.write("topo.yaml", text.replace("$DOWN", down))
        host.netorch("apply")
        assert host.netorch("diff").stdout == "lab: in sync\n"
        for family, gateway in (("-4", "inet6 fd01::2"), ("-6", "fd01::2")):
            output = host.run("ip", "-n", "r", family, "route", "show", "table", "10").stdout
            assert (f"via {gateway} " in output) == (not down), output
