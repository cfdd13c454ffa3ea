"""The layout of pictures: what covers what, measured in the SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations, pairwise
from math import atan2, pi
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.converge.live import Live
from netorch.render.graph import ring, svg
from netorch.render.graph.bands import divide
from netorch.render.graph.build import build
from netorch.render.graph.directions import columns
from netorch.render.graph.layout import place
from netorch.render.graph.picture import Picture, Status
from netorch.render.graph.placement import Placed, Spot
from netorch.render.graph.scene import of_kernel
from netorch.render.graph.sizes import LABEL, LINE, NAME
from netorch.state.plan import Plan
from netorch.state.planner import plan
from tests.unit.render.test_graph import (
    DOCKER,
    PAIR,
    SVG,
    TOPOLOGIES,
    hostile,
    live,
    loaded,
    picture,
)
from tests.unit.render.test_graph_machines import EVERY
from tests.unit.render.test_graph_machines import picture as machine_picture

LEAF_SPINE = (
    "name: leaf-spine\nnodes:\n  spine[1-4]: {forwarding: true}\n  leaf[1-8]: {forwarding: true}\n"
    + "".join(f"  h{leaf}[1-2]: {{}}\n" for leaf in range(1, 9))
    + "links:\n"
    + "".join(
        f"  - {{endpoints: [spine{spine}:leaf{leaf}, leaf{leaf}:spine{spine}],"
        f" subnet: 10.{spine}.{leaf}.0/31}}\n"
        for leaf in range(1, 9)
        for spine in range(1, 5)
    )
    + "".join(
        f"  - {{endpoints: [leaf{leaf}:h{host}, h{leaf}{host}:eth0],"
        f" subnet: 10.100.{leaf}{host}.0/30}}\n"
        for leaf in range(1, 9)
        for host in (1, 2)
    )
)
DOCKER_HOST = (
    "name: docker\nnodes:\n  dockerhost: {}\n  pc: {}\n"
    + "".join(
        f"  c{5 * net + member}: {{networks: [net{net}]"
        + (f', publish: ["80{net}0:80"]' if member == 1 else "")
        + "}\n"
        for net in range(6)
        for member in range(5)
    )
    + "networks:\n"
    + "".join(
        f"  net{net}: {{mode: nat, node: dockerhost, subnet: 172.{17 + net}.0.0/16}}\n"
        for net in range(6)
    )
    + "links:\n  - {endpoints: [dockerhost:eth0, pc:eth0], subnet: 192.0.2.0/30}\n"
)
FABRIC = "name: x\nnodes: {'leaf[1-8]': {}, 'spine[1-4]': {}}\nlinks:\n" + "".join(
    f"  - [spine{spine}:leaf{leaf}, leaf{leaf}:spine{spine}]\n"
    for leaf in range(1, 9)
    for spine in range(1, 5)
)
MIXED = """
name: mixed
nodes:
  internet: {}
  isp: {}
  fw: {}
  'core[1-2]': {}
  'dist[1-2]': {}
  'acc[1-2]': {}
  branch: {}
  'pc[1-4]': {networks: [office]}
  web: {networks: [dmz]}
  db: {networks: [dmz]}
  lone: {}
networks:
  office: {mode: routed, node: acc1, subnet: 10.1.0.0/24}
  dmz: {mode: routed, node: fw, subnet: 10.2.0.0/24}
links:
  - {endpoints: [internet:eth0, isp:eth0], subnet: 192.0.2.0/30, impair: {delay: 20ms}}
  - {endpoints: [isp:eth1, fw:eth0], subnet: 192.0.2.4/30}
  - {endpoints: [fw:eth1, core1:eth0], subnet: 10.0.1.0/30}
  - {endpoints: [fw:eth2, core2:eth0], subnet: 10.0.2.0/30}
  - {endpoints: [core1:eth1, core2:eth1], subnet: 10.0.3.0/30}
  - {endpoints: [core1:eth2, dist1:eth0], subnet: 10.0.4.0/30}
  - {endpoints: [core2:eth2, dist2:eth0], subnet: 10.0.5.0/30}
  - {endpoints: [dist1:eth1, acc1:eth0], subnet: 10.0.6.0/30}
  - {endpoints: [dist2:eth1, acc2:eth0], subnet: 10.0.7.0/30}
  - {endpoints: [isp:eth2, branch:eth0], subnet: 192.0.2.8/30, impair: {delay: 40ms}}
