"""The recording in the README: the picture is drawn from it, and moves without scripts."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from docs.animation import Cast, Event, Run, draw, ends, pictures

ROOT = Path(__file__).resolve().parents[3]
CAST = Cast.load((ROOT / "docs/pictures/demo.cast").read_text(encoding="utf-8"))
SVG = (ROOT / "docs/pictures/demo.svg").read_text(encoding="utf-8")
NAMES = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_drawn_from_the_recording() -> None:
    assert draw(CAST) == SVG, "python docs/recording.py --draw"


def test_the_recording_is_short_and_the_picture_small() -> None:
    assert 25 <= CAST.events[-1].time <= 35
    assert len(SVG.encode()) < 300_000


def test_the_picture_loads_and_runs_nothing() -> None:
    assert not re.search(r"<script|<foreignObject|@import|url\((?!#)|\son\w+=|href=\"(?!#)", SVG)
    assert "prefers-reduced-motion" in SVG


def test_without_movement_the_picture_shows_the_end() -> None:
    root = ET.fromstring(SVG)
    width = float(root.get("width", ""))
    frames = root.findall(f".//{NAMES}g[@class='s']/{NAMES}g")
    still = re.search(r"\.s \{ transform: translateX\(-(\d+)px\)", SVG)
    assert still and float(still[1]) == (len(frames) - 1) * width
    assert "".join(frames[-1].itertext()).endswith("Nothing is left")


def test_a_cast_as_pictures() -> None:
    cast = Cast(
        20,
        3,
        "t",
        (
            Event(0.0, "o", "\x1b[32m+ a\x1b[0m b\r\n"),
            Event(1.0, "m", "second"),
            Event(1.5, "o", "[...] reading\r\x1b[K\x1b[1mdone"),
            Event(2.0, "m", ""),
        ),
    )
    assert Cast.load(cast.text()) == cast
    first, *_, last = pictures(cast)
    assert first.rows[0] == (Run(0, "+ a", "green", False), Run(4, "b", "default", False))
    assert first.cursor == (0, 1)
    assert (last.caption, last.rows[1]) == ("second", (Run(0, "done", "default", True),))
    assert list(ends(cast)) == ["", "second"]
