"""Test what is done to a live topology on purpose: links that are down or flap, impairments.

`ip` and `tc` say what the kernel has. The topology has both families, next hops, a network and a
node in a namespace that netorch did not make.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kernel.campaign import add_figure, spread
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.test_failure import server, shot

FILE = """
name: lab
nodes:
  r1:
    networks: {lan: {name: lan0}}
    routes:
      - {to: 10.9.0.0/16, via: 10.0.0.2}
      - {to: 'fd09::/64', via: 'fd00::2'}
      - {to: 10.8.0.0/16, nexthops: [{via: 10.0.0.2}, {via: 10.1.0.2}]}
      - {to: 'fd08::/64', nexthops: [{via: 'fd00::2'}, {via: 'fd01::2'}]}
  r2: {networks: {lan: {name: lan0}}, interfaces: {eth9: {kind: ifb, state: down}}}
  guest: {attach: 'netns:guest', networks: [lan]}
networks:
  lan: {mode: nat, subnet: [10.77.0.0/24, 'fd77::/64']}
links:
  - {endpoints: [r1:eth0, r2:eth0], subnet: [10.0.0.0/30, 'fd00::/126']}
  - {endpoints: [r1:eth1, r2:eth1], subnet: [10.1.0.0/30, 'fd01::/126']}
checks:
  - {from: r1, to: '10.0.0.2'}