"""
FILES = {
    "leaf-spine": LEAF_SPINE,
    "docker-host": DOCKER_HOST,
    "members of several networks": DOCKER_HOST.replace(
        "networks: [net2]", "networks: [net2, net4]"
    ),
    "a network of 200": "name: x\n"
    "nodes: {gw: {networks: [lan]}, out: {}, 'h[1-200]': {networks: [lan]}}\n"
    "networks: {lan: {subnet: 10.0.0.0/16}}\nlinks: [[gw:up, out:eth0]]",
    "ring": "name: x\nnodes: {'n[1-60]': {}}\nlinks:\n"
    + "".join(f"  - [n{number}:e1, n{number % 60 + 1}:e0]\n" for number in range(1, 61)),
    "ring of 12": "name: x\nnodes: {'n[1-12]': {}}\nlinks:\n"
    + "".join(
        f"  - {{endpoints: [n{number}:e1, n{number % 12 + 1}:e0], subnet: 10.0.{number}.0/30}}\n"
        for number in range(1, 13)
    ),
    "ring with impairments": "name: x\nnodes: {'n[1-9]': {}}\nlinks:\n"
    + "".join(
        f"  - {{endpoints: [n{number}:e1, n{number % 9 + 1}:e0],"
        " impair: {delay: 20ms, loss: 1%}}\n"
        for number in range(1, 10)
    ),
    "ring with hosts": "name: x\nnodes: {'n[1-8]': {}, 'h[1-8]': {}}\nlinks:\n"
    + "".join(
        f"  - {{endpoints: [n{number}:e1, n{number % 8 + 1}:e0], subnet: 10.0.{number}.0/30}}\n"
        f"  - {{endpoints: [n{number}:e2, h{number}:e0], subnet: 10.1.{number}.0/30}}\n"
        for number in range(1, 9)
    ),
    "chain of 10": "name: x\nnodes: {'n[1-10]': {}}\nlinks:\n"
    + "".join(
        f"  - {{endpoints: [n{number}:e1, n{number + 1}:e0], subnet: 10.0.{number}.0/30}}\n"
        for number in range(1, 10)
    ),
    "several areas": MIXED,
    "leaf-spine without hosts": FABRIC,
    "mesh": "name: x\nnodes: {'n[1-6]': {}}\nlinks:\n"
    + "".join(
        f"  - [n{one}:e{other}, n{other}:e{one}]\n"
        for one in range(1, 7)
        for other in range(one + 1, 7)
    ),
    "grid": "name: x\nnodes: {'n[1-16]': {}}\nlinks:\n"
    + "".join(f"  - [n{at}:e, n{at + 1}:w]\n" for at in range(1, 16) if at % 4)
    + "".join(f"  - [n{at}:s, n{at + 4}:n]\n" for at in range(1, 13)),
    "nothing at all": "name: x",
    "lone nodes": "name: x\nnodes: {'n[1-9]': {}}",
    "two cables": "name: x\nnodes: {a: {}, b: {}}\nlinks: [[a:e0, b:e0], [b:e1, a:e1]]",
    "a cable within a node": "name: x\nnodes: {a: {}}\nlinks: [[a:e0, a:e1]]",
    "docker": DOCKER,
}


class Box(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float
    name: str = ""

    def covers(self, other: Box) -> bool:
        """Whether two rectangles have a common point."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def is_crossed_by(self, line: list[tuple[float, float]]) -> bool:
        """Whether a line has a point inside. A segment is tried at steps of two pixels."""
        for (x1, y1), (x2, y2) in pairwise(line):
            if (
                max(x1, x2) <= self.left
                or min(x1, x2) >= self.right
                or max(y1, y2) <= self.top
                or min(y1, y2) >= self.bottom
            ):
                continue
            steps = int(max(abs(x2 - x1), abs(y2 - y1)) / 2) + 1
            for step in range(steps + 1):
                x, y = x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
                if self.left < x < self.right and self.top < y < self.bottom:
                    return True
        return False


def texts_of(root: ET.Element) -> list[Box]:
    """Return the rectangles of all texts but those of the legend."""
    boxes = []
    for text in root.iterfind(f".//{SVG}g[@id='view']//{SVG}text"):
        kind = text.get("class", "").split()[0]
        size = float(text.get("font-size", 13))
        letter = {"name": NAME * size / 13, "line": LINE}.get(kind, LABEL)
        tag = "".join("".join(part.itertext()) for part in text if part.get("class") == "tag")
        words = "".join(text.itertext())
        width = letter * (len(words) - len(tag)) + LINE * len(tag) + (6 if tag else 0)
        x, y = float(text.get("x", "")), float(text.get("y", ""))
        left = {"middle": x - width / 2, "end": x - width}.get(text.get("text-anchor", ""), x)
        height = size * 0.75 if kind == "name" else 8
        boxes.append(Box(left, y - height, left + width, y, words))
    return boxes


