"""The lines of files in changes: which were added and removed, and which are not repeated."""

from __future__ import annotations

import random

from netorch.kinds.file import NodeFile
from netorch.render import json as as_json
from netorch.render import text
from netorch.render.changes import MANY_LINES, MOST_PAIRS, Change, changes
from netorch.resolve.loader import load
from netorch.state.planner import plan

FILE = """
name: lab
nodes: {{"h[1-{count}]": {{networks: [lan]}}}}
networks: {{lan: {{subnet: {subnet}}}}}
"""


def between(old: str, new: str) -> list[Change]:
    """Return the changes of the hosts file of one node."""
    before, after = (
        NodeFile("a", "hosts", "\n".join(("# first", *lines.split(), ""))) for lines in (old, new)
    )
    return changes(plan({before.key: before}, {after.key: after}))


def test_the_same_lines_of_many_nodes_are_shown_once() -> None:
    old, new = (
        load(FILE.format(count=MANY_LINES, subnet=subnet).encode(), "lab.yaml").desired.state
        for subnet in ("10.0.0.0/16", "10.1.0.0/16")
    )
    of_files = [change for change in changes(plan(old, new)) if change.key.kind == "file"]
    assert len(of_files) == MANY_LINES
    first, *others = as_json.changes(of_files)
    assert len(first["added"]) == len(first["removed"]) == MANY_LINES
    assert first["same_lines_as"] is None
    for other in others:
        assert other["same_lines_as"] == first["title"]
        assert other["added"] == other["removed"] == []
    lines = list(text.change_lines(of_files))
    assert lines.count(f"    (the same lines as {first['title']})") == MANY_LINES - 1
    assert len(lines) == MANY_LINES + 2 * MANY_LINES + MANY_LINES - 1


def test_a_few_lines_are_shown_at_each_file() -> None:
    old, new = (
        load(FILE.format(count=3, subnet=subnet).encode(), "lab.yaml").desired.state
        for subnet in ("10.0.0.0/16", "10.1.0.0/16")
    )
    of_files = [change for change in changes(plan(old, new)) if change.key.kind == "file"]
    for entry in as_json.changes(of_files):
        assert (len(entry["added"]), len(entry["removed"])) == (3, 3)
        assert entry["same_lines_as"] is None


def test_the_lines_of_long_files_that_changed() -> None:
    count = int(MOST_PAIRS**0.5) + 10
    old = [f"line{number}" for number in range(count)]
    new = [line if number % 2 else f"{line}b" for number, line in enumerate(old)]
    new.insert(7, new.pop(11))
    [change] = between(" ".join(old), " ".join(new))
    assert set(change.removed) == {*old[::2], "line11"}
    assert set(change.added) == {*new} - {*old} | {"line11"}


def test_long_files_that_are_mixed_up() -> None:
    dice = random.Random(0)
    old = [f"line{number % 1500}" for number in range(1600)]
    new = dice.sample(old, 1400)
    [change] = between(" ".join(old), " ".join(new))
    # what is left of both texts is the same
    for line in change.removed:
        old.remove(line)
    for line in change.added:
        new.remove(line)
    assert sorted(old) == sorted(new)
    assert len(new) > 50  # about twice the square root of their number


def test_the_json_of_a_replacement_has_only_what_changes() -> None:
    file = "name: x\nnodes: {a: {interfaces: {v: {kind: vxlan, vni: %s, remote: 192.0.2.1}}}}\n"
    before, after = (load((file % vni).encode(), "x.yaml").desired.state for vni in (5, 6))
    (row,) = [row for row in as_json.changes(changes(plan(before, after))) if row["kind"] == "link"]
    assert row["action"] == "replace"
    assert row["values"] == {"vni": {"old": "5", "new": "6"}}
    assert any(
        "remote 192.0.2.1" in line for line in text.change_lines(changes(plan(before, after)))
    )
