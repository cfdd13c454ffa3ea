"""Test that netorch refuses, before any change, what Linux would refuse during the apply."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots

HOST = """\
ip link add nic type veth peer name far
ip link set nic up
ip link set far up
ip addr add 192.0.2.1/24 dev nic
ip -6 addr add 2001:db8::1/64 dev nic nodad
ip link add idle type veth peer name idle2
ip addr add 198.51.100.1/24 dev idle
ip link add br9 type bridge
ip link add taken type veth peer name taken2
ip link add mv9 link taken type macvlan
"""
REFUSED = {
    "an address on no link": (
        "nodes: {host: {interfaces: {nci: {addresses: 10.0.0.1/24}}}}",
        "host has no interface nci. Did you mean 'nic'?",
    ),
    "a neighbour on no link": (
        "nodes: {host: {interfaces: {eth7: {neighbours: {address: 10.0.0.9, "
        "mac: '02:00:00:00:00:09'}}}}}",
        "host has no interface eth7.",
    ),
    "a setting of no link": (
        "nodes: {host: {interfaces: {eth7: {sysctls: {rp_filter: 1}}}}}",
        "host has no interface eth7.",
    ),
    "a route over no link": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, dev: eth7}]}}",
        "host has no interface eth7.",
    ),
    "next hops over no link": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, nexthops: [{dev: nic}, {dev: eth7}]}]}}",
        "host has no interface eth7.",
    ),
    "an uplink that is not there": (
        "nodes: {a: {networks: n}}\nnetworks: {n: {mode: bridged, uplink: eth7}}",
        "host has no interface eth7.",
    ),
    "a gateway out of reach": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, via: 10.99.0.1}]}}",
        "the gateway 10.99.0.1 is not reached by any interface",
    ),
    "an IPv6 gateway out of reach": (
        "nodes: {host: {routes: [{to: 'fd90::/64', via: 'fd99::1'}]}}",
        "the gateway fd99::1 is not reached by any interface",
    ),
    "a gateway by the wrong link": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, via: 192.0.2.9, dev: far}]}}",
        "the gateway 192.0.2.9 is not reached by far",
    ),
    "the node's own address": (
        "nodes: {host: {routes: [{to: 'fd90::/64', via: '2001:db8::1'}]}}",
        "the gateway 2001:db8::1 is an address of the node's own interface nic",
    ),
    "the broadcast address": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, via: 192.0.2.255, dev: nic}]}}",
        "the gateway 192.0.2.255 is the broadcast address of nic",
    ),
    "a route over a link that is down": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, dev: idle}]}}",
        "host/idle is down",
    ),
    "a gateway by a link that is down": (
        "nodes: {host: {routes: [{to: 10.9.0.0/16, via: 198.51.100.2}]}}",
        "the gateway 198.51.100.2 is not reached by any interface",
    ),
    "a setting that does not exist": (
        "nodes: {a: {sysctls: {net.ipv4.nonsense: 1}}}",
        "sysctl a net.ipv4.nonsense: Linux has no such setting in a network namespace.",
    ),
    "a setting that does not exist on the host": (
        "nodes: {host: {sysctls: {net.ipv4.nonsense: 1}}}",
        "sysctl host net.ipv4.nonsense: Linux has no such setting in a network namespace.",
    ),
    "a setting of an interface that does not exist": (
        "nodes: {a: {interfaces: {b: {kind: bridge, sysctls: {nonsense: 1}}}}}",
        "sysctl a net.ipv4.conf.b.nonsense: Linux has no such setting in a network namespace.",
    ),
    "a value that is out of range": (
        "nodes: {a: {sysctls: {net.ipv4.ip_default_ttl: 1400}}}",
        "sysctl a net.ipv4.ip_default_ttl: Linux does not accept '1400'.",
    ),
    "an IPv6 MTU that is larger than the link's": (
        "nodes: {a: {interfaces: {e: {sysctls: {mtu: 1501}}}}, b: {}}\nlinks: [['a:e', 'b:e']]",
        "sysctl a net.ipv6.conf.e.mtu: Linux does not accept '1501'.",
    ),
    "an IPv6 MTU that is larger than that of the host's link": (
        "nodes: {host: {interfaces: {nic: {sysctls: {mtu: 1501}}}}}",
        "sysctl host net.ipv6.conf.nic.mtu: Linux does not accept '1501'.",
    ),
    "an IPv6 MTU that is too small": (
        "nodes: {host: {sysctls: {net.ipv6.conf.nic.mtu: 1279}}}",
        "sysctl host net.ipv6.conf.nic.mtu: Linux does not accept '1279'.",
    ),
    "an uplink that is a bridge": (
        "nodes: {a: {networks: n}}\nnetworks: {n: {mode: bridged, uplink: br9}}",
        "br9 is a bridge link, which cannot be a port of a bridge",
    ),
    "an uplink that carries a macvlan": (
        "nodes: {a: {networks: n}}\nnetworks: {n: {mode: bridged, uplink: taken}}",
        "taken carries mv9, which get its frames",
    ),
    "a value that is out of range on the host": (
        "nodes: {host: {sysctls: {net.ipv4.ip_default_ttl: 1400}}}",
        "sysctl host net.ipv4.ip_default_ttl: Linux does not accept '1400'.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_and_nothing_changes(host: Host, what: str) -> None:
    text, message = REFUSED[what]
    host.run("sh", "-ec", HOST)
    host.write("wrong.yaml", f"name: wrong\n{text}\n")
    before = host.snapshot()
    done = host.netorch("apply", "wrong.yaml", check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "wrong.yaml:" in done.stderr
    assert "Rolled back" not in done.stderr
    assert diff_snapshots(before, host.snapshot()) == []


TAKEN = {
    "an IPv6 MTU that the link has": "interfaces: {nic: {sysctls: {mtu: 1500}}}",
    "a gateway that the host reaches": "routes: [{to: 10.9.0.0/16, via: 192.0.2.9}]",
    "an IPv6 gateway that the host reaches": "routes: [{to: 'fd90::/64', via: '2001:db8::9'}]",
    "a gateway by a route of the host": "routes: [{to: 10.9.0.0/16, via: 203.0.113.5}]",
    "a gateway on the link": "routes: [{to: 10.9.0.0/16, via: 10.99.0.1, dev: nic, onlink: true}]",
    "an address on a link that is down": "interfaces: {idle: {addresses: [10.0.0.1/24, 'fd00::1/64']}}",
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_the_host_has_is_good_enough(host: Host, what: str) -> None:
    host.run("sh", "-ec", f"{HOST}ip route add 203.0.113.0/24 dev nic\n")
    host.write("right.yaml", f"name: right\nnodes: {{host: {{{TAKEN[what]}}}}}\n")
    host.netorch("apply", "right.yaml")
    host.netorch("diff", "right.yaml")


def test_a_gateway_may_be_the_address_that_an_apply_takes_from_the_host(host: Host) -> None:
    file = """\
