"""Common expectations of bridges, routes, MTUs, IPv6 and names, and large networks."""

from __future__ import annotations

import json
import sys
import time

import pytest

from tests.kernel.host import Host, diff_snapshots


def apply(host: Host, text: str) -> None:
    """Apply the file and check that it is in sync."""
    host.write("topo.yaml", text)
    host.netorch("apply")
    assert host.netorch("diff").stdout == "topo: in sync\n"


def refused(host: Host, text: str, *words: str) -> str:
    """Apply a file that netorch must refuse or roll back, and check that nothing changed.

    Returns the error output, which must contain all of `words`.
    """
    before = host.snapshot()
    host.write("topo.yaml", text)
    result = host.netorch("apply", check=False)
    assert result.returncode == 1, result.stdout
    for word in words:
        assert word in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr
    assert diff_snapshots(before, host.snapshot()) == []
    return result.stderr


def node(host: Host, name: str, *argv: str) -> str:
    """Run a command in a node and return its output."""
    return host.run("ip", "netns", "exec", name, *argv).stdout


# bridges

LAN = """\
nodes:
  a: {networks: [lan]}
  b: {networks: [lan]}
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"]}
"""


@pytest.mark.uml
def test_two_on_a_bridge_reach_each_other_at_once(host: Host) -> None:
    apply(host, LAN)
    for netns in ("a", "b"):
        assert "tentative" not in node(host, netns, "ip", "-6", "address")
    assert host.ping("a", "fd00::2")
    assert host.ping("a", "10.0.0.2")
    assert host.ping("a", "b")
    link_local = next(
        entry["local"]
        for entry in host.ip("-n", "b", "addr", "show", "eth0")[0]["addr_info"]
        if entry["scope"] == "link"
    )
    assert host.ping("a", f"{link_local}%eth0")


def test_a_router_forwards_ipv6_at_once(host: Host) -> None:
    """A router sends neighbour solicitations from its link-local addresses, so they are ready."""
    apply(
        host,
        """\
nodes:
  a: {routes: [{to: default, via: "fd01::2"}]}
  r: {forwarding: true}
  b: {routes: [{to: default, via: "fd02::2"}]}
links:
  - {endpoints: [a:eth0, r:a], subnet: "fd01::/64"}
  - {endpoints: [b:eth0, r:b], subnet: "fd02::/64"}
""",
    )
    assert host.ping("a", "fd02::1")


def test_a_bridge_keeps_its_mac_as_ports_come_and_go(host: Host) -> None:
    macs = set()
    for members in (
        "",
        "a: {networks: [lan]}",
        "a: {networks: [lan]}, b: {networks: [lan]}",
        "b: {networks: [lan]}",
        "",
    ):
        apply(
            host,
            f"nodes: {{{members}}}\nnetworks: {{lan: {{mode: host-only, subnet: 10.0.0.0/24}}}}\n",
        )
        macs.add(host.ip("link", "show", "lan")[0]["address"])
    assert len(macs) == 1
    assert macs.pop().startswith("02:"), "locally administered"


def test_an_explicit_mac_is_used_exactly(host: Host) -> None:
    apply(
        host,
        """\
nodes:
  a: {networks: {lan: {mac: "02:00:00:00:00:0a"}}, interfaces: {br0: {kind: bridge, mac: "02:00:00:00:00:0b"}}}
networks: {lan: {}}
""",
    )
    macs = {link["ifname"]: link["address"] for link in host.ip("-n", "a", "link")}
    assert (macs["eth0"], macs["br0"]) == ("02:00:00:00:00:0a", "02:00:00:00:00:0b")


def test_macs_are_the_same_on_every_machine(
    host: Host, tmp_path_factory: pytest.TempPathFactory
) -> None:
    apply(host, LAN)
    other = Host(tmp_path_factory.mktemp("other"))
    try:
        apply(other, LAN)
        for netns in ("a", "netorch-topo"):
            here, there = (
                [link["address"] for link in machine.ip("-n", netns, "link")]
                for machine in (host, other)
            )
            assert here == there
    finally:
        other.close()


