"""Plans for changes of a file, as examples.

Each case is one YAML file in this folder: the `observed` and the `desired` topology, and the lines
of `netorch diff` between them. The topologies omit what all have in common: `name: lab`, and
`names: false` unless they set `names` themselves.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from netorch.render.changes import changes
from netorch.render.text import change_lines
from netorch.resolve.loader import load
from netorch.state.planner import plan, replay
from netorch.state.resource import State

HERE = Path(__file__).parent


class Case(NamedTuple):
    """Two files and the steps between them."""

    observed: str
    desired: str
    steps: list[str]


def cases() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def read(name: str) -> Case:
    words = yaml.safe_load((HERE / f"{name}.yaml").read_text())
    assert words.keys() == {"observed", "desired", "steps"}
    return Case(whole(words["observed"]), whole(words["desired"]), words["steps"])


def whole(text: str) -> str:
    return "name: lab\n" + ("" if text.startswith("names:") else "names: false\n") + text


def state(text: str) -> State:
    return load(text.encode(), "lab.yaml").desired.state


@pytest.mark.parametrize("name", cases())
def test_plan(name: str) -> None:
    case = read(name)
    observed, desired = state(case.observed), state(case.desired)
    made = plan(observed, desired)
    assert list(change_lines(changes(made))) == case.steps
    reached = replay(observed, made.steps)
    assert reached.keys() == desired.keys()
    assert not [key for key, resource in desired.items() if resource.differs(reached[key])]


@pytest.mark.parametrize("name", cases()[::6])
def test_the_command_prints_the_same(name: str, tmp_path: Path) -> None:
    case = read(name)
    for file, text in (("old.yaml", case.observed), ("new.yaml", case.desired)):
        (tmp_path / file).write_text(text)
    argv = [sys.executable, "-m", "netorch", "diff", "old.yaml", "new.yaml"]
    env = {"PYTHONPATH": str(HERE.parents[1])}
    process = subprocess.run(
        argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert process.stderr == ""
    assert process.stdout.splitlines()[:-1] == case.steps
    assert process.returncode == (2 if case.steps else 0)
