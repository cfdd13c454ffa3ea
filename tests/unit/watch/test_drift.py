"""What a watch tells: each drift once, again if it changes, and its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.planner import plan
from netorch.watch import text
from netorch.watch.drift import Drift, Place, advance, drifts
from netorch.watch.events import Actor, Change, Event, Sort

FILE = """
name: lab
nodes:
  r1: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}, routes: [{to: 10.9.0.0/16, via: 10.0.0.2}]}
  r2: {interfaces: {eth0: {addresses: [10.0.0.2/24], mtu: 1400}}}
links: [[r1:eth0, r2:eth0]]
"""
STATE = load(FILE.encode(), "lab.yaml").desired.state

PLACES = [Place(title, attribute) for title in ("veth r1/eth0", "bridge br") for attribute in "ab"]


@st.composite
def some_drifts(draw: st.DrawFn) -> dict[Place, Drift]:
    """Return drifts at some places, with few values, so that they often repeat."""
    places = draw(st.lists(st.sampled_from(PLACES), unique=True))
    return {
        place: Drift(
            Key("link", "r1", place.object),
            place,
            Change.CHANGED,
            "1",
            draw(st.sampled_from("23")),
            cause=draw(st.sampled_from(["", "", "netns r1"])),
        )
        for place in places
    }


@given(st.lists(some_drifts(), max_size=8))
def test_each_drift_is_told_once_and_its_end_once(states: list[dict[Place, Drift]]) -> None:
    reports: dict[Place, Drift] = {}
    open_drifts: dict[Place, str | None] = {}
    for now in states:
        events, reports = advance(reports, now)
        for event in events:
            place = Place(event.object, event.attribute)
            if event.sort is Sort.DRIFT:
                assert now[place].actual == event.after
                open_drifts[place] = event.after
            elif event.sort is Sort.RESTORED:
                assert place not in now
                del open_drifts[place]
        assert open_drifts.keys() <= now.keys()
        # whatever nothing else explains has been told, with its values of now
        for place, one in now.items():
            assert one.is_consequence or open_drifts[place] == one.actual
        assert advance(reports, now)[0] == []


@given(some_drifts(), some_drifts())
def test_in_sync_is_told_when_the_last_drift_ends(
    first: dict[Place, Drift], second: dict[Place, Drift]
) -> None:
    events, _ = advance(first, second)
    ended = bool(first) and not second
    assert [event.sort for event in events].count(Sort.IN_SYNC) == ended


def without(*titles: str) -> dict[Place, Drift]:
    """Return the drifts if the objects with these titles do not exist."""
    left = {key: one for key, one in STATE.items() if one.title() not in titles}
    return drifts(plan(left, STATE))


def test_a_missing_link_explains_its_addresses_and_its_other_end() -> None:
    gone = [one.title() for key, one in STATE.items() if key.netns == "r1" and key.kind != "file"]
    gone += [one.title() for key, one in STATE.items() if key.netns == "r2" and "eth0" in key]
    events, _ = advance({}, without(*gone))
    assert [event.object for event in events] == ["netns r1"]
    assert "veth r2/eth0" in events[0].consequences
    assert "address r2/eth0 10.0.0.2/24" in events[0].consequences


@pytest.mark.parametrize("names", [("r1", "r2"), ("z", "a"), ("a", "z")])
def test_one_end_of_a_missing_cable_is_told(names: tuple[str, str]) -> None:
    first, second = names
    text = FILE.replace("r1", first).replace("r2", second)
    state = load(text.encode(), "lab.yaml").desired.state
    left = {key: one for key, one in state.items() if "eth0" not in key}
    events, _ = advance({}, drifts(plan(left, state)))
    assert [event.object for event in events] == [f"veth {min(names)}/eth0"]


def sentences(events: list[Event]) -> list[str]:
    """Return the lines without the time, except those of the other end."""
    lines = [text.line(event).partition(" ")[2] for event in events]
    return [line for line in lines if not line.startswith("veth r1/eth0")]


def test_values_are_in_the_words_of_diff() -> None:
    other = load(FILE.replace("1400", "1300").encode(), "lab.yaml").desired.state
    events, reports = advance({}, drifts(plan(other, STATE)))
    assert sentences(events) == ["veth r2/eth0: mtu changed from 1400 to 1300"]
    another = load(FILE.replace("1400", "1200").encode(), "lab.yaml").desired.state
    events, reports = advance(reports, drifts(plan(another, STATE)))
    assert sentences(events) == ["veth r2/eth0: mtu changed from 1300 to 1200"]
    events, reports = advance(reports, {})
    assert sentences(events) == ["veth r2/eth0: mtu is 1400 again", "in sync again"]


def test_who_did_it_is_told() -> None:
    event = Event(0.0, "lab", Sort.DRIFT, "route r1 default", change=Change.MISSING)
    who = Actor(12, "ip", "root")
    assert text.line(replaced(event, who)).endswith(
        "lab: route r1 default: is missing, by process 12 (ip) of root"
    )
    assert text.line(replaced(event, Actor(12))).endswith("by process 12, which has ended")
    assert text.line(replaced(event, Actor(protocol="dhcp"))).endswith("by protocol dhcp")
    assert text.fields(replaced(event, who))["who"] == {
        "pid": 12,
        "command": "ip",
        "user": "root",
        "protocol": None,
    }


def replaced(event: Event, who: Actor) -> Event:
    from netorch.immutable import replace

    return replace(event, who=who)


def test_times_are_those_of_rfc_3339() -> None:
    assert text.rfc3339(1.0005) == "1970-01-01T00:00:01.000Z"
    assert text.rfc3339(1.9996) == "1970-01-01T00:00:02.000Z"
