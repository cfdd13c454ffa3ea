"""Test the loops and expansions of a shell whose values netorch knows."""

from __future__ import annotations

import pytest

from netorch.importers.shell_lines.commands import commands
from netorch.importers.shell_lines.expansions import MOST, braces, expansion


def words(text: str) -> list[str]:
    """Return the commands of a text, with `?` before those that netorch does not know."""
    return [
        f"? {one.text}" if one.problem else " ".join(one.words)
        for one in commands(text, {"n": "5"})
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "for i in 1 2; do ip link set eth$i up; done",
            ["ip link set eth1 up", "ip link set eth2 up"],
        ),
        ("for i in $(seq 2)\ndo\n  a $i\ndone", ["a 1", "a 2"]),
        ("for i in `seq 1 2 5`; do a $i; done", ["a 1", "a 3", "a 5"]),
        ("for i in {2..1}; do a 10.0.$i.1; done", ["a 10.0.2.1", "a 10.0.1.1"]),
        ("for i in 1 2; do a $((i+1)) $(( (i - 1) * 10 % 7 )); done", ["a 2 0", "a 3 3"]),
        ("for i in a b; do for j in 1 2; do x $i$j; done; done", ["x a1", "x a2", "x b1", "x b2"]),
        ("l='a b'; for i in $l; do x $i; done; y $i", ["x a", "x b", "y b"]),
        ("for i in 1; do if a; then b $i; fi; c; done", ["? if a; then b $i; fi", "c"]),
        ("for i in $(ls); do x $i; done; y $i", ["? for i in $(ls); do x $i; done", "? y $i"]),
        ("for i in 1 2; do x", ["? for i in 1 2; do x"]),
        ("for i in 1 2; do x; break; done", ["? for i in 1 2; do x; break; done"]),
        ("for i; do x; done", ["? for i; do x; done"]),
        ("while a; do b; done", ["? while a; do b; done"]),
        ("x eth{1..2} '{1..2}' \"{1..2}\"", ["x eth1 eth2 {1..2} {1..2}"]),
        ("x $((n*2)) $((m)) ", ["? x $((n*2)) $((m))"]),
        ("x $(hostname)", ["? x $(hostname)"]),
    ],
)
def test_commands(text: str, lines: list[str]) -> None:
    assert words(text) == lines


def test_a_loop_that_is_too_long_is_not_run() -> None:
    loops = "".join(f"for {name} in $(seq 100); do " for name in "abc")
    (only,) = words(f"for i in $(seq {MOST + 1}); do x; done")
    assert only.startswith("? for i")
    assert len(words(loops + "x; " + "done; " * 3)) < 10 * MOST


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$((1 + 2 * 3))", "7"),
        ("$((-7 / 2))", "-3"),
        ("$((-7 % 2))", "-1"),
        ("$(( ($n + ${n}) * n ))", "50"),
        ("$((1 +))", None),
        ("$((1 / 0))", None),
        ("$((text))", None),
        ("$((1 << 4))", None),
        ("$((9999999999999999))", None),
        ("$(seq $n 6)", "5 6"),
        ("$(seq 3 -1 1)", "3 2 1"),
        ("$(seq)", None),
        ("$(seq 1 0 3)", None),
        ("$(seq 100000000)", None),
        ("$(date)", None),
        ("$()", None),
    ],
)
def test_the_value_of_an_expansion(text: str, value: str | None) -> None:
    assert expansion(text, {"n": "5", "text": "a"}) == value


def test_long_braces_stay_as_they_are() -> None:
    assert braces("{1..999999999}") == ["{1..999999999}"]
