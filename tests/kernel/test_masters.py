"""Test masters within masters, their upper links, and the live state as a file."""

from __future__ import annotations

import json

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import NAME, assert_in_sync, require

FILE = """
name: lab
nodes:
  a:
    forwarding: true
    interfaces:
      inner: {kind: bond, mode: balance-xor, ports: [eth0, eth1]}
      outer: {kind: bond, mode: active-backup, miimon: 100, mtu: 1400, ports: [inner, eth2.7], primary: inner}
      eth2.7: {kind: vlan, parent: eth2, id: 7}
      outer.9: {kind: vlan, parent: outer, id: 9}
      sw: {kind: bridge, vlan_filtering: true, vlan_default_pvid: 3, ports: [outer.9, spare], addresses: [10.5.0.1/24, fd05::1/64]}
      sw.20: {kind: vlan, parent: sw, id: 20, addresses: [10.20.0.1/24]}
      spare: {kind: dummy, port: {pvid: 0, vlans: [5, 20-30, {id: 40, untagged: true}], cost: 55, learning: false}}
      red: {kind: vrf, table: 10, ports: [sw, eth3], addresses: [10.255.0.1/32]}
      eth3: {addresses: [10.6.0.1/24, fd06::1/64], state: up}
      alb: {kind: bond, mode: balance-alb, ports: [eth4, eth5], state: down}
    networks: {lan: {name: lan0, port: {pvid: 10, vlans: [11], hairpin: true}}}
    routes:
      - {to: default, via: 10.6.0.2}
      - {to: fd07::/64, via: "fd06::2"}
      - {to: 10.8.0.0/16, type: blackhole, vrf: red}
      - {to: 10.6.0.0/24, dev: red}
      - {to: 10.7.0.0/24, dev: eth3, table: 254}
  b: {}
networks: {lan: {vlan_filtering: true}}
links:
  - ["a:eth[0-5]", "b:eth[0-5]"]
"""


@pytest.mark.uml
def test_masters_of_masters_come_up_at_once_and_are_a_file_again(host: Host) -> None:
    require(host, "bond", "vrf", "vlan", "dummy", "bridge-vlans")
    file = host.write("lab.yaml", FILE)
    report = json.loads(host.netorch("apply", "-o", "json", file).stdout)
    assert report["rounds"] == 1, report
    assert_in_sync(host)
    routes = host.run("ip", "-n", "a", "route", "show", "vrf", "red").stdout
    assert "default via 10.6.0.2 dev eth3" in routes and "blackhole 10.8.0.0/16" in routes
    assert (
        "fd07::/64 via fd06::2 dev eth3"
        in host.run("ip", "-n", "a", "-6", "route", "show", "vrf", "red").stdout
    )
    main = host.run("ip", "-n", "a", "route").stdout
    assert "10.6.0.0/24 dev red" in main and "10.7.0.0/24 dev eth3" in main
    links = {link["ifname"]: link for link in host.ip("-n", "a", "link")}
    assert {links[name]["address"] for name in ("eth0", "eth1", "inner", "outer")} == {
        links["outer"]["address"]
    }
    assert {links[name]["mtu"] for name in ("eth0", "eth1", "inner", "outer", "eth2.7")} == {1400}
    written = host.netorch("show", "-o", "yaml", NAME).stdout
    again = host.write("again.yaml", written)
    assert host.netorch("apply", again).stdout == "lab: in sync, nothing to do\n", written
    assert "hairpin: true" in written and "20-30" in written and "primary: inner" in written
    host.netorch("destroy", NAME)
    assert host.ip("netns") in (None, [])


@pytest.mark.uml
def test_a_link_goes_from_one_master_to_another(host: Host) -> None:
    """A link joins a VRF, a bond and a bridge, and leaves, each in one apply.

    The route in the VRF stays.
    """
    require(host, "bond", "vrf")
    text = """
name: lab
nodes:
  a:
    interfaces:
      red: {kind: vrf, table: 10}
      bond0: {kind: bond, mode: active-backup, ports: [eth1], addresses: [10.1.0.1/24]}
      br0: {kind: bridge}
      eth0: {WORDS}
      eth2: {master: red, addresses: [10.2.0.1/24, fd02::1/64]}
    routes: [{to: 10.3.0.0/24, via: 10.2.0.2}]
  b: {}
links: [["a:eth[0-2]", "b:eth[0-2]"]]
"""
    addressed = "addresses: [10.4.0.1/24, fd04::1/64]"
    for words, master in (
        (addressed, None),
        (f"master: red, {addressed}", "red"),
        ("master: bond0", "bond0"),
        ("master: br0", "br0"),
        ("master: bond0, state: down", "bond0"),
        (addressed, None),
    ):
        host.netorch("apply", host.write("lab.yaml", text.replace("WORDS", words)))
        assert_in_sync(host)
        (link,) = host.ip("-n", "a", "link", "show", "eth0")
        assert link.get("master") == master
        assert ("UP" in link["flags"]) is ("down" not in words)
        assert (
            "10.3.0.0/24 via 10.2.0.2 dev eth2"
            in host.run("ip", "-n", "a", "route", "show", "vrf", "red").stdout
        )
    host.netorch("destroy", NAME)
