"""Pictures of a topology: their contents and texts, and that no text of a file becomes markup."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from netorch.cli.dispatch import execute
from netorch.cli.parser import parse
from netorch.converge.live import Live
from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kinds.address import Ifaddr, address_key
from netorch.kinds.base.link import link_key
from netorch.kinds.filter import filter_key
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import sysctl_key
from netorch.kinds.up import up_key
from netorch.render.graph import dot, drawio, html, mermaid, png, svg
from netorch.render.graph.build import build
from netorch.render.graph.layout import place
from netorch.render.graph.picture import (
    DetailSection,
    Edge,
    EdgeEnd,
    Picture,
    Status,
    Text,
    Thing,
    ThingId,
)
from netorch.render.graph.placement import Placed
from netorch.render.graph.scene import of_file, of_kernel
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.plan import Plan, Step
from netorch.state.planner import plan
from netorch.state.resource import Disruption
from tests.plans.test_plans import cases, read
from tests.programs import require_program

TOPOLOGIES = sorted((Path(__file__).parents[3] / "topologies").glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"

DOCKER = """
name: lab
nodes:
  box:
    interfaces: {lo: {addresses: [10.9.9.9/32]}}
    nat: [{masquerade: {from: 10.1.0.0/24, out: eth0}}]
  web: {networks: [lan], publish: ["127.0.0.1:8080:80"]}
  pc: {routes: [{to: default, via: 192.0.2.1}]}
networks:
  lan: {mode: nat, node: box, subnet: [172.17.0.0/24, "fd17::/64"]}
links:
  - {endpoints: [box:eth0, pc:eth0], subnet: 192.0.2.0/30, impair: {delay: 10ms}}
