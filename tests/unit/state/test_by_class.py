"""The resources of a state by their class are those that a search finds."""

from __future__ import annotations

import pytest

from netorch.kinds.address import Address
from netorch.kinds.base.link import Link
from netorch.kinds.bridge import Bridge
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.vrf import Vrf
from netorch.resolve.loader import load
from netorch.state.by_class import groups_of, of_class
from netorch.state.resource import Resource, State

TEXT = """\
name: lab
nodes:
  a: {networks: [lan], sysctls: {net.ipv4.conf.all.rp_filter: 2}}
  b: {networks: [lan], sysctls: {net.ipv4.conf.all.rp_filter: 2}}
networks: {lan: {subnet: 10.0.0.0/24}}
"""


@pytest.fixture(scope="module")
def state() -> State:
    return load(TEXT.encode(), "lab.yaml").desired.state


@pytest.mark.parametrize("cls", [Sysctl, Address, Bridge, Link, Vrf, Resource])
def test_each_resource_of_a_class_is_there_once(state: State, cls: type[Resource]) -> None:
    expected = [one for one in state.values() if isinstance(one, cls)]
    assert sorted(map(str, of_class(state, cls))) == sorted(map(str, expected))
    for one in {type(resource) for resource in expected}:
        assert groups_of(state)[one] == [other for other in expected if type(other) is one]


def test_another_state_with_the_same_key_is_another_state(state: State) -> None:
    before = len(of_class(state, Sysctl))
    for _ in range(6):  # more than are remembered
        smaller = {key: one for key, one in state.items() if key.netns != "a"}
        assert len(of_class(smaller, Sysctl)) < before
        assert len(of_class(state, Sysctl)) == before
