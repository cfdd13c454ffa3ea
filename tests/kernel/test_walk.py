"""Test that `explain` agrees with ping for each pair of nodes, whatever is broken, and says why."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import require

LAB = """
name: lab
nodes:
  a: {networks: [lan]}
  b: {networks: [lan]}
  r1: {forwarding: true, networks: {lan: {address: 10.0.1.1}}, routes: [{to: default, via: 10.0.12.2}]}
  r2: {routes: [{to: 10.0.1.0/24, via: 10.0.12.1}]}
  c: {routes: [{to: default, via: 10.0.2.1}]}
  inner: {networks: [box]}
networks:
  lan: {subnet: 10.0.1.0/24, gateway: r1}
  box: {mode: nat, node: r2, subnet: 10.0.9.0/24}
links:
  - {endpoints: [r1:right, r2:left], subnet: 10.0.12.0/30}
  - {endpoints: [r2:lan, c:eth0], subnet: 10.0.2.0/24}
"""
PORT = "p=$(ip -n netorch-lab -o link show master lan | sed -n 's/^[0-9]*: \\(b[^@:]*\\).*/\\1/p');"
DAMAGE: dict[str, tuple[str, str, tuple[str, str], str]] = {
    "nothing": ("true", "true", ("inner", "r1"), ""),
    "link down": (
        "ip -n r1 link set right down",
        "ip -n r1 link set right up; ip -n r1 route add default via 10.0.12.2",
        ("a", "c"),
        "r1: no route to 10.0.2.0/24 (its route default is by right, which is down)",
    ),
    "other end down": (
        "ip -n c link set eth0 down",
        "ip -n c link set eth0 up; ip -n c route add default via 10.0.2.1",
        ("a", "c"),
        "c:eth0 is down",
    ),
    "port down": (
        f"{PORT} ip -n netorch-lab link set $p down",
        f"{PORT} ip -n netorch-lab link set $p up",
        ("a", "b"),
        "netorch-lab:b-eth0 is down",
    ),
    "route gone": (
        "ip -n r2 route del 10.0.1.0/24",
        "ip -n r2 route add 10.0.1.0/24 via 10.0.12.1",
        ("a", "c"),
        "r2: no route back to 10.0.1.0/24 (its route 10.0.1.0/24 is gone)",
    ),
    "the kernel's route gone": (
        "ip -n r2 route del 10.0.2.0/24",
        "ip -n r2 route add 10.0.2.0/24 dev lan src 10.0.2.1",
        ("a", "c"),
        "r2: no route to 10.0.2.0/24 (its route 10.0.2.0/24 is gone)",
    ),
    "address gone": (
        "ip -n c address flush dev eth0",
        "ip -n c address add 10.0.2.2/24 dev eth0; ip -n c route add default via 10.0.2.1",
        ("a", "c"),
        "r2: no ARP answer from 10.0.2.2 on lan: "
        "nobody there has this address (in the file, c:eth0 has it)",
    ),
    "no forwarding": (
        "ip netns exec r2 sysctl -qw net.ipv4.ip_forward=0",
        "ip netns exec r2 sysctl -qw net.ipv4.ip_forward=1",
        ("a", "c"),
        "r2: IPv4 forwarding is off: packets for 10.0.2.2 are not forwarded",
    ),
    "no forwarding from one link": (
        "ip netns exec r2 sysctl -qw net.ipv4.conf.lan.forwarding=0",
        "ip netns exec r2 sysctl -qw net.ipv4.conf.lan.forwarding=1",
        ("a", "c"),
        "r2: forwarding is off on lan (net.ipv4.conf.lan.forwarding): "
        "packets for 10.0.1.2 are not forwarded",
    ),
    "blackhole": (
        "ip -n r1 route add blackhole 10.0.2.0/24",
        "ip -n r1 route del blackhole 10.0.2.0/24",
        ("a", "c"),
        "r1: packets for 10.0.2.2 match the route 10.0.2.0/24, which is blackhole",
    ),
    "a rule by hand": (
        "ip netns exec r1 nft 'table inet mine { chain f { type filter hook forward priority 5; ip saddr 10.0.1.2 oifname \"right\" drop; }; }'",
        "ip netns exec r1 nft delete table inet mine",
        ("a", "c"),
        'r1: nft rule `ip saddr 10.0.1.2 oifname "right" drop` in inet mine f drops packets from eth0 to right',
    ),
    "an answer dropped": (
        "ip netns exec c nft 'table ip mine { chain o { type filter hook output priority 0; policy drop; ct state new accept; }; }'",
        "ip netns exec c nft delete table ip mine",
        ("a", "c"),
        "c: nft chain ip mine o drops packets that leave through eth0, because none of its rules accepts that",
    ),
    "isolated ports": (
        "for p in $(ip -n netorch-lab -o link show master lan | "
        "sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | grep eth0); do"
        " bridge -n netorch-lab link set dev $p isolated on; done",
        "for p in $(ip -n netorch-lab -o link show master lan | "
        "sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/'); do "
        "bridge -n netorch-lab link set dev $p isolated off; done",
        ("a", "b"),
        "netorch-lab:a-eth0 and netorch-lab:b-eth0 are isolated ports of bridge "
        "netorch-lab:lan: neither reaches the other",
    ),
    "strict about sources": (
        "ip netns exec r2 sysctl -qw net.ipv4.conf.left.rp_filter=1; "
        "ip -n r2 route add 10.0.1.2/32 via 10.0.2.2",
        "ip netns exec r2 sysctl -qw net.ipv4.conf.left.rp_filter=0; "
        "ip -n r2 route del 10.0.1.2/32",
        ("a", "c"),
        "r2: rp_filter of left is strict, and the route back to 10.0.1.2 is by lan, not by left",
    ),
    "a rule of policy": (
        "ip -n r1 rule add from 10.0.1.2 to 10.0.2.0/24 prohibit priority 50",
        "ip -n r1 rule del priority 50",
        ("a", "c"),
        "r1: packets for 10.0.2.2 match the rule "
        "'50: from 10.0.1.2/32 to 10.0.2.0/24', which says prohibit",
    ),
    "a wrong neighbour": (
        "ip -n r2 neigh replace 10.0.2.2 lladdr 02:00:00:00:00:99 dev lan nud permanent",
        "ip -n r2 neigh del 10.0.2.2 dev lan",
        ("a", "c"),
        "r2: frames for 10.0.2.2 go to 02:00:00:00:00:99 (a permanent neighbour of lan), "
        "but no interface on that link has this MAC",
    ),
    "what wg-quick does": (
        "ip -n r1 route add blackhole default table 51820; "
        "ip -n r1 rule add not fwmark 0xca6c table 51820 priority 101;"
        " ip -n r1 rule add table main suppress_prefixlength 0 priority 100",
        "ip -n r1 rule del priority 100; ip -n r1 rule del priority 101; "
        "ip -n r1 route flush table 51820",
        ("a", "c"),
        "r1: packets for 10.0.2.2 match the route default table 51820, which is blackhole",
    ),
    "a rule for pings": (
        "ip -n r2 rule add iif left ipproto icmp prohibit priority 60",
        "ip -n r2 rule del priority 60",
        ("a", "c"),
        "r2: packets for 10.0.2.2 match the rule '60: iif left ipproto icmp', which says prohibit",
    ),
    "rules for others": (
        "for m in 'ipproto tcp' 'dport 53' 'uidrange 1-9' 'fwmark 1' 'tos 0x10'; "
        "do ip -n a rule add $m prohibit priority 61; done",
        "for _ in 1 2 3 4 5; do ip -n a rule del priority 61; done",
        ("inner", "r1"),
        "",
    ),
    "arp off": (
        "ip -n c link set eth0 arp off",
        "ip -n c link set eth0 arp on",
        ("a", "c"),
        "c:eth0 has ARP off: it does not ask for the MAC of 10.0.2.1",
    ),
    "a local route": (
        "ip -n a route add local 10.0.2.2 dev lo",
        "ip -n a route del local 10.0.2.2 dev lo",
        ("a", "c"),
        "a also has the address 10.0.2.2, and receives the packets for c",
    ),
}
AGENT = """
import json, subprocess, sys
from itertools import permutations
from pathlib import Path
from netorch.kernel.linux import LinuxKernel
from netorch.resolve.loader import load
from netorch.walk.ends import explain
from netorch.walk.live import look, why_not

