"""Intended deviations over desired states: their laws, their record, and their sentences."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from netorch.converge import intended
from netorch.converge.deviate import set_down, set_impairment, set_up
from netorch.converge.intended import Deviation, Flap, overlay, with_intended, without_intended
from netorch.converge.named_interface import Target, find_target
from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.files import records
from netorch.kernel.files.pending import start_time
from netorch.kinds.impair import Impair
from netorch.kinds.route import Route
from netorch.kinds.up import Up, up_key
from netorch.language.impairment import CERTAIN, Impairment
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.planner import plan, replay
from netorch.state.resource import State
from tests.strategies import Sketch, topologies

laws = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

MS = 1_000_000


def desired_of(text: str) -> Desired:
    return load(text.encode(), "topo.yaml").desired


def down(netns: str, link: str) -> Deviation:
    return Deviation(netns, link, netns, link, time.time())


def impaired(netns: str, link: str, impairment: Impairment) -> Deviation:
    return Deviation(netns, link, netns, link, time.time(), impairment=impairment)


def ups(state: State) -> list[Up]:
    return [resource for resource in state.values() if isinstance(resource, Up)]


def assert_same(state: State, expected: State) -> None:
    assert state.keys() == expected.keys()
    for key, resource in expected.items():
        assert not resource.differs(state[key]), f"{state[key]}\nis not\n{resource}"


@laws
@given(topologies())
def test_a_link_that_goes_down_and_comes_up_again_changes_nothing(sketch: Sketch) -> None:
    state = desired_of(sketch.text).state
    assert overlay(state, ()) is state
    for up in ups(state):
        before = overlay(state, [down(up.netns, up.link)])
        assert up.key not in before
        # both ways lead there, and nothing else than what hangs on the link is touched
        assert_same(replay(state, plan(state, before).steps), before)
        assert_same(replay(before, plan(before, state).steps), state)
        assert_same(without_intended(before, state, [down(up.netns, up.link)]), state)


@laws
@given(topologies())
def test_the_file_is_in_sync_when_the_kernel_has_set_a_link_down(sketch: Sketch) -> None:
    """Linux deletes what dies with the link. Only routes with several next hops change."""
    state = desired_of(sketch.text).state
    for up in ups(state):
        asked = overlay(state, [down(up.netns, up.link)])
        (first, *_) = [step for step in plan(state, asked).deletes if step.key == up.key]
        left = plan(replay(state, [first]), asked)
        assert {type(step.resource) for step in left.steps} <= {Route, Up}
        assert all(step.after is None for step in left.steps if isinstance(step.resource, Up)), (
            "a VLAN goes down with its parent"
        )


@laws
@given(topologies())
def test_the_order_of_deviations_does_not_matter(sketch: Sketch) -> None:
    state = desired_of(sketch.text).state
    every = [down(up.netns, up.link) for up in ups(state)][:4]
    there = overlay(state, every)
    assert_same(overlay(state, every[::-1]), there)
    one_by_one = state
    for deviation in every:
        one_by_one = overlay(one_by_one, [deviation])
    assert_same(one_by_one, there)
    assert overlay(there, every) is there


FILE = """
name: lab
nodes:
  r1:
    interfaces: {eth0: {impair: {delay: 3ms}}, eth2: {state: down}}
    routes:
      - {to: 10.9.0.0/16, via: 10.0.0.2}
      - {to: 10.8.0.0/16, nexthops: [{via: 10.0.0.2, weight: 3}, {via: 10.1.0.2, weight: 2}]}
      - {to: 'fd08::/64', nexthops: [{via: 'fd00::2'}, {via: 'fd01::2'}]}
  r2:
    interfaces:
      eth0.5: {kind: vlan, parent: eth0, id: 5, addresses: [10.5.0.1/24]}
      eth0.5.6: {kind: vlan, parent: eth0.5, id: 6}
links:
  - {endpoints: [r1:eth0, r2:eth0], subnet: [10.0.0.0/30, 'fd00::/126']}
  - {endpoints: [r1:eth1, r2:eth1], subnet: [10.1.0.0/30, 'fd01::/126']}
  - {endpoints: [r1:eth2, r2:eth2]}