"""
DOWN = "! intended: r1 eth0 is down (netorch link, "
NETORCH = (sys.executable, "-m", "netorch")
LESS = ["files: /run/netorch/", 'netns r1: routes {"dst": "fd08::/64"']
"""The records, and a route whose next hops the kernel lists in another order."""


def prepare(host: Host) -> None:
    host.run("ip", "netns", "add", "guest")
    host.run("ip", "-n", "guest", "link", "add", "own", "type", "ifb")
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")


@pytest.fixture
def lab(host: Host) -> Host:
    prepare(host)
    return host


def intended(host: Host, *words: str) -> list[dict[str, Any]]:
    done = host.netorch("diff", "-o", "json", *words, check=False)
    entries: list[dict[str, Any]] = json.loads(done.stdout)["intended"]
    return entries


def lines(host: Host, *words: str, status: int = 0) -> list[str]:
    done = host.netorch(*words, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout.splitlines()


def routes(host: Host, family: str) -> set[str]:
    return {
        f"{route['dst']} {route.get('dev', 'several')}"
        for route in host.ip("-n", "r1", family, "route")
        if route["dst"].startswith(("10.8", "10.9", "fd0"))
    }


def until(what: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_down_and_up(lab: Host) -> None:
    before = shot(lab)
    assert lines(lab, "link", "r1:eth0", "down") == ["lab: r1 eth0 is down"]
    assert "eth0" not in lab.run("ip", "-n", "r1", "-o", "link", "show", "up").stdout
    assert "NO-CARRIER" in lab.run("ip", "-n", "r2", "link", "show", "dev", "eth0").stdout
    assert routes(lab, "-4") == {"10.8.0.0/16 eth1"}
    assert routes(lab, "-6") == {"fd01::/126 eth1", "fd08::/64 eth1"}

    # every command says the same, with the exit status as without the deviation
    diff = lines(lab, "diff")
    assert diff[0].startswith(DOWN)
    assert diff[1:] == ["lab: in sync"]
    assert [(entry["node"], entry["state"], entry["by"]) for entry in intended(lab)] == [
        ("r1", "down", "root")
    ]
    assert "in sync, 1 intended" in lines(lab, "list")[1]
    shows = lines(lab, "show", "lab")
    assert "in sync, 1 intended deviation" in shows[0]
    assert [line for line in shows if "[intended: r1 eth0 is down (" in line]
    check = lab.netorch("check", "--timeout", "1", check=False)
    assert check.returncode == 2
    assert "warning: r1 eth0 is down (netorch link, " in check.stderr
    assert "the kernel differs" not in check.stderr
    assert "**Intended:**" in "\n".join(lines(lab, "diff", "-o", "markdown"))
    assert lines(lab, "diff", "-o", "github")[0].startswith("::notice title=lab%3A intended::r1")

    # an apply keeps it, and so do a failed one and one on trial
    assert lines(lab, "apply")[-1] == "lab: in sync, nothing to do"
    bad = FILE.replace("nodes:", "nodes:\n  z: {sysctls: {net.ipv4.tcp_rmem: 1}}")
    lab.write("bad.yaml", bad)
    assert lab.netorch("apply", "bad.yaml", check=False).returncode == 1
    assert lines(lab, "diff")[0].startswith(DOWN)
    lab.write("more.yaml", FILE.replace("nodes:", "nodes:\n  z: {}"))
    lab.netorch("apply", "--reset", "--confirm-within", "60s", "more.yaml")
    refused = lab.netorch("link", "r1:eth0", "down", check=False)
    assert refused.returncode == 1
    assert "to be confirmed" in refused.stderr
    lab.netorch("confirm", "--undo", "lab")
    assert [line.startswith(DOWN) for line in lines(lab, "diff")] == [True, False]

    # a plan from before does not fit any more
    lab.netorch("link", "r1:eth0", "up")
    assert lines(lab, "diff") == ["lab: in sync"]
    assert diff_snapshots(before, shot(lab), LESS) == []
    lab.netorch("diff", "more.yaml", "--out", "plan.json", check=False)
    file = lab.netorch("show", "-o", "yaml", "lab").stdout
    lab.netorch("link", "r1:eth0", "down")
    late = lab.netorch("apply", "--plan", "plan.json", check=False)
    assert "the kernel has changed since this plan was saved" in late.stderr

    # the file's truth, which an apply of it would restore
    there = lab.netorch("show", "-o", "yaml", "lab")
    assert sorted(there.stdout.split()) == sorted(file.split())
    assert "which is not in this file" in there.stderr

    # destroy forgets it
    lab.netorch("destroy", "lab")
    assert not (lab.root / "run/netorch/lab").exists()
    lab.netorch("apply", "-q")
    assert lines(lab, "diff") == ["lab: in sync"]


def test_by_hand_it_is_drift(lab: Host) -> None:
    lab.netorch("link", "r1:eth0", "down")
    lab.run("ip", "-n", "r1", "link", "set", "eth0", "up")
    drift = lines(lab, "diff", status=2)
    assert drift[0] == "! link r1/eth0  state up → down  [flap]"
    assert drift[1].startswith(DOWN)
    assert lines(lab, "apply")[-1].startswith("lab: 1 flapped")
    assert lines(lab, "diff")[1:] == ["lab: in sync"]
    # an `up` mends a link that somebody has set down, and nothing else
    lab.run("ip", "-n", "r2", "link", "set", "eth1", "down")
    lab.run("ip", "-n", "r2", "link", "set", "eth0", "mtu", "1400")
    assert lines(lab, "link", "r2:eth1", "up") == ["lab: r2 eth1 is up"]
    assert lines(lab, "diff", status=2)[0] == "~ veth r2/eth0  mtu 1400 → 1500  [update]"
    lab.netorch("apply", "-q", "--reset")
    assert lines(lab, "diff") == ["lab: in sync"]


def test_reset_and_a_file_without_the_interface(lab: Host) -> None:
    lab.netorch("link", "r1:eth0", "down")
    lab.netorch("link", "r1:eth1", "down")
    dry = lines(lab, "apply", "--reset", "--dry-run", status=2)
    assert "~ link r1/eth0  state down → up  [update]" in dry
    assert len(intended(lab)) == 2
    lab.write("other.yaml", FILE.replace("eth1", "wan1"))
    assert [entry["interface"] for entry in intended(lab, "other.yaml")] == ["eth0"]
    done = lab.netorch("apply", "other.yaml")
    assert "r1 eth1: what `netorch link` did at " in done.stderr
    assert "ends: the file does not have this interface" in done.stderr
    assert [entry["interface"] for entry in intended(lab, "other.yaml")] == ["eth0"]
    done = lab.netorch("apply", "--reset", "other.yaml")
    assert "r1 eth0: what `netorch link` did at " in done.stderr
    assert lines(lab, "diff", "other.yaml") == ["lab: in sync"]
    assert not (lab.root / "run/netorch/lab/intended.json").exists()


def test_other_places(lab: Host) -> None:
    """The host's end of a network's cable, a bridge, a network's member, an attached node."""
    before = shot(lab)
    for end in ("host:r1-lan0", "host:lan", "r1:lan0", "guest:eth0"):
        assert lines(lab, "link", end, "down") == [f"lab: {end.replace(':', ' ')} is down"]
        assert lines(lab, "diff")[1:] == ["lab: in sync"], end
        assert lines(lab, "link", end, "up") == [f"lab: {end.replace(':', ' ')} is up"]
        assert lines(lab, "diff") == ["lab: in sync"], end
    assert diff_snapshots(before, shot(lab), [*LESS, "mounts: "]) == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"))
    try:
        prepare(host)
        yield host
    finally:
        host.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["link", "r9:eth0", "down"], "no live topology has a node 'r9'"),
        (["link", "r1:eht0", "down"], "has no interface 'eht0' in r1. Did you mean 'eth0'?"),
        (["link", "r1", "down"], "'r1' does not name an interface"),
        (["link", "r1:lo", "down"], "r1 lo is the loopback interface"),
        (["link", "guest:own", "down"], "has no interface 'own' in guest"),
        (["link", "r2:eth9", "up"], "r2 eth9 is down because the file says so"),
        (["link", "r1:eth0", "down", "--name", "lob"], "topology 'lob' is not live here."),
        (["impair", "r1:eth0", "delay=10"], "delay: 10 has no unit: write 10ms"),
        (["impair", "r1:eth0", "dely=1ms"], "'dely' cannot be impaired. Did you mean 'delay'?"),
        (["impair", "r1:eth0", "loss=101%"], "loss: 101% is more than 100%"),
        (["impair", "r1:eth0", "delay"], "'delay' is not KEY=VALUE"),
        (["impair", "r1:eth0", "jitter=1ms"], "`jitter` varies the delay, but there is no `delay`"),
    ],
)
def test_errors(shared: Host, words: list[str], sentence: str) -> None:
    done = shared.netorch(*words, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_usage(shared: Host) -> None:
    for words in (
        ["link", "r1:eth0", "flap"],
        ["link", "r1:eth0", "down", "1s"],
        ["link", "r1:eth0", "flap", "10ms"],
        ["link", "r1:eth0", "flap", "soon"],
        ["link", "r1:eth0", "down", "--count", "2"],
        ["impair", "r1:eth0"],
        ["impair", "r1:eth0", "delay=1ms", "--clear"],
        ["apply", "--plan", "plan.json", "--reset"],
    ):
        assert shared.netorch(*words, check=False).returncode == 64, words


def test_a_link_that_is_gone_or_foreign(lab: Host) -> None:
    assert lines(lab, "link", "r2:eth9", "down") == ["lab: r2 eth9 is down, as before"]
    assert intended(lab) == []
    lab.run("ip", "-n", "r2", "link", "del", "eth9")
    done = lab.netorch("link", "r2:eth9", "down", check=False)
    assert "r2 eth9 does not exist: somebody has deleted it." in done.stderr
    lab.run("ip", "link", "del", "r1-lan0")
    lab.run("ip", "link", "add", "r1-lan0", "type", "ifb")
    done = lab.netorch("link", "host:r1-lan0", "down", check=False)
    assert "host r1-lan0 is not the link that netorch made" in done.stderr


def test_a_damaged_record_is_a_warning(lab: Host) -> None:
    lab.netorch("link", "r1:eth0", "down")
    record = lab.root / "run/netorch/lab/intended.json"
    record.write_text('{"deviations": [{"node"')
    for command in (["diff"], ["list"], ["apply", "--dry-run"]):
        done = lab.netorch(*command, check=False)
        assert "intended.json: the record of intended deviations is damaged" in done.stderr
    lab.netorch("apply", "-q")
    assert lines(lab, "diff") == ["lab: in sync"]
    assert not record.exists()


def test_killed_before_each_act(lab: Host) -> None:
    """The record says what is intended, and an apply or the command itself completes it."""
    up, kills = shot(lab), 0
    with server(lab) as run:
        for action, other in (("down", "up"), ("up", "down")):
            total = run("link", "r1:eth0", action)["acts"]
            for at in spread(total, 10):
                assert run("link", "r1:eth0", other)["status"] == 0
                answer = run("link", "r1:eth0", action, kill_at=at)
                assert answer["status"] == -signal.SIGKILL, (action, at)
                kills += 1
                answer = run("diff")
                assert answer["status"] in (0, 2), answer["output"]
                is_down = DOWN in answer["output"]
                if at % 2:
                    assert run("apply", "-q")["status"] == 0, (action, at)
                    answer = run("diff")
                    assert answer["output"].endswith("lab: in sync\n"), (action, at)
                    assert (DOWN in answer["output"]) is is_down
                assert run("link", "r1:eth0", action)["status"] == 0, (action, at)
                answer = run("diff")
                assert answer["output"].endswith("lab: in sync\n"), answer["output"]
                assert (DOWN in answer["output"]) is (action == "down")
    add_figure(f"link killed before {kills} acts")
    assert diff_snapshots(up, shot(lab), LESS) == []


def test_each_request_refused_once(lab: Host) -> None:
    """The link and its record are as before, or the command succeeds in its next round."""
    up = shot(lab)
    with server(lab) as run:
        for action, other in (("down", "up"), ("up", "down")):
            total = run("link", "r1:eth0", action)["requests"]
            for at in range(1, total + 1):
                assert run("link", "r1:eth0", other)["status"] == 0
                executed = bool(at % 2)
                answer = run(
                    "link", "r1:eth0", action, fail_at=at, error=errno.EBUSY, executed=executed
                )
                now = run("diff")
                assert now["output"].endswith("lab: in sync\n"), (action, at, now["output"])
                if answer["status"] == 1:
                    assert "Rolled back: the kernel is as it was before." in answer["output"]
                is_down = (action == "down") is (answer["status"] == 0)
                assert (DOWN in now["output"]) is is_down, (action, at, answer["output"])
        run("link", "r1:eth0", "up")
    assert diff_snapshots(up, shot(lab), LESS) == []


def test_flap(lab: Host) -> None:
    before = shot(lab)
    done = lines(lab, "link", "r1:eth0", "flap", "200ms", "--count", "2")
    assert [line.split("  ")[-1] for line in done[:-1]] == ["r1 eth0 is down", "r1 eth0 is up"] * 2
    assert done[-1] == "lab: r1 eth0 was down 2 times, and is up as before"
    assert lines(lab, "diff") == ["lab: in sync"]

    # SIGTERM ends it, and other commands work meanwhile
    with lab.start(*NETORCH, "link", "r1:eth0", "flap", "300ms") as flap:
        assert until(lambda: bool(intended(lab)))
        assert intended(lab)[0]["flap"] == 0.3
        second = lab.netorch("link", "r1:eth0", "flap", "1s", check=False)
        assert "flaps every 0.3s" in second.stderr
        assert lines(lab, "apply", "-q") == []
        flap.signal(signal.SIGTERM)
        assert flap.wait() == 0
    assert lines(lab, "diff") == ["lab: in sync"]

    # after SIGKILL the record says what is so
    with lab.start(*NETORCH, "link", "r1:eth0", "flap", "1h", "-q") as flap:
        assert until(lambda: bool(intended(lab)))
        flap.signal(signal.SIGKILL)
        flap.wait()
    entry = intended(lab)[0]
    assert (entry["state"], entry["flap"]) == ("down", None)
    lab.netorch("link", "r1:eth0", "up")

    # a reset ends it
    with lab.start(*NETORCH, "link", "r1:eth0", "flap", "300ms", "-q") as flap:
        assert until(lambda: bool(intended(lab)))
        lab.netorch("apply", "-q", "--reset")
        assert flap.wait() == 1
        assert flap.stderr is not None
        assert "another command has ended the flap" in flap.stderr.read()
    assert lines(lab, "diff") == ["lab: in sync"]
    assert diff_snapshots(before, shot(lab), LESS) == []


IN_PYTHON = """
import netorch
with netorch.running("topo.yaml") as lab:
    r1 = lab.node("r1")
    made = r1.link_down("eth0")
    assert made.counts == {"flap": 1, "update": 2}, made
    assert not r1.interfaces["eth0"].up and not lab.diff() and not lab.apply()
    assert r1.link_up("eth0").counts == {"create": 3, "update": 3}
    assert r1.interfaces["eth0"].up and not lab.diff()
    try:
        r1.link_down("eth5")
    except netorch.NetorchError as error:
        assert error.problems[0].code == "unknown-interface", error
    else:
        raise AssertionError
"""


def test_in_python(host: Host) -> None:
    host.run("ip", "netns", "add", "guest")
    host.write("topo.yaml", FILE)
    host.run(sys.executable, "-c", IN_PYTHON)


def test_a_rate_on_purpose(lab: Host) -> None:
    require(lab, "tbf")
    before = shot(lab)
    assert lines(lab, "impair", "r1:eth0", "rate=2mbit") == ["lab: r1 eth0 has rate 2mbit"]
    assert "rate 2Mbit" in lab.run("tc", "-n", "r1", "qdisc", "show", "dev", "eth0").stdout
    diff = lines(lab, "diff")
    assert diff[0].startswith("! intended: r1 eth0 has rate 2mbit (netorch impair, ")
    assert diff[1:] == ["lab: in sync"]
    # one interface may have both deviations
    lab.netorch("link", "r1:eth0", "down")
    assert len(intended(lab)) == 2
    lab.netorch("link", "r1:eth0", "up")
    assert len(intended(lab)) == 1
    lab.run("tc", "-n", "r1", "qdisc", "del", "dev", "eth0", "root")
    assert lines(lab, "diff", status=2)[0].startswith("~ impair r1/eth0")
    lab.netorch("apply", "-q")
    assert len(intended(lab)) == 1
    assert lines(lab, "impair", "r1:eth0", "--clear") == ["lab: r1 eth0 is as in the file"]
    assert lines(lab, "diff") == ["lab: in sync"]
    assert diff_snapshots(before, shot(lab), LESS) == []


def test_a_kernel_without_netem(lab: Host) -> None:
    probe = ("unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", "netem")
    if lab.run(*probe, check=False).returncode == 0:
        pytest.skip("this kernel has netem")
    before = shot(lab)
    done = lab.netorch("impair", "r1:eth0", "delay=10ms", check=False)
    assert done.returncode == 1
    assert "this kernel has no netem qdisc" in done.stderr
    assert intended(lab) == []
    assert diff_snapshots(before, shot(lab), LESS) == []


@pytest.mark.uml
def test_an_impairment_instead_of_that_of_the_file(host: Host) -> None:
    require(host, "netem", "vlan")
    host.write(
        "topo.yaml",
        """
        name: lab
        nodes:
          a: {interfaces: {x: {impair: {delay: 3ms}}, x.5: {kind: vlan, parent: x, id: 5}}}
          b: {}
        links: [{endpoints: [a:x, b:y], subnet: [10.0.0.0/30, 'fd00::/126']}]
        """,
    )
    host.netorch("apply", "-q")
    before = shot(host)
    host.netorch("impair", "a:x", "loss=100%")
    words = host.run("tc", "-n", "a", "qdisc", "show", "dev", "x").stdout
    assert "netem" in words
    assert "loss 100%" in words
    assert "delay" not in words
    assert lines(host, "diff")[1:] == ["lab: in sync"]
    assert not host.ping("a", "10.0.0.2")
    host.netorch("impair", "a:x", "delay=0ms")
    assert "noqueue" in host.run("tc", "-n", "a", "qdisc", "show", "dev", "x").stdout
    assert lines(host, "diff")[0].startswith("! intended: a x is not impaired (")
    host.netorch("impair", "a:x", "--clear")
    assert "delay 3ms" in host.run("tc", "-n", "a", "qdisc", "show", "dev", "x").stdout
    # a VLAN goes down and up with its parent
    host.netorch("link", "a:x", "down")
    assert lines(host, "diff")[1:] == ["lab: in sync"]
    host.netorch("link", "a:x", "up")
    assert lines(host, "diff") == ["lab: in sync"]
    assert diff_snapshots(before, shot(host), LESS) == []