desired = load(Path(sys.argv[1]).read_bytes(), "lab.yaml").desired
reports = {}
with LinuxKernel() as kernel:
    for what, (damage, undo, pair, _) in json.load(sys.stdin).items():
        subprocess.run(damage, shell=True, check=True)
        world = look(kernel, desired)
        walks = {(a, b): explain(world, a, b) for a, b in permutations(desired.labels, 2)}
        ping = lambda pair, wait: subprocess.Popen(
            ["ip", "netns", "exec", pair[0], "ping", "-n", "-q", "-c", "1", "-W", wait]
            + [walks[pair].target_address],
            stdout=subprocess.DEVNULL,
        )
        waiting = {pair: ping(pair, "0.3") for pair in walks}
        answers = {pair: process.wait() == 0 for pair, process in waiting.items()}
        wrong = []
        for at, walk in walks.items():
            if ", and receives the packets for" in walk.cause:
                continue  # a node answers that is not the target
            # on a busy machine an answer may be late
            arrives = walk.outcome == "arrives"
            if arrives != (answers[at] or (arrives and ping(at, "5").wait() == 0)):
                wrong.append([*at, walk.outcome, walk.cause])
        reports[what] = {
            "wrong": wrong,
            "why": why_not(kernel, desired, *pair),
            "doubts": [walk.doubts for walk in walks.values() if walk.doubts],
        }
        subprocess.run(undo, shell=True, check=True)
