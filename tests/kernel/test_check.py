"""netorch check: its report of a working network, and of failures with the cause of each."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.host import SOURCE, Host
from tests.kernel.terminal import on_a_terminal
from tests.kernel.traffic import serve

ROUTED = """
name: lab
nodes:
  host: {}
  a: {routes: [{to: default, via: 10.0.1.1}, {to: default, via: "fd00:1::1"}]}
  gw: {forwarding: true}
  b: {routes: [{to: default, via: 10.0.2.1}, {to: default, via: "fd00:2::1"}]}
links:
  - {endpoints: ["gw:to-a", "a:eth0"], subnet: [10.0.1.0/24, "fd00:1::/64"]}
  - {endpoints: ["gw:to-b", "b:eth0"], subnet: [10.0.2.0/24, "fd00:2::/64"]}
checks:
"""


def checks(*entries: str) -> str:
    return ROUTED + "".join(f"  - {entry}\n" for entry in entries)


def run(host: Host, *words: str, status: int) -> dict[str, Any]:
    done = host.netorch("check", "-o", "json", *words, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["version"] == 1
    return dict(report)


def pairs(report: dict[str, Any]) -> list[tuple[bool, str | None]]:
    return [
        (pair["passed"], pair["reason"]) for entry in report["checks"] for pair in entry["pairs"]
    ]


def nft(host: Host, netns: str, rule: str, hook: str = "forward") -> None:
    table = f"table inet acl {{ chain c {{ type filter hook {hook} priority 0; {rule}; }}; }}"
    host.run("ip", "netns", "exec", netns, "nft", "-f", "-", input=table)


@pytest.mark.uml
def test_what_holds_and_what_does_not(host: Host) -> None:
    """Checks of both IP versions, of names, interfaces and addresses, and their table.

    Nothing remains afterwards.
    """
    host.write(
        "topo.yaml",
        checks(
            "{from: a, to: b}",
            "{from: a, to: 'b:eth0'}",
            "{from: b, to: 'fd00:1::2'}",
            "{from: gw, to: a, mtu: 1500}",
            "{from: a, to: b, tcp: 80}",
            "{from: a, to: b, tcp: 81, reachable: false}",
            "{from: a, to: 10.0.9.9, reachable: false}",
            "{from: host, to: 10.0.1.2, reachable: false}",
        ),
    )
    host.netorch("apply", "-q")
    serve(host, "b", "tcp:80")
    report = run(host, status=0)
    assert (
        report["in_sync"] is True
        and report["passed"] is True
        and report["summary"] == {"ok": 8, "failed": 0}
    )
    tries = [
        [(entry["address"], entry["result"]) for entry in check["pairs"][0]["tries"]]
        for check in report["checks"]
    ]
    assert tries[0] == [("10.0.2.2", "answered"), ("fd00:2::2", "answered")]
    assert tries[2] == [("fd00:1::2", "answered")]
    assert tries[5] == [("10.0.2.2", "refused"), ("fd00:2::2", "refused")]
    assert tries[7] == [("10.0.1.2", "stopped")]
    reasons = [reason for _, reason in pairs(report)]
    assert reasons[:5] == [None] * 5
    assert reasons[5].startswith("refused by 10.0.2.2: the port is closed; refused by fd00:2::2")
    assert reasons[6] == "network unreachable, says 10.0.1.1"
    assert reasons[7] == "host has no route to 10.0.1.2"
    (host.directory / "topo.yaml").rename(host.directory / "other.yaml")
    lines = host.netorch("check", "--timeout", "3").stdout.splitlines()
    assert lines[0].split()[:4] == ["ok", "a", "b", "ping"] and lines[0].endswith(" ms")
    assert lines[5].split()[:6] == ["ok", "a", "b", "no", "tcp", "81"]
    assert lines[-1].startswith("lab: 8 checks ok in ")
    quiet = host.netorch("check", "-q", "other.yaml")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    left = host.run(
        "sh",
        "-c",
        "for node in a b gw; do ip netns exec $node ss -Hanw; ip netns exec $node ss -Htn state syn-sent; done",
    ).stdout
    assert left == ""


def test_each_failure_names_the_node_that_reports_it(host: Host) -> None:
    """One run over many kinds of failures, each in the words of the node that reports it."""
    host.write(
        "topo.yaml",
        checks(
            "{from: a, to: b}",
            "{from: b, to: a, reachable: false}",
            "{from: a, to: 10.0.2.2, tcp: 80}",
            "{from: a, to: 10.0.2.2, tcp: 81}",
            "{from: a, to: 10.0.2.2, tcp: 82}",
            "{from: a, to: 10.0.2.2, tcp: 83}",
            "{from: a, to: 10.0.1.77}",
            "{from: a, to: 10.0.2.77}",
            "{from: gw, to: 10.7.0.1}",
            "{from: a, to: 10.0.2.2, mtu: 1400}",
            "{from: a, to: 'fd00:2::2', mtu: 1400}",
            "{from: a, to: 10.0.2.2, mtu: 1600}",
            "{from: b, to: 10.0.1.2}",
            "{from: gw, to: 10.0.2.2, reachable: false}",
            "{from: a, to: 'fe80::1%eth7', reachable: false}",
            "{from: a, to: 'fe80::1%eth7', tcp: 80, reachable: false}",
        ),
    )
    host.netorch("apply", "-q")
    serve(host, "b", "tcp:80", "tcp:83")
    # connections that b begins do not pass
    nft(
        host,
        "gw",
        'iif "to-b" ct state new reject with icmpx admin-prohibited; tcp dport 82 drop; tcp dport 83 reject with icmp host-prohibited',
    )
    host.run("ip", "-n", "gw", "link", "set", "to-b", "mtu", "1300")
    report = run(host, "--timeout", "5", status=2)
    assert report["in_sync"] is False and "differs from the file" in report["warnings"][0]
    passed = [passed for passed, _ in pairs(report)]
    assert [number for number, ok in enumerate(passed) if ok] == [0, 1, 2]
    reasons = [reason for _, reason in pairs(report)]
    assert (
        reasons[1]
        == "administratively prohibited, says 10.0.2.1; administratively prohibited, says fd00:2::1"
    )
    assert reasons[3:] == [
        "refused by 10.0.2.2: the port is closed",
        "no answer from 10.0.2.2",
        "host prohibited, says 10.0.1.1",
        "a gets no ARP answer from 10.0.1.77 or the gateway to it",
        "host unreachable, says 10.0.1.1",
        "gw has no route to 10.7.0.1",
        "fragmentation needed, says 10.0.1.1: at most 1300 bytes pass there",
        "packet too big, says fd00:1::1: at most 1300 bytes pass there",
        "the link of a to 10.0.2.2 carries at most 1500 bytes",
        "administratively prohibited, says 10.0.2.1",
        "10.0.2.2 answers",
        "could not be tried: a has no interface eth7",
        "could not be tried: a has no interface eth7",
    ]
    lines = host.netorch("check", "--timeout", "2", check=False).stdout.splitlines()
    assert lines[3].startswith("FAILED  a ") and lines[3].endswith("# topo.yaml:15")
    assert lines[-1].startswith("lab: 13 of 16 checks FAILED in ")


def test_a_large_packet_that_nobody_speaks_of(host: Host) -> None:
    host.write("topo.yaml", checks("{from: a, to: 10.0.2.2, mtu: 1500}"))
    host.netorch("apply", "-q")
    nft(host, "gw", "meta length > 1400 drop")
    (_, reason), *_ = pairs(run(host, "--timeout", "2", status=2))
    assert (
        reason
        == "no answer to a packet of 1500 bytes, but one to a small packet: something on the way drops the large one silently"
    )


def test_a_packet_that_its_node_does_not_send_counts_as_unreachable(host: Host) -> None:
    """A packet that the sending node drops itself, or cannot send, counts as unreachable."""
    host.write(
        "topo.yaml",
        checks(
            "{from: a, to: 'fd00:2::2', reachable: false}",
            "{from: a, to: 10.0.2.2, reachable: false}",
        ),
    )
    host.netorch("apply", "-q")
    nft(host, "a", "drop", hook="output")
    host.run("ip", "-n", "a", "-6", "route", "replace", "blackhole", "fd00:2::/64")
    results = pairs(run(host, status=0))
    assert results[1] == (True, "the packet filter of a itself drops it")
    host.run("ip", "netns", "exec", "a", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    host.run("ip", "-n", "a", "-6", "route", "flush", "type", "blackhole", check=False)
    report = run(host, status=0)
    assert "differs from the file" in report["warnings"][0]


def test_a_silence_just_after_an_apply_is_no_isolation(host: Host) -> None:
    """A check that expects no answer waits until all addresses are ready.

    A router forwards IPv6 only with ready link-local addresses.
    """
    host.write("topo.yaml", checks("{from: a, to: 'fd00:2::2', reachable: false}"))
    host.netorch("apply", "-q")
    host.run(
        "ip",
        "netns",
        "exec",
        "gw",
        "sysctl",
        "-qw",
        "net.ipv6.conf.to-b.accept_dad=1",
        "net.ipv6.conf.to-b.dad_transmits=2",
    )
    host.run("ip", "-n", "gw", "-6", "addr", "flush", "dev", "to-b", "scope", "link")
    host.run("ip", "-n", "gw", "addr", "add", "fe80::99/64", "dev", "to-b")
    assert pairs(run(host, status=2)) == [(False, "fd00:2::2 answers")]


def test_nothing_is_tried_where_nothing_is(host: Host) -> None:
    host.write("topo.yaml", checks("{from: a, to: b, reachable: false}"))
    done = host.netorch("check", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "netorch: topology 'lab' is not live here: none of its objects exist. Run `netorch apply topo.yaml` first.\n"
    )
    host.run("ip", "netns", "add", "a")
    assert "is not live here" in host.netorch("check", check=False).stderr
    host.run("ip", "netns", "del", "a")
    host.netorch("apply", "-q")
    host.run("ip", "netns", "del", "b")
    done = host.netorch("check", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "netorch: node b: the checks need the namespace 'b', but it does not exist. Run `netorch apply topo.yaml` first.\n"
    )
    host.write("none.yaml", "name: none\nnodes: {c: {}}\n")
    assert (
        host.netorch("check", "none.yaml").stdout
        == "none: the file has no `checks`: nothing was tried\n"
    )
    document = host.netorch("check", "-o", "json", check=False)
    assert document.returncode == 1 and json.loads(document.stdout)["error"] == "NetorchError"


def test_without_root_it_is_one_sentence(host: Host) -> None:
    text = checks("{from: a, to: b}")
    host.write("topo.yaml", text)
    host.netorch("apply", "-q")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    done = host.run(*nobody, sys.executable, "-m", "netorch", "check", "-", input=text, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr.startswith("netorch: netorch needs root") and len(done.stderr.splitlines()) == 1
    )
    raw = [
        "setpriv",
        "--bounding-set=-net_raw",
        "--inh-caps=-net_raw",
        "--",
        "setpriv",
        "--reuid=0",
        "--",
    ]
    done = host.run(*raw, sys.executable, "-m", "netorch", "check", "-", input=text, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "netorch: checks send packets of their own, which needs root (CAP_NET_RAW). Run it with sudo.\n"
    )


def test_nodes_of_others_instances_and_published_ports(host: Host) -> None:
    """Addresses that the file does not know, the host, `--name`, and published ports."""
    host.run("ip", "netns", "add", "box")
    host.run("ip", "-n", "box", "link", "set", "lo", "up")
    host.run("ip", "-n", "box", "addr", "add", "198.51.100.7/32", "dev", "lo")
    holder = host.start("unshare", "--net", "sh", "-c", "echo $$; exec sleep 1000")
    assert holder.stdout is not None
    inside = holder.stdout.readline().strip()
    host.write(
        "topo.yaml",
        f"""