"""


def loaded(text: str) -> Loaded:
    return load(text.encode(), "lab.yaml")


def picture(text: str) -> Picture:
    return build(of_file(loaded(text)))


def thing(drawn: Picture, name: str) -> Thing:
    return next(entry for entry in drawn.things if str(entry.id) == name)


def edges(drawn: Picture) -> list[str]:
    """Return the edges as `box eth0 192.0.2.1/30 -cable- pc eth0 192.0.2.2/30`."""
    return [
        f" -{edge.kind}- ".join(
            " ".join((end.thing.name, *map(label_of, end.texts()))) for end in edge.ends
        )
        for edge in drawn.edges
    ]


def label_of(text: Text) -> str:
    return text.with_status()


def rows(drawn: Thing, title: str) -> list[str]:
    return [
        row.text
        for section in drawn.sections
        if section.title.startswith(title)
        for row in section.rows
    ]


# contents


def test_nodes_networks_and_what_joins_them() -> None:
    drawn = picture(DOCKER)
    assert [(entry.kind, entry.name, entry.tag) for entry in drawn.things] == [
        ("router", "box", ""),
        ("node", "web", ""),
        ("node", "pc", ""),
        ("network", "lan", "nat"),
    ]
    assert edges(drawn) == [
        "box eth0 192.0.2.1/30 -cable- pc eth0 192.0.2.2/30",
        "lan -cable- web eth0 172.17.0.2/24 fd17::2/64",
        "box lan 172.17.0.1/24 fd17::1/64 -owner- lan",
    ]
    assert [label.text for edge in drawn.edges for label in edge.labels] == ["delay 10ms"]
    assert [line.text for line in thing(drawn, "node box").lines] == [
        "lo 10.9.9.9/32",
        "masquerade 10.1.0.0/24 out eth0",
    ]
    assert [line.text for line in thing(drawn, "node web").lines] == [
        "publishes 127.0.0.1:8080 → 80/tcp"
    ]
    assert [line.text for line in thing(drawn, "network lan").lines] == [
        "172.17.0.0/24",
        "fd17::/64",
    ]


def test_details_are_interfaces_routes_and_the_part_of_the_file() -> None:
    drawn = picture(DOCKER)
    pc = thing(drawn, "node pc")
    assert rows(pc, "Interfaces")[0].startswith("eth0: veth, peer box:eth0, mtu 1500")
    assert "eth0 192.0.2.2/30" in rows(pc, "Interfaces")
    assert rows(pc, "Routes") == ["default via 192.0.2.1 dev eth0"]
    assert "routes:" in pc.yaml and "endpoints:" in pc.yaml and "web" not in pc.yaml
    assert rows(thing(drawn, "network lan"), "Members") == ["web:eth0 172.17.0.2/24 fd17::2/64"]


def test_tunnels_parents_uplinks_and_overlays_are_edges() -> None:
    by_file = {
        path.stem: edges(build(of_file(load(path.read_bytes(), str(path))))) for path in TOPOLOGIES
    }
    assert any(
        "site1 gre1" in edge and "-tunnel- site2 gre1" in edge for edge in by_file["tunnels"]
    )
    assert sum("-tunnel-" in edge for edge in by_file["wireguard"]) == 1
    assert "box eth0 192.168.1.10/24 -parent- containers" in by_file["macvlan"]
    assert any("uplink eth0 -owner- bridged" in edge for edge in by_file["vm-modes"])
    assert "host1 blue vxlan from 192.0.2.2 -owner- blue" in by_file["vxlan-overlay"]


def test_both_directions_of_an_impairment_are_distinguished_if_they_differ() -> None:
    drawn = picture(
        "name: x\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: "
        "[{node: a, interface: e, impair: {rate: 1mbit}}, b:e], impair: {loss: 1%}}]"
    )
    assert [label.text for label in drawn.edges[0].labels] == [
        "from a: loss 1% rate 1mbit",
        "from b: loss 1%",
    ]


def test_what_no_edge_shows_is_in_the_box() -> None:
    drawn = picture(
        "name: x\nnodes: {a: {interfaces: "
        "{br: {kind: bridge, ports: [e1, e2], addresses: [10.0.0.1/24]}, "
        "d: {kind: dummy, impair: {loss: 1%}}, v: {kind: vlan, parent: d, id: 5}}}, b: {}}\n"
        "links: [[a:e1, b:e1], [a:e2, b:e2]]"
    )
    assert [line.text for line in drawn.things[0].lines] == [
        "br bridge of e1 e2 10.0.0.1/24",
        "d dummy loss 1%",
        "v vlan id 5 on d",
    ]


def test_labels_stand_below_the_names() -> None:
    text = (
        "nodes: {a: {label: Border   router, networks: [lan]}}\nnetworks: {lan: {label: 2nd floor}}"
    )
    drawn = picture(text)
    for name, label in (("node a", "Border router"), ("network lan", "2nd floor")):
        assert label_of(thing(drawn, name).lines[0]) == label
        assert label in rows(thing(drawn, name), "About")
    assert f">{label}<" in svg.document(place(drawn))


def test_the_overview_lists_checks_and_published_ports() -> None:
    checks = (
        "checks:\n  - {from: pc, to: 192.0.2.1, tcp: 8080}\n  - {from: pc, to: web, reachable: false}\n"
        "  - {from: pc, to: box, mtu: 1400}\n  - {all: lan}\n"
    )
    sections = picture(DOCKER + checks).overview
    assert {section.title: [row.text for row in section.rows] for section in sections} == {
        "Checks": [
            "pc reaches 192.0.2.1, tcp 8080",
            "pc does not reach web",
            "pc reaches box, mtu 1400",
            "the members of lan reach one another",
        ],
        "Published ports": ["web: 127.0.0.1:8080 → 80/tcp"],
    }
    assert picture(PAIR).overview == ()


# drift


def live(
    text: str,
    *,
    without: tuple[Key, ...] = (),
    changed: dict[Key, dict[str, object]] | None = None,
    more: str = "",
) -> Picture:
    """Return the picture of a kernel that differs from the file `text`.

    The kernel lacks the objects `without`, has others `changed`, and has those of the file `more`.
    """
    file = loaded(text)
    state = {**loaded(more or text).desired.state, **file.desired.state}
    state = {
        key: replace(resource, **(changed or {}).get(key, {}))
        for key, resource in state.items()
        if key not in without
    }  # type: ignore[arg-type]
    drift = plan(state, file.desired.state)
    return build(of_kernel(Live("lab", object(), state, drift), file))  # type: ignore[arg-type]


PAIR = (
    "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], subnet: 10.0.0.0/30}]"
)


def test_without_drift_nothing_is_red() -> None:
    drawn = live(PAIR)
    assert drawn.title == "lab, live, in sync"
    assert {entry.status for entry in (*drawn.things, *drawn.edges)} == {Status.OK}


def test_missing_is_drawn_too() -> None:
    file = loaded(PAIR).desired.state
    drawn = live(PAIR, without=tuple(key for key in file if key.netns == "b"))
    assert drawn.title == "lab, live, drifted"
    assert thing(drawn, "node b").status is Status.MISSING
    assert drawn.edges[0].status is Status.MISSING


def test_extra_is_distinguished_from_the_files_objects() -> None:
    drawn = live(PAIR, more=PAIR.replace("b: {}}", "b: {}, c: {interfaces: {d0: {kind: dummy}}}}"))
    assert thing(drawn, "node c").status is Status.EXTRA
    assert thing(drawn, "node a").status is Status.OK


def test_changed_says_old_and_new() -> None:
    drawn = live(PAIR, changed={link_key("a", "eth0"): {"mtu": 1400}})
    assert drawn.edges[0].status is Status.CHANGED
    row = next(
        row for row in thing(drawn, "node a").sections[1].rows if row.status is Status.CHANGED
    )
    assert row.more == ("mtu 1500 → 1400",)


ROUTED = """
name: lab
nodes:
  r: {forwarding: true}
  pc:
    routes: [{to: default, via: 10.0.0.1}, {to: 10.9.0.0/16, via: 10.0.0.1}]
    rules: [{from: 10.8.0.0/16, table: 100}]
    sysctls: {net.ipv4.tcp_syncookies: 0}
