"""The files in packaging/ and at the top that other tools read.

tests/kernel/test_docs_ci.py runs the jobs.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from netorch.cli.parser import parser
from netorch.resolve.loader import load
from netorch.topology.schema import ID
from tests import editor

ROOT = Path(__file__).resolve().parents[3]
STORE = ROOT / "packaging/schemastore"


def test_the_entry_of_schemastore() -> None:
    entry = json.loads((STORE / "catalog-entry.json").read_text())
    assert entry.keys() == {"name", "description", "fileMatch", "url"}
    assert entry["url"] == ID
    # generic names would make editors take files of other tools for topologies
    assert all("netorch" in pattern for pattern in entry["fileMatch"])


@pytest.mark.parametrize("file", sorted((STORE / "test/netorch").iterdir()), ids=lambda p: p.name)
def test_right_files_of_schemastore(file: Path) -> None:
    assert editor.problems(file.read_text(), file.name) == []
    assert editor.complaints(file.read_text()) == []


@pytest.mark.parametrize(
    "file", sorted((STORE / "negative_test/netorch").iterdir()), ids=lambda p: p.name
)
def test_wrong_files_of_schemastore(file: Path) -> None:
    assert editor.problems(file.read_text(), file.name)
    assert editor.complaints(file.read_text())


def test_the_end_of_a_file_name_is_not_in_the_name_of_the_topology() -> None:
    text = b"nodes: {a: {}}"
    assert load(text, "/srv/lab.netorch.yaml").desired.topology == "lab"
    assert load(text, "netorch.yaml").desired.topology == "netorch"
    assert load(b"name: other\n" + text, "lab.netorch.yaml").desired.topology == "other"


# The GitHub Action

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def test_the_action_passes_all_its_inputs_to_its_script() -> None:
    assert ACTION["runs"]["using"] == "composite"
    [step] = ACTION["runs"]["steps"]
    inputs = [f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]]
    assert [*step["env"].values()] == inputs
    for text in (ACTION, *ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert text["description"]
    # an input in the script itself would be a part of the script
    assert "${{" not in step["run"]
    script = (ROOT / "packaging/action/run.sh").read_text()
    assert {*re.findall(r"\$\{?(NETORCH_[A-Z_]+)", script)} == step["env"].keys()
    for output in ACTION["outputs"].values():
        assert re.fullmatch(
            rf"\${{{{ steps.{step['id']}.outputs.(changed|json) }}}}", output["value"]
        )


def test_the_scripts_are_valid_bash() -> None:
    subprocess.run(["bash", "-n", ROOT / "packaging/action/run.sh"], check=True)
    for job in GITLAB.values():
        for line in (*job.get("before_script", ()), *job.get("script", ())):
            subprocess.run(["bash", "-n", "-c", line], check=True)


# GitLab

GITLAB = yaml.safe_load((ROOT / "packaging/gitlab/netorch.gitlab-ci.yml").read_text())


def test_the_jobs_of_gitlab_are_hidden_and_make_a_report() -> None:
    base = GITLAB[".netorch"]
    [report] = base["artifacts"]["reports"].values()
    assert base["artifacts"]["when"] == "always"
    jobs = {name: job for name, job in GITLAB.items() if job is not base}
    assert jobs.keys() == {".netorch-validate", ".netorch-changes", ".netorch-drift"}
    for job in jobs.values():
        assert job["extends"] == ".netorch"
        assert f"> {report}" in job["script"][-1]


def test_the_jobs_install_where_no_other_user_can_write(tmp_path: Path) -> None:
    tools, project = tmp_path / "tools", tmp_path / "project"
    for folder in (tools, project):
        folder.mkdir()
    for name in ("mktemp", "mkdir", "ln", "env"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    python = tools / "python3"
    python.write_text('#!/bin/sh\n mkdir "$3/bin" && ln -s /usr/bin/true "$3/bin/pip"\n')
    python.chmod(0o755)
    [install] = GITLAB[".netorch"]["before_script"]
    env = {"PATH": str(tools), "CI_PROJECT_DIR": str(project), "NETORCH_INSTALL": "netorch"}
    for _ in range(2):
        subprocess.run(["/bin/bash", "-eo", "pipefail", "-c", install], check=True, env=env)
    folders = [*project.iterdir()]
    assert len(folders) == 2
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    lines = [line for job in GITLAB.values() for line in (*job.get("script", ()),)]
    assert not any("/tmp" in line for line in lines)


# pre-commit


def test_the_hook_of_pre_commit() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook.keys() >= {"id", "name", "entry", "language"}
    program, command = hook["entry"].split()
    assert program == "netorch"
    assert parser().parse_args([command, "topo.yaml"]).command == command
    files = ("topo.yaml", "net/topo.yml", "netorch.yaml", "net/lab.netorch.yaml")
    assert all(re.search(hook["files"], file) for file in files)
    others = ("mytopo.yaml", "a.yaml", "topo.yaml.j2", "topo.yamlx", ".netorch/config.yaml")
    assert not any(re.search(hook["files"], file) for file in others)
