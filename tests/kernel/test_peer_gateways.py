"""Test routes whose gateway is the peer of an address.

The kernel adds the route to an IPv6 peer some time after it adds the address.
"""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import require

FILE = """\
name: lab
nodes:
  r:
    interfaces: {$MORE e0: {addresses: [{address: "$OWN/$LONG", peer: "$PEER"}, {address: $OWN4/32, peer: $PEER4}]}}
    routes:
      - {to: default, via: "$PEER"}
      - {to: "fd08::/64", nexthops: [{via: "$PEER"}, {via: "fd01::2"}]}
      - {to: 10.9.0.0/16, via: $PEER4}
      - {to: 10.8.0.0/16, via: "$PEER", dev: e0}
    $WRONG
  s: {interfaces: {e0: {addresses: [{address: "$PEER/$LONG", peer: "$OWN"}, {address: $PEER4/32, peer: $OWN4}]}}}
links:
  - [r:e0, s:e0]
  - {endpoints: [r:e1, s:e1], subnet: "fd01::/64"}
"""


def write(
    host: Host, own: int, peer: int, *, more: str = "", wrong: str = "", long: int = 128
) -> None:
    text = FILE.replace("$OWN4", f"10.0.0.{own}").replace("$PEER4", f"10.0.0.{peer}")
    text = text.replace("$OWN", f"fd00::{own}").replace("$PEER", f"fd00::{peer}")
    text = text.replace("$MORE", more).replace("$LONG", str(long)).replace("$WRONG", wrong)
    host.write("topo.yaml", text)


def apply(host: Host) -> None:
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"


@pytest.mark.parametrize("long", [128, 64])
def test_a_gateway_that_is_a_peer_and_another_one(host: Host, long: int) -> None:
    write(host, 1, 2, long=long)
    apply(host)
    for own, peer in ((1, 3), (4, 3), (4, 5)):
        write(host, own, peer, long=long)
        apply(host)
        assert host.ping("r", f"fd00::{peer}")
        assert host.ping("r", f"10.0.0.{peer}")
        # the kernel removes the route to the old peer together with the address
        routes = host.run("ip", "-n", "r", "-6", "route", "show", "root", "fd00::/120").stdout
        to_peers = {line.split()[0] for line in routes.splitlines()} - {"fd00::/64", f"fd00::{own}"}
        assert to_peers == {f"fd00::{peer}"}, routes
    host.run("ip", "-n", "s", "link", "del", "e0")
    apply(host)
    host.netorch("destroy")


def test_fresh_each_time(host: Host) -> None:
    write(host, 1, 2)
    for _ in range(10):
        host.netorch("apply")
        host.netorch("destroy")


def test_a_change_that_fails_goes_back_to_the_old_peer(host: Host) -> None:
    write(host, 1, 2)
    apply(host)
    write(host, 1, 3, wrong="aliases: [other]")
    with host.refusing_names():
        errors = host.netorch("apply", check=False).stderr
    assert "Rolled back" in errors, errors
    write(host, 1, 2)
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_peer_of_the_host(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  host:\n"
        "    interfaces: {v0: {addresses: [{address: 'fd00::1/128', peer: 'fd00::2'}]}}\n"
        "    routes: [{to: 'fd09::/64', via: 'fd00::2'}]\n  s: {}\nlinks: [[host:v0, s:e0]]\n",
    )
    for _ in range(3):
        apply(host)
        host.netorch("destroy")


@pytest.mark.uml
def test_a_peer_in_a_vrf(host: Host) -> None:
    require(host, "vrf")
    write(host, 1, 2, more="red: {kind: vrf, table: 10, ports: [e0, e1]},")
    apply(host)
    write(host, 1, 3, more="red: {kind: vrf, table: 10, ports: [e0, e1]},")
    apply(host)
    assert "fd00::2" not in host.run("ip", "-n", "r", "-6", "route", "show", "table", "10").stdout
    assert "fd00::3" not in host.run("ip", "-n", "r", "-6", "route").stdout
    host.netorch("destroy")


LINKED = """\
name: lab
nodes:
  r: {interfaces: {e0: {addresses: [%s]}}, routes: [%s]}
  s: {}
links: [[r:e0, s:e0]]
"""
STAYS = {
    "a route to the peer": (
        "{address: 'fd05::1/64', peer: 'fd06::1'}",
        "{to: 'fd06::1', via: 'fd06::1'}",
    ),
    "a route to the peer's subnet": (
        "{address: 'fd05::1/64', peer: 'fd06::1'}",
        "{to: 'fd06::/64', via: 'fd06::1'}",
    ),
    "one by the own prefix": (
        "{address: 'fd05::1/64', peer: 'fd06::1'}",
        "{to: 'fd07::/64', via: 'fd05::9'}",
    ),
    "a prefix of no length": ("{address: 'fd05::1/0', peer: 'fd06::1'}", ""),
    "all addresses": ("255.255.255.255/32, 0.0.0.1/24, 10.0.0.1/0, 'fd08::1/0'", ""),
}


@pytest.mark.parametrize("what", STAYS)
def test_the_routes_that_linux_makes_of_addresses_are_known(host: Host, what: str) -> None:
    host.write("topo.yaml", LINKED % STAYS[what])
    apply(host)
    host.run("ip", "-n", "r", "link", "set", "e0", "down")
    apply(host)
    host.netorch("destroy")
