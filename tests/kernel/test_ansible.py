"""Test the Ansible collection: its modules, and the playbooks that apply to all machines or none.

The machines are private hosts, which Ansible enters by a shell instead of by ssh.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.ansible_runs import Controller, Run
from tests.kernel.machines import Machines, diff_machines

TOPO = """
name: lab
nodes: {a: {}, b: {}}
links: [{endpoints: ['a:eth0', 'b:eth0'], subnet: 10.0.0.0/30}]
checks: [{from: a, to: b}]
"""
NEXT = TOPO.replace("nodes: {", "nodes: {c: {}, ").replace(
    "]\nchecks", ", ['a:eth1', 'c:eth0']]\nchecks"
)
NOTES = ("files: /run/netorch/",)


@pytest.fixture
def racks(machines: Callable[[int], Machines]) -> Machines:
    pytest.importorskip("ansible")
    return machines(3)


@pytest.fixture
def controller(racks: Machines, tmp_path: Path) -> Controller:
    return Controller(tmp_path / "controller", racks)


@pytest.fixture
def topo(controller: Controller) -> Path:
    path = controller.folder / "topo.yaml"
    path.write_text(TOPO)
    return path


def until(what: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def assert_ok(run: Run) -> None:
    assert run.status == 0, run.out


def apply_by_hand(racks: Machines) -> None:
    for rack in racks:
        rack.write("topo.yaml", TOPO)
        rack.netorch("apply")


def test_apply_again_drift_and_destroy(racks: Machines, controller: Controller, topo: Path) -> None:
    before = racks.snapshot()
    plan = controller.play("diff", topo)
    assert_ok(plan)
    assert plan.changed() == ["rack1", "rack2", "rack3"]
    assert "+veth a/eth0" in plan.out and "+  mtu: 1500" in plan.out
    assert diff_machines(before, racks.snapshot()) == []
    dry = controller.play("apply", topo, "--check")
    assert_ok(dry)
    assert dry.changed() == ["rack1", "rack2", "rack3"]
    assert diff_machines(before, racks.snapshot()) == []

    done = controller.play("apply", topo)
    assert_ok(done)
    assert done.changed() == ["rack1", "rack2", "rack3"]
    for rack in racks:
        assert rack.ping("a", "10.0.0.2")
        assert rack.netorch("confirm", "lab").stdout.startswith("lab: nothing waits")
    applied = racks.snapshot()

    again = controller.play("apply", topo)
    assert_ok(again)
    assert again.changed() == []
    assert_ok(controller.play("check", topo))

    racks[1].run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1400")
    drift = controller.play("diff", topo)
    assert_ok(drift)
    assert drift.changed() == ["rack2"]
    assert "-  mtu: 1400\n+  mtu: 1500" in drift.out
    repair = controller.play("apply", topo, "--diff")
    assert_ok(repair)
    assert repair.changed() == ["rack2"]
    assert "-  mtu: 1400\n+  mtu: 1500" in repair.out
    assert diff_machines(applied, racks.snapshot(), ["files: /run/netorch/"]) == []

    gone = controller.play("destroy", topo)
    assert_ok(gone)
    assert gone.changed() == ["rack1", "rack2", "rack3"]
    assert diff_machines(before, racks.snapshot(), NOTES) == []
    again = controller.play("destroy", topo)
    assert_ok(again)
    assert again.changed() == []


def test_a_machine_that_refuses_ends_it_before_anything_changes(
    racks: Machines, controller: Controller, topo: Path
) -> None:
    racks[1].run("ip", "netns", "add", "b")
    before = racks.snapshot()
    run = controller.play("apply", topo)
    assert run.status != 0
    assert run.statuses("Plan") == {"rack1": "ok", "rack2": "failed", "rack3": "ok"}
    refused = run.of("Plan")["rack2"].result
    assert refused["error"] == "ConflictError"
    assert refused["problems"][0]["object"] == "netns b"
    assert run.of("Apply on trial") == {}
    assert diff_machines(before, racks.snapshot()) == []


def test_a_check_that_fails_on_one_machine_undoes_all(
    racks: Machines, controller: Controller, topo: Path
) -> None:
    apply_by_hand(racks)
    before = racks.snapshot()
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[2], "check")
    process = controller.start("netorch.netorch.apply", "-e", f"netorch_file={topo}")
    assert until(stop.exists)
    assert diff_machines(before, racks.snapshot()) != []
    racks[2].run("ip", "-n", "b", "link", "set", "eth0", "down")
    stop.unlink()
    run = controller.end(process)
    assert run.status != 0
    assert run.statuses("Check") == {"rack1": "ok", "rack2": "ok", "rack3": "failed"}
    assert run.statuses("Undo") == dict.fromkeys(("rack1", "rack2", "rack3"), "ok")
    assert diff_machines(before, racks.snapshot(), NOTES) == []


@pytest.mark.parametrize("phase", ["diff", "apply", "check", "confirm"])
def test_a_machine_killed_in_a_phase(
    racks: Machines, controller: Controller, topo: Path, phase: str
) -> None:
    apply_by_hand(racks)
    before = racks.snapshot()
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[2], phase)
    process = controller.start("netorch.netorch.apply", "-e", f"netorch_file={topo}")
    assert until(stop.exists), controller.end(process).out
    racks.kill(racks[2])
    run = controller.end(process)
    assert run.status != 0
    assert diff_machines(before, racks.snapshot(), NOTES) == [], run.out
    for rack in (racks[0], racks[1]):
        assert rack.netorch("confirm", "--undo").stdout == "no topology waits for a confirmation\n"


def test_a_machine_killed_while_it_confirms(
    racks: Machines, controller: Controller, topo: Path
) -> None:
    """All machines have said that they can, so the others keep the changes."""
    apply_by_hand(racks)
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[2], "confirm", unless="--dry-run")
    process = controller.start("netorch.netorch.apply", "-e", f"netorch_file={topo}")
    assert until(stop.exists), controller.end(process).out
    racks.kill(racks[2])
    run = controller.end(process)
    assert run.status != 0
    assert "Run this playbook again" in run.out
    for rack in (racks[0], racks[1]):
        rack.write("next.yaml", NEXT)
        assert rack.netorch("diff", "next.yaml").stdout == "lab: in sync\n"
        assert rack.netorch("confirm").stdout == "no topology waits for a confirmation\n"


def test_the_controller_is_killed(racks: Machines, controller: Controller, topo: Path) -> None:
    apply_by_hand(racks)
    before = racks.snapshot()
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[0], "check")
    process = controller.start(
        "netorch.netorch.apply",
        *("-e", f"netorch_file={topo}", "-e", "netorch_confirm_within=5"),
    )
    assert until(stop.exists)
    assert diff_machines(before, racks.snapshot()) != []
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    def all_back() -> bool:
        return diff_machines(before, racks.snapshot(), NOTES) == []

    assert until(all_back)
    for rack in racks:
        assert "not confirmed in time, rolled back" in rack.netorch("confirm", check=False).stderr


def test_the_second_of_two_controllers_is_refused(
    racks: Machines, controller: Controller, topo: Path, tmp_path: Path
) -> None:
    """It undoes nothing that the first one has applied."""
    apply_by_hand(racks)
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[0], "check")
    process = controller.start("netorch.netorch.apply", "-e", f"netorch_file={topo}")
    assert until(stop.exists)
    second = Controller(tmp_path / "second", racks)
    other = second.folder / "topo.yaml"
    other.write_text(TOPO.replace("10.0.0.0/30", "10.9.0.0/30"))
    refused = second.play("apply", other)
    assert refused.status != 0
    events = refused.of("Apply on trial")
    assert {event.status for event in events.values()} == {"failed"}, refused.out
    codes = {event.result["problems"][0]["code"] for event in events.values()}
    assert codes == {"awaits-confirmation"}
    stop.unlink()
    assert_ok(controller.end(process))
    for rack in racks:
        rack.write("next.yaml", NEXT)
        assert rack.netorch("diff", "next.yaml").stdout == "lab: in sync\n"