name: lab
nodes:
  host: {{}}
  old: {{attach: "netns:box", networks: {{lan: {{addresses: false}}}}, routes: [{{to: default, via: 10.5.0.1, onlink: true, dev: eth0}}]}}
  proc: {{attach: "pid:{inside}", networks: [lan]}}
  web: {{networks: [lan], publish: "8080:80"}}
networks:
  lan: {{mode: nat, subnet: 10.5.0.0/24}}
checks:
  - {{from: proc, to: web}}
  - {{from: web, to: proc}}
  - {{from: host, to: web}}
  - {{from: host, to: web, tcp: 80}}
  - {{from: host, to: 10.5.0.1, tcp: 8080}}
  - {{from: proc, to: 10.5.0.1, tcp: 8080}}
  - {{from: old, to: old}}
  - {{from: web, to: host}}
""",
    )
    host.netorch("apply", "-q", "--name", "two")
    serve(host, "two-web", "tcp:80")
    report = run(host, "--name", "two", status=0)
    assert report["topology"] == "two"
    assert report["checks"][6]["pairs"][0]["tries"][0]["address"] == "198.51.100.7"
    assert host.netorch("check", check=False).returncode == 1


def test_everybody_with_everybody(host: Host) -> None:
    """More pairs than the kernel's neighbour table has room for.

    All pairs are tried, and no neighbours remain.
    """
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {'h[1-40]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.9.0.0/24}}\nchecks: [{all: lan}]\n",
    )
    host.netorch("apply", "-q")
    host.run(
        "ip",
        "-n",
        "h7",
        "neigh",
        "replace",
        "10.9.0.8",
        "dev",
        "eth0",
        "lladdr",
        "02:00:00:00:00:08",
        "nud",
        "stale",
    )
    table = int(Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3").read_text())
    report = run(host, status=0)
    assert len(pairs(report)) == 40 * 39 > table
    assert host.ip("-n", "h9", "neigh") == []
    assert [entry["dst"] for entry in host.ip("-n", "h7", "neigh")] == ["10.9.0.8"]
    few = host.run("sh", "-c", f"ulimit -n 64 && exec {sys.executable} -m netorch check")
    assert few.stdout.startswith("ok  all  lan  ping  40 members, 1560 pairs")
    host.run("ip", "-n", "h5", "link", "set", "eth0", "down")
    done = host.netorch("check", "--timeout", "2", check=False)
    assert done.returncode == 2
    assert "40 members, 1560 pairs, 78 FAILED" in done.stdout
    assert "… and 58 more, most of them with h5 (78)" in done.stdout


LARGE = """
name: large
nodes: {'h[1-60]': {networks: [lan]}}
networks: {lan: {mode: segment, subnet: [10.0.0.0/24, "fd00::/64"]}}
checks: [{all: lan}]
"""


def test_a_large_network_with_some_nodes_that_are_cut_off(host: Host) -> None:
    """60 nodes try each other: exactly the pairs of nodes that are cut off fail.

    h9 drops all ARP, so it has no IPv4 although packets that know its MAC would get through. h17
    answers no ARP, but its neighbours learn its MAC when it asks them. No entries remain.
    """
    host.write("topo.yaml", LARGE)
    host.netorch("apply", "-q")
    report = run(host, status=0)
    assert len(report["checks"][0]["pairs"]) == 60 * 59
    for netns, rule in (
        ("h9", "table arp t { chain c { type filter hook input priority 0; policy drop; }; }"),
        ("h13", "table ip t { chain c { type filter hook input priority 0; icmp type 8 drop; }; }"),
    ):
        host.run("ip", "netns", "exec", netns, "nft", "-f", "-", input=rule)
    host.run("ip", "-n", "h5", "link", "set", "eth0", "down")
    host.run("ip", "netns", "exec", "h17", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=8")
    report = run(host, status=2)
    failed = {
        (pair["from"], pair["to"]) for pair in report["checks"][0]["pairs"] if not pair["passed"]
    }
    names = [f"h{number}" for number in range(1, 61)]
    cut_off = {"h5", "h9"}
    assert failed == {
        (one, other)
        for one in names
        for other in names
        if one != other and ({one, other} & cut_off or other == "h13")
    }
    for netns in ("h1", "h9", "h17", "h60"):
        left = [
            entry for entry in host.ip("-n", netns, "neigh") if entry["dst"][:2] in ("10", "fd")
        ]
        assert left == [], netns
    text = host.netorch("check", check=False).stdout
    assert "60 members, 3540 pairs, " in text and "(-v lists them all)" in text
    assert len(text.splitlines()) < 80


def test_the_matrix_of_a_network_and_colour_on_a_terminal(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {'h[1-3]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.9.0.0/24}}\nchecks: [{all: lan}]\n",
    )
    host.netorch("apply", "-q")
    nft(host, "h2", "icmp type echo-request ip saddr 10.9.0.1 drop", hook="input")
    lines = host.netorch("check", "--timeout", "2", check=False).stdout.splitlines()
    assert [line.split() for line in lines[1:-3]] == [
        ["from", "h1", "h2", "h3"],
        ["h1", "·", "FAILED", "ok"],
        ["h2", "ok", "·", "ok"],
        ["h3", "ok", "ok", "·"],
        ["h1", "→", "h2:", "no", "answer", "from", "10.9.0.2"],
    ]
    assert lines[-3].split() == ["h1", "→", "h2"]
    assert lines[-2].split()[:3] == ["h2:", "nft", "rule"]
    assert lines[-2].endswith(" drops packets that arrive on eth0")
    text = on_a_terminal(host, "check", "--timeout", "2")
    assert "\x1b[31mFAILED" in text
    assert re.search(r"\] checking \d/6 probes", text), text


@pytest.mark.parametrize(
    "words",
    [["--timeout", "0"], ["--timeout", "soon"], ["one", "two"], ["-o", "yaml"]],
    ids=" ".join,
)
def test_wrong_words(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netorch", "check", *words],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (64, "")


def test_an_interrupt_ends_it_at_once(host: Host) -> None:
    host.write("topo.yaml", checks("{from: a, to: 10.0.1.77}"))
    host.netorch("apply", "-q")
    with host.start(sys.executable, "-m", "netorch", "check", "--timeout", "600") as running:
        while not host.run("ip", "netns", "exec", "a", "ss", "-Hanw").stdout:
            assert running.poll() is None
        running.signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "netorch: interrupted\n")


def test_from_python_with_a_look_at_what_fails(host: Host) -> None:
    """`run_checks` returns values, explains only failures, and leaves no file or thread behind."""
    host.write("topo.yaml", checks("{from: a, to: b}", "{from: a, to: 10.7.0.1}"))
    host.netorch("apply", "-q")
    script = """
