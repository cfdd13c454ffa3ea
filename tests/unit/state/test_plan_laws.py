"""The laws of the planner, tested with the desired states of random topologies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.planner import batches, ordered, plan, replay
from netorch.state.resource import State
from tests.strategies import Sketch, changed, pairs, star, topologies

EXAMPLES = int(os.environ.get("NETORCH_LAWS_EXAMPLES", "40"))
laws = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def state_of(sketch: Sketch) -> State:
    return load(sketch.text.encode(), "random.yaml").desired.state


def dependencies(step: Step) -> tuple[Key, ...]:
    return step.resource.dies_with + step.resource.needs


def assert_same(state: State, expected: State) -> None:
    assert state.keys() == expected.keys()
    for key, resource in expected.items():
        assert not resource.differs(state[key]), f"{state[key]}\nis not\n{resource}"


# Reaching the goal


@laws
@given(pairs())
def test_replaying_a_plan_gives_the_desired_state(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    for a, b in ((before, after), (after, before), ({}, after), (before, {})):
        assert_same(replay(a, plan(a, b).steps), b)


@laws
@given(topologies())
def test_nothing_to_do_is_an_empty_plan(sketch: Sketch) -> None:
    state = state_of(sketch)
    assert plan(state, state) == Plan()
    assert plan(state, state_of(sketch)) == Plan()
    assert plan({}, {}) == Plan()


@laws
@given(pairs(3))
def test_a_new_plan_finishes_what_another_left_at_any_step(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    steps = plan(before, after).steps
    for done in range(len(steps)):
        there = replay(before, steps[:done])
        assert_same(replay(there, plan(there, after).steps), after)
        # and back, as in a rollback after the kernel refused a step
        assert_same(replay(there, plan(there, before).steps), before)


# Order


@laws
@given(pairs())
def test_no_step_comes_before_what_it_needs(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    made = plan(before, after)
    alive = dict(replay(before, made.deletes))
    for step in made.changes:
        for key in dependencies(step):
            assert key in alive or key not in after, f"{step.key} comes before {key}"
        assert step.before is None or step.key in alive, f"{step.key} is updated after its deletion"
        alive[step.key] = step.resource


@laws
@given(pairs())
def test_no_container_is_deleted_before_what_needs_it(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    gone: set[Key] = set()
    for step in plan(before, after).deletes:
        for key in dependencies(step):
            assert key not in gone, f"{step.key} is deleted after {key}"
        gone.add(step.key)


@laws
@given(pairs())
def test_each_resource_has_one_step(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    made = plan(before, after)
    for steps in (made.deletes, made.changes):
        keys = [step.key for step in steps]
        assert len(keys) == len(set(keys))
    assert all(step.after is None for step in made.deletes)
    assert all(step.after is not None for step in made.changes)
    assert not {step.key for step in made.deletes} & {resource.key for resource in made.implied}
    for step in made.steps:
        assert list(step.requests()) or step.key.kind in {"link", "netns", "sysctl"}, (
            f"{step} asks nothing of the kernel"
        )


def positions(steps: Sequence[Step], *, deleting: bool = False) -> dict[Key, tuple[int, str, int]]:
    """Return the epoch of each step, its namespace and its index in the list there."""
    places: dict[Key, tuple[int, str, int]] = {}
    sent: list[int] = []
    for number, epoch in enumerate(batches(steps, deleting=deleting)):
        for label, here in epoch.items():
            for place, step in enumerate(here):
                assert step.key.netns == label
                places[step.key] = (number, label, place)
                sent.append(id(step))
    assert sorted(sent) == sorted(map(id, steps)), "not each step exactly once"
    return places


def assert_first(first: tuple[int, str, int], then: tuple[int, str, int], what: str) -> None:
    if first[1] != then[1]:
        assert first[0] < then[0], f"{what}: at the same time, in two namespaces"
    else:
        assert (first[0], first[2]) < (then[0], then[2]), f"{what}: in the wrong order"


@laws
@given(pairs())
def test_epochs_keep_every_step_and_every_dependency(pair: tuple[Sketch, Sketch]) -> None:
    before, after = map(state_of, pair)
    made = plan(before, after)
    creating = positions(made.changes)
    for step in made.changes:
        for key in dependencies(step):
            if key in creating:
                assert_first(creating[key], creating[step.key], f"{key} before {step.key}")
    deleting = positions(made.deletes, deleting=True)
    for step in made.deletes:
        for key in dependencies(step):
            if key in deleting:
                assert_first(deleting[step.key], deleting[key], f"delete {step.key} before {key}")


@laws
@given(topologies())
def test_the_order_has_each_resource_once_and_after_its_dependencies(sketch: Sketch) -> None:
    state = state_of(sketch)
    order = ordered(state)
    assert sorted(order) == sorted(state)
    place = {key: number for number, key in enumerate(order)}
    for key, resource in state.items():
        assert key == resource.key
        assert all(
            place[other] < place[key]
            for other in resource.dies_with + resource.needs
            if other in place
        )
        if (pair := resource.paired_key) is not None:
            assert state[pair].paired_key == key


# Deletes


@laws
@given(topologies())
def test_what_dies_with_its_container_needs_no_step(sketch: Sketch) -> None:
    state = state_of(sketch)
    made = plan(state, {})
    stepped = [step.resource for step in made.deletes]
    assert not made.changes
    assert {resource.key for resource in (*stepped, *made.implied)} == set(state)
    for resource in stepped:
        assert not any(container in state for container in resource.dies_with), (
            f"{resource.key} dies with its container"
        )
        assert resource.paired_key is None or resource.paired_key not in {
            other.key for other in stepped
        }, f"{resource.key}: both ends have a step"


def test_destroying_many_nodes_takes_few_steps() -> None:
    state = load(star(300).encode(), "star.yaml").desired.state
    made = plan(state, {})
    kinds = [step.key.kind for step in made.deletes]
    assert len(kinds) == kinds.count("netns") + kinds.count("file") == 301 + 300


# Speed and determinism


def test_a_plan_takes_time_in_proportion_to_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    def seconds(nodes: int) -> tuple[float, int]:
        state = load(star(nodes).encode(), "star.yaml").desired.state
        best = float("inf")
        for _ in range(2):
            started = time.perf_counter()
            made = plan({}, state)
            batches(made.changes)
            batches(plan(state, {}).deletes, deleting=True)
            best = min(best, time.perf_counter() - started)
        return best, len(made)

    (one, few), (other, many) = seconds(1000), seconds(2000)
    with capsys.disabled():
        print(
            f"\nplan: {few} steps {one:.3f} s, {many} steps {other:.3f} s:"
            f" {other / one:.2f} times as long"
        )


PRINT_STATES_AND_PLANS = """
import json, sys
from netorch.resolve.loader import load
from netorch.state.planner import plan
for one, other in json.load(sys.stdin):
    a, b = (load(text.encode(), "random.yaml").desired for text in (one, other))
    for desired in (a, b):
        print(list(desired.state.items()), list(desired.origins.items()))
        print(list(desired.labels.items()))
    print(plan(a.state, b.state), plan({}, a.state), plan(b.state, {}))
