"""The topologies for several machines: each machine makes its part, and together they work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.kernel.host import SOURCE
from tests.kernel.machines import Machine, Machines, diff_machines

FILES = [
    path
    for path in sorted((SOURCE / "topologies").glob("*.yaml"))
    if "\nhosts:" in path.read_text()
]


def apply(racks: Machines, path: Path) -> None:
    for rack in racks:
        rack.netorch("apply", path)


def differences(rack: Machine, file: Path | str) -> str:
    return rack.netorch("diff", file, check=False).stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_machine_makes_its_part_and_leaves_nothing(
    machines: Callable[[int], Machines], path: Path
) -> None:
    racks = machines(len(yaml.safe_load(path.read_text())["hosts"]))
    before = racks.snapshot()
    apply(racks, path)
    for rack in racks:
        assert "in sync" in differences(rack, path)
        assert "in sync" in rack.netorch("apply", path).stdout
        report = json.loads(rack.netorch("check", path, "-o", "json", check=False).stdout)
        pairs = [pair for check in report["checks"] for pair in check["pairs"]]
        assert pairs, rack.name
        assert [pair for pair in pairs if not pair["passed"]] == []
        assert report["passed"] is True
    for rack in racks:
        rack.netorch("destroy", "-q", path)
    assert diff_machines(before, racks.snapshot()) == []


def test_nodes_on_different_machines_reach_one_another(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(3)
    one, two, three = racks
    apply(racks, SOURCE / "topologies/three-machines.yaml")
    assert one.ping("pc", "10.60.0.3"), "from rack1 over rack2 to rack3"
    assert two.ping("web1", "10.60.0.4")
    assert three.ping("mirror", "10.61.0.1")


def test_the_file_that_show_prints_changes_nothing(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    apply(racks, SOURCE / "topologies/three-machines.yaml")
    for rack in racks:
        document = rack.netorch("show", "three-machines", "-o", "yaml")
        assert not document.stderr
        file = rack.write("printed.yaml", document.stdout)
        assert differences(rack, file) == "three-machines: in sync\n"
        assert "in sync, nothing to do" in rack.netorch("apply", file).stdout
    racks[1].run("ip", "-n", "web1", "link", "set", "eth0", "mtu", "1300")
    document = racks[1].netorch("show", "three-machines", "-o", "yaml")
    assert "without 1 difference on this machine" in document.stderr
    assert "1300" not in document.stdout


def test_a_live_picture_has_the_part_of_its_machine(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    one = racks[0]
    apply(racks, SOURCE / "topologies/three-machines.yaml")
    one.run("ip", "-n", "r1", "link", "set", "eth9", "mtu", "1300")
    root = ET.fromstring(one.netorch("graph", "--live", "three-machines", "-o", "svg").stdout)
    groups = [group.get("class") for group in root.iter("{http://www.w3.org/2000/svg}g")]
    words = " ".join(root.itertext())
    assert "three-machines, live, drifted" in words
    assert "edge tunnel changed" in groups
    assert groups.count("thing machine ok") >= 2, "rack2 and rack3, with one more in the legend"
    for word in ("rack1", "pc", "r2:eth9", "VXLAN, VNI 10001"):
        assert word in words
    for word in ("web1", "mirror"):
        assert word not in words