def test_an_address_on_a_port_is_refused(host: Host) -> None:
    refused(
        host,
        """\
nodes:
  r: {interfaces: {br0: {kind: bridge, ports: [p1]}, p1: {addresses: [10.0.0.1/24]}}}
  a: {}
links: [[r:p1, a:eth0]]
""",
        "topo.yaml:2:",
        "r:p1 is a port of br0",
        "10.0.0.1/24",
        "Give it to r:br0",
    )


def test_one_address_twice_on_a_segment_is_refused(host: Host) -> None:
    refused(
        host,
        LAN.replace(
            "b: {networks: [lan]}",
            "b: {networks: {lan: 10.0.0.9}}\n  c: {networks: {lan: 10.0.0.9}}",
        ),
        "10.0.0.9",
        "b:eth0",
    )
    refused(
        host,
        """\
nodes:
  r: {interfaces: {br0: {kind: bridge, ports: [p1, p2]}}}
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
links: [[r:p1, a:eth0], [r:p2, b:eth0]]
""",
        "10.0.0.1",
        "a:eth0",
        "b:eth0",
    )


RECEIVER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("239.1.2.3", 5000))
if sys.argv[1] == "join":
    group = struct.pack("4s4s", socket.inet_aton("239.1.2.3"), socket.inet_aton(sys.argv[2]))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
s.settimeout(5)
print("ready", flush=True)
print(s.recv(100).decode())
"""
SENDER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.0.1"))
s.sendto(b"hello", ("239.1.2.3", 5000))
"""


def test_multicast_reaches_all_who_joined(host: Host) -> None:
    apply(
        host,
        LAN.replace("  b: {networks: [lan]}", "  b: {networks: [lan]}\n  c: {networks: [lan]}"),
    )
    receivers = [
        host.start(
            "ip", "netns", "exec", name, sys.executable, "-c", RECEIVER, "join", f"10.0.0.{last}"
        )
        for name, last in (("b", 2), ("c", 3))
    ]
    for receiver in receivers:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
    node(host, "a", sys.executable, "-c", SENDER)
    for receiver in receivers:
        out, _ = receiver.communicate(timeout=10)
        assert out == "hello\n"


# routes and rules

SIX = """\
nodes:
  r:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}
    routes:
%s
  a: {interfaces: {eth0: {addresses: [10.0.0.2/24, 10.0.0.3/24, "fd00::2/64", "fd00::3/64"]}}}
links: [[r:eth0, a:eth0]]
"""


def routes(*lines: str) -> str:
    return SIX % "\n".join(f"      - {{{line}}}" for line in lines)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("blackhole", "Invalid argument"),
        ("unreachable", "No route to host"),
        ("prohibit", "Permission denied"),
    ],
)
def test_routes_that_reject(host: Host, kind: str, says: str) -> None:
    apply(
        host,
        routes(
            f"to: 10.9.0.0/16, type: {kind}",
            f'to: "fd09::/64", type: {kind}',
            f"to: 10.8.0.0/16, type: {kind}, table: 100, metric: 9",
        ),
    )
    for target in ("10.9.0.1", "fd09::1"):
        got = host.run("ip", "-n", "r", "route", "get", target, check=False)
        assert got.returncode != 0
        assert says in got.stderr or kind in got.stdout + got.stderr
    assert [route["type"] for route in host.ip("-n", "r", "route", "show", "table", "100")] == [
        kind
    ]
    host.netorch("destroy", "topo")


def test_no_default_route_unless_asked_for(host: Host) -> None:
    apply(host, LAN)
    assert host.ip("-n", "a", "route", "show", "default") == []
    assert host.ip("-n", "a", "-6", "route", "show", "default") == []


def test_metrics_are_as_given_and_else_the_kernels(host: Host) -> None:
    apply(
        host,
        routes(
            "to: 10.9.0.0/16, via: 10.0.0.2",
            "to: 10.9.0.0/16, via: 10.0.0.3, metric: 7",
            'to: "fd09::/64", via: "fd00::2"',
            'to: "fd09::/64", via: "fd00::3", metric: 7',
        ),
    )
    v4 = {
        route["gateway"]: route.get("metric")
        for route in host.ip("-n", "r", "route", "show", "10.9.0.0/16")
    }
    v6 = {
        route["gateway"]: route.get("metric")
        for route in host.ip("-n", "r", "-6", "route", "show", "fd09::/64")
    }
    assert v4 == {"10.0.0.2": None, "10.0.0.3": 7}
    assert v6 == {"fd00::2": 1024, "fd00::3": 7}