"""


@settings(laws, max_examples=3)
@given(st.lists(pairs(), min_size=2, max_size=2))
def test_the_same_file_is_the_same_state_in_every_process(
    drawn: list[tuple[Sketch, Sketch]],
) -> None:
    texts = json.dumps([[one.text, other.text] for one, other in drawn])
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_STATES_AND_PLANS],
            input=texts,
            capture_output=True,
            text=True,
            check=True,
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "PATH": os.environ["PATH"],
            },
        ).stdout
        for seed in ("0", "1", "4711")
    ]
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(outputs[0]) > 1000


@laws
@given(topologies())
def test_loading_twice_gives_the_same_in_the_same_order(sketch: Sketch) -> None:
    one, other = (load(sketch.text.encode(), "random.yaml").desired for _ in range(2))
    assert list(one.state.items()) == list(other.state.items())
    assert list(one.origins.items()) == list(other.origins.items())


@laws
@given(st.data())
def test_an_unchanged_part_has_no_step(data: st.DataObject) -> None:
    """A plan has steps only for resources that differ and for those that the kernel removes."""
    before = data.draw(topologies(4))
    after = data.draw(changed(before, 4))
    a, b = state_of(before), state_of(after)
    made = plan(a, b)
    touched = {step.key for step in made.steps} | {resource.key for resource in made.implied}
    taken_along = {step.key for step in made.steps if step.cause is not None} | {
        resource.key for resource in made.implied
    }
    for key in a.keys() & b.keys():
        if key in touched and key not in taken_along:
            assert b[key].differs(a[key]), f"{key} has a step although it does not differ"
