"""Test applies that wait for a confirmation, and saved plans."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable

import pytest

from tests.kernel.host import Host, Snapshot, diff_snapshots
from tests.kernel.test_failure import CHANGED, GOOD, shot

NAT = """
name: lab
nodes:
  host: {interfaces: {nic: {addresses: [192.0.2.1/24]}}, sysctls: {net.ipv4.conf.default.rp_filter: 2}}
  pc: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
  web: {networks: [net], publish: ["8080:80"]}
networks: {net: {mode: nat, subnet: 172.17.0.0/16}}
links: [["host:nic", "pc:eth0"]]
"""
NOTES = ["files: /run/netorch/"]


def until(what: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def log(host: Host) -> str:
    path = host.root / "run/netorch/confirm.log"
    return path.read_text() if path.exists() else ""


def same(host: Host, before: Snapshot) -> None:
    left: list[str] = []

    def settled() -> bool:
        left[:] = diff_snapshots(before, shot(host), NOTES)
        return not left

    assert until(settled), left


def test_confirmed_it_stays(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    done = host.netorch("apply", "--confirm-within", "2s")
    assert "unless you run `netorch confirm lab` before" in done.stderr
    assert host.netorch("confirm").stdout == "lab: confirmed, the changes stay\n"
    time.sleep(2.5)
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert log(host).endswith("lab: confirmed\n")
    again = host.netorch("confirm", "lab")
    assert again.stdout == "lab: nothing waits to be confirmed, what was applied stays\n"
    unknown = host.netorch("confirm", "nolab", check=False)
    assert unknown.returncode == 1
    assert "topology 'nolab' has no apply that waits to be confirmed" in unknown.stderr


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(CHANGED, id="links and addresses"),
        pytest.param(NAT, id="nat and published ports"),
    ],
)
def test_unconfirmed_all_of_it_is_taken_back(host: Host, second: str) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    before = shot(host)
    host.write("next.yaml", second)
    host.netorch("apply", "next.yaml", "--confirm-within", "1s")
    assert diff_snapshots(before, shot(host), NOTES) != []
    assert until(lambda: log(host).endswith("lab: not confirmed in time, rolled back\n")), log(host)
    same(host, before)
    assert host.netorch("diff", "topo.yaml").stdout == "lab: in sync\n"
    assert host.netorch("diff", "next.yaml", check=False).returncode == 2
    late = host.netorch("confirm", "lab", check=False)
    assert "not confirmed in time, rolled back" in late.stderr


def test_a_first_apply_unconfirmed_leaves_nothing(host: Host) -> None:
    before = shot(host)
    host.write("topo.yaml", NAT)
    host.netorch("apply", "--confirm-within", "0.5")
    assert until(lambda: "rolled back" in log(host)), log(host)
    same(host, before)
    assert host.netorch("list").stdout.strip() == "no topology is live here"


def test_unconfirmed_it_is_taken_back_from_namespaces_of_others(host: Host) -> None:
    host.run("ip", "netns", "add", "mine")
    first = (
        "name: lab\nnodes:\n  box: {attach: 'netns:mine', interfaces: {d0: {kind: bridge, "
        "addresses: [10.0.0.2/24]}}}\n"
    )
    host.write("topo.yaml", first)
    host.netorch("apply", "--confirm-within", "1s")
    assert "d0" in host.run("ip", "-n", "mine", "link").stdout
    assert until(lambda: "not confirmed in time, rolled back" in log(host)), log(host)
    assert "d0" not in host.run("ip", "-n", "mine", "link").stdout
    # the rollback also restores there what the second file does not have
    host.netorch("apply")
    host.write("topo.yaml", "name: lab\nnodes:\n  a: {}\n")
    host.netorch("apply", "--confirm-within", "1s")
    assert "d0" not in host.run("ip", "-n", "mine", "link").stdout
    assert until(lambda: "10.0.0.2/24" in host.run("ip", "-n", "mine", "address").stdout), log(host)


def test_it_waits_alone_when_its_session_is_killed(host: Host) -> None:
    """SIGKILL ends the command and its session in the middle of the apply."""
    before = shot(host)
    host.write("topo.yaml", GOOD)
    with host.start(
        "setsid", sys.executable, "-m", "netorch", "apply", "--confirm-within", "2s"
    ) as process:
        waiting = host.root / "run/netorch/lab/confirm.json"
        # netorch changes nothing before there is a watcher
        assert until(lambda: waiting.exists() and json.loads(waiting.read_text())["watcher"] != 0)
        process.signal(signal.SIGKILL)
    assert until(lambda: "rolled back" in log(host)), log(host)
    same(host, before)


def test_while_it_waits_nobody_else_changes_it(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply", "--confirm-within", "60s")
    refused = host.netorch("apply", check=False)
    assert refused.returncode == 1
    assert "topology 'lab': an apply waits until" in refused.stderr
    assert "netorch confirm lab" in refused.stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy")
    assert until(lambda: not _watchers(host))
    assert "rolled back" not in log(host)


def test_a_warning_after_the_watcher_was_killed(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply", "--confirm-within", "60s")
    (watcher,) = _watchers(host)
    host.run("kill", "-KILL", str(watcher))
    assert until(lambda: not _watchers(host))
    assert "was never confirmed" in host.netorch("apply").stderr


def test_a_watcher_that_is_ended_rolls_back_at_once(host: Host) -> None:
    before = shot(host)
    host.write("topo.yaml", GOOD)
    host.netorch("apply", "--confirm-within", "600s")
    host.run("kill", str(_watchers(host)[0]))
    assert until(lambda: "rolled back" in log(host)), log(host)
    same(host, before)


def test_a_failed_apply_calls_it_off(host: Host) -> None:
    host.write("topo.yaml", GOOD.replace("via: 10.0.1.2", "via: 10.99.0.1, dev: eth1"))
    assert host.unforeseen("apply", "--confirm-within", "60s", check=False).returncode == 1
    assert until(lambda: not _watchers(host))
    assert not (host.root / "run/netorch/lab").exists()


def _watchers(host: Host) -> list[int]:
    path = host.root / "run/netorch/lab/confirm.json"
    if not path.exists():
        return []
    pid = int(json.loads(path.read_text())["watcher"])
    state = host.run("sh", "-c", f"cut -d' ' -f3 /proc/{pid}/stat", check=False).stdout.strip()
    return [pid] if state not in {"", "Z"} else []


# Undo


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(CHANGED, id="links and addresses"),
        pytest.param(NAT, id="nat and published ports"),
    ],
)
def test_undone_all_of_it_is_taken_back_at_once(host: Host, second: str) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    before = shot(host)
    host.write("next.yaml", second)
    host.netorch("apply", "next.yaml", "--confirm-within", "600")
    done = host.netorch("confirm", "--undo")
    *lines, last = done.stdout.splitlines()
    assert last.startswith("lab: undone, ")
    assert last.endswith(": the kernel is as it was before the apply")
    assert any(line.startswith(("+ ", "~ ", "- ")) for line in lines), done.stdout
    # at once and complete: nothing of it is left when the command ends
    assert diff_snapshots(before, shot(host), NOTES) == []
    assert log(host).endswith("lab: undone, rolled back\n")
    assert host.netorch("diff", "topo.yaml").stdout == "lab: in sync\n"
    assert [path.name for path in (host.root / "run/netorch").glob(".undone*")] == []


def test_undone_a_first_apply_leaves_nothing(host: Host) -> None:
    before = shot(host)
    host.write("topo.yaml", NAT)
    host.netorch("apply", "--confirm-within", "600")
    done = host.netorch("confirm", "--undo", "-o", "json", "lab")
    result = json.loads(done.stdout)
    assert (result["topology"], result["confirmed"], result["undone"]) == ("lab", False, True)
    titles = [change["title"] for change in result["changes"]]
    assert "netns pc" in titles and result["summary"]["delete"] > 5
    assert diff_snapshots(before, shot(host), NOTES) == []
    assert host.netorch("list").stdout.strip() == "no topology is live here"
    # the name is known from the event, so a second undo has nothing to do
    again = host.netorch("confirm", "--undo", "lab")
    assert again.stdout == "lab: nothing waits to be confirmed, nothing is undone\n"
    late = host.netorch("confirm", "lab", check=False)
    assert late.returncode == 1 and "lab: undone, rolled back" in late.stderr


def test_only_the_apply_with_the_token(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    done = json.loads(host.netorch("apply", "--confirm-within", "600", "-o", "json").stdout)
    token = done["token"]
    other = host.netorch("confirm", "--undo", "lab", "--token", "other")
    assert other.stdout == "lab: nothing waits to be confirmed, nothing is undone\n"
    wrong = host.netorch("confirm", "lab", "--token", "other", check=False)
    assert wrong.returncode == 1
    assert "Another apply, with another token, waits." in wrong.stderr
    assert host.netorch("confirm", "--dry-run").stdout.startswith("lab: an apply waits until ")
    preview = json.loads(
        host.netorch("confirm", "--dry-run", "-o", "json", "--token", token).stdout
    )
    assert preview["confirmed"] and 500 < preview["seconds_left"] <= 600
    assert host.netorch("confirm", "lab", "--token", token).stdout == (
        "lab: confirmed, the changes stay\n"
    )
    # an apply that changes nothing needs no confirmation
    done = json.loads(host.netorch("apply", "--confirm-within", "600", "-o", "json").stdout)
    assert (done["changed"], done["token"], done["confirm_until"]) == (False, None, None)


def test_confirm_and_undo_where_nothing_waits(host: Host) -> None:
    assert host.netorch("confirm").stdout == "no topology waits for a confirmation\n"
    assert host.netorch("confirm", "--undo").stdout == "no topology waits for a confirmation\n"
    for words in (["confirm", "lab"], ["confirm", "--undo", "lab"]):
        assert host.netorch(*words, check=False).returncode == 1
    host.write("topo.yaml", GOOD)
    host.netorch("apply", "--confirm-within", "600")
    host.netorch("confirm", "--undo")
    # what should have been confirmed is gone, so a late `confirm` fails, with and without a name
    for words in (["confirm", "lab"], ["confirm"]):
        done = host.netorch(*words, check=False)
        assert done.returncode == 1 and "lab: undone, rolled back" in done.stderr
    host.netorch("apply")
    assert host.netorch("confirm", "lab").returncode == 0
    assert host.netorch("confirm").returncode == 0


def test_undo_after_an_apply_that_was_killed(host: Host) -> None:
    before = shot(host)
    host.write("topo.yaml", GOOD)
    with host.start(sys.executable, "-m", "netorch", "apply", "--confirm-within", "600") as process:
        waiting = host.root / "run/netorch/lab/confirm.json"
        assert until(lambda: waiting.exists() and json.loads(waiting.read_text())["watcher"] != 0)
        process.signal(signal.SIGKILL)
    host.netorch("confirm", "--undo", "lab")
    assert diff_snapshots(before, shot(host), NOTES) == []


@pytest.mark.parametrize("way", ["undo", "destroy"])
def test_directories_in_which_a_killed_apply_had_made_nothing(host: Host, way: str) -> None:
    before = shot(host)
    host.write("topo.yaml", "name: lab\nnodes: {}\n")
    host.netorch("apply", "--confirm-within", "600")
    for path, marker in (("/run/netns", ".made-run-netns"), ("/etc/netns", ".made-etc-netns")):
        host.run("mkdir", "-p", path)
        host.run("touch", f"/run/netorch/{marker}")
    host.netorch(*(("confirm", "--undo", "lab") if way == "undo" else ("destroy", "lab")))
    assert diff_snapshots(before, shot(host), NOTES) == []


def test_undo_without_its_process_says_so(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply", "--confirm-within", "600")
    host.run("kill", "-KILL", str(_watchers(host)[0]))
    assert until(lambda: not _watchers(host))
    done = host.netorch("confirm", "--undo", check=False)
    assert done.returncode == 1
    assert "the process that would roll back is gone, so nothing is undone" in done.stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_undo_that_cannot_restore_everything_fails(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    host.write("topo.yaml", "name: lab\nnodes: {only: {}}\n")
    host.netorch("apply", "--confirm-within", "600")
    # somebody takes the name that the rollback needs
    host.run("ip", "netns", "add", "a")
    done = host.netorch("confirm", "--undo", "-o", "json", check=False)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["error"] == "KernelRefused"
    assert "not-rolled-back" in [problem["code"] for problem in result["problems"]]


# Saved plans


def test_a_saved_plan_is_applied(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    diff = host.netorch("diff", "--out", "plan.json", check=False)
    assert diff.returncode == 2
    plan = json.loads((host.directory / "plan.json").read_text())
    assert plan["version"] == 2
    assert plan["topology"] == "lab"
    assert any(
        change["title"] == "netns a" and change["action"] == "create" for change in plan["changes"]
    )
    (host.directory / "topo.yaml").unlink()
    assert (
        host.netorch("apply", "--plan", "plan.json", "--dry-run", check=False).stdout == diff.stdout
    )
    host.netorch("apply", "--plan", "plan.json")
    host.write("topo.yaml", GOOD)
    assert host.netorch("diff").stdout == "lab: in sync\n"
    # after the apply, the state is not the one for which the plan was made
    again = host.netorch("apply", "--plan", "plan.json", check=False)
    assert again.returncode == 1
    assert "plan.json: the kernel has changed since this plan was saved" in again.stderr


def test_a_plan_is_refused_when_something_that_it_looked_at_moved(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    host.write("topo.yaml", CHANGED)
    host.netorch("diff", "--out", "plan.json", check=False)
    host.run("ip", "-n", "b", "link", "set", "eth0", "mtu", "1400")
    before = shot(host)
    refused = host.netorch("apply", "--plan", "plan.json", check=False)
    assert refused.returncode == 1
    assert "link b/eth0 has changed" in refused.stderr
    assert diff_snapshots(before, shot(host), NOTES) == []
    host.run("ip", "-n", "b", "link", "set", "eth0", "mtu", "1500")
    host.netorch("apply", "--plan", "plan.json")
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_file_that_is_not_a_plan_is_refused(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    host.netorch("diff", "--out", "plan.json", check=False)
    whole = (host.directory / "plan.json").read_text()
    plan = json.loads(whole)
    wrong = {
        "": "Expecting value",
        whole[: len(whole) // 2]: "this is not a saved plan",
        "[]": "not written by",
        "{}": "not written by",
        json.dumps(plan | {"version": 1}): "its version is 1",
        json.dumps(
            {key: value for key, value in plan.items() if key != "text"}
        ): "'text' is missing",
        json.dumps(plan | {"looked_at": 5}): "this is not a saved plan",
        json.dumps(plan | {"topology": "other"}): "the plan is for 'other'",
        json.dumps(plan | {"text": "nodes: ["}): "",
        json.dumps(
            plan | {"text": GOOD.replace("rp_filter: 2}", "rp_filter: 1}")}
        ): "the new plan differs from the saved one",
    }
    before = shot(host)
    for text, words in wrong.items():
        host.write("wrong.json", text)
        done = host.netorch("apply", "--plan", "wrong.json", check=False)
        assert done.returncode == 1, text
        assert words in done.stderr, (text[:80], done.stderr)
        assert "Traceback" not in done.stderr
    for words in (["topo.yaml"], ["--set", "a=b"], ["--name", "x"]):
        assert host.netorch("apply", "--plan", "plan.json", *words, check=False).returncode == 64
    assert (
        host.netorch("diff", "topo.yaml", "topo.yaml", "--out", "x", check=False).returncode == 64
    )
    done = host.netorch("diff", "--out", "no/such/plan", check=False)
    written = "no/such/plan cannot be written: No such file or directory. Make the folder"
    assert written in done.stderr
    assert diff_snapshots(before, shot(host), NOTES) == []