def test_one_route_over_two_gateways(host: Host) -> None:
    apply(
        host,
        routes(
            "to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2, weight: 2}, {via: 10.0.0.3}]",
            'to: "fd09::/64", nexthops: [{via: "fd00::2", weight: 2}, {via: "fd00::3"}]',
        ),
    )
    for family, subnet, gateways in (
        ("-4", "10.9.0.0/16", {"10.0.0.2": 2, "10.0.0.3": 1}),
        ("-6", "fd09::/64", {"fd00::2": 2, "fd00::3": 1}),
    ):
        (route,) = host.ip("-n", "r", family, "route", "show", subnet)
        assert {hop["gateway"]: hop["weight"] for hop in route["nexthops"]} == gateways
    # one of the two is removed by hand: diff reports it, and apply repairs it
    host.run("ip", "-n", "r", "route", "replace", "10.9.0.0/16", "via", "10.0.0.3")
    host.run("ip", "-n", "r", "-6", "route", "del", "fd09::/64", "via", "fd00::3")
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply")
    for family, subnet in (("-4", "10.9.0.0/16"), ("-6", "fd09::/64")):
        (route,) = host.ip("-n", "r", family, "route", "show", subnet)
        assert len(route["nexthops"]) == 2


def test_rules_applied_twice_are_there_once(host: Host) -> None:
    rules = """\
    rules:
      - {from: 10.9.0.0/24, table: 100}
      - {from: 10.9.0.0/24, to: 10.8.0.0/16, table: 101, priority: 500}
      - {fwmark: 0x10/0xff, table: 102, iif: eth0}
      - {from: "fd09::/64", table: 103}
      - {to: 10.7.0.0/16, action: prohibit}
    routes:
"""
    text = routes("to: 10.50.0.0/16, via: 10.0.0.2, table: 100").replace("    routes:\n", rules)
    apply(host, text)
    host.netorch("apply")
    listed = [
        (rule["priority"], rule.get("table") or rule.get("action"))
        for rule in host.ip("-n", "r", "rule")
    ]
    assert listed == [
        (0, "local"),
        (500, "101"),
        (10000, "100"),
        (10002, "102"),
        (10004, "prohibit"),
        (32766, "main"),
        (32767, "default"),
    ]
    (marked,) = [rule for rule in host.ip("-n", "r", "rule") if rule["priority"] == 10002]
    assert (marked["fwmark"], marked["fwmask"], marked["iif"]) == ("0x10", "0xff", "eth0")
    assert [rule["priority"] for rule in host.ip("-n", "r", "-6", "rule")] == [0, 10003, 32766]
    # the kernel applies them
    assert (
        "Permission denied"
        in host.run("ip", "-n", "r", "route", "get", "10.7.0.1", check=False).stderr
    )
    assert (
        "10.50.0.0/16 via 10.0.0.2"
        in host.run("ip", "-n", "r", "route", "show", "table", "100").stdout
    )


def test_the_order_in_a_file_does_not_matter(host: Host) -> None:
    """A gateway needs a route, which needs an address: the file may list them in any order."""
    apply(
        host,
        routes(
            "to: 10.90.0.0/16, via: 10.80.0.1",
            'to: "fd90::/64", via: "fd80::1"',
            "to: 10.80.0.0/24, dev: eth0",
            'to: "fd80::/64", dev: eth0',
            "to: 10.70.0.0/16, via: 192.0.2.1, dev: eth0, onlink: true",
        ),
    )
    assert host.ip("-n", "r", "route", "show", "10.90.0.0/16")[0]["gateway"] == "10.80.0.1"
    assert host.ip("-n", "r", "-6", "route", "show", "fd90::/64")[0]["gateway"] == "fd80::1"
    assert "onlink" in host.ip("-n", "r", "route", "show", "10.70.0.0/16")[0]["flags"]


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_networks_the_first_gives_the_default_route(host: Host, swapped: bool) -> None:
    """The first network in the node's own list, or the one with `default_route: true`.

    The order of `networks` in the file does not matter.
    """
    networks = [
        '  red: {subnet: [10.1.0.0/24, "fd01::/64"], gateway: r}\n',
        '  blue: {subnet: [10.2.0.0/24, "fd02::/64"], gateway: r}\n',
    ]
    text = """\
nodes:
  r: {networks: [red, blue]}
  a: {networks: [red, blue]}
  b: {networks: [blue, red]}
  c: {networks: {red: {}, blue: {default_route: true}}}
  d: {networks: {red: {default_route: false}}}
networks:
""" + "".join(reversed(networks) if swapped else networks)
    apply(host, text)
    gateways = {
        name: [route["gateway"] for route in host.ip("-n", name, "route", "show", "default")]
        for name in "rabcd"
    }
    assert gateways == {"r": [], "a": ["10.1.0.1"], "b": ["10.2.0.1"], "c": ["10.2.0.1"], "d": []}
    assert [route["gateway"] for route in host.ip("-n", "a", "-6", "route", "show", "default")] == [
        "fd01::1"
    ]


