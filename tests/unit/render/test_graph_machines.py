"""Pictures of a topology that is spread over several machines."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from netorch.converge.live import Live
from netorch.kinds.base.link import link_key
from netorch.render.graph import dot, html, mermaid, svg
from netorch.render.graph.build import build
from netorch.render.graph.layout import place
from netorch.render.graph.picture import Picture, Status
from netorch.render.graph.scene import of_file, of_kernel
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from netorch.state.planner import plan
from tests.programs import require_program
from tests.unit.render.test_graph import edges, texts, thing

LAB = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2, mtu: 9000}
  rack3: {address: 198.51.100.3}
defaults: {node: {on: rack1}}
nodes:
  r1: {networks: [lan, out], forwarding: true}
  leaf[1-4]: {on: rack2, networks: [lan, out]}
  db: {on: rack3, networks: [lan]}
  mon: {on: rack3}
links:
  - [r1:eth9, leaf1:eth9]
  - {endpoints: [mon:eth0, r1:mon0], subnet: 10.9.9.0/30}
  - [leaf2:x, leaf3:x]
networks:
  lan: {subnet: 10.60.0.0/24}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
  alone: {subnet: 10.62.0.0/24, on: rack3}
"""
LEAF_SPINE = (
    "name: clos\nhosts:\n"
    + "".join(f"  rack{rack}: {{address: 198.51.100.{rack}}}\n" for rack in (1, 2, 3))
    + "nodes:\n  spine[1-2]: {on: rack1, forwarding: true}\n"
    + "".join(
        f"  leaf{rack}: {{on: rack{rack}, forwarding: true}}\n  'h{rack}[1-2]': {{on: rack{rack}}}\n"
        for rack in (1, 2, 3)
    )
    + "links:\n"
    + "".join(
        f"  - {{endpoints: [spine{spine}:l{rack}, leaf{rack}:s{spine}],"
        f" subnet: 10.{spine}.{rack}.0/30}}\n"
        for spine in (1, 2)
        for rack in (1, 2, 3)
    )
    + "".join(
        f"  - {{endpoints: [leaf{rack}:d{host}, h{rack}{host}:eth0],"
        f" subnet: 10.9.{rack}{host}.0/30}}\n"
        for rack in (1, 2, 3)
        for host in (1, 2)
    )
)
LARGE = (
    "name: large\nhosts:\n"
    + "".join(f"  m{number}: {{address: 198.51.100.{number}}}\n" for number in range(1, 5))
    + "nodes:\n"
    + "".join(
        f"  'far{number}-[1-12]': {{on: m{number}, networks: [lan]}}\n"
        f"  'near{number}-[1-11]': {{on: m{number}, networks: [own{number}]}}\n"
        f"  gw{number}: {{on: m{number}, networks: [own{number}, lan]}}\n"
        for number in range(1, 5)
    )
    + "networks:\n  lan: {subnet: 10.0.0.0/16}\n"
    + "".join(f"  own{number}: {{subnet: 10.{number}.0.0/24}}\n" for number in range(1, 5))
)
SPOKES = (
    "name: star\nhosts: {a: {address: 198.51.100.1}, b: {address: 198.51.100.2}}\n"
    "nodes: {hub: {on: a}, 'spoke[1-30]': {on: b}}\nlinks:\n"
    + "".join(
        f"  - {{endpoints: [hub:e{number}, spoke{number}:eth0], subnet: 10.0.{number}.0/30}}\n"
        for number in range(1, 31)
    )
)
APART = (
    "name: apart\nhosts:\n"
    + "".join(f"  m{number}: {{address: '2001:db8::{number}'}}\n" for number in range(1, 8))
    + "nodes:\n"
    + "".join(f"  n{number}: {{on: m{number}}}\n" for number in range(1, 7))
)
EVERY = {
    "lab": LAB,
    "leaf-spine": LEAF_SPINE,
    "large": LARGE,
    "spokes": SPOKES,
    "apart": APART,
}


def loaded(text: str, machine: str = "") -> Loaded:
    return load(text.encode(), "lab.yaml", choose=(lambda *_: machine) if machine else None)


def picture(text: str, machine: str = "") -> Picture:
    return build(of_file(loaded(text, machine)))


def inside(drawn: Picture) -> dict[str, list[str]]:
    """Return `NAME ADDRESS` of each frame → the things in it."""
    return {
        f"{frame.name} {frame.address}": [str(entry.id) for entry in things]
        for frame, things in drawn.framed()
    }


def test_each_machine_has_a_frame_with_its_nodes() -> None:
    drawn = picture(LAB)
    assert inside(drawn) == {
        "rack1 198.51.100.1": ["node r1", "node host.rack1"],
        "rack2 198.51.100.2": ["node leaf1", "node leaf2", "node leaf3", "node leaf4"],
        "rack3 198.51.100.3": ["node db", "node mon", "network alone"],
    }
    assert thing(drawn, "node host.rack1").kind == "host"
    assert {entry.name for entry in drawn.things if not entry.machine} == {"lan", "out"}


