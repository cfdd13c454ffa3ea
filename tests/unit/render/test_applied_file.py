"""The file that was applied last, as `show -o yaml` prints it."""

from __future__ import annotations

import pytest

from netorch.render.applied_file import document
from netorch.resolve.loader import load

TEXT = """
name: lab
vars: {count: 3}
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
profiles: {far: {on: rack2, forwarding: true, networks: [lan]}}
defaults: {node: {on: rack1}}
nodes:
  a[1-$(count)]: {profile: far}
  b:
    networks: {lan: {address: 10.0.0.9}}
    interfaces: {d: {kind: dummy, description: "costs $$(5) or 5$$ [1-2]"}}
  host.rack1: {}
networks: {lan: {subnet: 10.0.0.0/24, mode: nat, on: rack1}}
links: [[a1:e, b:e]]
tunnels: {vni: 20000}
checks: [{from: a1, to: b}]
"""


@pytest.mark.parametrize("name", [None, "copy"])
@pytest.mark.parametrize("machine", ["", "rack1", "rack2"])
def test_it_asks_for_the_same_on_each_machine(name: str | None, machine: str) -> None:
    choose = (lambda *_: machine) if machine else None
    once = load(TEXT.encode(), "lab.yaml", {"count": "4"}, name, choose=choose)
    text = document(once)
    assert text.startswith(f"name: {name or 'lab'}\n")
    again = load(text.encode(), "other.yaml", choose=choose)
    assert again.desired.state == once.desired.state
    assert again.desired.prefix == once.desired.prefix
    assert document(again) == text


def test_paths_of_key_files_do_not_depend_on_the_folder() -> None:
    text = TEXT.replace("{vni: 20000}", "{private_key_file: keys/own.key}")
    text = text.replace(
        "  host.rack1: {}",
        "  host.rack1: {interfaces: {w: {kind: wireguard, private_key_file: /k}}}",
    )
    once = load(text.encode(), "lab.yaml", folder="/srv/lab")
    again = load(document(once).encode(), "other.yaml", folder="/tmp")
    assert "private_key_file: /srv/lab/keys/own.key" in document(once)
    assert again.desired.state == once.desired.state
