"""The jobs of docs/ci.md, run as a CI runner would: bash runs each step in a checkout."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

from tests.kernel.host import PATH, SOURCE, Host

OLD = "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], subnet: 10.1.0.0/24}]\n"


def steps(name: str) -> dict[str, str]:
    """Return a workflow's own steps: name → script."""
    blocks = re.findall(r"```yaml\n(.*?)```", (SOURCE / "docs/ci.md").read_text(), re.DOTALL)
    (workflow,) = [loaded for block in blocks if (loaded := yaml.safe_load(block))["name"] == name]
    (job,) = workflow["jobs"].values()
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


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
        "CI": "true",
        "PR": "7",
    }


def test_the_job_that_fails_on_drift(host: Host) -> None:
    (script,) = steps("drift").values()
    env = tools(host)
    host.write("topo.yaml", OLD)
    host.netorch("apply")
    done = host.run("bash", "-ec", script, env=env)
    assert done.stdout == "lab: in sync\n"
    host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1400")
    done = host.run("bash", "-ec", script, env=env, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(
        "::warning file=topo.yaml,line=3,title=lab differs::~ veth a/eth0  mtu 1400 → 1500"
    )
    assert (
        "| update | `veth a/eth0` | `mtu 1400 → 1500` |"
        in Path(env["GITHUB_STEP_SUMMARY"]).read_text()
    )


def test_the_job_that_comments(host: Host) -> None:
    scripts = steps("topology")
    assert scripts.pop("Install") == "pip install netorch"
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
