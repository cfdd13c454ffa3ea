"""Test the Ansible collection: its modules, and the playbooks that apply to all machines or none.

The machines are private hosts, which Ansible enters by a shell instead of by ssh.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.ansible_runs import Controller, Run, SshController
from tests.kernel.machines import Machines, diff_machines

TOPO = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
nodes:
  a: {on: rack1, networks: [lan]}
  b: {on: rack2, networks: [lan]}
  c: {on: rack3, networks: [lan]}
networks: {lan: {subnet: 10.60.0.0/24}}
links: [{endpoints: ['a:eth0', 'b:eth0'], subnet: 10.0.0.0/30}]
checks: [{from: a, to: b}, {all: lan}]
"""
NEXT = TOPO.replace("nodes:\n", "nodes:\n  d: {on: rack2, networks: [lan]}\n")
"""It changes all machines: `d` joins a network, whose tunnels on the others lead to it then."""
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
    for rack in list(racks)[:3]:
        rack.write("topo.yaml", TOPO)
        rack.netorch("apply")


def in_sync(racks: Machines, text: str) -> bool:
    """Return whether the machines that run match a file."""
    for rack in racks:
        rack.write("wanted.yaml", text)
    return all(
        rack.netorch("diff", "wanted.yaml", check=False).returncode == 0
        for rack in racks
        if rack.on
    )


def test_apply_again_drift_and_destroy(racks: Machines, controller: Controller, topo: Path) -> None:
    before = racks.snapshot()
    plan = controller.play("diff", topo)
    assert_ok(plan)
    assert plan.changed() == ["rack1", "rack2", "rack3"]
    assert "+vxlan a/eth0" in plan.out and "+  mtu: 1450" in plan.out
    assert diff_machines(before, racks.snapshot()) == []
    dry = controller.play("apply", topo, "--check")
    assert_ok(dry)
    assert dry.changed() == ["rack1", "rack2", "rack3"]
    assert diff_machines(before, racks.snapshot()) == []

    done = controller.play("apply", topo)
    assert_ok(done)
    assert done.changed() == ["rack1", "rack2", "rack3"]
    assert racks[0].ping("a", "10.0.0.2") and racks[2].ping("c", "a")
    for rack in racks:
        assert rack.netorch("confirm", "lab").stdout.startswith("lab: nothing waits")
    applied = racks.snapshot()

    again = controller.play("apply", topo)
    assert_ok(again)
    assert again.changed() == []
    assert_ok(controller.play("check", topo))

    racks[1].run("ip", "-n", "b", "link", "set", "eth0", "mtu", "1400")
    drift = controller.play("diff", topo)
    assert_ok(drift)
    assert drift.changed() == ["rack2"]
    assert "-  mtu: 1400\n+  mtu: 1450" in drift.out
    repair = controller.play("apply", topo, "--diff")
    assert_ok(repair)
    assert repair.changed() == ["rack2"]
    assert "-  mtu: 1400\n+  mtu: 1450" in repair.out
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
    racks[2].run("ip", "-n", "c", "link", "set", "eth0", "down")
    stop.unlink()
    run = controller.end(process)
    assert run.status != 0
    assert run.statuses("Check")["rack3"] == "failed", run.out
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
    assert in_sync(racks, NEXT)
    for rack in (racks[0], racks[1]):
        assert rack.netorch("confirm").stdout == "no topology waits for a confirmation\n"