networks: {lan: {mode: nat, node: r, subnet: 172.17.0.0/24}}
links: [{endpoints: [r:eth0, pc:eth0], subnet: 10.0.0.0/30}]
"""


def red_lines(drawn: Picture, name: str) -> list[str]:
    return [line.with_status() for line in thing(drawn, name).lines if line.status is not Status.OK]


def test_what_differs_is_named_in_the_box_of_its_node() -> None:
    file = loaded(ROUTED).desired.state
    routes = [key for key in file if key.kind == "route"]
    setting = sysctl_key("pc", "net/ipv4/tcp_syncookies")
    drawn = live(ROUTED, without=(routes[0],), changed={setting: {"values": ("1",)}})
    assert thing(drawn, "node pc").status is Status.CHANGED
    assert red_lines(drawn, "node pc") == [
        "missing route default via 10.0.0.1",
        "net.ipv4.tcp_syncookies: 0 → 1",
    ]
    drawn = live(ROUTED, more=ROUTED.replace("tcp_syncookies: 0", "tcp_mtu_probing: 2"))
    assert red_lines(drawn, "node pc") == ["extra net.ipv4.tcp_mtu_probing"]
    drawn = live(ROUTED, changed={netns_key("r"): {"ipv4_forwarding": False}})
    assert red_lines(drawn, "node r") == ["ipv4 forwarding on → off"]
    hops = replace(file[routes[0]].spec.hops[0], via="10.0.0.2")  # type: ignore[attr-defined]
    spec = replace(file[routes[0]].spec, hops=(hops,))  # type: ignore[attr-defined]
    drawn = live(ROUTED, changed={routes[0]: {"spec": spec}})
    assert red_lines(drawn, "node pc") == ["route default: via 10.0.0.1 → 10.0.0.2"]


def test_only_the_first_differences_are_named() -> None:
    file = loaded(ROUTED).desired.state
    kinds = {"route", "rule", "sysctl"}
    drawn = live(ROUTED, without=tuple(key for key in file if key.kind in kinds))
    assert red_lines(drawn, "node pc") == [
        "missing route default via 10.0.0.1",
        "missing route 10.9.0.0/16 via 10.0.0.1",
        "missing rule priority 10000 from 10.8.0.0/16 table 100",
        "+1 more",
    ]
    gone = live(ROUTED, without=tuple(key for key in file if key.netns == "pc"))
    assert red_lines(gone, "node pc") == [], "the word at the name says it"


def test_what_differs_of_a_link_is_named_at_its_line_or_network() -> None:
    keys = link_key("r", "eth0"), link_key("r", "lan")
    drawn = live(ROUTED, changed={key: {"mtu": 1400} for key in keys})
    assert red_lines(drawn, "network lan") == ["mtu 1500 → 1400"]
    assert [label.text for label in drawn.edges[0].labels] == ["r mtu 1500 → 1400"]


def test_an_address_of_its_own_is_red_by_itself() -> None:
    address = address_key("a", "eth0", Ifaddr("10.0.0.1", 30))
    drawn = live(PAIR, without=(address,))
    assert drawn.edges[0].status is Status.OK
    assert drawn.edges[0].ends[0].addresses == (Text("10.0.0.1/30", Status.MISSING),)


def test_a_link_that_is_down_is_changed() -> None:
    drawn = live(PAIR, without=(up_key("a", "eth0"),))
    assert drawn.edges[0].status is Status.CHANGED
    assert any("state up → down" in row.more for row in thing(drawn, "node a").sections[1].rows)


def test_a_replacement_because_of_another_object_is_not_drift() -> None:
    file = loaded(PAIR)
    up = file.desired.state[up_key("a", "eth0")]
    along = Plan(changes=(Step(None, up, Disruption.REPLACE, link_key("a", "eth0")),))
    entry = Live("lab", object(), file.desired.state, along)  # type: ignore[arg-type]
    drawn = build(of_kernel(entry, file))
    assert drawn.edges[0].status is Status.OK


def test_a_filter_that_lost_a_published_port() -> None:
    key = filter_key("box")
    rules = loaded(DOCKER).desired.state[key].lines()
    remaining = "\n".join(rule for rule in rules if "publish web" not in rule)
    drawn = live(DOCKER, changed={key: {"text": remaining}})
    assert thing(drawn, "node web").lines[0].status is Status.MISSING
    assert thing(drawn, "node box").status is Status.CHANGED
    (ports,) = drawn.overview
    assert ports.rows[0].status is Status.MISSING


def test_without_a_record_what_is_there_is_drawn() -> None:
    file = loaded(
        "name: lab\nnodes: {a: {networks: [lan]}, b: {networks: [lan]}}\n"
        "networks: {lan: {subnet: 10.0.0.0/24}}"
    )
    drawn = build(of_kernel(Live("lab", None, file.desired.state, None), None))
    assert edges(drawn) == ["lan -cable- a eth0 10.0.0.1/24", "lan -cable- b eth0 10.0.0.2/24"]
    assert drawn.title == "lab, live, not compared with a file"
    assert "networks:" in thing(drawn, "node a").yaml


@pytest.mark.parametrize("name", cases())
def test_whatever_differs_is_red_somewhere(name: str) -> None:
    case = read(name)
    file, state = loaded(case.desired), loaded(case.observed).desired.state
    drift = plan(state, file.desired.state)
    topology = Live("lab", object(), state, drift)  # type: ignore[arg-type]
    drawn = build(of_kernel(topology, file))
    details = [row for entry in drawn.things for section in entry.sections for row in section.rows]
    lines = [line for entry in drawn.things for line in entry.lines]
    ends = [
        text for edge in drawn.edges for end in edge.ends for text in (*end.texts(), *edge.labels)
    ]
    red = [
        item
        for item in (*drawn.things, *drawn.edges, *details, *lines, *ends)
        if item.status is not Status.OK
    ]
    assert bool(red) == bool(topology.difference), red
    for edge in drawn.edges:
        assert {end.thing for end in edge.ends} <= {entry.id for entry in drawn.things}
    ET.fromstring(svg.document(place(drawn)))


# the four forms of output


HOSTILE = (
    '</script><script>alert(1)</script><!-- ]]> "\' \\N \\" '
    "#quot; & &lt; `x` %%{init: {}}%% --> ]] }} @STYLE@ \\u003c \x07\u2028 end"
)


def hostile() -> Picture:
    text = Text(HOSTILE, Status.CHANGED, (HOSTILE,))
    one = Thing(
        ThingId("node", "a"),
        "router",
        HOSTILE,
        HOSTILE,
        (text,),
        Status.CHANGED,
        (DetailSection(HOSTILE, (text,)),),
        HOSTILE,
    )
    other = Thing(ThingId("network", "b"), "network", HOSTILE)
    edge = Edge(
        (
            EdgeEnd(ThingId("node", "a"), HOSTILE, (text, text), Status.EXTRA),
            EdgeEnd(ThingId("network", "b"), HOSTILE),
        ),
        "cable",
        (text,),
        Status.MISSING,
    )
    return Picture(HOSTILE, (one, other), (edge,), HOSTILE, True)


@pytest.mark.parametrize(
    "path", [None, *TOPOLOGIES], ids=lambda path: path.stem if path else "hostile"
)
def test_graphviz_takes_the_dot_form(path: Path | None) -> None:
    require_program("dot", "graphviz")
    drawn = build(of_file(load(path.read_bytes(), str(path)))) if path else hostile()
    text = "\n".join(dot.lines(drawn))
    process = subprocess.run(
        ["dot", "-Tjson0"], input=text, capture_output=True, text=True, check=True
    )
    assert not process.stderr
    output = json.loads(process.stdout)
    objects = [one for one in output.get("objects", ()) if "nodes" not in one]
    assert len(objects) == len(drawn.things)
    assert len(output.get("edges", ())) == len(drawn.edges)


def test_graphviz_shows_what_was_meant() -> None:
    require_program("dot", "graphviz")
    text = "\n".join(dot.lines(hostile()))
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True
    ).stdout
    labels = {"".join(element.itertext()) for element in ET.fromstring(drawn).iter(f"{SVG}text")}
    plain = HOSTILE.replace("\x07", "\\x07").replace("\u2028", "\\u2028")
    assert f"changed {plain} ({plain})" in {text.replace("\xa0", " ") for text in labels}


def test_ports_of_translations() -> None:
    file = """
