"""Drift: diff reports exactly the change, apply repairs it, and a second apply does nothing."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel.host import Background, Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import assert_remembered

FILE = """\
name: lab
nodes:
  host:
    interfaces:
      cable: {kind: veth, peer: "r:mgmt", addresses: [10.3.0.1/24]}
  r:
    forwarding: true
    sysctls: {net.ipv4.conf.all.rp_filter: 2}
    interfaces:
      lo: {addresses: [10.255.0.1/32]}
      mgmt: {addresses: [10.3.0.2/24]}
      br0: {kind: bridge, ports: [p1, p2], addresses: [10.1.0.1/24]}
      br1: {kind: bridge, stp: true, priority: 4096}
      up0: {addresses: [10.2.0.1/24, 10.2.0.3/24, "fd02::1/64"], mtu: 1400, mac: 02:00:00:00:00:01, description: to the world}
    routes:
      - {to: default, via: 10.2.0.2}
      - {to: 10.99.0.0/16, via: 10.2.0.2, metric: 50, mtu: 1300}
      - {to: "fd99::/64", via: "fd02::2"}
      - {to: 10.98.0.0/16, type: blackhole}
    rules:
      - {from: 10.9.0.0/24, table: 100, priority: 1000}
  a: {interfaces: {eth0: {addresses: [10.1.0.2/24]}}, dns: {servers: [10.1.0.1]}}
  b: {interfaces: {eth0: {addresses: [10.1.0.3/24]}}}
  c: {interfaces: {eth0: {addresses: [10.2.0.2/24, "fd02::2/64"], sysctls: {rp_filter: 1}}}}
  a-node-with-a-long-name: {networks: [lan]}
networks:
  lan: {subnet: 10.4.0.0/24}
links:
  - [r:p1, a:eth0]
  - [r:p2, b:eth0]
  - [r:up0, c:eth0]
