"""Routes of one destination, table and metric: each next hop is its maker's, in both families and in any table."""

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
"""Name → what `ip route` calls it, somebody's gateway, what diff calls it."""


def apply(host: Host, more: str = "") -> None:
    host.write("topo.yaml", FILE.replace("$MORE", more))
    host.netorch("apply")


def hops(host: Host, route: str, *where: str) -> set[str]:
    """The gateways of a route, of all entries that it has."""
    family = "-4" if route.startswith("10.") else "-6"
    shown = host.run("ip", *where, family, "route", "show", "exact", *route.split()).stdout
    return set(re.findall(r"via (\S+)", shown))


def append(host: Host, route: str, gateway: str, protocol: str, *where: str) -> None:
    family = "-4" if ":" not in gateway else "-6"
    words = [*route.split(), "via", gateway, "proto", protocol]
    host.run("ip", *where, family, "route", "append", *words)


@pytest.mark.parametrize("protocol", ["boot", "static"])
@pytest.mark.parametrize("name", ROUTES)
def test_a_leg_made_by_hand_is_removed(host: Host, name: str, protocol: str) -> None:
    apply(host)
    before = host.snapshot()
    route, gateway, title = ROUTES[name]
    append(host, route, gateway, protocol, "-n", "r")
    told = host.netorch("diff", check=False)
    assert told.stdout.splitlines() == [
        f"~ route r {title}  also via {gateway} dev e0 → none  [update]",
        "lab: 1 to update",
    ]
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("protocol", ["bgp", "ra"])
@pytest.mark.parametrize("name", ROUTES)
def test_a_daemons_leg_stays(host: Host, name: str, protocol: str) -> None:
    """Also where ours is lost, changed, and removed: as to IPv4, which has no next hops of several makers, only the first and last."""
    apply(host)
    route, gateway, title = ROUTES[name]
    append(host, route, gateway, protocol, "-n", "r")
    ours = hops(host, route, "-n", "r") - {gateway}
    assert host.netorch("diff").stdout == "lab: in sync\n"
    if name != "IPv4":
        for own in ours:
            host.run("ip", "-n", "r", "-6", "route", "del", *route.split(), "via", own)
        told = host.netorch("diff", check=False).stdout
        assert told.startswith(f"+ route r {title}  "), told
        assert "changed meanwhile" not in host.netorch("apply").stderr
        assert hops(host, route, "-n", "r") == ours | {gateway}
        assert host.netorch("diff").stdout == "lab: in sync\n"
    # another gateway of ours, then none
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


def test_legs_by_hand_beside_a_daemons(host: Host) -> None:
    apply(host)
    for gateway, protocol in (("fd00::7", "bgp"), ("fd00::8", "boot"), ("fd00::9", "static")):
        append(host, "fd09::/64", gateway, protocol, "-n", "r")
    host.run("ip", "-n", "r", "-6", "route", "del", "fd09::/64", "via", "fd00::3")
    host.netorch("apply")
    assert hops(host, "fd09::/64", "-n", "r") == {"fd00::2", "fd00::3", "fd00::7"}
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_what_is_no_leg_but_of_the_same_key(host: Host) -> None:
    """A route without a gateway, and one that rejects, are routes of their own to the kernel, too."""
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


PICKY = {
    "by its service": ("-4 route add 10.9.0.0/16 via 10.0.0.7 tos 0x10", "10.9.0.0/16 tos 0x10"),
    "by its source": (
        "-6 route add default from fd77::/64 via fd00::7",
        "default (v6) from fd77::/64",
    ),
}
"""What packets a route picks → what `ip` is asked for, what diff calls it."""


