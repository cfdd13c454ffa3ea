"""Routes of several next hops: over links that are down and come up again, and over gateways of the other family."""

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

LEGS = {
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
    for route in LEGS["e0"]:
        family = "-4" if route.startswith("10.") else "-6"
        shown = host.run("ip", "-n", "r", family, "route", "show", *route.split()).stdout
        for name, legs in LEGS.items():
            assert (f"via {legs[route]} " in shown) == (name not in down), shown


@pytest.mark.uml
def test_the_legs_that_are_up(host: Host) -> None:
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
    """Linux keeps the dead next hop: with the link it is there again."""
    apply(host)
    both = host.snapshot()
    host.run("ip", "-n", "r", "link", "set", "e1", "down")
    told = host.netorch("diff", check=False).stdout
    assert told.startswith("~ link r/e1  state down → up"), told
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(both, host.snapshot(), LOCK) == []
    # and a file that says so takes the dead ones out
    host.run("ip", "-n", "r", "link", "set", "e1", "down")
    apply(host, "e1")


def test_one_next_hop_of_two_changes_without_a_gap(host: Host) -> None:
    apply(host)
    text = FILE.replace("$DOWN", "").replace('{via: "fd01::2"}', '{via: "fd01::3"}', 1)
    host.write("topo.yaml", text)
    told = host.netorch("diff", check=False).stdout
    assert told.startswith("~ route r fd09::/64  nexthops "), told
    assert told.splitlines()[0].endswith("[update]")
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_gateway_of_the_other_family_beside_one_of_its_own(host: Host) -> None:
    apply(host)
    shown = host.run("ip", "-n", "r", "route", "show", "10.8.0.0/16").stdout
    assert "via inet6 fd00::2 dev e0" in shown
    before = host.snapshot()
    host.run("ip", "-n", "r", "route", "replace", "10.8.0.0/16", "via", "10.0.1.2")
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    # as a file again
    shown = host.netorch("show", "lab", "-o", "yaml").stdout
    host.netorch("destroy", "lab")
    host.write("again.yaml", shown)
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
            shown = host.run("ip", "-n", "r", family, "route", "show", "table", "10").stdout
            assert (f"via {gateway} " in shown) == (not down), shown
