"""Test `filter` of a node on both backends: packets obey it, and netorch sees what differs."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

import pytest

from tests.kernel import campaign
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.traffic import ask, serve

SEED = os.environ.get("NETORCH_RANDOM_SEED", "fixed")
FIRST = int(os.environ.get("NETORCH_CAMPAIGN_FIRST", "0"))

LAB = """
name: lab
backend: {nat: BACKEND}
nodes:
  fw:
    networks: [lan, dmz]
    forwarding: true
    filter:
      policy: {forward: drop, input: drop}
      forward:
        - {from: lan, to: web, proto: tcp, port: [80, 8000-8001], action: accept}
        - {from: pc, proto: [icmp, icmpv6], type: echo-request, action: accept, comment: ping}
        - {from: lan, to: dmz, action: reject}
      input:
        - {in: eth0, proto: tcp, port: 22, action: accept}
        - {proto: icmp, action: accept}
  pc: {networks: [lan]}
  mate: {networks: [lan]}
  web: {networks: [dmz], filter: {output: [{to: mate, action: drop}]}}
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"], gateway: fw}
  dmz: {subnet: [10.0.1.0/24, "fd01::/64"], gateway: fw}
"""
BACKENDS = ("nftables", "iptables")


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return LAB.replace("BACKEND", request.param)


def listing(host: Host, lab: str, node: str = "fw") -> list[str]:
    """Return the rules that the tool of the backend lists."""
    tools = [["nft", "list", "ruleset"]]
    if "nat: iptables" in lab:
        tools = [["iptables-legacy-save"], ["ip6tables-legacy-save"]]
    text = "".join(host.run("ip", "netns", "exec", node, *tool).stdout for tool in tools)
    return [line.strip() for line in text.splitlines() if not line.startswith(("#", ":"))]


def test_packets_obey_and_answers_come_back(host: Host, lab: str) -> None:
    before = host.snapshot()
    host.write("topo.yaml", lab)
    host.netorch("apply")
    for node in ("web", "fw", "pc"):
        serve(host, node, "tcp:22", "tcp:80", "tcp:81", "tcp:8001")
    for web, fw, pc in (("10.0.1.2", "10.0.0.1", "10.0.0.2"), ("fd01::2", "fd00::1", "fd00::2")):
        assert all(ask(host, "pc", ("tcp", web, 80), ("tcp", web, 8001), ("tcp", fw, 22)))
        assert all(ask(host, "fw", ("tcp", web, 81), ("tcp", pc, 80), ("tcp", fw, 81)))
        refused = [("tcp", web, 81), ("tcp", web, 22), ("tcp", fw, 80)]
        assert not any(ask(host, "pc", *refused, patience=0.6))
        assert not any(ask(host, "web", ("tcp", pc, 80), patience=0.6))
        assert not any(ask(host, "mate", ("tcp", web, 80), patience=0.6)), "the answer is dropped"
        assert host.reaches("pc", web)
        assert not host.reaches("mate", web, within=0.6)
    assert host.reaches("pc", "10.0.0.1")
    assert not host.reaches("pc", "fd00::1", within=0.6)
    assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"]) == []


def test_explain_says_what_packets_meet(host: Host, lab: str) -> None:
    host.write("topo.yaml", lab)
    host.netorch("apply")
    serve(host, "web", "tcp:80")
    for live in ([], ["--offline"]):
        for words, cause in (
            (["pc", "web"], ""),
            (["--tcp", "80", "pc", "web"], ""),
            (["--tcp", "81", "pc", "web"], "rejects packets from eth0 to eth1"),
            (["--tcp", "80", "web", "pc"], "policy of forward"),
            (["--tcp", "80", "pc", "fw"], "policy of input"),
            (["--tcp", "80", "mate", "web"], "the answer does not come back: web:"),
        ):
            done = host.netorch("explain", *live, *words, check=False)
            assert (done.returncode == 0) == (not cause), done.stdout
            assert cause in done.stdout, done.stdout


def test_order_and_drift(host: Host, lab: str) -> None:
    host.write("topo.yaml", lab)
    host.netorch("apply")
    made = listing(host, lab)
    lines = lab.splitlines()
    first = next(number for number, line in enumerate(lines) if "to: web" in line)
    swapped = [
        *lines[:first],
        lines[first + 2],
        lines[first],
        lines[first + 1],
        *lines[first + 3 :],
    ]
    host.write("topo.yaml", "\n".join(swapped))
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2 and "filter fw" in diff.stdout, diff.stdout
    host.netorch("apply")
    assert listing(host, lab) != made
    host.write("topo.yaml", lab)
    host.netorch("apply")
    assert listing(host, lab) == made
    if "nat: iptables" in lab:
        hand = "iptables-legacy -I netorch-lab-fwd 2 -s 10.0.0.2 -j DROP"
        foreign = "iptables-legacy -A INPUT -s 192.0.2.1 -j DROP"
    else:
        hand = "nft insert rule inet netorch_lab forward ip saddr 10.0.0.2 drop"
        foreign = "nft add table inet other { chain c { type filter hook input priority 0; }; }"
    host.run("ip", "netns", "exec", "fw", *foreign.split())
    assert host.netorch("diff").stdout == "lab: in sync\n"
    with_foreign = listing(host, lab)
    host.run("ip", "netns", "exec", "fw", *hand.split())
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2 and "10.0.0.2" in diff.stdout, diff.stdout
    host.netorch("apply")
    assert sorted(listing(host, lab)) == sorted(with_foreign)


def test_a_failed_apply_restores_the_rules(host: Host, lab: str) -> None:
    host.write("topo.yaml", lab)
    host.netorch("apply")
    made = listing(host, lab)
    host.write(
        "topo.yaml",
        lab.replace("policy: {forward: drop, input: drop}", "policy: {forward: reject}")
        + "links: [{endpoints: ['pc:e0', 'web:e0']}]\n",
    )
    # the name is taken by an interface of somebody else
    host.run("ip", "-n", "pc", "link", "add", "e0", "type", "veth", "peer", "name", "e9")
    assert host.netorch("apply", check=False).returncode == 1
    assert listing(host, lab) == made
    host.run("ip", "-n", "pc", "link", "del", "e0")
    host.netorch("apply")
    assert listing(host, lab) != made


def test_frames_that_cross_a_bridge_of_the_node_pass(host: Host) -> None:
    text = """
