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
    assert lines[0] == (
        "wrong.yaml:1:43: nodes.h1.interfaces.lo.mtu: 'abc' is not a whole number. "
        "Write a number of bytes, such as 9000."
    )
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


def test_annotations_the_summary_and_the_outputs_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name, value in (
        ("GITHUB_WORKSPACE", work),
        ("GITHUB_STEP_SUMMARY", tmp_path / "summary.md"),
        ("GITHUB_OUTPUT", tmp_path / "output"),
        ("RUNNER_TEMP", tmp_path),
    ):
        monkeypatch.setenv(name, str(value))
    Path("wrong.yaml").write_text("nodes:\n  a: {forwrding: true, mtu: 'a,b:c%'}\n")
    Path("circle.yaml").write_text(WITH_A_WARNING)
    Path("right.yaml").write_text(RIGHT)
    assert main(["validate", "-o", "github", "wrong.yaml", "circle.yaml", "right.yaml"]) == FAILED
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert lines[0] == (
        "::error file=wrong.yaml,line=2,title=netorch,col=7,endColumn=16"
        "::unknown key 'forwrding' in nodes.a. Did you mean 'forwarding'?"
    )
    assert [line.partition(",title")[0] for line in lines[1:]] == [
        "::error file=wrong.yaml,line=2",
        "::warning file=circle.yaml,line=5",
    ]
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("### netorch: 1 of 3 files wrong\n")
    assert "| error | `wrong.yaml:2` | `unknown key 'forwrding'" in summary
    key, _, file = (tmp_path / "output").read_text().strip().partition("=")
    assert key == "json"
    document = json.loads(Path(file).read_text())
    assert [entry["valid"] for entry in document["files"]] == [False, True, True]
    # another step of the job gets a file of its own
    assert main(["validate", "-o", "github", "-q", "right.yaml"]) == DONE
    assert not capsys.readouterr().out
    assert len({*(tmp_path / "output").read_text().splitlines()}) == 2
    assert "### netorch: 1 file valid\n" in (tmp_path / "summary.md").read_text()


def test_outputs_that_cannot_be_written_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_OUTPUT", "/no/such/file")
    Path("right.yaml").write_text(RIGHT)
    assert main(["validate", "-o", "github", "right.yaml"]) == DONE
    assert capsys.readouterr().err == (
        "::warning title=netorch::the outputs of the step were not written to /no/such/file: "
        "No such file or directory\n"
    )


def test_a_report_for_gitlab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "project"
    (work / "net").mkdir(parents=True)
    monkeypatch.chdir(work / "net")
    monkeypatch.setenv("CI_PROJECT_DIR", str(work))
    Path("wrong.yaml").write_text("nodes:\n  a: {forwrding: true}\n")
    Path("circle.yaml").write_text(WITH_A_WARNING)
    assert main(["validate", "-o", "gitlab", "wrong.yaml", "circle.yaml"]) == FAILED
    written = capsys.readouterr()
    entries = json.loads(written.out)
    assert [(entry["severity"], entry["location"]) for entry in entries] == [
        ("critical", {"path": "net/wrong.yaml", "lines": {"begin": 2, "end": 2}}),
        ("minor", {"path": "net/circle.yaml", "lines": {"begin": 5}}),
    ]
    assert "circle.yaml: ok, topology circle" in written.err
    assert "2 |   a: {forwrding: true}" in written.err
    # without a file, the report has the reason
    assert main(["validate", "-o", "gitlab"]) == FAILED
    [entry] = json.loads(capsys.readouterr().out)
    assert entry["check_name"] == "netorch/file-not-found"
    assert main(["diff", "-o", "gitlab", "wrong.yaml", "circle.yaml"]) == FAILED
    [entry] = json.loads(capsys.readouterr().out)
    assert entry["location"]["path"] == "net/wrong.yaml"
