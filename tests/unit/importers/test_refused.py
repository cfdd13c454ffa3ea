"""What a topology file refuses is named, and the rest is a valid file."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.cli import main
from netorch.errors import Position, Problem
from netorch.importers import finish as finishing
from netorch.importers.draft import Draft
from netorch.importers.finish import Imported, finish
from netorch.resolve.loader import load


def test_names_that_a_file_would_read_as_ranges_are_named() -> None:
    draft = Draft("t", "s", "t")
    draft.nodes["x[0-1]"] = {}
    draft.nodes["a"] = {
        "interfaces": {
            "b*": {"kind": "bridge", "ports": ["v[0-1]"]},
            "v[0-1]": {"kind": "dummy"},
            "v0": {"kind": "dummy", "description": "port [1-2]"},
        }
    }
    draft.nodes["c"] = {}
    draft.links.append({"endpoints": [{"node": "a", "interface": "e[1-2]"}, "c:eth0"]})
    draft.links.append({"endpoints": ["a:eth1", "c:eth1"], "mtu": 70000})
    result = finish(draft)
    assert result.problems == ()
    named = " ".join(one.text for one in result.losses)
    for name in ("x[0-1]", "b*", 'ports: "v[0-1]"', "e[1-2]", "mtu: 70000"):
        assert name in named, named
    desired = load(result.text.encode(), "t").desired
    assert {name for name in desired.labels if "fabric" not in name} == {"a", "c"}
    assert 'description: "port [1-2]"' in result.text
    assert "[a:eth1, c:eth1]" in result.text


def test_a_file_that_needs_a_change_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem("bad-name", "It is wrong.", Position(3, 5))
    result = Imported("name: t", (), (problem,))
    monkeypatch.setattr(finishing, "finish", lambda draft: result)
    (tmp_path / "lab.conf").write_text("a[0]=A\n")
    file = tmp_path / "new.yaml"
    assert main(["import", str(tmp_path), "-o", str(file)]) == 2
    assert f"needs a change: {file}:3:5: It is wrong." in capsys.readouterr().err
    assert main(["import", str(tmp_path)]) == 2
    assert "needs a change: standard output:3:5: It is wrong." in capsys.readouterr().err
