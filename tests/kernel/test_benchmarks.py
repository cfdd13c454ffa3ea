"""The benchmark harness runs at its smallest size. These tests do not check its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.phases import PHASES
from tests.kernel.host import SOURCE, Host

OPERATIONS = {
    *(("whole", operation) for operation in ("apply", "apply again", "diff", "change", "destroy")),
    *(("engine", operation) for operation in ("apply", "read", "change", "destroy")),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_harness_measures_all_operations(tmp_path: Path) -> None:
    words = (
        "--quick",
        "--no-peers",
        "--shapes",
        "star-10,ring-3,ports-2",
        "--rounds",
        "1",
        "--json",
        str(tmp_path / "figures.json"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *words],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["failed"] == {}
    assert {(row["shape"], row["subject"], row["operation"]) for row in figures["operations"]} == {
        (shape, *operation)
        for shape in ("star-10", "ring-3", "ports-2")
        for operation in OPERATIONS
    }
    for row in figures["operations"]:
        without_floor = row["shape"] == "ports-2" and row["operation"] == "destroy"
        assert row["milliseconds"] > 0
        assert (row["ratio"] is None) == (row["floor_milliseconds"] is None) == without_floor
        assert (row["processor_ratio"] is None) == without_floor
        assert row["processor_milliseconds"] > 0
        assert (row["peak_megabytes"] is None) == (row["subject"] == "engine")
    for phases in figures["phases"].values():
        assert tuple(phases) == PHASES
        assert all(value >= 0 for value in phases.values())
    assert all(
        value > 0 for shape in ("star-10", "ring-3") for value in figures["floor"][shape].values()
    )
    assert set(figures["growth"]) == {
        "load",
        "read",
        "plan",
        "execute",
        "floor",
        "load, without a kernel",
        "plan, without a kernel",
    }
    assert all(verdict["met"] is None for verdict in figures["targets"])
    assert figures["peers"] == []
    assert [set(one) for one in figures["rounds"]["star-10"]] == [
        {"milliseconds", "processor", "peaks", "phases"}
    ]
    for title in ("× its create", "phases of apply", "star, ms a node", "target"):
        assert title in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_growth_is_measured_against_the_floor(tmp_path: Path) -> None:
    words = ("--quick", "--shapes", "nat,vxlan", "--json", str(tmp_path / "figures.json"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.scale", *words],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures) == ["nat", "vxlan"]
    for sizes in figures.values():
        assert list(sizes) == ["2", "4", "8"]
        for one in sizes.values():
            floors = {f"floor {what}" for what in ("create", "read", "destroy")}
            own = {"empty", "apply", "diff", "change", "destroy"}
            assert one["clock"].keys() == one["processor"].keys() == own | floors
            assert one["peak"].keys() == own
    assert "| 8 endpoints: vxlan |" in done.stdout


def test_settle_waits_for_namespaces_that_were_deleted_before(host: Host) -> None:
    """A veth in a deleted namespace exists for a while. `settle` waits until it is gone."""
    host.run("ip", "netns", "add", "doomed")
    host.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", "doomed")
    program = (
        "import os; from tests.benchmarks.teardown import settle;"
        "os.system('ip netns del doomed'); settle(); print(os.path.exists('/sys/class/net/near'))"
    )
    assert host.run(sys.executable, "-c", program).stdout == "False\n"
    assert host.links() == ["lo"]


def test_a_settled_figure_is_not_shorter_than_the_tear_down(host: Host) -> None:
    """With `settled`, the runner's answer waits until the kernel has removed all that went away."""
    host.run("ip", "netns", "add", "doomed")
    host.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", "doomed")
    job = json.dumps({"argv": ["ip", "netns", "del", "doomed"], "settled": True}) + "\n"
    answer = json.loads(host.run(sys.executable, "-m", "tests.benchmarks.runner", input=job).stdout)
    assert answer["status"] == 0
    assert 0 < answer["peak_kilobytes"] < 100_000
    assert host.links() == ["lo"]