def lines_of(root: ET.Element) -> list[tuple[ET.Element, list[tuple[float, float]]]]:
    """Return the group of each edge with the corners of its line."""
    lines = []
    for group in root.iterfind(f".//{SVG}g[@class='edges']/{SVG}g"):
        path = group.find(f"{SVG}path")
        assert path is not None
        numbers = [float(word) for word in re.findall(r"-?[\d.]+", path.get("d", ""))]
        lines.append((group, list(zip(numbers[::2], numbers[1::2], strict=True))))
    return lines


def box_of(spot: Spot) -> Box:
    return Box(spot.left, spot.top, spot.left + spot.width, spot.top + spot.height, spot.thing.name)


def check(placed: Placed) -> None:
    """Assert that nothing covers anything else, and that all is in the picture."""
    root = ET.fromstring(svg.document(placed))
    texts, lines, things = texts_of(root), lines_of(root), [*map(box_of, placed.spots)]
    for boxes in (texts, things):
        ordered = sorted(boxes)
        for index, box in enumerate(ordered):
            for other in ordered[index + 1 :]:
                if other.left >= box.right:
                    break
                assert not box.covers(other), (box, other)
    for group, line in lines:
        labels = {"".join(text.itertext()) for text in group.iter(f"{SVG}text")}
        for box in texts:
            # a label hides the line of its own edge
            assert box.name in labels or not box.is_crossed_by(line), (box, line)
        for box in things:
            inside = Box(box.left + 1, box.top + 1, box.right - 1, box.bottom - 1)
            assert not inside.is_crossed_by(line), (box, line)
    assert not any("transform" in text.attrib for text in root.iter(f"{SVG}text"))
    for box in (*texts, *things):
        assert 0 < box.left < box.right < placed.width + 60
        assert 0 < box.top < box.bottom < placed.height
    check_frames(placed)


def check_frames(placed: Placed) -> None:
    """Assert that each frame has its own things inside, and nothing else."""
    frames = {
        frame.frame.name: Box(frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)
        for frame in placed.frames
    }
    for name, frame in frames.items():
        assert not [other for other, it in frames.items() if other != name and frame.covers(it)]
        for spot in placed.spots:
            box = box_of(spot)
            if name != spot.thing.machine:
                assert not box.covers(frame), (box, name)
            else:
                assert frame.left < box.left and box.right < frame.right, box
                assert frame.top < box.top and box.bottom < frame.bottom, box


@pytest.mark.parametrize(
    "text",
    [*FILES.values(), *(path.read_text() for path in TOPOLOGIES)],
    ids=[*FILES, *(path.stem for path in TOPOLOGIES)],
)
def test_nothing_covers_anything(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TOPOLOGIES[0].parent)
    placed = place(picture(text))
    assert [spot.thing for spot in placed.spots] == [*placed.picture.things]
    assert [edge.edge for edge in placed.edges] == [*placed.picture.edges]
    check(placed)
    assert svg.document(placed) == svg.document(place(picture(text)))


@pytest.mark.parametrize("machine", ["", "first"])
@pytest.mark.parametrize("name", EVERY)
def test_nothing_covers_anything_among_machines(name: str, machine: str) -> None:
    here = (
        re.findall(r"^  (\w+): \{address|hosts: \{(\w+)", EVERY[name], re.M)[0] if machine else ""
    )
    check(place(machine_picture(EVERY[name], "".join(here))))


def test_words_for_drift_have_room_too() -> None:
    check(place(live(PAIR, more=PAIR.replace("b: {}}", "b: {}, c: {}}"))))
    svg.document(place(hostile()))


def drifted(text: str, more: str = "") -> Picture:
    """Return the picture of a kernel that lists its objects in another order, and lacks some.

    It also has the objects of the file `more`.
    """
    file = loaded(text)
    state = {**loaded(more or text).desired.state, **file.desired.state}
    keys = sorted(state, key=lambda key: sha256(str(key).encode()).digest())
    cables = [key for key in keys if key.kind == "link" and key in file.desired.state]
    gone = {*cables[:2], *(key for key in keys[:20] if key.kind == "address")}
    state = {key: state[key] for key in keys if key not in gone}
    drift = plan(state, file.desired.state)
    return build(of_kernel(Live("x", object(), state, drift), file))  # type: ignore[arg-type]


