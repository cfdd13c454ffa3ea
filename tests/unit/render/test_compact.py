"""Many changes in few lines."""

from __future__ import annotations

from netorch.render import compact
from netorch.render.changes import Change, changes
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.planner import plan
from netorch.state.resource import Disruption

FILE = """\
name: big
nodes: {{"h[1-{count}]": {{networks: [lan]}}, r1: {{networks: [lan]}}}}
networks: {{lan: {{subnet: 10.0.0.0/16, gateway: r1}}}}
"""


def between(old: int, new: int) -> list[Change]:
    """Return the changes from one number of nodes to another one."""
    states = [
        load(FILE.format(count=count).encode(), "big.yaml").desired.state if count else {}
        for count in (old, new)
    ]
    return changes(plan(*states))


def test_a_first_apply_is_counted_by_kind() -> None:
    assert list(compact.lines(between(0, 300), by_kind=True)) == [
        "+ 302 namespaces  h1 … r1",
        "+ bridge netorch-big/lan",
        "+ 602 veth interfaces  h1/eth0 … r1/eth0",
        "+ 301 addresses  h1/eth0 10.0.0.1/16 … r1/eth0 10.0.1.45/16",
        "+ 300 routes  h1 default … h300 default",
    ]


def test_a_last_destroy_too() -> None:
    lines = list(compact.lines(between(300, 0), by_kind=True))
    assert len(lines) < 10
    assert any(line.startswith("- 302 namespaces  h1 … r1") for line in lines)


def test_equal_changes_are_one_line() -> None:
    lines = list(compact.lines(between(12, 13)))
    assert lines[-5].startswith("~ file /etc/netns/h1/hosts  hosts 15 lines (")
    assert lines[-4:] == [
        "    - 10.0.0.13 r1",
        "    + 10.0.0.13 h13",
        "    + 10.0.0.14 r1",
        "    (and the same of 12 more: h2 … r1)",
    ]
    assert "~ route h1 default  via 10.0.0.13 → 10.0.0.14  [update]" in lines
    assert "    (and the same of 11 more: h2 … h12)" in lines
    assert sum(line.startswith("~") for line in lines) == 2


def test_few_changes_are_all_there() -> None:
    lines = list(compact.lines(between(2, 3)))
    assert sum(line.startswith("~ route") for line in lines) == 2
    assert not any("the same" in line for line in lines)


def test_objects_that_change_in_different_ways_stay_apart() -> None:
    entries = [
        Change(
            Disruption.UPDATE,
            Key("link", f"h{number}", ("x",)),
            f"veth h{number}/x",
            {"mtu": ("1500", str(9000 + number % 2))},
        )
        for number in range(8)
    ]
    assert len(list(compact.lines(entries))) == 8


def test_a_terminal_gets_wrapped_lines() -> None:
    (entry,) = [change for change in between(0, 3) if change.title == "netns r1"]
    entry.values = {f"value{number}": (None, "x" * 8) for number in range(9)}
    lines = list(compact.lines([entry], columns=40))
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("+ netns r1  value0 xxxxxxxx")
    assert len(lines) > 3
    assert all(line.startswith("    ") for line in lines[1:])
    assert all("\x1b[" in line for line in compact.lines([entry], columns=40, colour=True))


def test_natural_order() -> None:
    names = ["h10", "h2", "h1", "r1", "10", "9", "h2a", ""]
    assert sorted(names, key=compact.natural) == ["", "9", "10", "h1", "h2", "h2a", "h10", "r1"]