@pytest.mark.parametrize(
    ("subnet", "first", "second"),
    [
        ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
        ("10.0.0.4/30", "10.0.0.5", "10.0.0.6"),
        ("fd00::/127", "fd00::", "fd00::1"),
        ("fd00::/126", "fd00::1", "fd00::2"),
    ],
)
def test_the_smallest_subnets_of_a_link(host: Host, subnet: str, first: str, second: str) -> None:
    apply(
        host,
        f'nodes: {{a: {{}}, b: {{}}}}\nlinks: [{{endpoints: [a:eth0, b:eth0], subnet: "{subnet}"}}]\n',
    )
    assert host.ping("a", second)
    assert host.ping("b", first)


def test_links_of_single_addresses(host: Host) -> None:
    """/32 and /128 at both ends, with a peer address and with routes."""
    apply(
        host,
        """\
nodes:
  a:
    interfaces:
      eth0: {addresses: [{address: 10.0.0.1/32, peer: 10.0.0.2}, {address: "fd00::1/128", peer: "fd00::2"}]}
      eth1: {addresses: [10.1.0.1/32, "fd01::1/128"]}
    routes: [{to: 10.1.0.2, dev: eth1}, {to: "fd01::2", dev: eth1}]
  b:
    interfaces:
      eth0: {addresses: [{address: 10.0.0.2/32, peer: 10.0.0.1}, {address: "fd00::2/128", peer: "fd00::1"}]}
      eth1: {addresses: [10.1.0.2/32, "fd01::2/128"]}
    routes: [{to: 10.1.0.1, dev: eth1}, {to: "fd01::1", dev: eth1}]
links: [[a:eth0, b:eth0], [a:eth1, b:eth1]]
""",
    )
    for target in ("10.0.0.2", "fd00::2", "10.1.0.2", "fd01::2"):
        assert host.ping("a", target), target


# MTU


def test_an_mtu_holds_at_every_place_of_the_way(host: Host) -> None:
    apply(
        host,
        """\
nodes: {a: {networks: [lan]}, b: {networks: [lan]}, c: {}}
networks: {lan: {subnet: 10.0.0.0/24, mtu: 4321}}
links: [{endpoints: [a:up, c:eth0], mtu: 1234}]
""",
    )
    assert {
        link["mtu"] for link in host.ip("-n", "netorch-topo", "link") if link["ifname"] != "lo"
    } == {4321}
    assert {link["ifname"]: link["mtu"] for link in host.ip("-n", "a", "link")} == {
        "lo": 65536,
        "eth0": 4321,
        "up": 1234,
    }
    assert host.ip("-n", "c", "link", "show", "eth0")[0]["mtu"] == 1234
    ping = ("ping", "-n", "-c1", "-W1", "-M", "do", "-s")
    assert host.run("ip", "netns", "exec", "a", *ping, str(4321 - 28), "10.0.0.2").returncode == 0
    assert (
        host.run(
            "ip", "netns", "exec", "a", *ping, str(4321 - 27), "10.0.0.2", check=False
        ).returncode
        != 0
    )


