"""Test that `show` has the labels of nodes and networks, and that they are not drift."""

from __future__ import annotations

import json

from tests.kernel.host import Host, diff_snapshots

FILE = """\
name: lab
nodes: {a: {label: Border router, networks: [lan, seg]}, host: {label: this machine}}
networks:
  lan: {mode: nat, label: Office, subnet: 10.1.0.0/24}
  seg: {label: 2nd floor, subnet: 10.2.0.0/24}
"""


def test_show_has_the_labels_and_a_new_one_changes_nothing_in_the_kernel(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    tree = host.netorch("show").stdout
    for words in ('a  "Border router"', 'host  "this machine"', 'lan  "Office"'):
        assert f"─ {words}" in tree
    resources = json.loads(host.netorch("show", "-o", "json").stdout)["resources"]
    labels = {row["label"] for row in resources if "label" in row}
    assert labels == {"Border router", "Office", "2nd floor"}
    before = host.snapshot()
    host.write("topo.yaml", FILE.replace("Office", "Bureau"))
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert 'lan  "Bureau"' in host.netorch("show").stdout
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"]) == []


def test_the_live_state_as_a_file_has_the_labels(host: Host) -> None:
    host.write("topo.yaml", FILE.replace("mode: nat, ", ""))
    host.netorch("apply")
    host.write("again.yaml", host.netorch("show", "-o", "yaml").stdout)
    host.netorch("apply", "again.yaml")
    tree = host.netorch("show").stdout
    for words in ('a  "Border router"', 'seg  "2nd floor"', 'lan  "Office"'):
        assert f"─ {words}" in tree