nodes:
  r:
    interfaces: {e0: {kind: dummy}}
    nat:
      - masquerade: {out: e0, proto: [tcp, udp], ports: 1024-2000}
      - snat: {proto: tcp, ports: 7, random: true, to: 192.0.2.1}
      - masquerade: {random: true}
"""
    assert [line.text for line in thing(picture(file), "node r").lines][-3:] == [
        "masquerade tcp udp all out e0 → port 1024-2000",
        "snat tcp all out !lo → 192.0.2.1 port 7 random",
        "masquerade all out !lo → random",
    ]


def test_mermaid_has_a_line_for_each_thing_and_edge() -> None:
    text = list(mermaid.lines(picture(DOCKER)))
    assert text[:4] == ["---", "title: 'lab'", "---", "flowchart LR"]
    assert '    n0{{"<b>box</b><br/>lo 10.9.9.9/32<br/>masquerade 10.1.0.0/24 out eth0"}}' in text
    assert '    n3(["<b>lan</b> nat<br/>172.17.0.0/24<br/>fd17::/64"])' in text
    assert '    n0 ---|"eth0 192.0.2.1/30<br/>eth0 192.0.2.2/30<br/>delay 10ms"| n2' in text


def test_mermaid_gets_no_letter_that_means_something_to_it() -> None:
    whole = list(mermaid.lines(hostile()))
    assert re.fullmatch(r"title: '[\w ,:-]*'", whole[1]), whole[1]
    labels = [label for line in whole[4:7] for label in re.findall(r'"([^"]*)"', line)]
    assert len(labels) == 3
    for label in labels:
        assert re.fullmatch(r"(?:[\w .:/,=→-]|#\d+;|<b>|</b>|<br/>)*", label), label
    assert "linkStyle 0 stroke:#c00" in "\n".join(whole)


def texts(root: ET.Element) -> set[str]:
    return {
        "".join(element.itertext())
        for element in root.iter()
        if element.tag.endswith(("text", "title"))
    }


def test_svg_is_xml_with_all_words_in_text() -> None:
    root = ET.fromstring(svg.document(place(hostile())))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "title",
        "style",
        "g",
        "rect",
        "path",
        "text",
        "tspan",
    }
    assert not any(
        name.startswith("on") or "href" in name
        for element in root.iter()
        for name in element.attrib
    )
    assert any("</script><script>alert(1)</script>" in text for text in texts(root))


def test_svg_has_names_addresses_and_a_legend() -> None:
    words = " ".join(texts(ET.fromstring(svg.document(place(picture(DOCKER))))))
    for word in (
        "box",
        "172.17.0.1/24",
        "fd17::2/64",
        "publishes 127.0.0.1:8080 → 80/tcp",
        "delay 10ms",
        "network's bridge",
    ):
        assert word in words
    assert "missing" not in words
    assert "missing: in the file" in " ".join(texts(ET.fromstring(svg.document(place(live(PAIR))))))


@pytest.mark.parametrize("name", ["publish", "star-100", "three-machines"])
def test_the_pictures_of_the_documentation_say_what_is_in_the_files(name: str) -> None:
    """The saved pictures have the texts of new ones.

    Positions are not compared, because their last digit may differ between processors.
    """
    saved = (TOPOLOGIES[0].parents[1] / "docs" / "pictures" / f"{name}.svg").read_text(
        encoding="utf-8"
    )
    now = svg.document(place(picture((TOPOLOGIES[0].parent / f"{name}.yaml").read_text())))
    assert texts(ET.fromstring(saved)) == texts(ET.fromstring(now)), (
        f"netorch graph topologies/{name}.yaml --to docs/pictures/{name}.svg"
    )


def cells(placed: Placed) -> dict[str, ET.Element]:
    """Return the cells of a file of draw.io, by their names."""
    by_name = {
        cell.get("id", ""): cell for cell in ET.fromstring(drawio.document(placed)).iter("mxCell")
    }
    for name, cell in by_name.items():
        assert name == "0" or cell.get("parent") in by_name
        assert {cell.get("source", "0"), cell.get("target", "0")} <= by_name.keys()
        assert name in {"0", "1"} or "html=0" in cell.get("style", "")
    return by_name


def test_draw_io_has_a_cell_for_each_thing_edge_and_text() -> None:
    placed = place(picture(DOCKER))
    by_name = cells(placed)
    assert sum(cell.get("edge") == "1" for cell in by_name.values()) == len(placed.edges)
    values = [cell.get("value", "") for cell in by_name.values()]
    for text in ("box", "lan  nat", "172.17.0.0/24\nfd17::/64", "eth0 192.0.2.1/30", "delay 10ms"):
        assert text in values
    spot = placed.spots[0]
    geometry = by_name["n0"].find("mxGeometry")
    assert geometry is not None and float(geometry.get("x", "")) == pytest.approx(
        spot.left, abs=0.1
    )
    assert (by_name["n0t"].get("parent"), by_name["e0"].get("source")) == ("n0", "n0")
    assert "exitX=0.0000" in by_name["e0"].get("style", "")
    words = " ".join(cell.get("value", "") for cell in cells(place(hostile())).values())
    assert "</script><script>alert(1)</script><!--" in words


def test_draw_io_has_the_frames() -> None:
    from tests.unit.render.test_graph_machines import LAB
    from tests.unit.render.test_graph_machines import picture as machine_picture

    by_name = cells(place(machine_picture(LAB)))
    assert [by_name[name].get("value") for name in ("f0", "f1", "f2")] == [
        "rack1  198.51.100.1",
        "rack2  198.51.100.2",
        "rack3  198.51.100.3",
    ]
    assert by_name["n0"].get("parent") == "f0"


def test_png_has_the_texts_of_the_svg() -> None:
    pytest.importorskip("resvg_py", reason="needs resvg-py")
    placed = place(picture(DOCKER))
    image = png.document(placed)
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    root = ET.fromstring(svg.document(placed, both=False))
    sizes = [int.from_bytes(image[at : at + 4]) for at in (16, 20)]
    expected = [2 * float(root.get(key, "")) for key in ("width", "height")]
    assert sizes == pytest.approx(expected, abs=2)
    assert "prefers-color-scheme" not in svg.document(placed, both=False)
    bare = place(replace(placed.picture, things=placed.picture.things[:1], edges=()))
    unnamed = replace(bare, picture=replace(bare.picture, name=""))
    assert png.document(bare) != png.document(unnamed), "texts are drawn"


def test_png_without_fonts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py", reason="needs resvg-py")
    monkeypatch.setattr(png, "_FAMILIES", ("No Such Font",))
    with pytest.raises(NetorchError, match="needs a font such as DejaVu Sans"):
        png.document(place(picture(PAIR)))


def test_the_page_has_the_details_of_edges() -> None:
    block = re.search(r'id="data">(.*?)</script>', html.document(place(picture(DOCKER))), re.S)
    assert block is not None
    cable = json.loads(block[1])["edges"][0]
    assert (cable["name"], cable["kind"]) == ("box – pc", "cable")
    titles = [section["title"] for section in cable["sections"]]
    assert titles == ["box eth0", "pc eth0", "On the way"]
    rows = [row["text"] for row in cable["sections"][1]["rows"]]
    assert rows[0].startswith("eth0: veth, peer box:eth0") and "eth0 192.0.2.2/30" in rows


def test_the_page_has_its_data_in_an_element_that_nothing_in_it_can_end() -> None:
    page = html.document(place(hostile()))
    assert page.count("<script") == page.count("</script>") == 2
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert block is not None and not set("<>&") & set(block[1])
    assert json.loads(block[1])["things"][0]["yaml"] == HOSTILE
    assert (
        "<img" not in page
        and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        and "https://" not in page
    )


# the command


def run(*words: str) -> int:
    return execute(parse(["graph", *words]))


def test_the_suffix_selects_the_form_unless_an_option_does(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(DOCKER)
    begins = {
        "a.svg": "<svg",
        "a.html": "<!doctype html>",
        "a.gv": "graph",
        "a.drawio": "<mxfile",
        "a.md": "---",
        "b.svg": "---",
    }
    for name, begin in begins.items():
        assert (
            run(
                str(file),
                "--to",
                str(tmp_path / name),
                *(("-o", "mermaid") if name == "b.svg" else ()),
            )
            == 0
        )
        assert (tmp_path / name).read_text().startswith(begin)
    assert run(str(file), "--to", str(tmp_path / "c.pdf")) == 64
    assert not (tmp_path / "c.pdf").exists()
    assert run(str(file), "--to", str(tmp_path / "c.pdf"), "-o", "svg") == 0
    assert run(str(file), "--to", str(tmp_path / "c.png")) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_a_path_that_is_not_a_plain_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(DOCKER)
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    assert run(str(tmp_path / "lab.yaml"), "--to", str(link)) == 0
    assert link.is_symlink() and target.read_text().startswith("---")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "html"], "[graph]'"),
        (["--to", "."], "Is a directory"),
        (["--to", "/no/x"], "/no/x cannot be written: No such file or directory. Make the folder"),
    ],
)
def test_errors_say_what_to_do(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    for name in ("engine", "layout"):
        monkeypatch.delitem(sys.modules, f"netorch.render.graph.{name}")
        monkeypatch.delattr(sys.modules["netorch.render.graph"], name)
    (tmp_path / "lab.yaml").write_text(DOCKER)
    assert run(str(tmp_path / "lab.yaml"), *words) == 1
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out