@pytest.mark.parametrize(
    "where",
    [
        "a: {interfaces: {eth0: {mtu: 1279, addresses: ['fd00::1/64']}}}, b: {}",
        "a: {interfaces: {eth0: {addresses: ['fd00::1/64']}}}, b: {interfaces: {eth0: {mtu: 1279}}}",
    ],
)
def test_too_small_an_mtu_for_ipv6_is_refused(host: Host, where: str) -> None:
    """Linux would drop the addresses silently. An end without an MTU has that of the other end."""
    refused(
        host,
        f"nodes: {{{where}}}\nlinks: [[a:eth0, b:eth0]]\n",
        "1279",
        "IPv6",
        "1280",
        "fd00::1/64",
    )


def test_too_small_an_mtu_for_a_networks_ipv6_is_refused(host: Host) -> None:
    """The addresses are automatic here, also those of the bridge."""
    text = 'nodes: {a: {networks: [lan]}}\nnetworks: {lan: {subnet: "fd00::/64", mtu: 1000}}\n'
    refused(host, text, "a:eth0 has MTU 1000", "IPv6 needs 1280", "fd00::1/64")
    refused(
        host,
        text.replace("mtu", "mode: host-only, mtu"),
        "host:lan has MTU 1000",
        "a:eth0 has MTU 1000",
    )


@pytest.mark.parametrize("mtu", ["67", "65536", "-1", "0", "many"])
def test_an_mtu_that_no_cable_has_is_refused(host: Host, mtu: str) -> None:
    refused(
        host,
        f"nodes: {{a: {{}}, b: {{}}}}\nlinks: [{{endpoints: [a:eth0, b:eth0], mtu: {mtu}}}]\n",
        "topo.yaml:2:",
        mtu,
    )


STREAM = """
import hashlib, socket, sys
if sys.argv[1] == "serve":
    server = socket.create_server(("0.0.0.0", 5000)); print("ready", flush=True)
    connection, _ = server.accept()
    digest = hashlib.sha256()
    while data := connection.recv(1 << 16): digest.update(data)
    print(digest.hexdigest())
else:
    data = bytes(range(256)) * 65536
    with socket.create_connection((sys.argv[1], 5000)) as connection: connection.sendall(data)
    print(hashlib.sha256(data).hexdigest())
"""


def test_path_mtu_discovery_works_over_a_narrow_link(host: Host) -> None:
    """16 MiB from a link of MTU 9000 over one of MTU 1300 arrive unchanged."""
    apply(
        host,
        """\
nodes:
  a: {routes: [{to: default, via: 10.1.0.2}]}
  r: {forwarding: true}
  b: {routes: [{to: default, via: 10.2.0.2}]}
links:
  - {endpoints: [a:eth0, r:a], subnet: 10.1.0.0/30, mtu: 9000}
  - {endpoints: [b:eth0, r:b], subnet: 10.2.0.0/30, mtu: 1300}
""",
    )
    server = host.start("ip", "netns", "exec", "b", sys.executable, "-c", STREAM, "serve")
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    sent = node(host, "a", sys.executable, "-c", STREAM, "10.2.0.1")
    out, _ = server.communicate(timeout=20)
    assert out == sent
    probe = host.run(
        "ip",
        "netns",
        "exec",
        "a",
        "ping",
        "-n",
        "-c1",
        "-W1",
        "-M",
        "do",
        "-s",
        "1400",
        "10.2.0.1",
        check=False,
    )
    assert "mtu = 1300" in probe.stdout + probe.stderr or "mtu=1300" in probe.stdout + probe.stderr


# IPv6


def test_an_ipv6_address_where_ipv6_is_off_is_an_error(host: Host) -> None:
    error = refused(
        host,
        """\
nodes:
  a: {sysctls: {net.ipv6.conf.all.disable_ipv6: 1, net.ipv6.conf.default.disable_ipv6: 1}, interfaces: {eth0: {addresses: ["fd00::1/64"]}}}
  b: {}
links: [[a:eth0, b:eth0]]
""",
        "fd00::1/64",
        "disable_ipv6",
    )
    assert "topo.yaml:2:" in error


def test_another_spelling_of_an_address_is_the_same_address(host: Host) -> None:
    text = 'nodes: {a: {interfaces: {eth0: {addresses: ["%s"]}}, routes: [{to: "%s", via: "%s"}]}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n'
    apply(host, text % ("fd00::ab:1/64", "fd09::/64", "fd00::b"))
    before = host.snapshot()
    host.write(
        "topo.yaml",
        text % ("FD00:0000:0000:0:0:0000:00AB:0001/64", "FD09:0:0:0::/64", "fd00:0::000B"),
    )
    assert host.netorch("diff").stdout == "topo: in sync\n"
    host.netorch("apply")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []


def test_a_network_of_ipv4_alone(host: Host) -> None:
    apply(
        host,
        """\
nodes:
  h[1-2]: {networks: {lan: {sysctls: {disable_ipv6: 1}}}}
networks: {lan: {subnet: 10.0.0.0/24}}
""",
    )
    assert host.ping("h1", "10.0.0.2")
    assert [
        entry["family"] for entry in host.ip("-n", "h1", "addr", "show", "eth0")[0]["addr_info"]
    ] == ["inet"]


def test_a_network_of_ipv6_alone(host: Host) -> None:
    apply(
        host,
        'nodes:\n  h[1-2]: {networks: [lan]}\n  r: {networks: [lan]}\nnetworks: {lan: {subnet: "fd00::/64", gateway: r}}\n',
    )
    assert host.ping("h1", "fd00::2")
    assert host.ping("h1", "h2")
    assert "inet" not in {
        entry["family"] for entry in host.ip("-n", "h1", "addr", "show", "eth0")[0]["addr_info"]
    }
    assert [
        route["gateway"] for route in host.ip("-n", "h1", "-6", "route", "show", "default")
    ] == ["fd00::3"]
    assert host.ip("-n", "h1", "-4", "route") == []


# names


def test_names_resolve_in_nodes(host: Host) -> None:
    before = host.snapshot()
    apply(
        host,
        """\
nodes:
  host: {}
  a: {networks: [lan], dns: {servers: [10.0.0.2, "fd00::2"], search: [lab.example], options: ["timeout:1"]}}
  b: {networks: [lan], aliases: [www, db.lab.example], interfaces: {lo: {addresses: [10.255.0.2/32]}}, routes: []}
networks: {lan: {mode: host-only, subnet: [10.0.0.0/24, "fd00::/64"]}}
""",
    )
    for name in ("b", "www", "db.lab.example"):
        assert {
            line.split()[0] for line in node(host, "a", "getent", "ahostsv4", name).splitlines()
        } == {"10.255.0.2", "10.0.0.3"}
        assert node(host, "a", "getent", "ahostsv6", name).split()[0] == "fd00::3"
    assert node(host, "a", "getent", "hosts", "host").split()[0] in {"10.0.0.1", "fd00::1"}
    assert node(host, "a", "getent", "ahostsv4", "localhost").split()[0] == "127.0.0.1"
    assert host.netorch("exec", "a", "getent", "hosts", "www").stdout.split()[0] == "fd00::3"
    resolver = node(host, "a", "cat", "/etc/resolv.conf").splitlines()[1:]
    assert resolver == [
        "nameserver 10.0.0.2",
        "nameserver fd00::2",
        "search lab.example",
        "options timeout:1",
    ]
    assert not (host.root / "etc/netns/b/resolv.conf").exists(), (
        "a node without DNS settings uses the machine's"
    )
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


def test_files_in_etc_netns_from_before_stay(host: Host) -> None:
    host.run(
        "sh",
        "-ec",
        "mkdir -p /etc/netns/a; echo 10.9.9.9 precious >/etc/netns/a/hosts; echo nameserver 10.9.9.9 >/etc/netns/a/resolv.conf",
    )
    host.write("topo.yaml", "nodes: {a: {dns: {servers: [10.0.0.1]}}, b: {}}\n")
    warnings = host.netorch("apply").stderr
    assert "/etc/netns/a/hosts" in warnings
    assert "/etc/netns/a/resolv.conf" in warnings
    assert node(host, "a", "getent", "hosts", "precious").split()[0] == "10.9.9.9"
    host.netorch("destroy")
    assert (host.root / "etc/netns/a/hosts").read_text() == "10.9.9.9 precious\n"
    assert (host.root / "etc/netns/a/resolv.conf").read_text() == "nameserver 10.9.9.9\n"
    assert not (host.root / "etc/netns/b").exists()