print(json.dumps(reports))
"""


def agreed(host: Host, text: str, damage: dict[str, tuple[str, str, tuple[str, str], str]]) -> None:
    file = host.write("lab.yaml", text)
    host.netorch("apply", file)
    reports: dict[str, Any] = json.loads(
        host.run(sys.executable, "-c", AGENT, file, input=json.dumps(damage), check=True).stdout
    )
    for what, (_, _, _, cause) in damage.items():
        assert not reports[what]["wrong"], what
        assert not reports[what]["doubts"], what
        assert reports[what]["why"][-1] == (
            cause or "the live state shows no reason: a packet and its answer should get through"
        ), what


def test_it_agrees_with_ping_for_each_pair_whatever_is_broken(host: Host) -> None:
    agreed(host, LAB, DAMAGE)


UPPER_LINKS = """
name: lab
nodes:
  pc: {}
  box: {}
  m: {interfaces: {e0: {kind: KIND, parent: "box:eth0", mode: MODE, addresses: [10.0.3.9/24]}}}
  n: {interfaces: {e0: {kind: KIND, parent: "box:eth0", mode: MODE, addresses: [10.0.3.10/24]}}}
links: [{endpoints: [box:eth0, pc:eth0], subnet: 10.0.3.0/24}]
"""
APART = (
    "Linux passes nothing between a {} and its parent box:eth0: neither reaches the other that way"
)


def check_parent_apart(host: Host, kind: str, mode: str) -> None:
    text = UPPER_LINKS.replace("KIND", kind).replace("MODE", mode)
    there = ("true", "true", ("m", "box"), APART.format(kind))
    agreed(host, text, {"there": there, "back": (*there[:2], ("box", "m"), there[3])})
    done = host.netorch("explain", "--file", "lab.yaml", "m", "box", check=False)
    assert (done.returncode, APART.format(kind) in done.stdout) == (2, True)
    # explain also says so where the segment leads to links that netorch cannot see
    host.netorch("destroy", "-q", "lab")
    host.run(*["ip", "link", "add", "up0", "type", "veth", "peer", "name", "sw0"])
    host.run("ip", "netns", "add", "outside")
    host.run(*["ip", "link", "set", "sw0", "netns", "outside"])
    host.run("ip", "-n", "outside", "link", "set", "sw0", "up")
    host.run("sh", "-c", "ip link set up0 up; ip address add 10.0.3.1/24 dev up0")
    out = text.replace("box:eth0", "host:up0").replace("  pc: {}\n  box: {}\n", "  host: {}\n")
    host.write("lab.yaml", "\n".join(line for line in out.splitlines() if "links:" not in line))
    host.netorch("apply", "lab.yaml")
    done = host.netorch("explain", "--file", "lab.yaml", "m", "10.0.3.1", check=False)
    assert (done.returncode, "Linux passes nothing" in done.stdout) == (2, True), done.stdout
    done = host.netorch("explain", "--file", "lab.yaml", "m", "10.0.3.77", check=False)
    assert (done.returncode, "netorch cannot see what is behind it" in done.stdout) == (0, True), (
        done.stdout
    )


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa"])
def test_a_macvlan_and_the_host_of_its_parent(host: Host, mode: str) -> None:
    check_parent_apart(host, "macvlan", mode)


@pytest.mark.uml
def test_an_ipvlan_and_the_host_of_its_parent(host: Host) -> None:
    require(host, "ipvlan")
    check_parent_apart(host, "ipvlan", "l2")


DIAMOND = """
name: lab
nodes:
  a: {routes: [{to: 10.9.0.1/32, nexthops: [{via: 10.0.1.2}, {via: 10.0.2.2}]}, {to: "fd09::1/128", nexthops: [{via: "fd00:1::2"}, {via: "fd00:2::2"}]}]}
  r1: {forwarding: true, routes: [{to: 10.9.0.1/32, via: 10.0.3.2}, {to: "fd09::1/128", via: "fd00:3::2"}]}
  r2: {forwarding: true, routes: [{to: 10.9.0.1/32, via: 10.0.4.2}, {to: "fd09::1/128", via: "fd00:4::2"}]}
  b:
    interfaces: {lo: {addresses: [10.9.0.1/32, "fd09::1/128"]}}
    routes: [{to: 10.0.1.0/24, via: 10.0.3.1}, {to: 10.0.2.0/24, via: 10.0.4.1}, {to: "fd00:1::/64", via: "fd00:3::1"}, {to: "fd00:2::/64", via: "fd00:4::1"}]
