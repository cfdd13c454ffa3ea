"""The host takes part in checks, whether or not it is among the nodes."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load
from netorch.state.key import HOST

LAB = """
name: lab
nodes: {%sa: {networks: [lan]}}
networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}
checks: [{from: host, to: a}, {from: a, to: host}, {from: host, to: 127.0.0.1, tcp: 80}]
"""


@pytest.mark.parametrize("declared", ["", "host: {}, "])
def test_the_host_is_an_end(declared: str) -> None:
    first, second, third = load((LAB % declared).encode(), "lab.yaml").desired.checks
    assert first.source is not None and first.target is not None
    assert first.source.label == HOST
    assert second.target is not None
    assert second.target.label == HOST
    assert [str(one) for one in second.target.addresses] == ["10.0.0.1"]
    assert third.source == first.source


def test_with_several_machines_there_is_no_single_host() -> None:
    text = "name: lab\nhosts: {m1: {address: 192.0.2.1}}\nnodes: {a: {on: m1}}\n"
    with pytest.raises(FileError, match="node 'host' does not exist"):
        load(f"{text}checks: [{{from: host, to: a}}]".encode(), "lab.yaml")
