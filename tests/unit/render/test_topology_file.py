"""A state as a file: the file asks for the same state again."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import HealthCheck, Phase, given, settings

from netorch.immutable import replace
from netorch.kinds.base.link import Link
from netorch.language.limits import IFNAMSIZ
from netorch.render.applied_file import document
from netorch.render.topology_file import topology
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.resource import Resource
from tests.strategies import Sketch, topologies

WITHOUT_WORDS = frozenset(("file", "filter", "forward", "publish", "sysctl"))
"""Kinds of objects that follow from networks with a mode and from the names of nodes."""

many = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.generate],
)


def differences(one: Mapping[Key, Resource], other: Mapping[Key, Resource]) -> list[str]:
    return [
        f"{key}: {one.get(key)} / {other.get(key)}"
        for key in {**one, **other}
        if key.kind not in WITHOUT_WORDS
        and (key not in one or key not in other or differs(one[key], other[key]))
    ]


def differs(one: Resource, other: Resource) -> bool:
    if isinstance(one, Link) and isinstance(other, Link) and not other.altname:
        # no key of an interface has the long name of a network's port or bridge
        one = one if len(one.altname.encode()) <= IFNAMSIZ else replace(one, altname="")
    return one.differs(other)


@given(topologies())
@many
def test_a_state_as_a_file_asks_for_the_same_state(sketch: Sketch) -> None:
    desired = load(sketch.text.encode(), "random.yaml").desired
    text = topology(desired.topology, desired.state, desired.prefix, desired.attached)
    again = load(text.encode(), "again.yaml").desired
    assert differences(desired.state, again.state) == [], text


@given(topologies())
@many
def test_the_file_that_was_applied_asks_for_the_same_state(sketch: Sketch) -> None:
    once = load(sketch.text.encode(), "random.yaml")
    again = load(document(once).encode(), "again.yaml")
    assert again.desired.state == once.desired.state


def test_both_ends_of_a_cable_have_their_own_mtu() -> None:
    ends = "{node: a, interface: x, mtu: 1500}, {node: b, interface: x, mtu: 1300}"
    desired = load(f"nodes: {{a: {{}}, b: {{}}}}\nlinks: [[{ends}]]\n".encode(), "t.yaml").desired
    again = load(topology("t", desired.state).encode(), "t.yaml").desired
    assert {link.mtu for link in again.state.values() if isinstance(link, Link)} == {1500, 1300}
