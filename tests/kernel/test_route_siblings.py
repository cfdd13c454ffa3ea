"""Test routes with the same destination, table and metric: each next hop belongs to its maker.

This holds in both families and in any table.
"""

from __future__ import annotations

import re

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import require

FILE = """\
name: lab
nodes:
  r:
    $MORE
    routes:
      - {to: default, via: "fd00::2"}
      - {to: "fd09::/64", nexthops: [{via: "fd00::2"}, {via: "fd00::3"}]}
      - {to: "fd08::/64", via: "fd00::2", table: 100, metric: 7}
      - {to: "fd07::/64", type: unreachable}
      - {to: 10.9.0.0/16, via: 10.0.0.2}
    rules:
      - {from: "fd11::/64", table: 100}
  s: {}
links:
  - {endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, "fd00::/64"]}
"""

LOCK = ["files: /run/netorch/"]

ROUTES = {
    "default": ("default", "fd00::7", "default (v6)"),
    "of two next hops": ("fd09::/64", "fd00::7", "fd09::/64"),
    "of another table": ("fd08::/64 table 100 metric 7", "fd00::7", "fd08::/64 table 100 metric 7"),
    "IPv4": ("10.9.0.0/16", "10.0.0.7", "10.9.0.0/16"),
}
"""Name → the route for `ip route`, the gateway of a foreign next hop, and the name in `diff`."""


def apply(host: Host, more: str = "") -> None:
    host.write("topo.yaml", FILE.replace("$MORE", more))
    host.netorch("apply")


def hops(host: Host, route: str, *where: str) -> set[str]:
    """Return the gateways of all entries of a route."""
    family = "-4" if route.startswith("10.") else "-6"
    output = host.run("ip", *where, family, "route", "show", "exact", *route.split()).stdout
    return set(re.findall(r"via (\S+)", output))


def append(host: Host, route: str, gateway: str, protocol: str, *where: str) -> None:
    family = "-4" if ":" not in gateway else "-6"
    words = [*route.split(), "via", gateway, "proto", protocol]
    host.run("ip", *where, family, "route", "append", *words)


@pytest.mark.parametrize("protocol", ["boot", "static"])
@pytest.mark.parametrize("name", ROUTES)
def test_a_next_hop_made_by_hand_is_removed(host: Host, name: str, protocol: str) -> None:
    apply(host)
    before = host.snapshot()
    route, gateway, title = ROUTES[name]
    append(host, route, gateway, protocol, "-n", "r")
    diff = host.netorch("diff", check=False)
    assert diff.stdout.splitlines() == [
        f"~ route r {title}  also via {gateway} dev e0 → none  [update]",
        "lab: 1 to update",
    ]
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("protocol", ["bgp", "ra"])
@pytest.mark.parametrize("name", ROUTES)
def test_a_daemons_next_hop_stays(host: Host, name: str, protocol: str) -> None:
    """The next hop stays, also when the one of netorch is lost, changed or removed.

    IPv4 has no routes with next hops of several makers, so only IPv6 routes lose one here.
    """
    apply(host)
    route, gateway, title = ROUTES[name]
    append(host, route, gateway, protocol, "-n", "r")
    ours = hops(host, route, "-n", "r") - {gateway}
    assert host.netorch("diff").stdout == "lab: in sync\n"
    if name != "IPv4":
        for own in ours:
            host.run("ip", "-n", "r", "-6", "route", "del", *route.split(), "via", own)
        diff = host.netorch("diff", check=False).stdout
        assert diff.startswith(f"+ route r {title}  "), diff
        assert "changed meanwhile" not in host.netorch("apply").stderr
        assert hops(host, route, "-n", "r") == ours | {gateway}
        assert host.netorch("diff").stdout == "lab: in sync\n"
    # the file has another gateway, and then none
    text = FILE.replace("$MORE", "").replace("fd00::2", "fd00::4").replace("10.0.0.2", "10.0.0.4")
    host.write("topo.yaml", text)
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert hops(host, route, "-n", "r") == {
        hop.replace("fd00::2", "fd00::4").replace("10.0.0.2", "10.0.0.4") for hop in ours
    } | {gateway}
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.write(
        "topo.yaml", re.sub(r"(?m)^      - \{to:.*\n", "", text).replace("    routes:\n", "")
    )
    host.netorch("apply")
    assert hops(host, route, "-n", "r") == {gateway}
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_next_hops_made_by_hand_and_by_a_daemon(host: Host) -> None:
    apply(host)
    for gateway, protocol in (("fd00::7", "bgp"), ("fd00::8", "boot"), ("fd00::9", "static")):
        append(host, "fd09::/64", gateway, protocol, "-n", "r")
    host.run("ip", "-n", "r", "-6", "route", "del", "fd09::/64", "via", "fd00::3")
    host.netorch("apply")
    assert hops(host, "fd09::/64", "-n", "r") == {"fd00::2", "fd00::3", "fd00::7"}
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_an_entry_of_the_same_key_that_is_not_a_next_hop(host: Host) -> None:
    """To the kernel, a route without a gateway or one that rejects packets is separate, too."""
    apply(host)
    before = host.snapshot()
    for line in (
        "route append default dev e0",
        "route append unreachable fd09::/64",
        "route append fd07::/64 via fd00::7",
    ):
        host.run("ip", "-n", "r", "-6", *line.split())
    assert sorted(host.netorch("diff", check=False).stdout.splitlines()) == [
        "lab: 3 to update",
        "~ route r default (v6)  also dev e0 → none  [update]",
        "~ route r fd07::/64  also via fd00::7 dev e0 → none  [update]",
        "~ route r fd09::/64  also unreachable → none  [update]",
    ]
    host.netorch("apply")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    host.run(
        "ip", "-n", "r", "-6", "route", "append", "fd07::/64", "via", "fd00::7", "proto", "bgp"
    )
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert hops(host, "fd07::/64", "-n", "r") == {"fd00::7"}


