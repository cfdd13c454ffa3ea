"""Test that `graph --live` draws the state of the kernel, with drift in red."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.kernel.host import Host

FILE = """
name: lab
nodes: {a: {networks: [lan]}, b: {networks: [lan]}, c: {}}
networks: {lan: {mode: host-only, node: c, subnet: 10.0.0.0/24}}
links: [{endpoints: [a:eth1, c:eth1], subnet: 10.0.1.0/30}, {endpoints: [b:eth1, c:eth2], subnet: 10.0.2.0/30}]
"""
SVG = "{http://www.w3.org/2000/svg}"


def draw(host: Host) -> ET.Element:
    host.netorch("graph", "--live", "lab", "--to", "lab.svg")
    return ET.fromstring((host.directory / "lab.svg").read_text())


def drawn(root: ET.Element) -> dict[str, str]:
    """Return the tooltip of each node, network and edge → its state, the last class in the SVG.

    The legend has no tooltips.
    """
    titled = {group: group.find(f"{SVG}title") for group in root.iter(f"{SVG}g")}
    return {
        " / ".join((title.text or "").splitlines()): group.get("class", "").split()[-1]
        for group, title in titled.items()
        if title is not None
    }


def test_drift_is_red_and_what_is_in_sync_is_not(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    before = drawn(draw(host))
    assert len(before) == 9 and set(before.values()) == {"ok"}

    host.run("ip", "-n", "a", "link", "set", "eth1", "mtu", "1400")
    host.run("ip", "-n", "b", "link", "del", "eth1")
    host.run("ip", "-n", "c", "address", "add", "10.0.0.77/24", "dev", "lan")
    after = drawn(draw(host))
    assert {name: state for name, state in after.items() if state != "ok"} == {
        "cable: changed / a eth1 10.0.1.1/30 / c eth1 10.0.1.2/30 / a mtu 1500 → 1400": "changed",
        "cable: missing / b missing eth1 missing 10.0.2.1/30 / c missing eth2 missing 10.0.2.2/30": "missing",
    }
    assert "owner / c lan 10.0.0.1/24 extra 10.0.0.77/24 / lan" in after


def test_a_topology_that_is_not_live_and_two_questions_at_once(host: Host) -> None:
    host.write("topo.yaml", FILE)
    nobody = host.netorch("graph", "--live", "lab", check=False)
    assert nobody.returncode == 1 and "not live here" in nobody.stderr and not nobody.stdout
    both = host.netorch("graph", "topo.yaml", "--live", "lab", check=False)
    assert both.returncode == 64 and "leave out one of them" in both.stderr
