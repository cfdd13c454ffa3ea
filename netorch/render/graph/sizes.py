"""Sizes of things and texts in pixels.

Widths of texts are estimates that are rather too large than too small, because fonts differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from netorch.render.graph.picture import Edge, EdgeEnd, Frame, Status, Text, Thing

NAME, LINE, LABEL = 8.6, 6.5, 6.1
"""Width of a letter: of a name (13 px, bold), a line below it (10.5 px), and an edge (10 px)."""
LINE_HEIGHT, HEAD = 14.0, 22.0
END_HEIGHT = 13.0
"""The height of a line of text at the end of an edge."""
BARE_HEIGHT = 9.0
"""The height of the end of an edge that has no text."""
ASIDE = 9.0
"""The distance of the texts of an edge from the border of the box in which they are."""
MAX_LETTERS = 48
"""The most letters of a line. A tooltip has the whole line."""
MAX_LINES = 7


def cut(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"


def tag_of(thing: Thing) -> str:
    """Return the words after the name: the status if it is not in sync, and the tag."""
    status = "" if thing.status is Status.OK else thing.status.value
    return ", ".join(filter(None, (status, cut(thing.tag))))


def lines_of(thing: Thing) -> tuple[Text, ...]:
    """Return the lines that the box of a thing shows."""
    if len(thing.lines) <= MAX_LINES:
        return thing.lines
    left = len(thing.lines) - MAX_LINES + 1
    return (*thing.lines[: MAX_LINES - 1], Text(f"and {left} more"))


def name_size(ends: int) -> float:
    """Return the height of the letters of a name. The more edges end there, the larger it is."""
    return 13.0 if ends < 8 else 18.0 if ends < 24 else 26.0


def middle(thing: Thing, ends: int) -> tuple[float, float]:
    """Return the width and height of the name and the lines of a thing with so many edges."""
    tag = tag_of(thing)
    head = NAME * name_size(ends) / 13 * len(cut(thing.name)) + (LINE * len(tag) + 8 if tag else 0)
    lines = lines_of(thing)
    width = max([head, *(LINE * len(cut(text.with_status(thing.status))) for text in lines)]) + (
        36 if thing.kind == "network" else 22
    )
    return max(width, 54.0), text_height(thing, ends)


def text_height(thing: Thing, ends: int) -> float:
    """Return the height of the name and the lines of a thing with so many edges."""
    lines = lines_of(thing)
    return HEAD + name_size(ends) - 13 + LINE_HEIGHT * len(lines) + (8 if lines else 0)


def end_lines(end: EdgeEnd) -> list[list[Text]]:
    """Return the lines of text at the end of an edge.

    The interface and its first address are in the first line, each further address has its own.
    """
    texts = end.texts()
    first = 2 if end.interface else 1
    return [list(texts[:first]), *([text] for text in texts[first:])] if texts else []


def end_size(end: EdgeEnd) -> tuple[float, float]:
    """Return the width and height of the texts at the end of an edge."""
    lines = end_lines(end)
    width = max((LABEL * len(cut(_joined(line, end))) for line in lines), default=0.0)
    return width, max(END_HEIGHT * len(lines), BARE_HEIGHT)


def side_width(ends: Sequence[EdgeEnd]) -> float:
    """Return the width of the texts at one side of a box."""
    width = max((end_size(end)[0] for end in ends), default=0.0)
    return width + ASIDE if width else 0.0


def _joined(line: Sequence[Text], end: EdgeEnd) -> str:
    return " ".join(text.with_status(end.status) for text in line)


def labels_of(edge: Edge) -> tuple[Text, ...]:
    """Return the texts in the middle of an edge: its labels, after a status that is not `ok`."""
    status = () if edge.status is Status.OK else (Text(edge.status.value, edge.status),)
    return (*status, *edge.labels)


def label_size(edge: Edge) -> tuple[float, float]:
    """Return the width and height of the texts in the middle of an edge."""
    labels = labels_of(edge)
    width = max((LABEL * len(cut(text.with_status(edge.status))) for text in labels), default=0.0)
    return width + 14, 14.0 * len(labels) + 2


def frame_title_width(frame: Frame) -> float:
    """Return the width of the text of a frame: the machine's name and address."""
    return NAME * len(cut(frame.name)) + 8 + LINE * len(frame.address)
