"""What others have on a topology's links comes back with a rollback, or is named."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.test_failure import OWN_FILES, settled, sh, shot

FILE = """\
name: t
nodes:
  host: {interfaces: {br: {kind: bridge, addresses: [10.1.0.1/24, "fd01::1/64"]}}}
  n: {}
links: [[host:h0, n:e0]]
"""
WITHOUT = """\
name: t
nodes:
  host: {}
  z: {sysctls: {net.ipv4.ip_default_ttl: 99999}}
"""
"""A file without the links, which the kernel refuses in the end."""
OF_OTHERS = """
ip addr add 10.2.0.1/24 dev br
ip route add 10.3.0.0/16 via 10.1.0.2
ip route add 10.3.1.0/24 via 10.3.0.1 onlink dev br
ip route add 10.4.0.0/16 dev br metric 7 proto bird
ip route add 10.5.0.0/16 nexthop via 10.1.0.3 weight 2 nexthop via 10.2.0.3
ip -6 route add fd03::/64 via fd01::2
ip -6 route add fd04::/64 nexthop via fd01::3 nexthop via fd01::4
ip -6 route add fd05::/64 proto bird via fd01::5
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev br nud permanent
ip rule add iif br table 5 prio 50
ip link add p0 type veth peer name p1
ip link set p0 master br up; ip link set p1 up
ip link set p0 type bridge_slave flood off hairpin on cost 77
ip -n n addr add 10.6.0.1/24 dev e0
ip -n n route add 10.7.0.0/16 via 10.6.0.2 proto bird
"""
LINKS = """
ip link add above link br type macvlan; ip addr add 10.8.0.1/24 dev above
ip -n n link add inside type bridge
"""
BY_THEMSELVES = [*OWN_FILES, "host: fdb", "netns n: fdb"]


@pytest.fixture
def live(host: Host) -> Host:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    sh(host, OF_OTHERS)
    host.write("topo.yaml", WITHOUT)
    return host


def test_a_rollback_brings_back_what_others_have_on_links(live: Host) -> None:
    before = shot(live)
    failed = live.unforeseen("apply", check=False)
    assert failed.returncode == 1
    assert "Rolled back: the kernel is as it was before." in failed.stderr, failed.stderr
    assert settled(before, live, BY_THEMSELVES) == []


def test_links_of_others_do_not_come_back_and_are_named(live: Host) -> None:
    before = shot(live)
    sh(live, LINKS)
    failed = live.unforeseen("apply", check=False)
    assert "kernel is as it was" not in failed.stderr
    lines = [line for line in failed.stderr.splitlines() if "was deleted with" in line]
    assert len(lines) == 2, failed.stderr
    assert "macvlan host/above was deleted with bridge host/br, and is not there again" in lines[1]
    assert "bridge n/inside was deleted with netns n, and is not there again" in lines[0]
    assert settled(before, live, BY_THEMSELVES) == [], "all but the links is back"


def test_a_rollback_names_the_processes_that_do_not_run_again(live: Host) -> None:
    process = live.start("ip", "netns", "exec", "n", "sleep", "99")
    failed = live.unforeseen("apply", check=False)
    assert process.wait() != 0
    assert "ended process" in failed.stderr
    assert "netorch does not start it again" in failed.stderr


def test_what_goes_with_a_link_is_a_warning(live: Host) -> None:
    sh(live, LINKS)
    live.write("topo.yaml", WITHOUT.replace("99999", "99"))
    names = "port host/p0 of br, route host 10.3.0.0/16"
    for command in (["diff"], ["apply", "--dry-run"]):
        result = live.netorch(*command, check=False)
        (line,) = (one for one in result.stderr.splitlines() if "bridge host/br is deleted" in one)
        assert "warning: bridge host/br is deleted, and with it goes what netorch did not" in line
        for word in (*names.split(", "), "macvlan host/above", "route host fd04::/64"):
            assert word in line
        assert "10.1.0.9" not in line  # because a neighbour by hand is drift of the topology
        assert "netns n" not in result.stderr