def changed_places(one: Placed, other: Placed) -> list[tuple[str, str]]:
    """Return the pairs of things of which one is at another side of the other."""
    after = {spot.thing.id: spot for spot in other.spots}
    pairs = []
    for first, second in combinations(one.spots, 2):
        boxes = [*map(box_of, (first, second))]
        now = [box_of(after[spot.thing.id]) for spot in (first, second)]
        swaps_sides = boxes[0].right <= boxes[1].left and now[1].right <= now[0].left
        swaps_heights = boxes[0].bottom <= boxes[1].top and now[1].bottom <= now[0].top
        if swaps_sides or (
            swaps_heights and boxes[0].left < boxes[1].right and boxes[1].left < boxes[0].right
        ):
            pairs.append((first.thing.name, second.thing.name))
    return pairs


@pytest.mark.parametrize(
    "name",
    [
        "leaf-spine",
        "leaf-spine without hosts",
        "docker-host",
        "ring of 12",
        "chain of 10",
        "several areas",
        "ring with hosts",
    ],
)
def test_drift_does_not_change_places(name: str) -> None:
    drawn = drifted(FILES[name])
    placed = place(drawn)
    assert any(edge.status is Status.MISSING for edge in drawn.edges)
    assert changed_places(place(picture(FILES[name])), placed) == []
    check(placed)


def test_without_drift_a_live_topology_is_where_its_file_is() -> None:
    file = loaded(FILES["several areas"])
    state = dict(reversed(file.desired.state.items()))
    drawn = build(of_kernel(Live("x", object(), state, Plan()), file))  # type: ignore[arg-type]
    for spot, other in zip(
        place(drawn).spots, place(picture(FILES["several areas"])).spots, strict=True
    ):
        assert (spot.thing.id, spot.x, spot.y) == (other.thing.id, other.x, other.y)


@pytest.mark.parametrize("name", ["leaf-spine without hosts", "several areas", "docker-host"])
def test_what_is_extra_comes_in_without_moving_the_rest(name: str) -> None:
    text = re.sub(r"nodes:( \{|\n)", r"nodes:\1 new: {}SEPARATOR", FILES[name], count=1)
    text = text.replace("SEPARATOR", ", " if "nodes: {" in text else "\n")
    text = text.replace("\n new:", "\n  new:")
    hub = {"leaf-spine without hosts": "leaf3", "several areas": "dist2"}.get(name, "dockerhost")
    text = f"{text.rstrip()}\n  - [{hub}:new, new:e0]\n"
    drawn = drifted(FILES[name], text)
    assert any(thing.name == "new" and thing.status is Status.EXTRA for thing in drawn.things)
    placed = place(drawn)
    assert changed_places(place(picture(FILES[name])), placed) == []
    check(placed)


def positions(text: str) -> dict[str, tuple[float, float]]:
    """Return the middle of each thing, by its name."""
    return {spot.thing.name: (spot.x, spot.y) for spot in place(picture(text)).spots}


def test_a_leaf_spine_stands_in_columns() -> None:
    at = positions(LEAF_SPINE)
    columns_of = [
        {round(x) for name, (x, _) in at.items() if name.startswith(letter)} for letter in "slh"
    ]
    assert [len(column) for column in columns_of] == [1, 1, 1]
    assert [*map(min, columns_of)] == sorted(map(min, columns_of))


def test_the_networks_of_a_host_fan_outwards_at_both_sides() -> None:
    at = positions(DOCKER_HOST)
    host = at["dockerhost"][0]
    left = [net for net in range(6) if at[f"net{net}"][0] < host]
    assert left == [0, 1, 2]
    for net in range(6):
        members = [at[f"c{5 * net + member}"] for member in range(5)]
        heights = [y for _, y in members]
        assert heights == sorted(heights), "they are in the order of the file"
        for x, _ in members:
            assert (
                (x < at[f"net{net}"][0] < host) if net in left else (x > at[f"net{net}"][0] > host)
            )
        others = [
            y
            for name, (x, y) in at.items()
            if name[0] == "c" and (x < host) == (net in left) and int(name[1:]) // 5 != net
        ]
        assert not [y for y in others if min(heights) < y < max(heights)], "networks keep apart"