links:
  - {endpoints: [a:e1, r1:e0], subnet: [10.0.1.0/24, "fd00:1::/64"]}
  - {endpoints: [a:e2, r2:e0], subnet: [10.0.2.0/24, "fd00:2::/64"]}
  - {endpoints: [r1:e1, b:e1], subnet: [10.0.3.0/24, "fd00:3::/64"]}
  - {endpoints: [r2:e1, b:e2], subnet: [10.0.4.0/24, "fd00:4::/64"]}
"""


@pytest.mark.parametrize(("version", "address"), [("-4", "10.9.0.1"), ("-6", "fd09::1")])
def test_every_way_is_followed_and_the_one_that_fails_is_named(
    host: Host, version: str, address: str
) -> None:
    host.write("topo.yaml", DIAMOND)
    host.netorch("apply", "-q")
    last = host.netorch("explain", "a", address).stdout.splitlines()[-1]
    assert last == f"a → {address}: arrives by each of 2 ways, and the answer comes back"
    for router, dev, via in (("r1", "e1", 1), ("r2", "e2", 2)):
        host.run("ip", "-n", router, version, "route", "del", address)
        done = host.netorch("explain", "a", address, check=False)
        gateway = f"10.0.{via}.2" if version == "-4" else f"fd00:{via}::2"
        assert done.returncode == 2
        assert done.stdout.splitlines()[-1].startswith(
            f"a → {address}: does not arrive by 1 of 2 ways (a by {dev} to {gateway}): "
            f"{router}: no route to"
        )
        document = json.loads(
            host.netorch("explain", "a", address, "-o", "json", check=False).stdout
        )
        outcomes = [way["outcome"] for way in document["ways"]]
        assert sorted(outcomes) == ["arrives", "fails"]
        host.netorch("apply", "-q")


VLANS = """
name: lab
nodes: {a: {networks: {lan: {port: {pvid: 10}}}}, b: {networks: {lan: {port: {pvid: 10}}}}, c: {networks: {lan: {port: {pvid: 20}}}}}
networks: {lan: {subnet: 10.0.1.0/24, vlan_filtering: true}}
"""


@pytest.mark.uml
def test_a_port_in_another_vlan(host: Host) -> None:
    require(host, "bridge-vlans")
    gone = ("bridge -n netorch-lab vlan del vid 10 dev b-eth0", "true", ("a", "b"))
    port = "netorch-lab:b-eth0: this port of bridge netorch-lab:lan"
    agreed(
        host,
        VLANS,
        {
            "another": (
                "true",
                "true",
                ("a", "c"),
                "netorch-lab:c-eth0: this port of bridge netorch-lab:lan is not in VLAN 10",
            ),
            "taken away": (*gone, f"{port} is not in VLAN 10"),
        },
    )


def test_the_command_by_its_statuses_and_streams(host: Host) -> None:
    host.write("topo.yaml", LAB)
    done = host.netorch("explain", "a", "c", "--offline")
    assert done.stdout.splitlines()[-1] == "a → c: arrives, and the answer comes back"
    done = host.netorch("explain", "a", "c", check=False)
    assert (done.returncode, done.stdout) == (
        2,
        "a → c: does not arrive: a does not exist: "
        "it has no namespace (apply the topology first, or use --offline)\n",
    )
    host.netorch("apply")
    document = json.loads(host.netorch("explain", "a", "c", "-o", "json").stdout)
    assert (
        document["version"],
        document["topology"],
        document["live"],
        document["outcome"],
        document["cause"],
    ) == (
        1,
        "lab",
        True,
        "arrives",
        None,
    )
    assert [hop["node"] for hop in document["there"]["hops"] + document["back"]["hops"]] == [
        "a",
        "r1",
        "r2",
        "c",
        "c",
        "r2",
        "r1",
        "a",
    ]
    done = host.netorch("explain", "a", "c", "--tcp", "80", "-q", check=False)
    refused = (
        "a → c: does not arrive: c: no program listens on TCP port 80 of 10.0.2.2, "
        "so it refuses the connection\n"
    )
    assert (done.returncode, done.stdout) == (2, refused)
    # a check that fails prints the same path and cause
    host.write("checks.yaml", LAB + "checks: [{from: a, to: c, tcp: 80}, {from: a, to: b}]\n")
    done = host.netorch("check", "checks.yaml", check=False)
    why = "c: no program listens on TCP port 80 of 10.0.2.2, so it refuses the connection"
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("   ")] == [
        "a → r1 → r2 → c",
        why,
    ]
    host.run("rm", "topo.yaml")
    assert host.netorch("explain", "a", "b:eth0", "-q").stdout == ""
    for words, status, what in (
        (["a", "x"], 1, "topo.yaml: there is no node 'x'. There are a, b, c, inner, r1, r2.\n"),
        (
            ["a"],
            1,
            "netorch: there is no file 'a' here, and no topology of that name is live. "
            "To follow a packet, write two ends: netorch explain a B",
        ),
        (["a", "b", "c"], 64, "netorch explain: too many arguments"),
        (["a", "b", "--tcp", "0"], 64, "is not a port between 1 and 65535"),
        (["--offline"], 64, "netorch explain: --file, --offline and --tcp need two nodes"),
    ):
        done = host.netorch("explain", *words, check=False)
        assert (done.returncode, what in done.stderr) == (status, True), done.stderr


def test_of_several_live_topologies_the_one_that_has_the_nodes(host: Host) -> None:
    for number, name in enumerate(("one", "two")):
        host.write(
            f"{name}.yaml",
            f"name: {name}\nnodes: {{a{number}: {{}}, b{number}: {{}}}}\n"
            f"links: [{{endpoints: ['a{number}:x', 'b{number}:x'], subnet: 10.0.{number}.0/24}}]\n",
        )
        host.netorch("apply", "-q", f"{name}.yaml")
    host.write("one", "a file that is called like a topology")
    assert host.netorch("explain", "a0", "b0").stdout.endswith("the answer comes back\n")
    assert host.netorch("explain", "b1:x", "10.0.1.1").stdout.endswith("the answer comes back\n")
    for ends in (("a0", "b1"), ("10.0.0.1", "10.0.1.1")):
        refused = host.netorch("explain", *ends, check=False)
        assert refused.returncode == 1
        assert "several topologies are live (one, two)" in refused.stderr