@pytest.mark.parametrize("name", ["a b", "-x", "a..b", "x" * 64, "ä", "a_b/c", "10.0.0.1 evil"])
def test_an_invalid_name_is_refused(host: Host, name: str) -> None:
    refused(host, f'nodes: {{a: {{aliases: ["{name}"]}}}}\n', "topo.yaml:1:")


# large, and often

LEAKS = """
import io, os, time
from contextlib import redirect_stdout
from netorch.cli import main
def look(*argv):
    with redirect_stdout(io.StringIO()):
        assert main(argv) == 0
    for _ in range(100):  # because a thread that has ended stays in /proc a moment longer
        if len(os.listdir("/proc/self/task")) == 1: break
        time.sleep(0.01)
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
first = look("diff")
for _ in range(100): last = look("diff")
for _ in range(10): last = look("apply")
for _ in range(10): last = look("list")
for _ in range(5): look("destroy", "topo"); last = look("apply")
print(first, last)
"""


def test_nothing_leaks(host: Host) -> None:
    """100 diffs and some applies in one process need no more file descriptors or threads."""
    apply(host, LAN)
    first, last = (
        host.run(sys.executable, "-c", LEAKS).stdout.strip().replace(") (", ")|(").split("|")
    )
    assert first == last


def test_two_hundred_bridges(host: Host) -> None:
    before = host.snapshot()
    host.write(
        "topo.yaml",
        "nodes:\n  a:\n    interfaces:\n"
        + "".join(
            f"      br{n}: {{kind: bridge, addresses: [10.{n}.0.1/24]}}\n" for n in range(200)
        ),
    )
    started = time.monotonic()
    host.netorch("apply")
    assert time.monotonic() - started < 20
    assert (
        sum(
            link.get("linkinfo", {}).get("info_kind") == "bridge"
            for link in host.ip("-n", "a", "link")
        )
        == 200
    )
    assert host.netorch("diff").returncode == 0
    host.netorch("destroy", "topo")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_network_of_more_members_than_a_bridge_has_ports(host: Host) -> None:
    """1,100 members need a second bridge, which is a port of the first.

    Then eleven members leave and one joins, and no other cable changes.
    """
    text = "nodes:\n  h[1-%d]: {networks: [lan]}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\nnames: false\n"
    host.write("topo.yaml", text % 1100)
    host.netorch("apply", "-q", timeout=120)
    # each member floods its first multicasts to all others, which takes a busy machine a while
    assert host.reaches("h1", "10.0.4.76"), "the first and the last"
    assert host.reaches("h1100", "10.0.0.1")
    assert host.reaches("h970", "10.0.4.75"), "both on the second bridge"
    bridges = [
        link["ifname"]
        for link in host.ip("-n", "netorch-topo", "link")
        if link.get("linkinfo", {}).get("info_kind") == "bridge"
    ]
    assert bridges == ["lan", "lan-1"]
    before = host.ip("-n", "h1088", "link", "show", "eth0")[0]["ifindex"]
    host.write("topo.yaml", text % 1089)
    report = json.loads(host.netorch("apply", "-o", "json", timeout=120).stdout)
    assert report["summary"].keys() == {"delete"}
    assert host.ip("-n", "h1088", "link", "show", "eth0")[0]["ifindex"] == before
    # all namespaces share the kernel's neighbour table, which a thousand of them fill
    assert host.reaches("h1", "10.0.4.65")
    host.netorch("destroy", "-q", "topo", timeout=120)
    assert not (host.root / "run/netns/h1").exists()


def test_a_network_of_three_hundred_routers(host: Host) -> None:
    """A chain of 300 nodes with 299 links, and pings along the first and the last of them."""
    host.write(
        "topo.yaml",
        """\
nodes:
  r[1-300]: {forwarding: true, interfaces: {lo: {addresses: [10.255.$(i // 256).$(i % 256)/32]}}}
links:
  - {endpoints: ["r[1-299]:right", "r[2-300]:left"], subnet: "10.$(i // 64).$(i % 64 * 4).0/30"}
""",
    )
    host.netorch("apply", "-q", timeout=60)
    assert host.ping("r1", "10.0.4.2")
    assert host.ping("r300", "10.4.172.1")
    assert host.netorch("diff", timeout=60).stdout == "topo: in sync\n"
    host.netorch("destroy", "-q", timeout=60)
    assert list((host.root / "run").glob("netns/*")) == []