name: lab
nodes:
  sw:
    interfaces: {br0: {kind: bridge, ports: [e1, e2], addresses: [10.0.0.9/24]}}
    filter: {policy: {forward: drop}}
  a: {}
  b: {}
links:
  - [{node: sw, interface: e1}, {node: a, interface: eth0, addresses: [10.0.0.1/24]}]
  - [{node: sw, interface: e2}, {node: b, interface: eth0, addresses: [10.0.0.2/24]}]
"""
    host.write("topo.yaml", text)
    host.netorch("apply")
    assert host.reaches("a", "10.0.0.2")
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_the_file_that_show_writes_has_the_filter(host: Host, lab: str) -> None:
    host.write("topo.yaml", lab)
    host.netorch("apply")
    text = host.netorch("show", "lab", "-o", "yaml").stdout
    assert "policy: {forward: drop, input: drop}" in text
    host.write("again.yaml", text)
    assert "in sync" in host.netorch("diff", "again.yaml").stdout


SCRIPT = """\
set -e
ip netns add fw; ip netns add pc
ip link add eth0 netns fw type veth peer name eth0 netns pc
ip -n fw addr add 10.0.0.1/24 dev eth0; ip -n fw link set eth0 up; ip -n fw link set lo up
ip -n pc addr add 10.0.0.2/24 dev eth0; ip -n pc link set eth0 up; ip -n pc link set lo up
RULES
"""
IPTABLES = """\
run() { ip netns exec fw iptables-legacy "$@"; }
run -P INPUT DROP
run -A INPUT -i lo -j ACCEPT
run -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
run -A INPUT -p tcp -m multiport --dports 22 -m comment --comment later -j ACCEPT
run -A INPUT -p tcp --dport 80:81 -j ACCEPT
run -A OUTPUT -d 10.0.0.9 -j REJECT
"""
NFT = """\
ip netns exec fw nft -f - <<END
table inet mine {
    chain in {
        type filter hook input priority 0; policy drop;
        iifname lo accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 80-81 accept
    }
    chain out { type filter hook output priority 0; ip daddr 10.0.0.9 reject; }
}
END
"""


@pytest.mark.parametrize("rules", [IPTABLES, NFT], ids=BACKENDS[::-1])
def test_the_rules_of_a_script_become_a_filter(host: Host, rules: str) -> None:
    host.write("lab.sh", SCRIPT.replace("RULES", rules))
    done = host.netorch("import", "--run", "lab.sh", "-o", "lab.yaml", check=False)
    assert done.returncode == 0, done.stderr
    text = host.run("cat", "lab.yaml").stdout
    assert 'port: "80-81"' in text, text
    host.netorch("apply", "lab.yaml")
    serve(host, "fw", "tcp:80", "tcp:90")
    assert all(ask(host, "pc", ("tcp", "10.0.0.1", 80)))
    assert not any(ask(host, "pc", ("tcp", "10.0.0.1", 90), patience=0.6))
    assert host.reaches("fw", "10.0.0.2")
    assert not host.reaches("pc", "10.0.0.1", within=0.6)


def test_a_filter_of_a_script_is_not_stricter_without_a_rule(host: Host) -> None:
    """The policy would drop what a rule accepts for which a topology has no words."""
    limit = "tcp dport 22 limit rate 1/second accept"
    rules = NFT.replace("        tcp dport 80-81", f"        {limit}\n        tcp dport 80-81")
    host.write("lab.sh", SCRIPT.replace("RULES", rules))
    done = host.netorch("import", "--run", "lab.sh", "-o", "lab.yaml", check=False)
    assert done.returncode == 2 and limit in done.stderr, done.stderr
    text = host.run("cat", "lab.yaml").stdout
    assert f"policy drop: without `{limit}`" in " ".join(text.replace("#", "").split()), text
    host.netorch("apply", "lab.yaml")
    serve(host, "fw", "tcp:22", "tcp:80")
    assert all(ask(host, "pc", ("tcp", "10.0.0.1", 22)))
    assert all(ask(host, "pc", ("tcp", "10.0.0.1", 80)))
    assert host.reaches("pc", "10.0.0.1")
    assert not host.reaches("fw", "10.0.0.9", within=0.6)


def test_predictions(host: Host) -> None:
    """Random filters in random networks: `explain` agrees with pings and with TCP.

    NETORCH_CAMPAIGN=2000 NETORCH_RANDOM_SEED=7 runs 2,000 rounds, each with another network.
    """
    rounds = campaign.rounds(6, 2000)
    done = host.run(
        *(sys.executable, "-m", "tests.kernel.predictions.filters", SEED, str(FIRST), str(rounds)),
        timeout=120 + 20 * rounds,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    counts: Counter[str] = Counter()
    for one in reports:
        counts.update({key: one.get(key, 0) for key in ("arrives", "fails", "uncertain")})
    campaign.add_figure(
        f"filters, seed {SEED}: {len(reports)} rounds, {sum(counts.values())} predictions, "
        f"{sum(len(one['wrong']) for one in reports)} contradictions"
    )
    assert len(reports) == rounds
    assert counts["arrives"] and counts["fails"]
    bad = [one for one in reports if one["wrong"] or one["faults"]]
    assert not bad, json.dumps(bad, indent=1)
