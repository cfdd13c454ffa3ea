"""Draw a recording of a terminal as an SVG that moves without a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import NamedTuple

import pyte

CELL, LINE = 8.4, 18
"""Width and height of a character, in pixels."""
MARGIN, HEAD, FOOT = 16, 40, 14
SHORTEST = 0.02
"""Seconds that a picture stays at least. What is visible for a shorter time is left out."""

FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'
CAPTION_FONT = 'system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif'

COLOURS = {
    "default": "#e6edf3",
    "red": "#ff7b72",
    "green": "#56d364",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#e6edf3",
    "brightblack": "#8b949e",
}
"""Colour of the terminal (as pyte names it: `brown` is yellow) → colour of the picture."""


class Event(NamedTuple):
    time: float
    """Seconds since the start."""
    kind: str
    """`o`: the terminal gets `text`; `m`: a step with the caption `text` begins."""
    text: str


class Cast(NamedTuple):
    """A recording in the format asciicast 2."""

    columns: int
    rows: int
    title: str
    events: tuple[Event, ...]

    @classmethod
    def load(cls, text: str) -> Cast:
        head, *lines = (json.loads(line) for line in text.splitlines())
        events = tuple(Event(*line) for line in lines)
        return cls(head["width"], head["height"], head["title"], events)

    def text(self) -> str:
        head = {"version": 2, "width": self.columns, "height": self.rows, "title": self.title}
        lines = [head, *([round(time, 3), kind, text] for time, kind, text in self.events)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


class Run(NamedTuple):
    """Characters of a row that have one style."""

    column: int
    text: str
    colour: str
    bold: bool


Row = tuple[Run, ...]


class Picture(NamedTuple):
    """What the terminal shows from a time on."""

    time: float
    caption: str
    rows: tuple[Row, ...]
    cursor: tuple[int, int]
    """Column and row."""


def pictures(cast: Cast) -> Iterator[Picture]:
    """Yield what the terminal shows after each event."""
    screen = pyte.Screen(cast.columns, cast.rows)
    stream = pyte.Stream(screen)
    caption = ""
    for event in cast.events:
        if event.kind == "m":
            caption = event.text or caption
        else:
            stream.feed(event.text)
        rows = tuple(_row(screen, number) for number in range(cast.rows))
        yield Picture(event.time, caption, rows, (screen.cursor.x, screen.cursor.y))


def ends(cast: Cast) -> dict[str, tuple[Row, ...]]:
    """Return the rows of the terminal at the end of each step, by the step's caption."""
    result: dict[str, tuple[Row, ...]] = {}
    last: Picture | None = None
    for event, picture in zip(cast.events, pictures(cast), strict=True):
        if event.kind == "m" and last:
            result[last.caption] = last.rows
        last = picture
    return result


def _row(screen: pyte.Screen, number: int) -> Row:
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    runs = []
    at = 0
    for (colour, bold), group in groupby(cells, lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        # spaces have no colour, so a run begins and ends with a character
        if text.strip():
            start = at + len(text) - len(text.lstrip())
            runs.append(Run(start, text.strip(), colour, bold))
        at += len(text)
    return tuple(runs)


def draw(cast: Cast) -> str:
    """Return the SVG of a recording.

    The pictures stand in one long row, of which a window shows one after another. Who prefers no
    movement sees the last one.
    """
    shots = _visible(list(pictures(cast)))
    total = cast.events[-1].time
    width = round(cast.columns * CELL + 2 * MARGIN)
    height = HEAD + cast.rows * LINE + FOOT
    blocks: dict[tuple[Row | None, ...], str] = {}
    frames = []
    for number, shot in enumerate(shots):
        column, line = shot.cursor
        rest = tuple(None if at == line else row for at, row in enumerate(shot.rows))
        name = blocks.setdefault(rest, f"b{len(blocks)}")
        frames.append(
            f'<g transform="translate({number * width})"><use href="#{name}"/>'
            f"{_text(shot.rows[line], line)}"
            f'<rect class="k" x="{_x(column):g}" y="{HEAD + line * LINE + 1}"/>'
            f'<text class="c" x="{width / 2:g}" y="25">{escape(shot.caption)}</text></g>'
        )
    last = (len(shots) - 1) * width
    stops = "".join(
        f"{shot.time / total * 100:.4g}%{{transform:translateX({-number * width}px)}}"
        for number, shot in enumerate(shots)
    )
    shades = "".join(
        f".{name}{{fill:{colour}}}"
        for name, colour in COLOURS.items()
        if any(run.colour == name for shot in shots for row in shot.rows for run in row)
        if name != "default"
    )
    definitions = "".join(
        f'<g id="{name}">{"".join(_text(row, line) for line, row in enumerate(rows) if row)}</g>\n'
        for rows, name in blocks.items()
    )
    lines = "\n".join(frames)
    captions = ", ".join(dict.fromkeys(event.text for event in cast.events if event.kind == "m"))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"
 height="{height}" role="img">
<title>{escape(cast.title)}</title>
<desc>{escape(captions.removesuffix(", "))}</desc>
<style>
text {{ fill: {COLOURS["default"]}; white-space: pre; font: 14px {FONT} }}
text.c {{ font: 600 15px {CAPTION_FONT}; text-anchor: middle }}
.b {{ font-weight: bold }}
.edge {{ fill: none; stroke: #6e7681; stroke-opacity: .6 }}
.k {{ fill: #8b949e; fill-opacity: .7; width: {CELL}px; height: {LINE - 2}px }}
{shades}
.s {{ transform: translateX(-{last}px); animation: s {total:.2f}s step-end infinite }}
.p {{ transform-origin: 0 0; animation: p {total:.2f}s linear infinite }}
@keyframes p {{ from {{ transform: scaleX(0) }} }}
@keyframes s {{{stops}}}
@media (prefers-reduced-motion: reduce) {{ .s, .p {{ animation: none }} }}
</style>
<defs>
{definitions}<clipPath id="w"><rect width="{width}" height="{height}" rx="8"/></clipPath>
</defs>
<g clip-path="url(#w)">
<rect width="{width}" height="{height}" fill="#0d1117"/>
<rect width="{width}" height="{HEAD - 4}" fill="#21262d"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/>
<circle cx="40" cy="18" r="6" fill="#febc2e"/>
<circle cx="60" cy="18" r="6" fill="#28c840"/>
<rect class="p" y="{HEAD - 6}" width="{width}" height="2" fill="#58a6ff"/>
<g class="s">
{lines}
</g>
</g>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" class="edge"/>
</svg>
"""


def _visible(shots: list[Picture]) -> list[Picture]:
    """Return the pictures that are new and that stay for a while."""
    result: list[Picture] = []
    for shot, following in zip(shots, [*shots[1:], None], strict=True):
        if following and following.time - shot.time < SHORTEST:
            continue
        if not result or shot[1:] != result[-1][1:]:
            result.append(shot)
    return result


def _x(column: int) -> float:
    return round(MARGIN + column * CELL, 1)


def _text(row: Row, line: int) -> str:
    return "".join(_run(run, HEAD + line * LINE + 14) for run in row)


def _run(run: Run, y: int) -> str:
    names = [*([run.colour] if run.colour != "default" else []), *(["b"] if run.bold else [])]
    style = f' class="{" ".join(names)}"' if names else ""
    length = f' textLength="{len(run.text) * CELL:g}"' if len(run.text) > 1 else ""
    return f'<text{style} x="{_x(run.column):g}" y="{y}"{length}>{escape(run.text)}</text>'
