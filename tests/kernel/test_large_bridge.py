"""Test a bridge with so many ports that it comes up after the verification of everything else."""

from __future__ import annotations

import json

from netorch.converge.transaction import MANY_PORTS
from tests.kernel.host import Host

FILE = f"""
name: lab
nodes: {{'n[1-{MANY_PORTS}]': {{networks: [lan]}}}}
networks: {{lan: {{subnet: 10.0.0.0/16}}}}
"""


def test_a_large_bridge_comes_up(host: Host) -> None:
    host.write("topo.yaml", FILE)
    report = json.loads(host.netorch("apply", "-o", "json").stdout)
    assert (report["rounds"], report["notes"]) == (1, [])
    [bridge] = host.ip("-n", "netorch-lab", "link", "show", "type", "bridge")
    assert "UP" in bridge["flags"]
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.reaches("n1", f"n{MANY_PORTS}")

    host.run("ip", "-n", "netorch-lab", "link", "set", "lan", "down")
    report = json.loads(host.netorch("apply", "-o", "json").stdout)
    assert [change["title"] for change in report["changes"]] == ["link netorch-lab/lan"]
    assert (report["rounds"], report["notes"]) == (1, [])
    assert host.reaches("n1", f"n{MANY_PORTS}")

    # other differences at the same time are made first, and are not reported as unexpected
    host.run("ip", "-n", "netorch-lab", "link", "set", "lan", "down")
    host.run("ip", "-n", "n7", "route", "flush", "table", "main")
    report = json.loads(host.netorch("apply", "-o", "json").stdout)
    assert {change["title"] for change in report["changes"]} == {
        "link netorch-lab/lan",
        "link n7/eth0",
    }
    assert (report["rounds"], report["notes"]) == (1, [])
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns").stdout == ""
