"""The layout of pictures: what covers what, measured in the SVG."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from netorch.render.graph import svg
from netorch.render.graph.directions import columns
from netorch.render.graph.layout import place
from netorch.render.graph.placement import Placed, Spot
from netorch.render.graph.sizes import LABEL, LINE, NAME
from tests.unit.render.test_graph import DOCKER, PAIR, SVG, TOPOLOGIES, hostile, live, picture
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


def test_a_long_chain_is_wrapped() -> None:
    placed = place(picture(FILES["ring"]))
    assert placed.width < 2 * placed.height


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
