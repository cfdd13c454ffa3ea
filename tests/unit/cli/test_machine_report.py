"""`diff OLD NEW` and `validate` for files with `hosts`: what concerns each machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from netorch.cli import inputs, main
from netorch.cli.machine_report import compare
from netorch.cli.status import DIFFERENT, DONE
from netorch.render.markdown import machines_report
from netorch.resolve import machines
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from netorch.resolve.per_machine import shares

LAB = """\
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
defaults: {node: {on: rack1}}
nodes:
  a: {networks: [lan]}
  b: {on: rack2, networks: [lan]}
  c: {on: rack3}
links:
  - [a:x, b:x]
networks:
  lan: {subnet: 10.60.0.0/24}
"""
MOVED = LAB.replace("b: {on: rack2", "b: {on: rack3")


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    monkeypatch.chdir(folder)
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)


def desired(text: str) -> Desired:
    return load(text.encode(), "lab.yaml").desired


def kinds(old: str, new: str) -> dict[str, set[str]]:
    """Return machine → what happens there, as `create netns`."""
    return {
        entry.machine: {f"{change.disruption.value} {change.key.kind}" for change in entry.changes}
        for entry in compare(desired(old), desired(new))
    }


def test_a_node_that_moves_is_deleted_here_and_made_there() -> None:
    changes = kinds(LAB, MOVED)
    assert "delete netns" in changes["rack2"] and "create netns" not in changes["rack2"]
    assert "create netns" in changes["rack3"] and "delete netns" not in changes["rack3"]
    assert not {"create netns", "delete netns"} & changes["rack1"]


def test_a_machine_that_nothing_concerns_is_in_sync() -> None:
    changes = kinds(LAB, LAB.replace("c: {on: rack3}", "c: {on: rack3, forwarding: true}"))
    assert changes == {"rack1": set(), "rack2": set(), "rack3": {"update netns"}}


def test_machines_that_come_and_go_have_their_changes() -> None:
    less = LAB.replace("  rack3: {address: 198.51.100.3}\n", "").replace("{on: rack3}", "{}")
    assert "delete netns" in kinds(LAB, less)["rack3"]
    assert "create netns" in kinds(less, LAB)["rack3"]


def test_the_text_has_a_heading_for_each_machine_with_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = LAB.replace("c: {on: rack3}", "c: {on: rack3, forwarding: true}").replace(
        "  - [a:x, b:x]", "  - {endpoints: [a:x, b:x], mtu: 1400}"
    )
    write(tmp_path, monkeypatch, old=LAB, new=new)
    assert main(["diff", "old.yaml", "new.yaml"]) == DIFFERENT
    assert capsys.readouterr().out.splitlines() == [
        "on rack1 (198.51.100.1): 1 to update",
        "~ vxlan a/x  mtu 1450 → 1400  [update]",
        "on rack2 (198.51.100.2): 1 to update",
        "~ vxlan b/x  mtu 1450 → 1400  [update]",
        "on rack3 (198.51.100.3): 1 to update",
        "~ netns c  ipv4 forwarding off → on  ipv6 forwarding off → on  [update]",
        "lab: 3 to update, on 3 of 3 machines",
    ]
    assert main(["diff", "old.yaml", "old.yaml"]) == DONE
    assert capsys.readouterr().out == "lab: in sync\n"


def test_one_machine_alone_has_no_heading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, old=LAB, new=LAB.replace("[a:x, b:x]", "[a:y, b:x]"))
    assert main(["diff", "old.yaml", "new.yaml", "--host", "rack1"]) == DIFFERENT
    out = capsys.readouterr().out
    assert "vxlan a/y" in out and "b/x" not in out and not out.startswith("on ")


def test_json_names_the_machine_of_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, old=LAB, new=MOVED)
    assert main(["diff", "old.yaml", "new.yaml", "-o", "json"]) == DIFFERENT
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    made = {
        (row["machine"], row["action"]) for row in document["changes"] if row["kind"] == "netns"
    }
    assert {("rack2", "delete"), ("rack3", "create")} <= made
    assert [row["machine"] for row in document["machines"]] == ["rack1", "rack2", "rack3"]
    assert not document["in_sync"]
    for row in document["machines"]:
        own = [change for change in document["changes"] if change["machine"] == row["machine"]]
        assert sum(row["summary"].values()) == len(own) > 0
    assert sum(document["summary"].values()) == len(document["changes"])


def test_annotations_and_reports_name_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, old=LAB, new=MOVED)
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main(["diff", "old.yaml", "new.yaml", "-o", "github"]) == DIFFERENT
    out = capsys.readouterr().out
    assert re.search(
        r"::warning file=new.yaml,line=9,title=lab differs::.*\+ netns b on rack3", out
    )
    assert re.search(r"::error .*- netns b on rack2", out)
    assert main(["diff", "old.yaml", "new.yaml", "-o", "markdown"]) == DIFFERENT
    for report in (capsys.readouterr().out, summary.read_text()):
        headings = [line for line in report.splitlines() if line.startswith("#")]
        assert [line.partition(":")[0] for line in headings] == [
            "### netorch",
            "#### `rack1 (198.51.100.1)`",
            "#### `rack2 (198.51.100.2)`",
            "#### `rack3 (198.51.100.3)`",
        ]
        assert report.count("| Action | Object |") == 3


@pytest.mark.parametrize("limit", [3_000, 10_000, 65_536])
def test_a_report_of_many_machines_fits(limit: int) -> None:
    text = "name: lab\nhosts:\n" + "".join(
        f"  m{number}: {{address: 10.0.0.{number}}}\n" for number in range(1, 100)
    )
    nodes = "nodes:\n" + "".join(f"  n{number}: {{on: m{number}}}\n" for number in range(1, 100))
    entries = compare(desired(text + "nodes: {}\n"), desired(text + nodes))
    report = machines_report("lab", entries, limit=limit)
    assert len(report.encode()) <= limit
    assert ("did not fit here" in report) is (limit < 65_536)


def test_a_file_without_hosts_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, old="name: lab\nnodes: {a: {}}\n", new=LAB)
    assert main(["diff", "old.yaml", "new.yaml"]) == DIFFERENT
    captured = capsys.readouterr()
    assert "old.yaml has no `hosts`" in captured.err and "--host MACHINE" in captured.err
    assert "on a machine without a name: " in captured.out
    assert main(["diff", "old.yaml", "new.yaml", "--host", "rack1"]) == DIFFERENT
    captured = capsys.readouterr()
    assert not captured.err and not re.search(r"^[-+] netns a\b", captured.out, re.MULTILINE)


def test_the_name_of_a_topology_needs_one_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, lab=LAB)
    monkeypatch.setattr(machines, "MOST_ENTRIES", 0)
    assert inputs.topology_of("lab.yaml") == "lab"


def test_validate_counts_what_each_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, lab=LAB)
    assert main(["validate", "lab.yaml"]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "lab.yaml: ok, topology lab with 3 nodes and 10 interfaces",
        "  rack1 (198.51.100.1): 1 node and 5 interfaces, 2 tunnels to 1 machine",
        "  rack2 (198.51.100.2): 1 node and 5 interfaces, 2 tunnels to 1 machine",
        "  rack3 (198.51.100.3): 1 node and 0 interfaces, no tunnels",
    ]
    assert main(["validate", "lab.yaml", "--host", "rack2"]) == DONE
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  rack2 (198.51.100.2): 1 node and 5 interfaces, 2 tunnels to 1 machine"
    ]
    assert main(["validate", "lab.yaml", "-o", "json"]) == DONE
    (row,) = json.loads(capsys.readouterr().out)["files"]
    assert row["machines"][0] == {
        "machine": "rack1",
        "address": "198.51.100.1",
        "nodes": 1,
        "interfaces": 5,
        "tunnels": 2,
        "neighbours": 1,
    }


@pytest.mark.parametrize("address", ["198.51.100.", "2001:db8::"])
@pytest.mark.parametrize("node", ["a", "host.rack1"])
def test_the_end_of_a_link_with_settings_is_a_tunnel(address: str, node: str) -> None:
    file = desired(f"""
name: lab
hosts: {{rack1: {{address: "{address}1"}}, rack2: {{address: "{address}2"}}}}
nodes:
  {node}: {{on: rack1, interfaces: {{p1: {{addresses: 10.0.0.1/24}}}}}}
  b: {{on: rack2, interfaces: {{mine: {{kind: vxlan, vni: 7, remote: 10.0.0.1}}}}}}
links: [["{node}:p1", b:p1]]
""")
    assert [(share.tunnels, share.neighbours) for share in shares(file)] == [(1, 1), (1, 1)]
