"""Published ports that br_netfilter breaks, because a frame would leave by the port it came by."""

from __future__ import annotations

import pytest

from netorch.converge.bridge_filter import settings_without_filter, warn_of_filter
from netorch.resolve.loader import load
from netorch.resolve.machines import part_of
from netorch.values.snapshot import ForwardSnapshot, NetnsSnapshot, Snapshot

FILE = """
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  a: {on: rack1, networks: [n]}
  b: {on: rack2, networks: [n]}
  c: {on: rack2, networks: [n]}
networks: {n: {mode: nat, on: rack1, subnet: 10.0.0.0/24}}
"""


def warnings(node: str, file: str = FILE) -> list[str]:
    """Return the warnings of rack1, where br_netfilter is on, if the node publishes a port."""
    text = file.replace(f"  {node}: {{", f'  {node}: {{publish: "8080:80", ')
    state = part_of(load(text.encode(), "lab.yaml"), "rack1").desired.state
    host = NetnsSnapshot("host", (0, 0), (), forward=ForwardSnapshot(bridged=frozenset((4,))))
    assert settings_without_filter(state, lambda paths: {}) == []
    return warn_of_filter(state, Snapshot({"host": host}))


@pytest.mark.parametrize(("node", "warned"), [("a", False), ("b", True)])
def test_a_port_of_a_node_behind_a_tunnel(node: str, warned: bool) -> None:
    assert ["behind a tunnel" in line for line in warnings(node)] == [True] * warned


def test_the_only_node_behind_a_tunnel() -> None:
    assert warnings("b", FILE.replace("c: {on: rack2", "c: {on: rack1")) == []
