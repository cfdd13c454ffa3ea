"""`show --drift`, the counts of a topology that somebody has damaged, and a watch of nothing."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.test_named_ends import LAB


def test_drift_with_what_is_intended(host: Host) -> None:
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    host.netorch("link", "r1:dmz", "down")
    line, summary = host.netorch("show", "--drift").stdout.splitlines()
    assert line.startswith("! intended: r1 dmz is down (netorch link, ")
    assert summary == "lab: in sync"
    assert host.netorch("show", "pc", "--drift").stdout == "lab pc: in sync\n"
    host.run("ip", "-n", "r1", "link", "set", "lan", "mtu", "1400")
    first, second, summary = host.netorch("show", "r1", "--drift").stdout.splitlines()
    assert first == "~ veth r1/lan  mtu 1400 → 1500  [update]"
    assert (second, summary) == (line, "lab r1: 1 to update")


def test_a_node_that_somebody_deleted_does_not_count(host: Host) -> None:
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    host.run("ip", "netns", "delete", "r1")
    assert ", 2 nodes, 0 links, from " in host.netorch("show").stdout.splitlines()[0]


def test_a_watch_that_waits_says_so(host: Host) -> None:
    waiting = "waiting for what happens to the topologies of this machine"
    words = ("watch", "--once", "--timeout", "0.2")
    assert waiting in host.netorch(*words).stderr
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    assert host.netorch(*words).stderr == ""
