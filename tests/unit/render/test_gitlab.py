"""Problems and differences as a Code Quality report of GitLab."""

from __future__ import annotations

import json

from netorch.errors import Position, Problem
from netorch.kinds.base.link import link_key
from netorch.render import gitlab
from netorch.render.changes import Change
from netorch.state.resource import Disruption

UNKNOWN = Problem(
    "unknown-key",
    "unknown key 'x' in nodes.a.",
    Position(3, 7),
    "Did you mean 'mtu'?",
    end=Position(3, 8),
)
"""A problem with a place, an end and a remedy."""


def change(title: str, disruption: Disruption) -> Change:
    return Change(disruption, link_key("r1", title), title, {"mtu": ("1500", "9000")})


def test_a_problem_is_an_entry_at_its_line() -> None:
    [entry] = json.loads(gitlab.report(gitlab.of_problems([UNKNOWN], "net/topo.yaml")))
    fingerprint = entry.pop("fingerprint")
    assert entry == {
        "description": "unknown key 'x' in nodes.a. Did you mean 'mtu'?",
        "check_name": "netorch/unknown-key",
        "severity": "critical",
        "location": {"path": "net/topo.yaml", "lines": {"begin": 3, "end": 3}},
    }
    assert len(fingerprint) == 32


def test_a_fingerprint_stays_when_lines_before_it_are_added() -> None:
    lower = Problem("unknown-key", UNKNOWN.what, Position(9, 7), UNKNOWN.remedy)

    def fingerprint(problem: Problem, file: str = "topo.yaml") -> str:
        [entry] = json.loads(gitlab.report(gitlab.of_problems([problem], file)))
        return str(entry["fingerprint"])

    assert fingerprint(lower) == fingerprint(UNKNOWN) != fingerprint(UNKNOWN, "other.yaml")


def test_equal_problems_have_different_fingerprints() -> None:
    entries = json.loads(gitlab.report(gitlab.of_problems([UNKNOWN, UNKNOWN], "topo.yaml")))
    assert len({entry["fingerprint"] for entry in entries}) == 2


def test_a_change_that_stops_traffic_is_worse() -> None:
    changes = [
        change("veth r1/eth0", Disruption.UPDATE),
        change("veth r1/eth1", Disruption.REPLACE),
    ]
    entries = json.loads(
        gitlab.report(gitlab.of_changes("lab", changes, "topo.yaml", lambda _: None))
    )
    assert [entry["severity"] for entry in entries] == ["minor", "major"]
    assert entries[0]["location"] == {"path": "topo.yaml", "lines": {"begin": 1}}
    assert entries[0]["description"].startswith("lab differs: ~ veth r1/eth0  mtu 1500 → 9000")


def test_without_a_file_and_with_control_characters() -> None:
    problem = Problem("not-root", "netorch needs\x1b[31m root")
    [entry] = json.loads(gitlab.report(gitlab.of_problems([problem], "")))
    assert entry["location"] == {"path": "-", "lines": {"begin": 1}}
    assert "\x1b" not in entry["description"]
    assert json.loads(gitlab.report([])) == []
