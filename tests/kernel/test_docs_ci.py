"""The jobs of docs/ci.md, the GitHub Action and the jobs for GitLab, run as a CI runner would."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.kernel.host import PATH, SOURCE, Host

OLD = "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], subnet: 10.1.0.0/24}]\n"


ACTION = yaml.safe_load((SOURCE / "action.yml").read_text())
GITLAB = yaml.safe_load((SOURCE / "packaging/gitlab/netorch.gitlab-ci.yml").read_text())


def blocks() -> list[Any]:
    """Return the YAML blocks of the page."""
    texts = re.findall(r"```yaml\n(.*?)```", (SOURCE / "docs/ci.md").read_text(), re.DOTALL)
    return [yaml.safe_load(text) for text in texts]


def steps_of(name: str) -> list[dict[str, Any]]:
    """Return the steps of a workflow of the page."""
    (workflow,) = [block for block in blocks() if block.get("name") == name]
    (job,) = workflow["jobs"].values()
    return [*job["steps"]]


def steps(name: str) -> dict[str, str]:
    """Return a workflow's own steps: name → script."""
    return {step["name"]: step["run"] for step in steps_of(name) if "run" in step}


def inputs_of(name: str) -> dict[str, str]:
    """Return what a workflow of the page gives to the action."""
    (step,) = [step for step in steps_of(name) if "/netorch@" in step.get("uses", "")]
    return dict(step["with"])


def act(host: Host, env: dict[str, str], **given: str) -> subprocess.CompletedProcess[str]:
    """Run the action as a runner does, with the netorch of the tests."""
    (step,) = ACTION["runs"]["steps"]
    assert step["shell"] == "bash"
    assert given.keys() <= ACTION["inputs"].keys()
    values = {name: entry["default"] for name, entry in ACTION["inputs"].items()}
    values |= given | {"install": "no"}
    inputs = {
        key: re.sub(r"\$\{\{ inputs\.([a-z-]+) }}", lambda match: values[match[1]], text)
        for key, text in step["env"].items()
    }
    Path(env["GITHUB_OUTPUT"]).write_text("")
    shell = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
    return host.run(*shell, step["run"], env=env | inputs, check=False)


def outputs(env: dict[str, str]) -> dict[str, str]:
    """Return the outputs of the last step."""
    lines = Path(env["GITHUB_OUTPUT"]).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def run_job(host: Host, env: dict[str, str], name: str) -> subprocess.CompletedProcess[str]:
    """Run a hidden job of the GitLab template as a runner does."""
    base = GITLAB[".netorch"]
    script = "\n".join((*base["before_script"], *GITLAB[name]["script"]))
    return host.run(
        "bash", "-eo", "pipefail", "-c", script, env=base["variables"] | env, check=False
    )


