"""Test the machines that tests of topologies over several machines use."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.machines import Machines, diff_machines

PAIR = "name: pair\nnodes: {left: {}, right: {}}\nlinks: [['left:eth0', 'right:eth0']]\n"


def test_machines_reach_each_other_through_the_router(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    assert [rack.name for rack in racks] == ["rack1", "rack2", "rack3"]
    for rack in racks:
        assert rack.links() == ["lo", "eth0"]
        for other in racks:
            assert rack.ping(None, other.address), (rack.name, other.address)
            assert rack.ping(None, other.address6), (rack.name, other.address6)
    trace = racks[0].run("ip", "route", "get", racks[1].address).stdout
    assert f"dev eth0 src {racks[0].address}" in trace


def test_each_machine_has_its_own_network_files_and_processes(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(2)
    before = racks.snapshot()
    assert diff_machines(before, racks.snapshot()) == []
    racks[0].write("topo.yaml", PAIR)
    racks[0].netorch("apply")
    changes = diff_machines(before, racks.snapshot())
    assert changes and {change.partition(":")[0] for change in changes} == {"rack1"}
    assert racks[0].run("ls", "/run/netns").stdout.split() == ["left", "right"]
    assert racks[1].run("ls", "/run/netns", check=False).returncode != 0
    assert racks[1].netorch("list").stdout.strip() == "no topology is live here"


def test_an_mtu_of_one_machine(machines: Callable[[int], Machines]) -> None:
    racks = machines(2)
    racks.set_mtu(racks[1], 1400)
    full = ("ping", "-c1", "-W2", "-Mdo", "-s")
    for size, answers in (("1372", True), ("1373", False)):
        done = racks[0].run(*full, size, racks[1].address, check=False)
        assert (done.returncode == 0) == answers, done.stdout


def test_a_machine_that_is_off_and_one_that_is_cut(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    racks.cut(racks[1])
    assert not racks[0].ping(None, racks[1].address)
    racks.join(racks[1])
    assert racks[0].reaches(None, racks[1].address)
    assert racks[0].reaches(None, racks[1].address6)
    shell = [racks[2].shell, "-c", "ip -4 -o address show dev eth0"]
    assert racks[2].address in subprocess.run(shell, capture_output=True, text=True).stdout
    racks.kill(racks[2])
    off = subprocess.run(shell, capture_output=True, text=True)
    assert (off.returncode, off.stderr) == (255, "rack3 is off\n")
    assert not racks[0].ping(None, racks[2].address)
    assert list(racks.snapshot()) == ["rack1", "rack2"]


def test_they_end_when_making_them_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Machines] = []

    def fail(self: Machines, mtu: int) -> None:
        made.append(self)
        raise RuntimeError("no")

    monkeypatch.setattr(Machines, "add", fail)
    with pytest.raises(RuntimeError):
        Machines(tmp_path, 2)
    assert not Path(f"/proc/{made[0].router.pid}/root").exists()