SELECTIVE = {
    "by its service": ("-4 route add 10.9.0.0/16 via 10.0.0.7 tos 0x10", "10.9.0.0/16 tos 0x10"),
    "by its source": (
        "-6 route add default from fd77::/64 via fd00::7",
        "default (v6) from fd77::/64",
    ),
}
"""How the route selects packets → the arguments of `ip`, the route's name in `diff`."""


@pytest.mark.parametrize("protocol", ["boot", "bgp"])
@pytest.mark.parametrize("what", SELECTIVE)
def test_a_route_that_selects_packets_is_another_one(host: Host, what: str, protocol: str) -> None:
    """To the kernel it is not a next hop of the route for all packets.

    That route neither hides it nor is deleted with it.
    """
    apply(host)
    before = host.snapshot()
    words, title = SELECTIVE[what]
    host.run("ip", "-n", "r", *words.split(), "proto", protocol)
    with_it = host.snapshot()
    if protocol == "bgp":
        assert host.netorch("diff").stdout == "lab: in sync\n"
        assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
        assert diff_snapshots(with_it, host.snapshot(), LOCK) == []
        return
    diff = host.netorch("diff", check=False)
    assert diff.stdout.splitlines()[0].startswith(f"- route r {title}"), diff.stdout
    # an apply that fails later restores it
    text = FILE.replace("$MORE", "").replace(
        "      - {to: 10.9", "      - {to: 10.8.0.0/16, via: 10.0.7.2}\n      - {to: 10.9"
    )
    host.write("wrong.yaml", text)
    assert host.unforeseen("apply", "wrong.yaml", check=False).returncode == 1
    assert diff_snapshots(with_it, host.snapshot(), LOCK) == []
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


OBJECTS = {
    "next to ours": "nexthop add id 5 via 10.0.0.7 dev e0; route prepend 10.9.0.0/16 nhid 5",
    "unused, next to ours": "nexthop add id 5 via 10.0.0.7 dev e0; route append 10.9.0.0/16 via 10.0.0.7",
    "unused, next to ours, IPv6": "nexthop add id 5 via fd00::7 dev e0; -6 route append fd09::/64 via fd00::7",
    "one of two entries of a foreign route": "nexthop add id 5 via 10.0.0.7 dev e0; route add 10.9.0.0/16 via 10.0.0.7 metric 9;"
    " route append 10.9.0.0/16 nhid 5 metric 9",
    "in the place of ours": "nexthop add id 5 via 10.0.0.2 dev e0; route replace 10.9.0.0/16 nhid 5",
    "a group": "nexthop add id 5 via 10.0.0.2 dev e0; nexthop add id 6 via 10.0.0.7 dev e0;"
    " nexthop add id 7 group 5/6; route replace 10.9.0.0/16 nhid 7",
    "next to ours, IPv6": "nexthop add id 5 via fd00::7 dev e0; -6 route append fd09::/64 nhid 5",
    "in the place of ours, IPv6": "nexthop add id 5 via fd00::2 dev e0; -6 route replace default nhid 5",
}


@pytest.mark.parametrize("how", OBJECTS)
def test_a_route_by_hand_over_a_nexthop_object(host: Host, how: str) -> None:
    """The kernel finds such a route only by the object's number, and not by a gateway.

    The object itself stays.
    """
    apply(host)
    before = host.snapshot()
    for line in OBJECTS[how].split(";"):
        host.run("ip", "-n", "r", *line.split())
    with_it = host.snapshot()
    assert host.netorch("diff", check=False).returncode == 2
    text = FILE.replace("$MORE", "").replace(
        "      - {to: 10.9", "      - {to: 10.8.0.0/16, via: 10.0.7.2}\n      - {to: 10.9"
    )
    host.write("wrong.yaml", text)
    assert host.unforeseen("apply", "wrong.yaml", check=False).returncode == 1
    assert diff_snapshots(with_it, host.snapshot(), LOCK) == []
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    assert "id 5 via" in host.run("ip", "-n", "r", "nexthop").stdout