"""


def attributes(state: State, kind: str) -> dict[str, dict[str, str]]:
    return {
        f"{key.netns} {key.name}": dict(resource.attributes())
        for key, resource in state.items()
        if key.kind == kind
    }


def test_a_link_takes_what_linux_deletes_with_it() -> None:
    state = desired_of(FILE).state
    asked = overlay(state, [down("r1", "eth0")])
    routes = attributes(asked, "route")
    assert set(routes) == {"r1 10.8.0.0/16", "r1 fd08::/64"}
    assert routes["r1 10.8.0.0/16"] == {"via": "10.1.0.2", "dev": "eth1"}
    assert "r1 eth0 10.0.0.1/30" in attributes(asked, "address")
    assert "r1 eth0 fd00::1/126" not in attributes(asked, "address")
    both = overlay(state, [down("r1", "eth0"), down("r1", "eth1")])
    assert attributes(both, "route") == {}


def test_vlans_go_down_with_their_parent() -> None:
    state = desired_of(FILE).state
    asked = overlay(state, [down("r2", "eth0")])
    keys = {up_key("r2", name) for name in ("eth0", "eth0.5", "eth0.5.6")}
    assert keys <= state.keys()
    assert keys.isdisjoint(asked)


def test_an_impairment_replaces_that_of_the_file() -> None:
    state = desired_of(FILE).state
    key = Key("impair", "r1", "eth0")
    asked = overlay(state, [impaired("r1", "eth0", Impairment(loss=CERTAIN))])
    assert asked[key].attributes() == {"loss": "100%"}
    assert key not in overlay(state, [impaired("r1", "eth0", Impairment())])
    other = overlay(state, [impaired("r2", "lo", Impairment(rate=125_000))])
    resource = other[Key("impair", "r2", "lo")]
    assert isinstance(resource, Impair)
    assert resource.burst


@pytest.mark.parametrize(
    "deviation",
    [
        down("r1", "gone"),
        down("r1", "eth2"),
        impaired("r1", "gone", Impairment(delay=MS)),
        impaired("r1", "eth0", Impairment(delay=3 * MS)),
        impaired("r1", "eth1", Impairment()),
    ],
)
def test_a_deviation_that_the_file_does_not_contradict_has_no_effect(deviation: Deviation) -> None:
    desired = desired_of(FILE)
    assert overlay(desired.state, [deviation]) is desired.state
    known = down("r1", "eth0")
    assert with_intended(desired, (deviation, known))[1] == (known,)


def target(link: str) -> Target:
    return find_target("lab", desired_of(FILE), link)


def test_down_and_up_are_the_way_there_and_back() -> None:
    desired = desired_of(FILE)
    there = set_down(target("r1:eth0"), "alice")(desired, ())
    assert [deviation.text()[:15] for deviation in there] == ["r1 eth0 is down"]
    assert there[0].who == "alice"
    again = set_down(target("r1:eth0"), "bob")(desired, there)
    assert again == there
    assert set_up(target("r1:eth0"))(desired, again) == ()
    assert set_down(target("r1:eth2"), "")(desired, ()) == ()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("r1", "'r1' does not name an interface. Write r1:IF. r1 has eth0, eth1, eth2, lo."),
        ("r1:", "does not name an interface"),
        ("r3:eth0", "topology 'lab' has no node 'r3'. There are r1, r2."),
        ("r1:eht0", "topology 'lab' has no interface 'eht0' in r1. Did you mean 'eth0'?"),
        ("r1:x", "There are eth0, eth1, eth2, lo."),
        ("host:x", "has no node 'host'"),
    ],
)
def test_an_end_that_does_not_exist(end: str, words: str) -> None:
    with pytest.raises(NetorchError) as failure:
        target(end)
    assert words in str(failure.value)


def test_what_cannot_be_set_up_or_down() -> None:
    desired = desired_of(FILE)
    with pytest.raises(NetorchError, match="loopback"):
        set_down(target("r1:lo"), "")(desired, ())
    with pytest.raises(NetorchError, match="because the file says so"):
        set_up(target("r1:eth2"))(desired, ())
    parent = set_down(target("r2:eth0"), "")(desired, ())
    both = set_down(target("r2:eth0.5"), "")(desired, parent)
    assert len(both) == 2
    with pytest.raises(NetorchError, match=r"cannot come up: its parent r2 eth0 is down"):
        set_up(target("r2:eth0.5"))(desired, both)
    # the VLAN stays down when its parent comes up
    rest = set_up(target("r2:eth0"))(desired, both)
    assert up_key("r2", "eth0.5") not in overlay(desired.state, rest)


def test_an_impairment_begins_and_ends() -> None:
    desired = desired_of(FILE)
    there = set_impairment(target("r1:eth0"), "", Impairment(delay=MS))(desired, ())
    assert there[0].text().startswith("r1 eth0 has delay 1ms (netorch impair, ")
    off = set_impairment(target("r1:eth0"), "", Impairment())(desired, there)
    assert off[0].text().startswith("r1 eth0 is not impaired (netorch impair, ")
    assert set_impairment(target("r1:eth0"), "", None)(desired, off) == ()
    assert set_impairment(target("r1:eth0"), "", Impairment(delay=3 * MS))(desired, off) == ()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "RUN_NETORCH", str(tmp_path))
    (tmp_path / "lab").mkdir()
    return tmp_path / "lab" / "intended.json"


def test_the_record_has_all_of_a_deviation(run: Path) -> None:
    flap = Flap(0.5, os.getpid(), start_time(os.getpid()), down=True)
    every = (
        down("r1", "eth0"),
        impaired("r1", "eth0", Impairment(loss=7, limit=5)),
        Deviation("r1", "eth1", "r1", "eth1", 5.0, "eve", flap=flap),
    )
    intended.write("lab", every)
    assert intended.read("lab") == (every, "")
    intended.write("lab", ())
    assert not run.exists()
    assert intended.read("lab") == ((), "")


def test_a_flap_ends_with_its_process(run: Path) -> None:
    for is_down in (True, False):
        flap = Flap(0.5, os.getpid(), 1, down=is_down)
        intended.write("lab", (replace(down("r1", "eth0"), flap=flap),))
        (deviations, _) = intended.read("lab")
        assert [one.flap for one in deviations] == [None] * is_down


ONE = (
    '{"node": "r1", "interface": "eth0", "netns": "r1", "link": "eth0", "since": 1, '
    '"impairment": %s}'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"deviations": [{}]}',
        '{"deviations": 1}',
        f'{{"deviations": [{ONE % "null"}, {ONE % "null"}]}}',
        f'{{"deviations": [{ONE % """{"delay": -1}"""}]}}',
        f'{{"deviations": [{ONE % """{"rate": 1e30}"""}]}}',
        f'{{"deviations": [{ONE % """{"loss": 4294967296}"""}]}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_record_is_a_warning(run: Path, text: str) -> None:
    run.write_text(text)
    deviations, warning = intended.read("lab")
    assert deviations == ()
    assert "lab/intended.json: the record of intended deviations is damaged and ignored" in warning


SPREAD = """
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  a: {on: rack1}
  b: {on: rack2}
links: [{endpoints: [a:x, b:x], subnet: 10.0.0.0/30}]
"""


def test_a_node_on_another_machine() -> None:
    loaded = load(SPREAD.encode(), "topo.yaml", choose=lambda *_: "rack1")
    assert find_target("lab", loaded.desired, "a:x").link == "x"
    for end, machine in (("b:x", "rack2"), ("host.rack2:lan", "rack2")):
        with pytest.raises(NetorchError) as failure:
            find_target("lab", loaded.desired, end)
        (problem,) = failure.value.problems
        assert problem.code == "node-elsewhere"
        assert machine in problem.what
        assert problem.remedy == "`ssh 198.51.100.2 netorch …`"
    state = loaded.desired.state
    asked = overlay(state, [down("a", "x")])
    assert up_key("a", "x") in state
    assert up_key("a", "x") not in asked
