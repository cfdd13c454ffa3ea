"""`validate`: what its options change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netorch.cli import main
from netorch.cli.status import DONE, FAILED
from netorch.render.excerpt import EXCERPTS

RIGHT = "name: right\nnodes: {a: {}}\n"
WITH_A_WARNING = """\
name: circle
nodes:
  s1: {interfaces: {br: {kind: bridge, ports: [a, b], vlan_filtering: true}}}
  s2: {interfaces: {br: {kind: bridge, ports: [a, b]}}}
links: [[s1:a, s2:a], [s1:b, s2:b]]
"""


def test_strict_fails_if_there_are_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("right.yaml").write_text(RIGHT)
    Path("circle.yaml").write_text(WITH_A_WARNING)
    assert main(["validate", "circle.yaml"]) == DONE
    assert "warning: " in capsys.readouterr().err
    assert main(["validate", "--strict", "right.yaml"]) == DONE
    assert main(["validate", "--strict", "circle.yaml", "right.yaml"]) == FAILED
    assert "warning: " in capsys.readouterr().err


def test_an_error_shows_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("nodes: {'h[1-9]': {interfaces: {lo: {mtu: abc}}}, b: {x: 1}}\n")
    assert main(["validate", "wrong.yaml"]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "wrong.yaml:1:43: nodes.h1.interfaces.lo.mtu: 'abc' is not a whole number"
    assert lines[3:6] == [
        "… and 6 more errors at this place",
        "   1 | nodes: {'h[1-9]': {interfaces: {lo: {mtu: abc}}}, b: {x: 1}}",
        "     |                                           ^^^",
    ]
    assert len(lines) == 9
    assert main(["validate", "-o", "json", "wrong.yaml"]) == FAILED
    written = capsys.readouterr()
    assert not written.err
    problem = json.loads(written.out)["files"][0]["problems"][-1]
    place = [problem[name] for name in ("line", "column", "end_line", "end_column")]
    assert place == [1, 55, 1, 56]


def test_of_many_errors_only_the_first_show_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("nodes:\n" + "".join(f"  h{n}: {{x: 1}}\n" for n in range(99)))
    assert main(["validate", "wrong.yaml"]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith("^") for line in lines) == EXCERPTS
    assert sum(line.startswith("wrong.yaml:") for line in lines) == 99
    assert lines[-1] == "99 errors"
