"""The forms of output: for a user at a terminal, for programs, and for a job on GitHub."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.kernel.host import Host
from tests.kernel.terminal import on_a_terminal

FILE = "name: lab\nvars: {n: 1}\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], subnet: 10.$(n).0.0/24}]\n"
SOME = "name: many\nnodes: {'n[1-20]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\n"
MANY = (
    "name: many\nnodes: {'n[1-150]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\n"
)
CLEAR = "\r\x1b[K"


def frames(output: str) -> list[str]:
    """Return the texts that overwrite each other, without the lines of the listing."""
    return [part.partition("\r\n")[0] for part in output.split(CLEAR)[1:]]


# progress


def test_every_phase_has_its_bar_and_nothing_of_it_is_left(host: Host) -> None:
    host.write("topo.yaml", SOME)
    for command, phases in (
        ("apply", ["reading the file", "reading", "making", "verifying"]),
        ("destroy", ["reading", "removing", "verifying"]),
    ):
        output = on_a_terminal(host, command)
        drawn = frames(output)
        for phase in phases:
            assert any(re.fullmatch(rf"\[[#.]{{30}}\] {phase}( .*)?", frame) for frame in drawn), (
                phase,
                drawn,
            )
        assert all(len(frame) < 80 for frame in drawn if frame.startswith("["))
        last = output.rpartition(CLEAR)[2]
        assert last.startswith("many: ") and last.endswith("\r\n"), last


def test_terminals_of_odd_widths(host: Host) -> None:
    host.write("topo.yaml", SOME)
    for columns, command in ((0, "apply"), (1, "destroy"), (7, "apply"), (30, "destroy")):
        drawn = [
            frame
            for frame in frames(on_a_terminal(host, command, columns=columns))
            if frame.startswith(("[", "reading", "removing"))
        ]
        assert all(len(frame) < (columns or 80) for frame in drawn), drawn
        assert drawn or columns < 30


def test_no_bar_where_nobody_looks(host: Host) -> None:
    host.write("topo.yaml", SOME)
    for command, words, env in (
        ("apply", ["-q"], {}),
        ("destroy", ["-o", "json"], {}),
        ("apply", [], {"CI": "true"}),
        ("destroy", [], {"TERM": "dumb"}),
    ):
        assert CLEAR not in on_a_terminal(host, command, *words, env=env), (command, words, env)


def test_an_error_and_an_interrupt_stand_on_a_line_of_their_own(host: Host) -> None:
    host.write("topo.yaml", MANY)
    host.run("ip", "netns", "add", "n1")
    output = on_a_terminal(host, "apply")
    assert re.search(r"\r\x1b\[Ktopo\.yaml:\d+:\d+: netns n1: ", output), output
    host.run("ip", "netns", "del", "n1")

    def interrupt(process: subprocess.Popen[bytes], output: bytes) -> None:
        nonlocal sent
        if not sent and b"] making " in output:
            sent = True
            for child in (
                Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            ):
                os.kill(int(child), signal.SIGINT)

    sent = False
    output = on_a_terminal(host, "apply", observe=interrupt)
    assert "] rolling back" in output
    assert (
        output.rpartition(CLEAR)[2]
        == "warning: many: the kernel is as it was before\r\nnetorch: interrupted\r\n"
    )


# JSON


def document(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result = json.loads(process.stdout)
    assert result["version"] == 1
    return dict(result)


def test_every_failure_is_one_document(host: Host) -> None:
    host.write("topo.yaml", FILE)
    for words, status, error in (
        (["apply", "-o", "json", "--no-such-option"], 64, "UsageError"),
        (["apply", "-o", "json", "--plan", "x", "topo.yaml"], 64, "UsageError"),
        (["diff", "--output=json", "topo.yaml", "topo.yaml", "--out", "x"], 64, "UsageError"),
        (["exec", "-o", "json", "a"], 64, "UsageError"),
        (["exec", "-o", "json", "a", "true"], 1, "NetorchError"),
        (["shell", "-o", "json", "a"], 1, "NetorchError"),
        (["confirm", "-o", "json", "nolab"], 1, "NetorchError"),
        (["doctor", "-o", "json", "nowhere.yaml"], 1, "FileError"),
        (["validate", "-o", "json", "--set", "=1"], 64, "UsageError"),
        (["list", "-o", "json", "more"], 64, "UsageError"),
    ):
        process = host.netorch(*words, check=False)
        assert process.returncode == status, (words, process)
        result = document(process)
        assert result["error"] == error, words
        assert result["problems"][0]["what"], words
        assert process.stderr, words
    host.netorch("apply")
    process = host.netorch("exec", "-o", "json", "a", "no-such-command", check=False)
    assert process.returncode == 127
    assert document(process)["problems"][0]["what"] == "no-such-command: command not found"
    assert host.netorch("exec", "a", "echo", "-o", "json").stdout == "-o json\n"


def test_a_failure_among_several_topologies_is_in_their_document(host: Host) -> None:
    for name in ("one", "two"):
        host.write("topo.yaml", FILE)
        host.netorch("apply", "--name", name)
    with host.start("flock", "/run/netorch/one.lock", "sleep", "600") as holder:
        while (
            host.run("flock", "--nonblock", "/run/netorch/one.lock", "true", check=False).returncode
            == 0
        ):
            time.sleep(0.02)
        process = host.netorch(
            "destroy", "--all", "-o", "json", "--lock-timeout", "0.1", check=False
        )
        holder.kill()
    rows = document(process)["topologies"]
    assert process.returncode == 1
    assert [entry["topology"] for entry in rows] == ["one", "two"]
    assert rows[0]["error"] == "LockedError"
    assert rows[1]["changed"] is True


def test_an_interrupted_apply_is_one_document(host: Host) -> None:
    host.write("topo.yaml", MANY)
    process = host.start(sys.executable, "-m", "netorch", "apply", "-o", "json")
    while not (host.root / "run/netns/n20").exists() and process.poll() is None:
        time.sleep(0.005)
    process.signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["error"] == "Interrupted"
    assert process.returncode == 130
    assert err.endswith("netorch: interrupted\n")


# GitHub


def test_diff_for_a_job_and_for_a_comment(host: Host) -> None:
    (host.directory / "net").mkdir()
    host.write("net/topo.yaml", FILE)
    summary = host.directory / "summary.md"
    env = {"GITHUB_WORKSPACE": str(host.directory), "GITHUB_STEP_SUMMARY": str(summary)}
    process = host.netorch("diff", "net/topo.yaml", "-o", "github", check=False, env=env)
    assert process.returncode == 2
    lines = process.stdout.splitlines()
    assert any(
        re.match(r"::warning file=net/topo\.yaml,line=3,title=lab differs::\+ netns a", line)
        for line in lines
    ), lines
    assert lines[-1].startswith("lab: ")
    assert summary.read_text().startswith("### netorch: `lab` differs: ")
    host.netorch("apply", "net/topo.yaml")
    done = host.netorch("diff", "-o", "github", env=env)
    assert done.stdout == "lab: in sync\n"
    assert summary.read_text().endswith("### netorch: `lab` is in sync\n\n")
    host.run("ip", "-n", "a", "link", "set", "eth0", "down")
    # without an argument, diff compares the recorded file; two files need no kernel
    process = host.netorch("diff", "-o", "github", check=False, env=env)
    assert process.returncode == 2
    assert process.stdout.startswith("::warning file=net/topo.yaml,line=4,title=lab differs::")
    report = host.netorch("diff", "-o", "markdown", check=False)
    assert report.returncode == 2
    assert "| update | `link a/eth0` | `state down → up` |" in report.stdout
    host.write("new.yaml", FILE.replace("b: {}", "b: {}, c: {}"))
    process = host.netorch("diff", "net/topo.yaml", "new.yaml", "-o", "markdown", check=False)
    assert process.returncode == 2
    assert "| create | `netns c` |" in process.stdout
    process = host.netorch(
        "diff", "net/topo.yaml", "new.yaml", "-o", "github", check=False, env=env
    )
    assert process.stdout.startswith("::warning file=new.yaml,line=3,")
    assert (
        host.netorch("diff", "new.yaml", "new.yaml", "-o", "markdown").stdout
        == "### netorch: `lab` is in sync\n"
    )


def test_errors_for_a_job_and_for_a_comment(host: Host) -> None:
    file = host.write("topo.yaml", "nodes: {a: {x: 1}}\n")
    process = host.netorch("diff", "-o", "github", check=False)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(
        "::error file=topo.yaml,line=1,title=netorch,col=13,endColumn=14::unknown key 'x'"
    )
    process = host.netorch("diff", "-o", "markdown", check=False)
    assert process.stdout.startswith("### netorch: failed\n\n- `topo.yaml:1:13: unknown key 'x'")
    assert process.stderr.startswith("topo.yaml:1:13: unknown key 'x'")
    file.write_text(FILE)
    process = host.netorch(
        "diff", "-o", "github", check=False, env={"GITHUB_STEP_SUMMARY": "/no/such/file"}
    )
    assert process.returncode == 2
    assert (
        process.stderr
        == "::warning title=netorch::the job summary was not written to /no/such/file: No such file or directory\n"
    )
    assert host.netorch("apply", "-o", "github", check=False).returncode == 64


def test_letters_of_another_locale(host: Host) -> None:
    """Output for programs is UTF-8. A terminal without Unicode gets netorch's signs in ASCII, and
    names with escape sequences.
    """
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:été, b:eth0], subnet: 10.0.0.0/30}]\n",
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in ("explain", "graph", "explain a b --offline", "show x", "schema --to -"):
        done = host.netorch(*words.split(), check=False, env=plain)
        assert (done.stdout, done.stderr) == (
            (same := host.netorch(*words.split(), check=False)).stdout,
            same.stderr,
        ), words
    output = host.run(
        "script",
        "-qec",
        f"{sys.executable} -m netorch explain a b --offline",
        "/dev/null",
        env=plain,
    ).stdout
    assert (
        "a -> b: arrives, and the answer comes back" in output and r"out by \xe9t\xe9 to" in output
    ), output
