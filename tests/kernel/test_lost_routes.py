"""Test the routes that the kernel makes for addresses.

When somebody deletes one, netorch reports it and makes it again.
"""

from __future__ import annotations

import pytest

from tests.kernel.host import Host

LAB = """
name: lab
nodes:
  x: {interfaces: {vx0: {kind: vxlan, vni: 7, local: 10.0.3.1, remote: 10.0.3.2, addresses: [10.0.4.1/24, "fd00:4::1/64"]}}}
  y: {}
  a: {routes: [{to: default, via: 10.0.1.1}, {to: default, via: "fd00:1::1"}], interfaces: {lo: {addresses: [10.255.0.1/32, "fd00:ff::1/128"]}}}
  r: {forwarding: true}
  b: {networks: [lan]}
networks: {lan: {subnet: [10.0.2.0/24, "fd00:2::/64"], gateway: r}}
links: [{endpoints: [r:e0, a:e0], subnet: [10.0.1.0/24, "fd00:1::/64"]}, {endpoints: [x:e0, y:e0], subnet: [10.0.3.0/30, "fd00:3::/64"]}]
"""
LAB = LAB.replace("  r: {forwarding: true}", "  r: {forwarding: true, networks: {lan: {}}}")


@pytest.mark.parametrize(
    ("node", "command", "difference"),
    [
        ("a", "-4 route flush table main", "link a/e0  lost routes 10.0.1.0/24 → none"),
        ("a", "-6 route flush table main", "fd00:1::/64"),
        ("r", "-4 route flush table all", "local 10.0.1.1/32, 10.0.1.0/24"),
        ("r", "-6 route flush table all", "local fd00:1::1/128"),
        ("a", "-4 route del table local local 10.0.1.2 dev e0", "local 10.0.1.2/32"),
        ("a", "-6 route del local fd00:1::2 dev e0 table local", "local fd00:1::2/128"),
        ("a", "-6 route del fe80::/64 dev e0", "fe80::/64"),
        ("a", "-4 route flush table all dev lo", "link a/lo  lost routes"),
        # in a node with a tunnel, for which the kernel makes more routes than for an Ethernet link
        ("x", "-4 route del 10.0.3.0/30", "link x/e0  lost routes 10.0.3.0/30"),
        ("x", "-6 route del fd00:3::/64 dev e0", "link x/e0  lost routes fd00:3::/64"),
    ],
)
def test_a_lost_route_is_reported_and_made_again(
    host: Host, node: str, command: str, difference: str
) -> None:
    host.write("topo.yaml", LAB)
    host.netorch("apply", "-q")
    pairs = (("a", "10.0.2.2"), ("a", "fd00:2::2"), ("b", "10.0.1.2"), ("b", "fd00:1::2"))
    assert host.pings(pairs) == [True] * 4
    before = host.snapshot()
    host.run("ip", "-n", node, *command.split())
    done = host.netorch("diff", check=False)
    assert done.returncode == 2
    assert difference in done.stdout
    host.netorch("apply")
    assert host.pings(pairs) == [True] * 4
    assert host.netorch("diff").returncode == 0
    after = host.snapshot()
    assert {what for what in before[f"netns {node}"] if what.startswith("routes")} == {
        what for what in after[f"netns {node}"] if what.startswith("routes")
    }


def test_a_route_in_the_place_of_the_kernels_own_is_not_a_loss(host: Host) -> None:
    text = LAB.replace(
        "{to: default, via: 10.0.1.1}",
        "{to: default, via: 10.0.1.1}, {to: 10.0.1.0/24, dev: e0, mtu: 1400}",
    )
    host.write("topo.yaml", text)
    host.netorch("apply")
    assert host.netorch("diff").returncode == 0


def test_addresses_without_a_route_of_their_own_lose_none(host: Host) -> None:
    host.write("topo.yaml", LAB)
    host.netorch("apply", "-q")
    # a second address in a subnet, an address without a subnet, and a link that is down
    host.run("ip", "-n", "b", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
    for address in ("10.9.0.1/24", "10.9.0.2/24", "10.9.1.1/32", "fd00:9::1/64", "fd00:9::2/128"):
        host.run("ip", "-n", "b", "address", "add", address, "dev", "d0")
        host.run("ip", "-n", "b", "address", "add", address.replace("9", "8"), "dev", "d1")
    host.run("ip", "-n", "b", "link", "set", "d1", "up")
    host.run("ip", "-n", "b", "address", "add", "fd00:7::1/64", "dev", "d1", "noprefixroute")
    assert host.netorch("diff").returncode == 0


@pytest.mark.parametrize("what", ["arp", "multicast"])
@pytest.mark.parametrize("link", ["e0", "lan"])
def test_what_is_off_is_reported_and_turned_on(host: Host, link: str, what: str) -> None:
    text = LAB.replace("lan: {subnet:", "lan: {mode: host-only, node: r, subnet:").replace(
        ", gateway: r}}", "}}"
    )
    host.write("topo.yaml", text.replace(", networks: {lan: {}}", ""))
    host.netorch("apply", "-q")
    pairs = (("r", "10.0.1.2"), ("r", "fd00:1::2"), ("r", "10.0.2.2"), ("r", "fd00:2::2"))
    assert host.pings(pairs) == [True] * 4
    host.run("ip", "-n", "r", "link", "set", link, what, "off")
    done = host.netorch("diff", check=False)
    assert (done.returncode, done.stdout.splitlines()[0].split("  ")[:2]) == (
        2,
        [f"~ link r/{link}", f"{what} off → on"],
    )
    verbose = host.netorch("diff", "-v", check=False).stdout
    assert f"$ ip -n r link set dev {link} {what} on" in verbose
    host.netorch("apply")
    assert host.pings(pairs) == [True] * 4
    assert host.netorch("diff").returncode == 0


@pytest.mark.parametrize("kind", ["macvlan", "vxlan"])
def test_upper_links_and_tunnels_are_reported_too(host: Host, kind: str) -> None:
    words = {"macvlan": "parent: e0", "vxlan": "vni: 5, remote: 10.0.0.2"}[kind]
    host.write(
        "topo.yaml",
        f"""
nodes: {{a: {{interfaces: {{x0: {{kind: {kind}, {words}, addresses: 10.5.0.1/24}}}}}}, b: {{}}}}
links: [{{endpoints: ["a:e0", "b:e0"], subnet: 10.0.0.0/30}}]
""",
    )
    host.netorch("apply", "-q")
    host.run("ip", "-n", "a", "link", "set", "x0", "arp", "off", "multicast", "off")
    done = host.netorch("diff", check=False)
    assert done.returncode == 2 and "arp off → on  multicast off → on" in done.stdout
    host.netorch("apply", "-q")
    flags = host.ip("-n", "a", "link", "show", "x0")[0]["flags"]
    assert "NOARP" not in flags and "MULTICAST" in flags
    assert host.netorch("diff").returncode == 0