import os, threading
from netorch.checks.run import run_checks
from netorch.converge.orchestrator import Orchestrator
from netorch.resolve.loader import load
loaded = load(open("topo.yaml", "rb").read(), "topo.yaml")
before = len(os.listdir("/proc/self/fd"))
with Orchestrator() as lab:
    for _ in range(2):
        outcomes = run_checks(lab.kernel, loaded, timeout=2, explain=lambda failed: [f"{failed.source} cannot"])
print(len(os.listdir("/proc/self/fd")) - before, threading.active_count())
for outcome in outcomes:
    print(outcome.number, outcome.what, outcome.passed, outcome.reason, outcome.why, outcome.where.line, outcome.seconds is not None)
"""
    done = host.run(sys.executable, "-c", script)
    assert done.stdout.splitlines() == [
        "0 1",
        "0 ping True  () 12 True",
        "1 ping False network unreachable, says 10.0.1.1 ('a cannot',) 13 False",
    ]


ANYCAST = """
name: lab
nodes:
  r: {forwarding: true, routes: [{to: 10.53.53.53/32, via: 10.0.1.2}, {to: "fd53::53/128", via: "fd00:1::2"}]}
  s1: {interfaces: {lo: {addresses: [10.53.53.53/32, "fd53::53/128"]}}}
  s2: {interfaces: {lo: {addresses: [10.53.53.53/32, "fd53::53/128"]}}}
