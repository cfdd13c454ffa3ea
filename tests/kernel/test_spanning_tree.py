"""Test bridges with STP, of which the kernel shows values of the root and momentary values."""

from __future__ import annotations

import time

import pytest

from tests.kernel.host import Host

TREE = """
nodes:
  root: {interfaces: {br0: {kind: bridge, ports: [p], stp: true, priority: 100, forward_delay: 2s, hello_time: 1s, max_age: 6s}}}
  leaf: {interfaces: {br0: {kind: bridge, ports: [p], stp: true, forward_delay: 5s, max_age: 19s}}}
links: [[root:p, leaf:p]]
"""


def bridge_data(host: Host, netns: str) -> dict[str, int]:
    data: dict[str, int] = host.ip("-n", netns, "link", "show", "br0")[0]["linkinfo"]["info_data"]
    return data


def wait(host: Host, netns: str, **expected: int) -> None:
    deadline = time.monotonic() + 15
    while any(bridge_data(host, netns)[key] != value for key, value in expected.items()):
        assert time.monotonic() < deadline, bridge_data(host, netns)
        time.sleep(0.1)


def test_a_bridge_that_follows_the_root_is_in_sync(host: Host) -> None:
    file = host.write("t.yaml", TREE)
    host.netorch("apply", file)
    wait(host, "leaf", forward_delay=200, hello_time=100, max_age=600)  # the values of the root
    assert "in sync" in host.netorch("diff", file).stdout

    wait(host, "root", topology_change=1, ageing_time=400)  # for a while, twice the forward delay
    wait(host, "leaf", topology_change=1, ageing_time=400)
    assert "in sync" in host.netorch("diff", file).stdout
    assert "nothing to do" in host.netorch("apply", file).stdout

    host.write("t.yaml", TREE.replace("19s", "18s, ageing_time: 60s"))
    assert host.netorch("diff", file, check=False).returncode == 2
    assert "max_age 1900 → 1800" in host.netorch("apply", file).stdout
    assert bridge_data(host, "leaf")["max_age"] == 600
    assert "in sync" in host.netorch("diff", file).stdout

    host.run("ip", "-n", "leaf", "link", "set", "p", "nomaster")  # the leaf is its own root now
    wait(host, "leaf", forward_delay=500, hello_time=200, max_age=1800)


@pytest.mark.parametrize("state", [1, 2])
def test_a_port_that_is_held_without_a_tree_forwards_again(host: Host, state: int) -> None:
    """A user set the state, or turned a spanning tree on and off before the port forwarded."""
    text = "name: lab\nnodes: {a: {networks: [lan]}, b: {networks: [lan]}}\n"
    host.write("lab.yaml", text + "networks: {lan: {subnet: 10.0.0.0/24}}\n")
    host.netorch("apply", "lab.yaml")
    port = host.ip("-n", "netorch-lab", "link", "show", "master", "lan")[0]["ifname"]
    host.run(
        "ip",
        "netns",
        "exec",
        "netorch-lab",
        "bridge",
        "link",
        "set",
        "dev",
        port,
        "state",
        f"{state}",
    )
    diff = host.netorch("diff", "lab.yaml", check=False)
    assert diff.returncode == 2
    assert diff.stdout.startswith(f"~ link netorch-lab/{port}  state "), diff.stdout
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.0.0.2") or host.ping("a", "10.0.0.3")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
