"""Test that all commands count the same differences, and that `show` marks what differs."""

from __future__ import annotations

import json
import sys

import pytest

from tests.kernel.host import Host

PAIR = """\
name: lab
nodes: {r1: {}, r2: {}}
links: [{endpoints: [r1:e0, r2:e0], subnet: [10.0.0.0/30, "fd00::/64"]}]
checks: [{from: r1, to: r2}]
"""
SHARED = """\
name: lab
nodes: {a: {networks: [lan]}, b: {networks: [lan]}}
networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}
checks: [{from: a, to: b}]
"""
DAMAGE = {
    "namespace": (PAIR, ["ip netns del r2"]),
    "link": (PAIR, ["ip -n r1 link set e0 down mtu 1400"]),
    "end": (PAIR, ["ip -n r2 link set e0 name e9"]),
    "names": (PAIR, ["echo more >>/etc/netns/r2/hosts"]),
    "addresses": (PAIR, ["ip -n r1 addr flush dev e0"]),
    "setting": (SHARED, ["echo 0 >/proc/sys/net/ipv4/ip_forward"]),
    "rules": (SHARED, ["nft add rule inet netorch_lab forward drop"]),
    "bridge": (SHARED, ["ip link del lan"]),
    "port": (SHARED, ["ip link set b-eth0 nomaster", "ip -n a link set eth0 down"]),
}
PROGRAM = (
    "import netorch; report = netorch.diff('topo.yaml'); "
    "print(len(report), sum(report.counts.values()))"
)


@pytest.mark.parametrize("what", DAMAGE)
def test_one_count(host: Host, what: str) -> None:
    text, commands = DAMAGE[what]
    host.write("topo.yaml", text)
    host.netorch("apply", "-q")
    for command in commands:
        host.run("sh", "-ec", command)
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2
    lines = [line for line in diff.stdout.splitlines()[:-1] if not line.startswith("    ")]
    count = len(lines)
    assert count > 0
    words = diff.stdout.splitlines()[-1].removeprefix("lab: ").split(", ")
    assert sum(int(word.split()[0]) for word in words) == count
    document = json.loads(host.netorch("diff", "-o", "json", check=False).stdout)
    assert len(document["changes"]) == sum(document["summary"].values()) == count
    places = "1 place" if count == 1 else f"{count} places"
    row = json.loads(host.netorch("list", "-o", "json").stdout)["topologies"][0]
    topology = json.loads(host.netorch("show", "lab", "-o", "json").stdout)
    assert (row["differences"], topology["differences"]) == (count, count)
    assert host.netorch("show", "lab").stdout.startswith(f"lab: drifted in {places}, ")
    assert host.run(sys.executable, "-c", PROGRAM).stdout.split() == [str(count), str(count)]
    if what != "namespace":
        # `check` needs the namespace of r2
        assert f"differs from the file in {places}" in host.netorch("check", check=False).stderr
    host.netorch("apply", "-q")
    assert host.netorch("show", "lab").stdout.startswith("lab: in sync, ")
    assert "[" not in host.netorch("show", "lab").stdout


def marked(host: Host) -> list[str]:
    """Return the lines of `show` that have a mark, without the characters that draw the tree."""
    lines = host.netorch("show", "lab").stdout.splitlines()
    return [line.lstrip(" │├└─") for line in lines if "[" in line]


def test_a_namespace_that_was_deleted_is_missing(host: Host) -> None:
    host.write("topo.yaml", PAIR)
    host.netorch("apply", "-q")
    host.run("ip", "netns", "del", "r2")
    # the kernel removes the namespace some time later, and the other end of its cable with it
    wait = "while ip -n r1 link show e0 >/dev/null 2>&1; do sleep 0.02; done"
    host.run("timeout", "20", "sh", "-c", wait)
    assert "attached" not in host.netorch("show", "lab").stdout
    assert marked(host) == [
        "e0  veth, up, peer r2:e0, mtu 1500  [missing]",
        "10.0.0.1/30  [missing]",
        "fd00::1/64  [missing]",
        "r2  [missing]",
        "lo  loopback, up  [missing]",
        "e0  veth, up, peer r1:e0, mtu 1500  [missing]",
        "10.0.0.2/30  [missing]",
        "fd00::2/64  [missing]",
    ]


def test_each_line_that_differs_is_marked(host: Host) -> None:
    host.write("topo.yaml", SHARED)
    host.netorch("apply", "-q")
    for command in (
        "echo 0 >/proc/sys/net/ipv4/ip_forward",
        "ip link set b-eth0 nomaster",
        "ip -n a link set eth0 mtu 1400",
        "ip -n b addr add 10.0.0.77/24 dev eth0",
        "ip -n b addr del 10.0.0.3/24 dev eth0",
    ):
        host.run("sh", "-ec", command)
    lines = marked(host)
    assert "host  [sysctl host net.ipv4.ip_forward: value 0 → 1]" in lines
    assert "b-eth0  veth, up, peer b:eth0, mtu 1500  [master none → lan]" in lines
    assert any(line.startswith("eth0 ") and "[mtu 1400 → 1500]" in line for line in lines)
    assert "10.0.0.3/24  [missing]" in lines


def test_rules_are_counted_alike_before_and_after_a_kernel_lists_them(host: Host) -> None:
    """The numbers agree for both backends and both families, and in a comparison of files."""

    def before_and_after(*words: str) -> str:
        lines = host.netorch("diff", *words, check=False).stdout.splitlines()
        return next(line for line in lines if "filter host" in line).split("rules ")[1]

    for backend in ("nftables", "iptables"):
        head = f"name: lab\nbackend: {{nat: {backend}}}\n"
        net = 'networks: {lan: {mode: nat, subnet: [10.0.0.0/24, "fd00::/64"]}}\n'
        host.write("old.yaml", f"{head}nodes: {{a: {{networks: [lan]}}}}\n{net}")
        host.write(
            "new.yaml", f"{head}nodes: {{a: {{networks: [lan], publish: ['80:80']}}}}\n{net}"
        )
        offline = before_and_after("old.yaml", "new.yaml")
        host.netorch("apply", "-q", "old.yaml")
        assert before_and_after("new.yaml") == offline
        host.netorch("destroy", "-q", "lab")
