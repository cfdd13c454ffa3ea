"""`validate`: what its options change."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.cli import main
from netorch.cli.status import DONE, FAILED

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