name: moves
nodes: {host: {%s}, a: {}}
links: [{endpoints: [{node: host, interface: v, addresses: ['%s/64']}, {node: a, interface: v, addresses: ['%s/64']}]}]
"""
    host.write("moves.yaml", file % ("", "fd00::1", "fd00::2"))
    host.netorch("apply", "moves.yaml")
    moved = file % ("routes: [{to: 'fd90::/64', via: 'fd00::1'}]", "fd00::2", "fd00::1")
    host.write("moves.yaml", moved)
    host.netorch("apply", "moves.yaml")
    host.netorch("diff", "moves.yaml")


def test_names_of_interfaces_that_the_host_does_not_have_give_warnings(host: Host) -> None:
    host.run("sh", "-ec", HOST)
    rules = "rules: [{iif: nci, table: 77}, {oif: nic, table: 77}, {iif: here, table: 77}]"
    nat = "nat: [{masquerade: {out: eth9}}, {masquerade: {out: nic}}]"
    made = "interfaces: {here: {kind: bridge}}"
    host.write("names.yaml", f"name: names\nnodes: {{host: {{{rules}, {nat}, {made}}}}}\n")
    warnings = host.netorch("apply", "names.yaml").stderr
    assert warnings.count("the rule matches nothing until the interface exists") == 2
    assert "host has no interface nci: " in warnings
    assert "Did you mean 'nic'?" in warnings
    assert "host has no interface eth9: " in warnings
    assert host.netorch("diff", "names.yaml").stdout == "names: in sync\n"


def test_what_leaves_from_a_large_loopback_interface_has_the_largest_mtu(host: Host) -> None:
    tunnel = "v: {kind: vxlan, vni: 4, local: 10.0.0.1}"
    lo = "lo: {mtu: 70000, addresses: 10.0.0.1/32}"
    host.write("lo.yaml", f"name: lo\nnodes: {{a: {{interfaces: {{{lo}, {tunnel}}}}}}}\n")
    host.netorch("apply", "lo.yaml")
    assert " mtu 65535 " in host.run("ip", "-n", "a", "link", "show", "v").stdout
    assert host.netorch("diff", "lo.yaml").stdout == "lo: in sync\n"