"""


@dataclass(frozen=True)
class Drift:
    """A change by hand, and the report of it."""

    does: str
    """A shell script that makes the change."""
    reported: tuple[str, ...]
    """The beginnings of the lines that diff prints, in order."""
    renumbered: frozenset[str] = frozenset()
    """Links and namespaces that are made again; all others keep their numbers."""


def drift(does: str, *reported: str, renumbered: tuple[str, ...] = ()) -> Drift:
    return Drift(does, reported, frozenset(renumbered))


UP0 = (
    "+ route r default  via 10.2.0.2  dev up0",
    "+ route r 10.99.0.0/16 metric 50  via 10.2.0.2  dev up0  mtu 1300",
)
UP0_AGAIN = (
    "± address r/up0 10.2.0.1/24  [replace]  (goes with veth r/up0)",
    "± address r/up0 10.2.0.3/24  after 10.2.0.1/24  [replace]  (goes with veth r/up0)",
    "± address r/up0 fd02::1/64  [replace]  (goes with veth r/up0)",
)
ROUTES_AGAIN = (
    "± route r default  via 10.2.0.2  dev up0  [replace]  (goes with veth r/up0)",
    "± route r 10.99.0.0/16 metric 50  via 10.2.0.2  dev up0  mtu 1300  [replace]  (goes with veth r/up0)",
    "± route r fd99::/64  via fd02::2  dev up0  [replace]  (goes with veth r/up0)",
)
FAR_END = (
    "+ veth c/eth0  peer r:up0  mtu 1400",
    "+ sysctl c net.ipv4.conf.eth0.rp_filter  value 1",
    "+ address c/eth0 10.2.0.2/24",
    "+ address c/eth0 fd02::2/64",
)
FAR_END_AGAIN = tuple(
    f"±{line[1:]}  [replace]  (goes with veth {'c/eth0' if number else 'r/up0'})"
    for number, line in enumerate(FAR_END)
)
PAIR = ("r/up0", "c/eth0")
LONG = "a-node-with-a-long-name-eth0"

DRIFTS = {
    # addresses
    "an address removed": drift(
        "ip -n r addr del 10.1.0.1/24 dev br0", "+ address r/br0 10.1.0.1/24"
    ),
    "a primary address removed, and what goes with it": drift(
        "ip -n r addr del 10.2.0.1/24 dev up0",
        "+ address r/up0 10.2.0.1/24",
        "+ address r/up0 10.2.0.3/24  after 10.2.0.1/24",
        *UP0,
    ),
    "a secondary address removed": drift(
        "ip -n r addr del 10.2.0.3/24 dev up0", "+ address r/up0 10.2.0.3/24  after 10.2.0.1/24"
    ),
    "an address added": drift(
        "ip -n r addr add 10.7.0.1/24 dev up0", "- address r/up0 10.7.0.1/24"
    ),
    "an IPv6 address added": drift(
        "ip -n c addr add fd07::1/64 dev eth0", "- address c/eth0 fd07::1/64"
    ),
    "an IPv6 address changed": drift(
        "ip -n r addr del fd02::1/64 dev up0; ip -n r addr add fd02::7/64 dev up0",
        "- address r/up0 fd02::7/64",
        "+ address r/up0 fd02::1/64",
    ),
    "another prefix length": drift(
        "ip -n r addr add 10.2.0.1/25 dev up0", "- address r/up0 10.2.0.1/25"
    ),
    "an address of lo removed": drift(
        "ip -n r addr del 10.255.0.1/32 dev lo", "+ address r/lo 10.255.0.1/32"
    ),
    "an address of the host's end removed": drift(
        "ip addr del 10.3.0.1/24 dev cable", "+ address host/cable 10.3.0.1/24"
    ),
    # links
    "another MTU": drift(
        "ip -n r link set up0 mtu 9000", "~ veth r/up0  mtu 9000 → 1400  [update]"
    ),
    "another MTU of the far end": drift(
        "ip -n c link set eth0 mtu 1300", "~ veth c/eth0  mtu 1300 → 1400  [update]"
    ),
    "another MAC": drift(
        "ip -n r link set up0 address 02:00:00:00:00:77",
        "! veth r/up0  mac 02:00:00:00:00:77 → 02:00:00:00:00:01  [flap]",
    ),
    "another MAC of a bridge": drift(
        "ip -n r link set br0 address 02:00:00:00:00:77",
        "! bridge r/br0  mac 02:00:00:00:00:77 → 02:",
    ),
    "another queue length": drift(
        "ip -n r link set up0 txqueuelen 10", "~ veth r/up0  txqueuelen 10 → 1000  [update]"
    ),
    "a link down": drift(
        "ip -n r link set up0 down",
        "~ link r/up0  state down → up  [update]",
        "+ address r/up0 fd02::1/64",
        *UP0,
        "+ route r fd99::/64  via fd02::2  dev up0",
    ),
    "a bridge down": drift("ip -n r link set br0 down", "~ link r/br0  state down → up  [update]"),
    "lo down": drift("ip -n b link set lo down", "~ link b/lo  state down → up  [update]"),
    "another MTU of lo": drift(
        "ip -n r link set lo mtu 1500", "~ lo r/lo  mtu 1500 → 65536  [update]"
    ),
    "a port taken out of its bridge": drift(
        "ip -n r link set p1 nomaster", "~ link r/p1  master none → br0  [update]"
    ),
    "a port moved to another bridge": drift(
        "ip -n r link set p1 master br1", "! link r/p1  master br1 → br0  [flap]"
    ),
    "a port too many": drift(
        "ip -n r link set mgmt master br1", "! link r/mgmt  master br1 → none  [flap]"
    ),
    "a foreign group": drift("ip -n r link set up0 group 7", "~ veth r/up0  group 7 → "),
    "an alternative name too many": drift(
        "ip -n r link property add dev up0 altname other",
        "~ veth r/up0  altname other → none  [update]",
    ),
    "an alternative name too few": drift(
        f"ip -n netorch-lab link property del dev {LONG} altname {LONG}",
        f"~ veth netorch-lab/a-node--m34zwvy  altname none → {LONG}",
    ),
    "an alias removed": drift(
        "ip -n r link set up0 alias ''",
        "± veth r/up0  peer unknown → c:eth0  mtu 1400  description to the world  mark missing → none  [replace]",
        *UP0_AGAIN,
        *FAR_END_AGAIN,
        *ROUTES_AGAIN,
        renumbered=PAIR,
    ),
    "a foreign alias": drift(
        "ip -n r link set up0 alias mine",
        "± veth r/up0  peer unknown → c:eth0  mtu 1400  description to the world  mark 'mine' → none  [replace]",
        *UP0_AGAIN,
        *FAR_END_AGAIN,
        *ROUTES_AGAIN,
        renumbered=PAIR,
    ),
    "a cable pulled out": drift(
        "ip -n a link del eth0",
        "+ veth r/p1  peer a:eth0  master br0",
        "+ veth a/eth0  peer r:p1",
        "+ address a/eth0 10.1.0.2/24",
        renumbered=("r/p1", "a/eth0"),
    ),
    "an end renamed": drift(
        "ip -n c link set eth0 down; ip -n c link set eth0 name eth9; ip -n c link set eth9 up",
        "± veth r/up0  peer unknown → c:eth0  mtu 1400  description to the world  [replace]",
        *UP0_AGAIN,
        *FAR_END,
        *ROUTES_AGAIN,
        renumbered=PAIR,
    ),
    "an end moved to another node": drift(
        "ip -n c link set eth0 netns b name eth5",
        "± veth r/up0  peer unknown → c:eth0  mtu 1400  description to the world  [replace]",
        *UP0_AGAIN,
        *FAR_END,
        *ROUTES_AGAIN,
        renumbered=PAIR,
    ),
    "a namespace deleted": drift(
        # the kernel deletes the links of a namespace some time after its name
        "ip netns del b; while ip -n r link show p2 >/dev/null 2>&1; do sleep 0.05; done",
        "+ netns b",
        "+ veth r/p2  peer b:eth0  master br0",
        "+ veth b/eth0  peer r:p2",
        "+ address b/eth0 10.1.0.3/24",
        renumbered=("r/p2", "b/eth0", "b"),
    ),
    # bridges
    "a bridge deleted": drift(
        "ip -n r link del br0",
        "+ bridge r/br0",
        "~ link r/p1  master none → br0  [update]",
        "~ link r/p2  master none → br0  [update]",
        "+ address r/br0 10.1.0.1/24",
        renumbered=("r/br0",),
    ),
    "spanning tree and priority": drift(
        "ip -n r link set br1 type bridge stp_state 0 priority 8192",
        "~ bridge r/br1  stp false → true  priority 8192 → 4096  [update]",
    ),
    "times of a bridge": drift(
        "ip -n r link set br1 type bridge ageing_time 1000 forward_delay 400 hello_time 100 max_age 1000",
        "~ bridge r/br1  forward_delay 400 → 1500  hello_time 100 → 200  max_age 1000 → 2000  ageing_time 1000 → 30000  [update]",
    ),
    "snooping of a bridge": drift(
        "ip -n r link set br0 type bridge mcast_snooping 0",
        "~ bridge r/br0  mcast_snooping false → true  [update]",
    ),
    # routes and rules
    "another gateway": drift(
        "ip -n r route replace default via 10.2.0.9",
        "~ route r default  via 10.2.0.9 → 10.2.0.2  [update]",
    ),
    "a route changed in all ways": drift(
        "ip -n r route change 10.99.0.0/16 via 10.1.0.2 metric 50 src 10.1.0.1",
        "~ route r 10.99.0.0/16 metric 50  via 10.1.0.2 → 10.2.0.2  dev br0 → up0  mtu none → 1300  src 10.1.0.1 → none  [update]",
    ),
    "a route removed": drift("ip -n r route del 10.99.0.0/16 metric 50", UP0[1]),
    "a route with another metric": drift(
        "ip -n r route del 10.99.0.0/16 metric 50; ip -n r route add 10.99.0.0/16 via 10.2.0.2 metric 60 mtu 1300",
        "- route r 10.99.0.0/16 metric 60",
        UP0[1],
    ),
    "a route added": drift("ip -n r route add 10.50.0.0/16 via 10.2.0.2", "- route r 10.50.0.0/16"),
    "a route added in another table": drift(
        "ip -n r route add 10.50.0.0/16 via 10.2.0.2 table 77", "- route r 10.50.0.0/16 table 77"
    ),
    "an IPv6 route removed": drift(
        "ip -n r route del fd99::/64", "+ route r fd99::/64  via fd02::2  dev up0"
    ),
    "an IPv6 route added": drift("ip -n r route add fd98::/64 via fd02::2", "- route r fd98::/64"),
    "a rejecting route removed": drift(
        "ip -n r route del blackhole 10.98.0.0/16", "+ route r 10.98.0.0/16  type blackhole"
    ),
    "a route that rejects otherwise": drift(
        "ip -n r route replace unreachable 10.98.0.0/16",
        "~ route r 10.98.0.0/16  type unreachable → blackhole  [update]",
    ),
    "a rule added": drift(
        "ip -n r rule add from 10.8.0.0/24 table 100 priority 1001",
        "- rule r priority 1001 from 10.8.0.0/24",
    ),
    "a rule removed": drift(
        "ip -n r rule del priority 1000", "+ rule r priority 1000 from 10.9.0.0/24  table 100"
    ),
    "a rule to another table": drift(
        "ip -n r rule del priority 1000; ip -n r rule add from 10.9.0.0/24 table 200 priority 1000",
        "~ rule r priority 1000 from 10.9.0.0/24  table 200 → 100  [update]",
    ),
    # settings and files
    "forwarding off": drift(
        "ip netns exec r sysctl -qw net.ipv4.ip_forward=0",
        "~ netns r  ipv4 forwarding off → on  [update]",
    ),
    "IPv6 forwarding off": drift(
        "ip netns exec r sysctl -qw net.ipv6.conf.all.forwarding=0",
        "~ netns r  ipv6 forwarding off → on  [update]",
    ),
    "forwarding turned on": drift(
        "ip netns exec a sysctl -qw net.ipv4.ip_forward=1",
        "~ netns a  ipv4 forwarding on → off  [update]",
    ),
    "a setting of a node": drift(
        "ip netns exec r sysctl -qw net.ipv4.conf.all.rp_filter=0",
        "~ sysctl r net.ipv4.conf.all.rp_filter  value 0 → 2  [update]",
    ),
    "a setting of an interface": drift(
        "ip netns exec c sysctl -qw net.ipv4.conf.eth0.rp_filter=0",
        "~ sysctl c net.ipv4.conf.eth0.rp_filter  value 0 → 1  [update]",
    ),
    "a name pointed elsewhere": drift(
        "sed -i 's/^10.1.0.3 b$/10.1.0.99 b/' /etc/netns/a/hosts",
        "~ file /etc/netns/a/hosts  hosts 14 lines (",
    ),
    "a name added in place": drift(
        "sed -i '$a 10.1.0.99 x' /etc/netns/b/hosts", "~ file /etc/netns/b/hosts  hosts 15 lines ("
    ),
    "another name server": drift(
        "sed -i 's/10.1.0.1/10.1.0.9/' /etc/netns/a/resolv.conf",
        "~ file /etc/netns/a/resolv.conf  resolv.conf nameserver 10.1.0.9 → nameserver 10.1.0.1  [update]",
    ),
    "the names removed": drift("rm /etc/netns/c/hosts", "+ file /etc/netns/c/hosts"),
    "all files of a node removed": drift(
        "rm -r /etc/netns/a", "+ file /etc/netns/a/hosts", "+ file /etc/netns/a/resolv.conf"
    ),
    # several at once
    "a busy night": drift(
        "ip netns exec a sysctl -qw net.ipv4.ip_forward=1; ip -n b link set eth0 mtu 1400; ip -n r route del default; ip addr flush cable",
        "~ netns a  ipv4 forwarding on → off",
        "+ address host/cable 10.3.0.1/24",
        "~ veth b/eth0  mtu 1400 → 1500",
        "+ route r default  via 10.2.0.2",
    ),
}


class Lab:
    """The topology on a private host, just after the apply.

    Tests share it as long as each leaves it repaired.
    """

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory)
        self.host.write("topo.yaml", FILE)
        self.host.netorch("apply")
        self.before: Snapshot = self.host.snapshot()
        self.numbers = numbers(self.host)
        self.clean = True

    def sh(self, script: str) -> str:
        return self.host.run("sh", "-ec", script).stdout


def changed(before: Snapshot, host: Host) -> list[str]:
    """Return the differences from `before`, except in netorch's own records."""
    lines = diff_snapshots(_plain(before), _plain(host.snapshot()), ["files: /run/netorch/"])
    # a bridge keeps the offload limits of its ports, even after the last of them has left
    return [line for line in lines if not re.search(r"link br\d: tso_max_size \d+ → \d+$", line)]