def tools(host: Host) -> dict[str, str]:
    """Install netorch, and stand-ins for two programs of a runner. Returns the environment."""
    folder = host.directory / "bin"
    folder.mkdir()
    for name, script in (
        ("netorch", f'exec {sys.executable} -m netorch "$@"'),
        ("sudo", 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'),
        ("gh", 'while [ "$1" != --body-file ]; do shift; done; cp "$2" posted.md'),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    work = str(host.directory)
    return {
        "PATH": f"{folder}:{PATH}",
        "GITHUB_WORKSPACE": work,
        "GITHUB_STEP_SUMMARY": f"{work}/summary.md",
        "GITHUB_OUTPUT": f"{work}/output",
        "GITHUB_ACTION_PATH": str(SOURCE),
        "RUNNER_TEMP": work,
        "CI": "true",
        "PR": "7",
    }


def test_the_job_that_fails_on_drift(host: Host) -> None:
    env = tools(host)
    given = inputs_of("drift")
    host.write("topo.yaml", OLD)
    host.netorch("apply")
    done = act(host, env, **given)
    assert (done.returncode, done.stdout) == (0, "lab: in sync\n"), done.stderr
    assert outputs(env)["changed"] == "false"
    host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1400")
    done = act(host, env, **given)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(
        "::warning file=topo.yaml,line=3,title=lab differs::~ veth a/eth0  mtu 1400 → 1500"
    )
    assert (
        "| update | `veth a/eth0` | `mtu 1400 → 1500` |"
        in Path(env["GITHUB_STEP_SUMMARY"]).read_text()
    )
    assert outputs(env)["changed"] == "true"
    document = json.loads(Path(outputs(env)["json"]).read_text())
    assert document["changes"][0]["values"] == {"mtu": {"old": "1400", "new": "1500"}}
    assert act(host, env, **given | {"fail-on-changes": "false"}).returncode == 0
    # without a file, the one that was applied; an error is one whatever `fail-on-changes` says
    (host.directory / "topo.yaml").rename(host.directory / "moved.yaml")
    assert act(host, env, command="diff", file="").returncode == 2
    done = act(host, env, **given | {"fail-on-changes": "false"})
    assert done.returncode == 1
    assert "::error title=netorch::topo.yaml: No such file" in done.stderr


def test_a_runner_that_is_not_root_uses_sudo(host: Host) -> None:
    env = tools(host)
    stand_in = host.directory / "bin/id"
    stand_in.write_text("#!/bin/sh\necho 1000\n")
    stand_in.chmod(0o755)
    sudo = host.directory / "bin/sudo"
    sudo.write_text('#!/bin/sh\necho "$1" >>"$RUNNER_TEMP/sudo"\nshift\nexec "$@"\n')
    host.write("topo.yaml", OLD)
    host.netorch("apply")
    assert act(host, env, command="diff").returncode == 0
    (option,) = (host.directory / "sudo").read_text().splitlines()
    names = option.removeprefix("--preserve-env=").split(",")
    assert {*names} == {name for name in env if name.startswith(("GITHUB_", "RUNNER_"))} - {
        "GITHUB_ACTION_PATH"
    } | {"CI"}
    # two files need no root
    assert act(host, env, command="diff", base="topo.yaml").returncode == 0
    assert act(host, env, command="validate").returncode == 0
    assert len((host.directory / "sudo").read_text().splitlines()) == 1


def test_the_job_that_validates(host: Host) -> None:
    env = tools(host)
    given = inputs_of("topologies")
    (host.directory / "lab").mkdir()
    host.write("topo.yaml", OLD)
    host.write("lab/one.yaml", OLD)
    host.write("lab/two.yaml", "nodes: {a: {forwrding: true}}\n")
    done = act(host, env, **given)
    assert done.returncode == 1, done.stderr
    annotation = "::error file=lab/two.yaml,line=1,title=netorch,col=13,endColumn=22::unknown key"
    assert [line for line in done.stdout.splitlines() if line.startswith(annotation)]
    assert "### netorch: 1 of 3 files wrong" in Path(env["GITHUB_STEP_SUMMARY"]).read_text()
    assert outputs(env).keys() == {"json"}
    host.write("lab/two.yaml", OLD)
    assert act(host, env, **given).returncode == 0
    # a pattern without a match is an error
    done = act(host, env, file="no/*.yaml")
    assert done.returncode == 1
    assert "::error title=netorch::no/*.yaml: No such file" in done.stdout
    assert "| `no/*.yaml` | `no/*.yaml: No such" in Path(env["GITHUB_STEP_SUMMARY"]).read_text()


def test_the_job_that_annotates_a_pull_request(host: Host) -> None:
    env = tools(host)
    (host.directory / "base").mkdir()
    host.write("base/topo.yaml", OLD)
    host.write("topo.yaml", OLD.replace("b: {}", "b: {}, c: {}"))
    done = act(host, env, **inputs_of("changes"))
    assert done.returncode == 0, done.stderr
    assert "::warning file=topo.yaml,line=2,title=lab differs::+ netns c" in done.stdout
    assert outputs(env)["changed"] == "true"
    given = inputs_of("changes") | {"fail-on-changes": "False"}
    assert act(host, env, **given).returncode == 0


def test_wrong_inputs_of_the_action(host: Host) -> None:
    env = tools(host)
    for given in (
        {"command": "destroy"},
        {"base": "old.yaml"},
        {"command": "diff", "file": "a.yaml\nb.yaml"},
        {"fail-on-changes": "no"},
    ):
        done = act(host, env, **given)
        assert done.returncode == 64
        assert done.stdout.startswith("::error title=netorch::")
    # a text of an input is never a part of the script
    host.write("topo.yaml", OLD)
    done = act(host, env, file="$(touch made);`touch made`", options="; touch made")
    assert done.returncode != 0
    assert not (host.directory / "made").exists()


def test_the_jobs_for_gitlab(host: Host) -> None:
    (page,) = [block for block in blocks() if isinstance(block, dict) and "include" in block]
    jobs = {job["extends"] for name, job in page.items() if name != "include"}
    assert jobs == {name for name in GITLAB if name != ".netorch"}
    env = tools(host) | {"CI_PROJECT_DIR": str(host.directory)}
    del env["GITHUB_WORKSPACE"]
    report = host.directory / "gl-code-quality-report.json"
    host.write("topo.yaml", OLD)
    host.netorch("apply")
    assert run_job(host, env, ".netorch-drift").returncode == 0
    assert json.loads(report.read_text()) == []
    host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1400")
    done = run_job(host, env, ".netorch-drift")
    assert done.returncode == 2, done.stderr
    assert "~ veth a/eth0  mtu 1400 → 1500" in done.stderr
    [entry] = json.loads(report.read_text())
    assert entry["location"] == {"path": "topo.yaml", "lines": {"begin": 3}}
    host.write("wrong.yaml", "nodes: {a: {x: 1}}\n")
    files = {"NETORCH_FILE": "topo.yaml wr*.yaml"}
    done = run_job(host, env | files, ".netorch-validate")
    assert done.returncode == 1
    [entry] = json.loads(report.read_text())
    assert entry["location"]["path"] == "wrong.yaml"
    _changes_of_a_merge_request(host, env, report)


def _changes_of_a_merge_request(host: Host, env: dict[str, str], report: Path) -> None:
    """Test the job in a clone, whose file differs from the one of the target branch."""
    author = ("-c", "user.email=a@example.org", "-c", "user.name=a")
    host.run("git", "init", "-q", "-b", "main", "origin", env=env)
    (host.directory / "origin/topo.yaml").write_text(OLD.replace("name: lab\n", ""))
    host.run("git", "-C", "origin", "add", "topo.yaml", env=env)
    host.run("git", "-C", "origin", *author, "commit", "-qm", "first", env=env)
    for words in (
        ("init", "-q", "."),
        ("remote", "add", "origin", f"{host.directory}/origin"),
    ):
        host.run("git", *words, env=env)
    host.write("topo.yaml", OLD.replace("name: lab\n", "").replace("b: {}", "b: {}, c: {}"))
    target = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    done = run_job(host, env | target, ".netorch-changes")
    assert done.returncode == 0, done.stderr
    assert "topo differs: + netns c" in {
        entry["description"].split("  ")[0] for entry in json.loads(report.read_text())
    }
    # in a file that is new, everything is
    host.run("mv", "topo.yaml", "new.yaml")
    done = run_job(host, env | target | {"NETORCH_FILE": "new.yaml"}, ".netorch-changes")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(report.read_text())) > 5


def test_the_hook_of_pre_commit(host: Host) -> None:
    (hook,) = yaml.safe_load((SOURCE / ".pre-commit-hooks.yaml").read_text())
    (page,) = [block for block in blocks() if isinstance(block, dict) and "repos" in block]
    assert page["repos"][0]["hooks"][0]["id"] == hook["id"]
    env = tools(host)
    host.write("topo.yaml", OLD)
    assert host.run(*hook["entry"].split(), "topo.yaml", env=env).stdout.startswith("topo.yaml: ok")
    host.write("topo.yaml", "nodes: {a: {x: 1}}\n")
    done = host.run(*hook["entry"].split(), "topo.yaml", env=env, check=False)
    assert done.returncode == 1


def test_the_job_that_comments(host: Host) -> None:
    scripts = steps("topology")
    assert scripts.pop("Install") == "pip install git+https://github.com/netorch/netorch"
    env = tools(host)
    (host.directory / "base").mkdir()
    host.write("base/topo.yaml", OLD)
    host.write("topo.yaml", OLD.replace("b: {}", "b: {}, c: {}"))
    for script in scripts.values():
        host.run("bash", "-ec", script, env=env)
    assert "| create | `netns c` |" in (host.directory / "posted.md").read_text()
    host.write("topo.yaml", "nodes: {a: {x: 1}}\n")
    assert (
        host.run("bash", "-ec", scripts["Write the comment"], env=env, check=False).returncode == 1
    )