@pytest.mark.parametrize(
    "name",
    [
        "ring",
        "ring of 12",
        "ring with impairments",
        "ring with hosts",
        "chain of 10",
        "several areas",
    ],
)
def test_a_picture_has_the_ratio_of_a_screen(name: str) -> None:
    placed = place(picture(FILES[name]))
    assert 1.15 < placed.width / placed.height < 2.1
    assert placed.width < 1400


def test_a_ring_is_drawn_as_a_ring() -> None:
    at = positions(FILES["ring of 12"])
    middle = [sum(values) / len(at) for values in zip(*at.values(), strict=True)]
    angles = [
        atan2(at[f"n{number}"][1] - middle[1], at[f"n{number}"][0] - middle[0])
        for number in range(1, 13)
    ]
    steps = [(two - one) % (2 * pi) for one, two in pairwise([*angles, angles[0]])]
    assert max(steps) < pi and sum(steps) == pytest.approx(2 * pi), "clockwise, and once around"


def test_a_leaf_spine_without_hosts_stands_in_two_columns() -> None:
    at = positions(FABRIC)
    spines, leaves = (
        {round(x) for name, (x, _) in at.items() if name.startswith(letter)} for letter in "sl"
    )
    assert len(spines) == len(leaves) == 1
    assert min(spines) < min(leaves)


def test_bands_are_divided_where_few_edges_are_between_them() -> None:
    assert divide([10] * 6, [1] * 6, 3) == [0, 0, 1, 1, 2, 2]
    assert divide([100, 10, 10, 100], [1, 1, 1, 0], 2) == [0, 0, 1, 1]
    assert divide([10, 10, 10, 10], [1, 9, 1, 0], 2) == [0, 1, 1, 1]
    assert divide([10, 10], [1, 0], 2) == [0, 1]


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 4)), min_size=1, max_size=9),
    st.data(),
)
def test_no_other_division_is_better(columns: list[tuple[int, int]], data: st.DataObject) -> None:
    widths, crossings = [width for width, _ in columns], [number for _, number in columns]
    count = data.draw(st.integers(1, len(columns)))

    def cost(bands: list[int]) -> float:
        pairs = [*zip(bands, widths, strict=True)]
        wide = [sum(width for one, width in pairs if one == band) for band in range(count)]
        cut = [crossings[at] for at in range(len(bands)) if [*bands, count][at + 1] != bands[at]]
        return sum((one - sum(widths) / count) ** 2 for one in wide) + sum(
            (60 * one) ** 2 for one in cut
        )

    every = [
        [sum(at >= end for end in ends) for at in range(len(columns))]
        for ends in combinations(range(1, len(columns)), count - 1)
    ]
    assert cost(divide(widths, crossings, count)) <= min(map(cost, every)) + 1e-6


def test_a_long_ring_is_not_tried_in_every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    real = ring.place_ring

    def place(picture: Picture, way: Sequence[int], count: int) -> Placed:
        tried.append(count)
        return real(picture, way, count)

    monkeypatch.setattr(ring, "place_ring", place)
    text = (
        "name: lab\nnodes: {'r[1-60]': {}}\nlinks:\n"
        "  - {endpoints: ['r[1-59]:e1', 'r[2-60]:e0']}\n  - [r60:e1, r1:e0]\n"
    )
    long = picture(text)
    assert ring.best_ring(long, ring.ring_of(long), 1.6, 1300) is None
    assert len(tried) < 15


def test_two_cables_are_side_by_side() -> None:
    one, other = place(picture(FILES["two cables"])).edges
    heights = sorted([one.points[0][1], other.points[-1][1]])
    assert heights[1] - heights[0] > 10


def test_edges_lead_from_column_to_column() -> None:
    for text in FILES.values():
        drawn = picture(text)
        order = columns(drawn)
        numbers = {thing.id: number for number, thing in enumerate(drawn.things)}
        for edge in drawn.edges:
            one, other = (numbers[end.thing] for end in edge.ends)
            assert one == other or order[one] != order[other]


def test_the_name_of_a_hub_is_large() -> None:
    star = (Path(TOPOLOGIES[0]).parent / "star-100.yaml").read_text()
    root = ET.fromstring(svg.document(place(picture(star))))
    names = {
        "".join(text.itertext()): float(text.get("font-size", 13))
        for text in root.iter(f"{SVG}text")
        if text.get("class") == "name"
    }
    assert names["hub"] == 26 and names["h50"] == 13
