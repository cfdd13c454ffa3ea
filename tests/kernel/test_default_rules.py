"""The kernel's own policy rules: netorch never deletes them, and puts lost ones back."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import require

FILE = """\
name: lab
nodes:
  r: {$MORE}
  s: {}
links: [{endpoints: [r:e0, s:e0], subnet: [10.0.0.0/24, "fd00::/64"]}]
"""
LOCK = ["files: /run/netorch/"]

LOSSES = {
    "rule flush": "ipv4 main, ipv4 default",
    "-6 rule flush": "ipv6 main",
    "rule del priority 32766": "ipv4 main",
    "rule del from all lookup local": "ipv4 local",
    "-6 rule del from all lookup local": "ipv6 local",
}


@pytest.mark.parametrize("does", LOSSES)
def test_a_lost_rule_is_reported_and_put_back(host: Host, does: str) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    before = host.snapshot()
    host.run("ip", "-n", "r", *does.split())
    assert host.netorch("diff", check=False).stdout.splitlines() == [
        f"~ netns r  lost rules {LOSSES[does]} → none  [update]",
        "lab: 1 to update",
    ]
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    assert host.ping("r", "10.0.0.2")
    assert host.ping("r", "fd00::2")


@pytest.mark.parametrize("protocol", ["", "protocol boot", "protocol static", "protocol zebra"])
def test_a_rule_that_a_user_put_back_stays(host: Host, protocol: str) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    rules = ("from all lookup main priority 32766", "from all lookup local priority 0")
    for family in ("-4", "-6"):
        for rule in rules:
            host.run("ip", "-n", "r", family, "rule", "del", *rule.split())
            host.run("ip", "-n", "r", family, "rule", "add", *rule.split(), *protocol.split())
    there = host.snapshot()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert "in sync" in host.netorch("apply").stdout
    assert diff_snapshots(there, host.snapshot(), LOCK) == []
    # a second rule of the same table counts as made by hand
    host.run("ip", "-n", "r", "rule", "add", "from", "all", "lookup", "main", "priority", "500")
    assert host.netorch("diff", check=False).stdout.startswith("- rule r priority 500\n")


def test_a_failed_apply_leaves_a_namespace_without_them(host: Host) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    host.run("ip", "-n", "r", "rule", "del", "priority", "32767")
    there = host.snapshot()
    host.write("topo.yaml", FILE.replace("$MORE", "aliases: [other]"))
    with host.refusing_names():
        assert "Rolled back" in host.netorch("apply", check=False).stderr
    assert diff_snapshots(there, host.snapshot(), LOCK) == []


def test_rules_of_others_namespaces_are_theirs(host: Host) -> None:
    host.run("ip", "netns", "add", "box")
    host.write("topo.yaml", FILE.replace("$MORE", "").replace("s: {}", "s: {attach: netns:box}"))
    host.netorch("apply")
    for netns in ("-n box", ""):
        host.run("ip", *netns.split(), "rule", "del", "priority", "32767")
    there = host.snapshot()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert diff_snapshots(there, host.snapshot(), LOCK) == []


@pytest.mark.uml
def test_the_rule_of_vrfs(host: Host) -> None:
    """The kernel makes this rule with the first VRF of a namespace, and never again."""
    require(host, "vrf")
    host.write(
        "topo.yaml", FILE.replace("$MORE", "interfaces: {red: {kind: vrf, table: 10, ports: [e0]}}")
    )
    host.netorch("apply")
    before = host.snapshot()
    host.run("ip", "-n", "r", "rule", "del", "priority", "1000")
    diff = host.netorch("diff", check=False).stdout
    assert diff.startswith("~ netns r  lost rules ipv4 l3mdev → none"), diff
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    # a rule that was put back by hand stays
    host.run("ip", "-n", "r", "rule", "del", "priority", "1000")
    host.run("ip", "-n", "r", "rule", "add", "l3mdev", "priority", "1000")
    there = host.snapshot()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert diff_snapshots(there, host.snapshot(), LOCK) == []
    # at another priority, it counts as made by hand
    host.run("ip", "-n", "r", "-6", "rule", "add", "l3mdev", "priority", "900")
    assert host.netorch("diff", check=False).stdout.startswith(
        "- rule r priority 900 l3mdev (v6)\n"
    )
    host.netorch("apply")
    assert diff_snapshots(there, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("version", ["-4", "-6"])
@pytest.mark.parametrize(
    "asks",
    [
        "not from all to 10.9.0.0/16 lookup 100 priority 5000",
        "from all lookup main suppress_prefixlength 0 priority 32766",
        "uidrange 0-1000 lookup 100 priority 40",
        "ipproto tcp dport 80-90 lookup 100 priority 41",
        "tos 0x10 lookup 100 priority 42",
        "from all goto 32766 priority 43",
        "iif e0 goto 9000 priority 44",
    ],
)
def test_what_a_rule_by_hand_asks_for_beyond_a_file_is_seen_and_taken_away(
    host: Host, version: str, asks: str
) -> None:
    asks = asks if version == "-4" else asks.replace("10.9.0.0/16", "fd09::/16")
    host.write("topo.yaml", "name: t\nnodes: {r1: {}}\n")
    host.netorch("apply", "-q")
    before = host.run("ip", "-n", "r1", version, "rule").stdout
    host.run("ip", "-n", "r1", version, "rule", "add", *asks.split())
    done = host.netorch("diff", check=False)
    assert (done.returncode, done.stdout.count("\n- rule r1")) == (2, 0), done.stdout
    assert done.stdout.startswith("- rule r1 priority ")
    # the command that diff prints has the same effect as apply
    command = host.netorch("diff", "-v", check=False).stdout.split("$ ", 1)[1].splitlines()[0]
    host.run("sh", "-c", command)
    assert host.run("ip", "-n", "r1", version, "rule").stdout == before
    host.run("ip", "-n", "r1", version, "rule", "add", *asks.split())
    host.netorch("apply")
    assert host.run("ip", "-n", "r1", version, "rule").stdout == before
    assert host.netorch("diff").returncode == 0


def test_a_rule_that_is_turned_round_by_hand_is_not_the_files(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: t\nnodes: {r1: {rules: [{from: 10.9.0.0/16, table: 100, priority: 50}]}}\n",
    )
    host.netorch("apply", "-q")
    before = host.run("ip", "-n", "r1", "rule").stdout
    host.run("ip", "-n", "r1", "rule", "del", "priority", "50")
    host.run(
        *[
            "ip",
            "-n",
            "r1",
            "rule",
            "add",
            "not",
            "from",
            "10.9.0.0/16",
            "lookup",
            "100",
            "priority",
            "50",
        ]
    )
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply")
    assert host.run("ip", "-n", "r1", "rule").stdout == before
    assert host.netorch("diff").returncode == 0