def test_a_next_hop_whose_link_is_made_again_joins_the_daemons(host: Host) -> None:
    more = "interfaces: {d0: {kind: bridge, addresses: ['fd05::1/64']}}"
    apply(host, more)
    append(host, "default", "fd05::7", "bgp", "-n", "r")
    host.run("ip", "-n", "s", "link", "del", "e0")
    assert hops(host, "default", "-n", "r") == {"fd05::7"}
    host.netorch("apply")
    assert hops(host, "default", "-n", "r") == {"fd00::2", "fd05::7"}
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_next_hop_of_an_unknown_maker_is_left_alone(host: Host) -> None:
    """No rule leads to the table, so no lookup can show who added the next hop."""
    apply(host)
    host.write(
        "topo.yaml",
        FILE.replace("$MORE", "").replace('fd11::/64", table: 100', 'fd11::/64", table: 99'),
    )
    host.netorch("apply")
    append(host, "fd08::/64 table 100 metric 7", "fd00::7", "bgp", "-n", "r")
    diff = host.netorch("diff")
    assert diff.stdout == "lab: in sync\n"
    assert (
        "does not show who added the next hop fd00::7 dev e0: netorch leaves it alone"
        in diff.stderr
    )
    assert "in sync" in host.netorch("apply").stdout
    assert hops(host, "fd08::/64 table 100", "-n", "r") == {"fd00::2", "fd00::7"}
    # netorch removes only its own next hop
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {r: {}, s: {}}\nlinks: [{endpoints: [r:e0, s:e0], "
        "subnet: [10.0.0.0/24, 'fd00::/64']}]\n",
    )
    host.netorch("apply")
    assert hops(host, "fd08::/64 table 100", "-n", "r") == {"fd00::7"}


def test_next_hops_on_the_host(host: Host) -> None:
    """On the host a next hop that a user adds belongs to the user.

    netorch restores its own next hop next to it, but adds no new one to a foreign route.
    """
    text = (
        "name: lab\nnodes:\n  host: {routes: [{to: 'fd09::/64', via: 'fd00::2'}]}\n  s: {}\n"
        "links: [{endpoints: [host:v0, s:e0], subnet: 'fd00::/64'}]\n"
    )
    host.write("topo.yaml", text)
    host.netorch("apply")
    append(host, "fd09::/64", "fd00::7", "static")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.run("ip", "-6", "route", "del", "fd09::/64", "via", "fd00::2")
    host.netorch("apply")
    assert hops(host, "fd09::/64") == {"fd00::2", "fd00::7"}
    host.netorch("destroy", "lab")
    host.run("ip", "link", "add", "n0", "type", "bridge")
    host.run("ip", "link", "set", "n0", "up")
    host.run("ip", "-6", "route", "add", "fd09::/64", "dev", "n0")
    refused = host.netorch("apply", check=False)
    assert refused.returncode == 1
    assert "fd09::/64" in refused.stderr


def test_a_router_advertisement_stays(host: Host) -> None:
    """A route that the kernel has learned is separate, though it has the same key and metric."""
    apply(host)
    ra = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("e0"))
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("e0")))
"""
    learned = "ip -n r -6 route show default proto ra | grep -q fe80"
    script = (
        f"for n in $(seq 100); do ip netns exec s python3 -c '{ra}'; {learned} && exit; "
        "sleep 0.1; done; exit 1"
    )
    host.run("sh", "-c", script)
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.run("ip", "-n", "r", "-6", "route", "del", "default", "via", "fd00::2")
    diff = host.netorch("diff", check=False).stdout
    assert diff.startswith("+ route r default (v6)  via fd00::2"), diff
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert "fd00::2" in hops(host, "default", "-n", "r")
    assert len(hops(host, "default", "-n", "r")) == 2


@pytest.mark.uml
def test_next_hops_in_a_vrf(host: Host) -> None:
    require(host, "vrf")
    host.write(
        "topo.yaml",
        """\
name: lab
nodes:
  r:
    interfaces: {red: {kind: vrf, table: 10, ports: [e0]}}
    routes: [{to: "fd09::/64", via: "fd00::2"}, {to: 10.9.0.0/16, via: 10.0.0.2}]
  s: {}
links:
  - {endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, "fd00::/64"]}
""",
    )
    host.netorch("apply")
    for protocol, left in (("boot", set()), ("bgp", {"fd00::7"})):
        append(host, "fd09::/64 table 10", "fd00::7", protocol, "-n", "r")
        assert host.netorch("diff", check=False).returncode == (0 if left else 2)
        host.netorch("apply")
        assert hops(host, "fd09::/64 table 10", "-n", "r") == {"fd00::2"} | left
        assert host.netorch("diff").stdout == "lab: in sync\n"