def _plain(shot: Snapshot) -> Snapshot:
    """Leave out the `link` of ports.

    `bridge` looks up the number of a port's far end in the wrong namespace, so the name that it
    prints is meaningless.
    """
    return {
        where: {
            re.sub(r'"link": "[^"]*", ', "", what) if what.startswith("ports ") else what: how
            for what, how in parts.items()
        }
        for where, parts in shot.items()
    }


NUMBERS = """
ip -o link | sed 's,^\\([0-9]*\\): \\([^:@]*\\).*,host/\\2 \\1,'
for path in /run/netns/*; do
    name=${path##*/}; echo "$name $(stat -Lc %i "$path")"
    ip -o -n "$name" link | sed "s,^\\([0-9]*\\): \\([^:@]*\\).*,$name/\\2 \\1,"
done
"""


def numbers(host: Host) -> dict[str, str]:
    """Return the index of each link and the inode of each namespace."""
    return dict(line.split() for line in host.run("sh", "-ec", NUMBERS).stdout.splitlines())


@pytest.fixture(scope="module")
def labs() -> Iterator[list[Lab]]:
    started: list[Lab] = []
    yield started
    for lab in started:
        lab.host.close()


@pytest.fixture
def lab(labs: list[Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The shared topology, or a new one if the test before did not leave it repaired."""
    if labs and not labs[-1].clean:
        labs.pop().host.close()
    if not labs:
        labs.append(Lab(tmp_path_factory.mktemp("lab")))
    labs[-1].clean = False
    yield labs[-1]


@pytest.mark.parametrize("what", DRIFTS)
def test_drift_is_reported_and_repaired(lab: Lab, what: str) -> None:
    case, host = DRIFTS[what], lab.host
    assert_remembered(host)
    lab.sh(case.does)
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2, diff.stdout + diff.stderr
    # without the indented lines, which show a file's changes
    *reported, _ = (line for line in diff.stdout.splitlines() if not line.startswith("    "))
    assert len(reported) == len(case.reported), diff.stdout
    for line, beginning in zip(reported, case.reported, strict=True):
        assert line.startswith(beginning), diff.stdout
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert changed(lab.before, host) == []
    old, lab.numbers = lab.numbers, numbers(host)
    renumbered = {
        name for name in old.keys() | lab.numbers.keys() if old.get(name) != lab.numbers.get(name)
    }
    # the kernel may give a new namespace the inode number of a deleted one
    assert renumbered | {name for name in case.renumbered if "/" not in name} == case.renumbered
    lab.clean = True


@pytest.mark.uml
def test_drift_on_a_kernel_of_its_own(host: Host) -> None:
    """Several independent changes in one go."""
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    before = host.snapshot()
    names = [
        "an address removed",
        "another MTU",
        "a port taken out of its bridge",
        "another gateway",
        "a rule added",
        "forwarding off",
    ]
    for name in names:
        host.run("sh", "-ec", DRIFTS[name].does)
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2
    reported = sorted(diff.stdout.splitlines()[:-1])
    for line, beginning in zip(
        reported, sorted(DRIFTS[name].reported[0] for name in names), strict=True
    ):
        assert line.startswith(beginning)
    host.netorch("apply")
    assert changed(before, host) == []


def test_a_foreign_object_in_a_node_is_left_alone(lab: Lab) -> None:
    """Objects of a routing daemon, of a user with another link, or of DHCP are not drift."""
    foreign = (
        "ip -n a link add tap7 type bridge; ip -n a link set tap7 up; ip -n a addr add 192.0.2.1/24 dev tap7;"
        "ip -n r route add 10.77.0.0/16 via 10.2.0.2 proto bird; ip -n a route add 10.78.0.0/16 dev tap7;"
        "ip -n c addr add 10.2.0.77/24 dev eth0 valid_lft 600 preferred_lft 600"
    )
    lab.sh(foreign)
    # this topology is not repaired afterwards, so the next test gets a new one
    there = lab.host.snapshot()
    assert lab.host.netorch("diff").stdout == "lab: in sync\n"
    lab.host.netorch("apply")
    assert changed(there, lab.host) == []


def test_a_node_whose_loopback_has_another_name_is_still_the_topologys(host: Host) -> None:
    """lo has the mark of its namespace, and its index never changes."""
    host.write("topo.yaml", "name: lab\nnodes: {a: {}}\n")
    host.netorch("apply")
    host.run("sh", "-ec", "ip -n a link set lo down; ip -n a link set lo name lo2")
    assert "+ lo a/lo" in host.netorch("diff", check=False).stdout
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns", "list").stdout == ""


def test_a_second_apply_writes_nothing(lab: Lab) -> None:
    host = lab.host
    into = {"host": "ip"} | {
        path.name: f"ip -n {path.name}" for path in sorted((host.root / "run/netns").iterdir())
    }
    deadline = time.monotonic() + 10
    while any("tentative" in lab.sh(f"{ip} address") for ip in into.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    files = "find /run/netns /etc/netns -printf '%p %i %T@ %C@\\n'"
    old, lay = numbers(host), lab.sh(files)
    monitors = {
        name: host.start("stdbuf", "-oL", *ip.split(), "monitor", "all")
        for name, ip in into.items()
    }
    # a route that comes and goes, until each monitor has printed it: then all of them listen
    marker = ";".join(
        f"{ip} route add 203.0.113.77 dev lo table 999; {ip} route del 203.0.113.77 dev lo table 999"
        for ip in into.values()
    )
    printed: dict[str, list[str]] = {name: [] for name in into}
    silent = set(into)
    while silent:
        assert time.monotonic() < deadline, silent
        lab.sh(marker)
        silent -= {
            name
            for name in silent
            if listen(monitors[name], printed[name]) and any(LAST in line for line in printed[name])
        }
    time.sleep(0.1)
    for name, process in monitors.items():
        listen(process, printed[name])
        printed[name].clear()
    assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
    lab.sh(marker)
    while not all(
        listen(process, printed[name]) and any(LAST in line for line in printed[name])
        for name, process in monitors.items()
    ):
        assert time.monotonic() < deadline, printed
        time.sleep(0.02)
    for process in monitors.values():
        process.signal(signal.SIGTERM)
        process.communicate()
    assert {
        name: [line for line in lines if "[NEIGH]" not in line] for name, lines in printed.items()
    } == dict.fromkeys(into, MARKER)
    assert (numbers(host), lab.sh(files)) == (old, lay)
    lab.clean = True


MARKER = [
    "[ROUTE]203.0.113.77 dev lo table 999 scope link ",
    "[ROUTE]Deleted 203.0.113.77 dev lo table 999 scope link ",
]
LAST = MARKER[1]


def listen(process: Background, printed: list[str]) -> bool:
    """Add the lines printed since the last call. Always returns true."""
    assert process.stdout is not None
    while select.select([process.stdout], [], [], 0)[0]:
        printed += os.read(process.stdout.fileno(), 65536).decode().splitlines()
    return True


@pytest.mark.parametrize("kind", ["multicast", "broadcast", "throw", "local"])
def test_a_route_by_hand_of_a_type_that_files_lack_is_removed(host: Host, kind: str) -> None:
    text = "name: lab\nnodes: {a: {interfaces: {br0: {kind: bridge, addresses: [10.0.0.1/24]}}}}\n"
    host.netorch("apply", host.write("lab.yaml", text))
    device = () if kind == "throw" else ("dev", "br0")
    host.run("ip", "-n", "a", "route", "add", kind, "239.0.0.0/8", *device, "table", "main")
    diff = host.netorch("diff", "lab.yaml", check=False).stdout
    assert diff.splitlines() == ["- route a 239.0.0.0/8", "lab: 1 to delete"]
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert "239" not in host.run("sh", "-c", "ip -n a route show table all").stdout