@pytest.mark.parametrize("protocol", ["boot", "bgp"])
@pytest.mark.parametrize("what", PICKY)
def test_a_route_that_picks_packets_is_another_one(host: Host, what: str, protocol: str) -> None:
    """To the kernel it is not a leg of the one for all packets, which neither hides it nor goes with it."""
    apply(host)
    before = host.snapshot()
    words, title = PICKY[what]
    host.run("ip", "-n", "r", *words.split(), "proto", protocol)
    with_it = host.snapshot()
    if protocol == "bgp":
        assert host.netorch("diff").stdout == "lab: in sync\n"
        assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
        assert diff_snapshots(with_it, host.snapshot(), LOCK) == []
        return
    told = host.netorch("diff", check=False)
    assert told.stdout.splitlines()[0].startswith(f"- route r {title}"), told.stdout
    # what fails later puts it back
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
    "beside ours": "nexthop add id 5 via 10.0.0.7 dev e0; route prepend 10.9.0.0/16 nhid 5",
    "none, beside ours": "nexthop add id 5 via 10.0.0.7 dev e0; route append 10.9.0.0/16 via 10.0.0.7",
    "none, beside ours, IPv6": "nexthop add id 5 via fd00::7 dev e0; -6 route append fd09::/64 via fd00::7",
    "two of a route that no file has": "nexthop add id 5 via 10.0.0.7 dev e0; route add 10.9.0.0/16 via 10.0.0.7 metric 9;"
    " route append 10.9.0.0/16 nhid 5 metric 9",
    "in the place of ours": "nexthop add id 5 via 10.0.0.2 dev e0; route replace 10.9.0.0/16 nhid 5",
    "a group": "nexthop add id 5 via 10.0.0.2 dev e0; nexthop add id 6 via 10.0.0.7 dev e0;"
    " nexthop add id 7 group 5/6; route replace 10.9.0.0/16 nhid 7",
    "beside ours, IPv6": "nexthop add id 5 via fd00::7 dev e0; -6 route append fd09::/64 nhid 5",
    "in the place of ours, IPv6": "nexthop add id 5 via fd00::2 dev e0; -6 route replace default nhid 5",
}


@pytest.mark.parametrize("how", OBJECTS)
def test_a_route_by_hand_over_a_nexthop_object(host: Host, how: str) -> None:
    """The kernel finds such a route by the object's number, and by no gateway. The object is whose it was."""
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


def test_a_leg_whose_link_is_made_again_joins_the_daemons(host: Host) -> None:
    more = "interfaces: {d0: {kind: bridge, addresses: ['fd05::1/64']}}"
    apply(host, more)
    append(host, "default", "fd05::7", "bgp", "-n", "r")
    host.run("ip", "-n", "s", "link", "del", "e0")
    assert hops(host, "default", "-n", "r") == {"fd05::7"}
    host.netorch("apply")
    assert hops(host, "default", "-n", "r") == {"fd00::2", "fd05::7"}
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_leg_that_cannot_be_told_is_left_alone(host: Host) -> None:
    """No packet looks into a table that no rule leads to."""
    apply(host)
    host.write(
        "topo.yaml",
        FILE.replace("$MORE", "").replace('fd11::/64", table: 100', 'fd11::/64", table: 99'),
    )
    host.netorch("apply")
    append(host, "fd08::/64 table 100 metric 7", "fd00::7", "bgp", "-n", "r")
    told = host.netorch("diff")
    assert told.stdout == "lab: in sync\n"
    assert "does not show who added the next hop fd00::7 dev e0: it is left alone" in told.stderr
    assert "in sync" in host.netorch("apply").stdout
    assert hops(host, "fd08::/64 table 100", "-n", "r") == {"fd00::2", "fd00::7"}
    # ours goes without it
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {r: {}, s: {}}\nlinks: [{endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, 'fd00::/64']}]\n",
    )
    host.netorch("apply")
    assert hops(host, "fd08::/64 table 100", "-n", "r") == {"fd00::7"}


def test_legs_of_a_host(host: Host) -> None:
    """There what a person adds is that person's; ours is mended beside it, but a new one does not join."""
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
    """What the kernel has learned is not a sibling, but of the same key: 1024 is the metric of both."""
    apply(host)
    ra = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("e0"))
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("e0")))
"""
    learned = "ip -n r -6 route show default proto ra | grep -q fe80"
    script = f"for n in $(seq 100); do ip netns exec s python3 -c '{ra}'; {learned} && exit; sleep 0.1; done; exit 1"
    host.run("sh", "-c", script)
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.run("ip", "-n", "r", "-6", "route", "del", "default", "via", "fd00::2")
    told = host.netorch("diff", check=False).stdout
    assert told.startswith("+ route r default (v6)  via fd00::2"), told
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert "fd00::2" in hops(host, "default", "-n", "r")
    assert len(hops(host, "default", "-n", "r")) == 2


@pytest.mark.uml
def test_legs_in_a_vrf(host: Host) -> None:
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
