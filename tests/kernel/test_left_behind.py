"""Test nodes with `attach`.

netorch removes what it added to an attached namespace when the file no longer asks for it.
"""

from __future__ import annotations

import pytest

from tests.kernel.campaign import spread
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_failure import server

A = """
nodes:
  a: {}
"""
BOX = """
nodes:
  a: {}
  box:
    attach: netns:box
    forwarding: true
    sysctls: {net.ipv4.conf.all.arp_filter: 1}
    interfaces: {br9: {addresses: [10.51.0.1/24]}, own: {kind: bridge}}
    routes: [{to: 10.60.0.0/16, via: 10.50.0.9}]
    rules: [{from: 10.1.0.0/16, table: 77}]
links: [{endpoints: [a:eth0, box:eth5], subnet: 10.0.0.0/24}]
"""


@pytest.fixture(autouse=True)
def boxes(host: Host) -> None:
    for name in ("box", "bag"):
        for line in (
            "ip netns add {0}",
            "ip -n {0} link add br9 type bridge",
            "ip -n {0} link set br9 up",
            "ip -n {0} addr add 10.50.0.1/24 dev br9",
        ):
            host.run(*line.format(name).split())


def box(host: Host) -> dict[str, dict[str, str]]:
    return {
        where: what
        for where, what in host.snapshot().items()
        if where in ("netns box", "netns bag")
    }


def test_a_namespace_that_is_no_longer_attached_is_left_as_it_was(host: Host) -> None:
    host.write("topo.yaml", A)
    host.netorch("apply")
    before = host.snapshot()
    host.write("topo.yaml", BOX)
    host.netorch("apply")
    host.write("topo.yaml", A)
    assert "- rule box priority 10000 from 10.1.0.0/16" in host.netorch("diff", check=False).stdout
    host.netorch("apply")
    assert host.netorch("diff").stdout == "topo: in sync\n"
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"]) == []


def test_a_node_that_attaches_to_another_namespace_leaves_the_first(host: Host) -> None:
    before = box(host)
    host.write("topo.yaml", BOX)
    host.netorch("apply")
    there = box(host)["netns box"]
    host.write("topo.yaml", BOX.replace("netns:box", "netns:bag"))
    host.netorch("apply")
    assert host.netorch("diff").stdout == "topo: in sync\n"
    after = box(host)
    assert diff_snapshots({"box": before["netns box"]}, {"box": after["netns box"]}) == []
    assert there.keys() - before["netns box"].keys() <= after["netns bag"].keys()


def test_a_node_that_is_renamed_stays_where_it_is(host: Host) -> None:
    host.write("topo.yaml", BOX)
    host.netorch("apply")
    host.write("topo.yaml", BOX.replace("  box:", "  bin:").replace("box:eth5", "bin:eth5"))
    assert "address bin/br9" not in host.netorch("diff", check=False).stdout
    host.netorch("apply")
    assert host.netorch("diff").stdout == "topo: in sync\n"


def test_an_apply_that_fails_remembers_what_is_attached(host: Host) -> None:
    before = box(host)
    host.write("topo.yaml", BOX)
    host.netorch("apply")
    applied = host.snapshot()
    host.write("topo.yaml", "nodes: {a: {routes: [{to: default, via: 10.77.0.1}]}}")
    assert "Rolled back" in host.unforeseen("apply", check=False).stderr
    assert diff_snapshots(applied, host.snapshot(), ["files: /run/netorch/topo.lock"]) == []
    # This leaves the state of a crash: the new file is in the record, and no object of the old file
    # is removed.
    host.netorch("apply", "--keep-partial", check=False)
    host.write("topo.yaml", A)
    host.netorch("apply")
    host.netorch("destroy")
    assert diff_snapshots(before, box(host)) == []


@pytest.mark.parametrize("way", ["destroy", "apply"])
def test_killed_while_it_leaves_an_attached_namespace(host: Host, way: str) -> None:
    """netorch is killed before each act, and the namespace is cleared all the same.

    The next apply of a file without the node clears it, or destroy does.
    """
    before = box(host)
    host.write(
        "box.yaml", BOX.replace("nodes:", "name: topo\nnodes:", 1) if "name:" not in BOX else BOX
    )
    host.write("a.yaml", A.replace("nodes:", "name: topo\nnodes:", 1) if "name:" not in A else A)
    with server(host) as run:
        run("apply", "box.yaml")
        acts = run("apply", "a.yaml")["acts"]
        for at in spread(acts, 8):
            assert run("apply", "box.yaml")["status"] == 0
            assert run("apply", "a.yaml", kill_at=at)["status"] < 0
            if way == "apply":
                assert run("apply", "a.yaml")["status"] == 0, at
                assert diff_snapshots(before, box(host)) == [], at
            run("destroy", "topo")
            assert diff_snapshots(before, box(host)) == [], at


def test_a_new_namespace_of_the_same_name_is_left_alone(host: Host) -> None:
    host.write("topo.yaml", BOX)
    host.netorch("apply")
    host.run("ip", "netns", "del", "box")
    host.run("ip", "netns", "add", "box")
    before = box(host)
    host.write("topo.yaml", A)
    host.netorch("apply")
    assert host.netorch("diff").stdout == "topo: in sync\n"
    assert diff_snapshots(before, box(host)) == []