def test_the_controller_is_killed(racks: Machines, controller: Controller, topo: Path) -> None:
    apply_by_hand(racks)
    before = racks.snapshot()
    topo.write_text(NEXT)
    stop = controller.stop_at(racks[0], "check")
    process = controller.start(
        "netorch.netorch.apply",
        *("-e", f"netorch_file={topo}", "-e", "netorch_confirm_within=15"),
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
    assert in_sync(racks, NEXT)


@pytest.fixture
def over_ssh(machines: Callable[[int], Machines], tmp_path: Path) -> SshController:
    """Three machines with an sshd each, and a controller on a fourth one."""
    pytest.importorskip("ansible")
    if not (shutil.which("ssh") and Path("/usr/sbin/sshd").exists()):
        pytest.skip("needs ssh and sshd")
    racks = machines(4)
    return SshController(tmp_path / "controller", racks, racks[3])


def test_over_ssh_with_a_machine_that_is_lost(over_ssh: SshController) -> None:
    controller, racks = over_ssh, over_ssh.machines
    topo = controller.folder / "topo.yaml"
    topo.write_text(TOPO)
    assert_ok(controller.play("apply", topo))
    before = racks.snapshot()

    nodes = controller.folder / "nodes.yaml"
    nodes.write_text(
        json.dumps(
            {
                "all": {
                    "hosts": {
                        "b": controller.connection(racks[1])
                        | {
                            "ansible_connection": "netorch.netorch.node",
                            "ansible_python_interpreter": sys.executable,
                            "netorch_command": str(controller.netorch),
                        }
                    }
                }
            }
        )
    )
    inside = controller.folder / "inside.yml"
    inside.write_text(INSIDE)
    assert_ok(controller.run("-i", nodes, inside, inventory=False))
    assert racks[1].run("ip", "-n", "b", "link", "show", "of-ansible").returncode == 0
    assert racks[1].run("cat", "/run/copied").stdout == "from the controller\n"
    racks[1].run("sh", "-c", "ip -n b link delete of-ansible; rm /run/copied")

    topo.write_text(NEXT)
    stop = controller.stop_at(racks[2], "check")
    process = controller.start("netorch.netorch.apply", "-e", f"netorch_file={topo}")
    assert until(stop.exists), controller.end(process).out
    racks.kill(racks[2])
    run = controller.end(process)
    assert run.status != 0
    assert run.statuses("Check")["rack3"] == "unreachable", run.out
    assert run.statuses("Undo") == {"rack1": "ok", "rack2": "ok"}
    assert diff_machines(before, racks.snapshot(), NOTES) == [], run.out


INSIDE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Make a link, which only the node has
      ansible.builtin.command: ip link add of-ansible type bridge
    - name: Ask for the node's links
      ansible.builtin.command: ip -br link
      register: links
      changed_when: false
    - name: Copy a file
      ansible.builtin.copy: {content: "from the controller\\n", dest: /run/copied, mode: "600"}
    - name: Gather facts of the node
      ansible.builtin.setup: {gather_subset: [network]}
    - ansible.builtin.assert:
        that:
          - "'of-ansible' in links.stdout"
          - "'of-ansible' in ansible_facts.interfaces"
"""


def test_a_node_of_this_machine(controller: Controller, racks: Machines, topo: Path) -> None:
    """The inventory plugin lists the nodes, and the connection enters them."""
    alone = "name: alone\nnodes: {a: {}, b: {}}\nlinks: [['a:eth0', 'b:eth0']]\n"
    topo.write_text(alone)
    racks[0].netorch("apply", topo)
    source = controller.folder / "lab.netorch.yaml"
    source.write_text("plugin: netorch.netorch.hosts\nfile: topo.yaml\nnodes: true\n")
    graph = controller.run("-i", source, "--graph", program="ansible-inventory", inventory=False)
    assert_ok(graph)
    assert graph.out.split() == ["@all:", "|--@ungrouped:", "|--@nodes:", "|", "|--a", "|", "|--b"]
    # netorch of the first machine stands for that of the controller's own
    command = controller.write(
        controller.folder / "here",
        f'#!/bin/sh\nexec {racks[0].shell} -c \'exec "$@"\' - {controller.netorch} "$@"\n',
    )
    inside = controller.folder / "inside.yml"
    inside.write_text(INSIDE.replace("/run/copied", str(controller.folder / "copied")))
    run = controller.run(
        *("-i", source, inside, "--limit", "a", "-e", f"netorch_command={command}"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
        inventory=False,
    )
    assert_ok(run)
    assert racks[0].run("ip", "-n", "a", "link", "show", "of-ansible").returncode == 0
    assert (controller.folder / "copied").read_text() == "from the controller\n"


MODULES = """
- hosts: rack1
  gather_facts: false
  module_defaults: {group/netorch.netorch.netorch: {executable: "{{ netorch_executable }}"}}
  tasks:
    - {name: apply, netorch.netorch.topology: {src: topo.yaml, set: {size: 1400, loud: true}}}
    - {name: check, netorch.netorch.check: {name: alone}, ignore_errors: true}
    - {name: would remove, netorch.netorch.topology: {name: alone, state: absent}, check_mode: true}
    - {name: remove, netorch.netorch.topology: {src: topo.yaml, state: absent}}
    - {name: remove again, netorch.netorch.topology: {name: alone, state: absent}}
    - {name: on the machine, netorch.netorch.topology: {src: "{{ playbook_dir }}/topo.yaml", remote_src: true}}
    - name: wrong
      netorch.netorch.topology: {content: "name: alone\\nnodes: {a: {x: 1}}\\n"}
      ignore_errors: true
    - name: wrong and absent
      netorch.netorch.topology: {content: "name: alone\\nnodes: {a: {x: 1}}\\n", state: absent}
      ignore_errors: true
    - name: nowhere
      netorch.netorch.confirm: {name: alone, executable: /nowhere/netorch}
"""

ALONE = """
name: alone
vars: {size: 1500, loud: false}
nodes: {a: {rules: [{iif: eth9, table: 100}]}, b: {}}
links: [{endpoints: ['a:eth0', 'b:eth0'], mtu: $(size)}]
checks: [{from: a, to: 192.0.2.1}]
"""


def test_modules(controller: Controller, racks: Machines, topo: Path) -> None:
    topo.write_text(ALONE)
    play = controller.folder / "modules.yml"
    play.write_text(MODULES)
    run = controller.run(play)
    steps = {event.task: event for event in run.events}
    assert steps["apply"].changed, run.out
    assert any("eth9" in warning for warning in steps["apply"].result["warnings"])
    titles = [change["title"] for change in steps["apply"].result["changes"]]
    assert "veth a/eth0" in titles
    assert steps["check"].status == "ignored"
    assert steps["check"].result["summary"] == {"ok": 0, "failed": 1}
    assert "a → 192.0.2.1: " in steps["check"].result["msg"]
    assert steps["would remove"].changed
    assert "  mtu: 1400\n" in steps["would remove"].result["diff"]["before"]
    assert steps["would remove"].result["diff"]["after"] == ""
    assert steps["remove"].changed and not steps["remove again"].changed
    assert steps["on the machine"].changed
    for step in ("wrong", "wrong and absent"):
        (problem,) = steps[step].result["problems"]
        assert (problem["code"], problem["file"], problem["line"]) == ("unknown-key", "content", 2)
        assert "unknown key 'x'" in steps[step].result["msg"]
    assert steps["nowhere"].status == "failed"
    assert "/nowhere/netorch cannot be run" in steps["nowhere"].result["msg"]
    assert "applied" not in steps["nowhere"].result
    assert str(topo) in racks[0].netorch("list").stdout


def test_a_topology_file_is_an_inventory(controller: Controller, topo: Path) -> None:
    command = ("-i", str(topo), "--graph")
    enabled = {"ANSIBLE_INVENTORY_ENABLED": "netorch.netorch.hosts"}
    graph = controller.run(*command, program="ansible-inventory", inventory=False, env=enabled)
    assert_ok(graph)
    racks = ["@hosts:", "|", "|--rack1", "|", "|--rack2", "|", "|--rack3"]
    assert " ".join(racks) in " ".join(graph.out.replace("|--@", "@").split())
