"""The recording in the README: netorch prints on a terminal what it shows."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from docs.animation import COLOURS, Cast, Row, ends
from docs.recording import CAST, PICTURE, picture, record
from tests.kernel.host import Host
from tests.pages import same

REMEDY = "python docs/recording.py"


def text(rows: tuple[Row, ...]) -> str:
    """Return the rows without colours."""
    lines = []
    for row in rows:
        line = ""
        for run in row:
            line = line.ljust(run.column) + run.text
        lines.append(line)
    return "\n".join(lines)


def styles(rows: tuple[Row, ...]) -> list[list[tuple[str, bool]]]:
    return [[(run.colour, run.bold) for run in row] for row in rows]


def test_the_recording_shows_what_the_commands_print(host: Host) -> None:
    saved = ends(Cast.load(CAST.read_text(encoding="utf-8")))
    now = ends(record(host))
    assert list(now) == list(saved), REMEDY
    for caption, rows in saved.items():
        assert same(text(rows).splitlines(), text(now[caption])), f"{caption}: {REMEDY}"
        assert styles(rows) == styles(now[caption]), f"{caption}: {REMEDY}"
        assert {colour for row in styles(rows) for colour, _ in row} <= COLOURS.keys()
    assert host.run("ip", "netns", "list").stdout == ""


def test_the_picture_shows_what_netorch_draws(host: Host) -> None:
    saved, now = (
        "\n".join(ET.fromstring(svg).itertext())
        for svg in (PICTURE.read_text(encoding="utf-8"), picture(host))
    )
    assert saved == now, REMEDY
