"""The keys of tap and tun, and what changing them does."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.base.link import link_key
from netorch.kinds.tuntap import Tap, Tun
from netorch.resolve.loader import load
from netorch.state.plan import Plan
from netorch.state.planner import plan
from netorch.values.requests import Answer, GroupNumber, TunAdd, TunSet, UserNumber


def link(words: str) -> Tap | Tun:
    resource = load(
        f"name: t\nnodes: {{a: {{interfaces: {{x: {{{words}}}}}}}}}".encode(), "t.yaml"
    ).desired.state[link_key("a", "x")]
    assert isinstance(resource, Tap | Tun)
    return resource


def test_names_are_looked_up_and_numbers_are_not() -> None:
    tap = link("kind: tap, owner: alice, group: 7")
    assert tap.questions == (UserNumber("alice", "owner"),)
    assert tap.with_answers({UserNumber("alice", "owner"): Answer(1000)}) == link(
        "kind: tap, owner: 1000, group: '7'"
    )
    assert link("kind: tun, group: wheel").questions == (GroupNumber("wheel", "group"),)
    assert link("kind: tun").questions == ()


def test_marks_are_set_before_the_device_is_made_persistent() -> None:
    (made,) = link("kind: tap, owner: 0").create()
    assert isinstance(made, TunAdd)
    assert (made.tap, made.owner, made.group) == (True, 0, None)
    assert b"netorch:t\0" in dict(made.attrs).values()


def change(before: str, after: str) -> Plan:
    key = link_key("a", "x")
    return plan({key: link(before)}, {key: link(after)})


def test_what_changes_in_place() -> None:
    (step,) = change("kind: tap, owner: 1, group: 5", "kind: tap, owner: 2, group: 5").steps
    assert list(step.requests()) == [TunSet("a", "x", True, False, 2, None)]
    for before, after in (
        ("owner: 1", "group: 1"),
        ("owner: 1", "mtu: 1500"),
        ("multi_queue: true", "mtu: 1500"),
    ):
        assert len(change(f"kind: tap, {before}", f"kind: tap, {after}").deletes) == 1
    assert len(change("kind: tap", "kind: tun").deletes) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("kind: tap, owner: -1", "-1 is not between 0 and 4294967294"),
        ("kind: tap, owner: 4294967295", "4294967295 is not between 0 and 4294967294"),
        ("kind: tap, group: 'a b'", "'a b' is neither a name nor a number"),
        ("kind: tap, owner: true", "True is not a whole number"),
        ("kind: tun, mac: '02:00:00:00:00:01'", "a:x is of kind tun, which has no MAC of its own"),
        ("kind: tap, users: 5", "unknown key 'users'"),
        (
            "kind: tun}, br0: {kind: bridge, ports: x",
            "a:x is a tun, which carries no Ethernet frames",
        ),
        ("kind: tap, onwer: 5", "Did you mean 'owner'?"),
    ],
)
def test_wrong_words(words: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        link(words)
    assert message in str(caught.value)