def test_what_crosses_is_one_cable_or_one_network() -> None:
    drawn = picture(LAB)
    assert [edge for edge in edges(drawn) if "-tunnel-" in edge] == [
        "r1 eth9 -tunnel- leaf1 eth9",
        "r1 mon0 10.9.9.2/30 -tunnel- mon eth0 10.9.9.1/30",
    ]
    labels = [edge.labels[0].text for edge in drawn.edges if edge.kind == "tunnel"]
    assert labels == ["VXLAN, VNI 10001", "VXLAN, VNI 10003"]
    assert [line.text for line in thing(drawn, "network lan").lines] == [
        "10.60.0.0/24",
        "VXLAN, VNI 10000",
    ]
    assert "VXLAN" not in str(thing(drawn, "network alone").lines)
    assert "leaf2 x -cable- leaf3 x" in edges(drawn)
    assert "host.rack1 out 10.61.0.1/24 -owner- out" in edges(drawn)
    assert not thing(drawn, "node r1").lines, "no tunnel is drawn twice"


def test_the_details_name_the_machine() -> None:
    about = thing(picture(LAB), "node leaf1").sections[0].rows
    assert about[0].text == "on machine rack2, 198.51.100.2"
    made = [
        row.text.partition(" kind")[0]
        for row in thing(picture(LAB), "network lan").sections[1].rows
    ]
    assert {row.partition(":")[0] for row in made} == {
        "fabric of rack1",
        "fabric of rack2",
        "fabric of rack3",
    }


def test_one_machine_has_its_part_and_the_machines_to_which_it_leads() -> None:
    drawn = picture(LAB, "rack1")
    assert inside(drawn) == {"rack1 198.51.100.1": ["node r1", "node host"]}
    assert {entry.name for entry in drawn.things if entry.kind == "machine"} == {"rack2", "rack3"}
    assert edges(drawn) == [
        "r1 eth9 -tunnel- rack2 leaf1:eth9",
        "r1 mon0 10.9.9.2/30 -tunnel- rack3 mon:eth0",
        "lan -cable- r1 eth0 10.60.0.1/24",
        "out -cable- r1 eth1 10.61.0.2/24",
        "host out 10.61.0.1/24 -owner- out",
        "lan -tunnel- rack2",
        "lan -tunnel- rack3",
        "out -tunnel- rack2",
    ]


def test_a_live_topology_has_the_part_of_its_machine_with_its_drift() -> None:
    file = loaded(LAB, "rack1")
    state = dict(file.desired.state)
    del state[link_key("r1", "eth9")]
    drift = plan(state, file.desired.state)
    drawn = build(of_kernel(Live("lab", object(), state, drift), file))  # type: ignore[arg-type]
    assert [*inside(drawn)] == ["rack1 198.51.100.1"]
    tunnel = next(edge for edge in drawn.edges if edge.ends[1].interface == "leaf1:eth9")
    assert tunnel.status is Status.MISSING
    assert {edge.status for edge in drawn.edges if edge is not tunnel} == {Status.OK}


def test_a_machine_without_nodes_is_drawn_too() -> None:
    drawn = picture(APART)
    assert [entry.name for entry in drawn.things if entry.kind == "machine"] == ["m7"]


# forms


def test_svg_and_page_have_the_frames() -> None:
    placed = place(picture(LAB))
    words = " ".join(texts(ET.fromstring(svg.document(placed))))
    for word in ("rack1", "198.51.100.1", "VXLAN, VNI 10001", "machine"):
        assert word in words
    page = html.document(placed)
    assert page.count('class="border"') == 3
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert block is not None
    assert "on machine rack2, 198.51.100.2" in str(json.loads(block[1]))


def test_a_picture_without_frames_has_no_styles_for_them() -> None:
    drawn = picture("name: lab\nnodes: {a: {}}")
    for text in (svg.document(place(drawn)), html.document(place(drawn))):
        assert ".border" not in text
    assert "subgraph" not in "\n".join((*mermaid.lines(drawn), *dot.lines(drawn)))


@pytest.mark.parametrize("name", EVERY)
def test_graphviz_draws_the_frames(name: str) -> None:
    require_program("dot")
    drawn = picture(EVERY[name])
    ran = subprocess.run(
        ["dot", "-Tjson"], input="\n".join(dot.lines(drawn)), capture_output=True, text=True
    )
    assert ran.returncode == 0 and not ran.stderr
    clusters = [
        entry["label"]
        for entry in json.loads(ran.stdout)["objects"]
        if entry["name"].startswith("cluster")
    ]
    assert clusters == [f"{frame.name} {frame.address}" for frame in drawn.frames]


def test_mermaid_has_a_subgraph_for_each_machine() -> None:
    text = "\n".join(mermaid.lines(picture(LAB)))
    assert text.count("    subgraph ") == text.count("\n    end\n") == 3
    assert 'subgraph m1["rack2 198.51.100.2"]\n        n1\n' in text
    assert 'n0 -.-|"eth9<br/>eth9<br/>VXLAN, VNI 10001"| n1' in text


def test_the_command_draws_all_machines_or_one(tmp_path: Path) -> None:
    from tests.unit.render.test_graph import run

    file, to = tmp_path / "lab.yaml", tmp_path / "lab.svg"
    file.write_text(LAB)
    for words, frames in (((), 3), (("--host", "rack2"), 1)):
        assert run(str(file), "--to", str(to), *words) == 0
        assert to.read_text().count('class="border"') == frames