links:
  - {endpoints: [r:e1, s1:e0], subnet: [10.0.1.0/30, "fd00:1::/64"]}
  - {endpoints: [r:e2, s2:e0], subnet: [10.0.2.0/30, "fd00:2::/64"]}
checks: [{from: r, to: s1}, {from: r, to: s2}, {from: r, to: s2, tcp: 80}, {from: s1, to: s2}, {from: r, to: s2, mtu: 1280, reachable: false}]
"""


def test_an_answer_of_somebody_else_with_the_address_does_not_count(host: Host) -> None:
    host.write("topo.yaml", ANYCAST)
    host.netorch("apply", "-q")
    for node in ("s1", "s2"):
        serve(host, node, "tcp:80")
    # connected: both are reached, s2 by its own address
    report = run(host, status=2)
    assert [check["passed"] for check in report["checks"]] == [True, True, True, False, False]
    # disconnected: whatever answers from the shared address is s1
    host.run("ip", "-n", "s2", "link", "set", "e0", "down")
    report = run(host, status=2)
    assert [check["passed"] for check in report["checks"]] == [True, False, False, False, True]
    tries = report["checks"][1]["pairs"][0]["tries"]
    shared = {entry["address"]: entry["result"] for entry in tries if "53" in entry["address"]}
    assert shared == {"10.53.53.53": "elsewhere", "fd53::53": "elsewhere"}
    assert "s1 also has the address 10.53.53.53" in str(pairs(report)[1])


def test_an_address_that_the_sender_takes_for_its_own_does_not_count(host: Host) -> None:
    host.write("topo.yaml", checks("{from: a, to: b}"))
    host.netorch("apply", "-q")
    for route in ("10.0.2.2", "fd00:2::2"):
        host.run("ip", "-n", "a", "route", "add", "local", route, "dev", "lo")
    report = run(host, status=2)
    results = {entry["result"] for entry in report["checks"][0]["pairs"][0]["tries"]}
    assert results == {"elsewhere"}
    assert "a also has the address 10.0.2.2" in str(pairs(report))
