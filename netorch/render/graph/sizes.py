"""Sizes of things and texts in pixels.

Widths of texts are estimates that are rather too large than too small, because fonts differ.
"""

from __future__ import annotations

from netorch.render.graph.picture import Edge, EdgeEnd, Frame, Text, Thing

NAME, LINE, LABEL = 8.6, 6.5, 6.1
"""Width of a letter: of a name (13 px, bold), a line below it (10.5 px), and an edge (10 px)."""
LINE_HEIGHT, HEAD = 14.0, 30.0
MAX_LETTERS = 48
"""The most letters of a line. A tooltip has the whole line."""
MAX_LINES = 7


def cut(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"


def lines_of(thing: Thing) -> tuple[Text, ...]:
    """Return the lines that the box of a thing shows."""
    if len(thing.lines) <= MAX_LINES:
        return thing.lines
    left = len(thing.lines) - MAX_LINES + 1
    return (*thing.lines[: MAX_LINES - 1], Text(f"and {left} more"))


def box(thing: Thing) -> tuple[float, float]:
    """Return the width and height of a thing that is drawn as a box."""
    head = NAME * len(cut(thing.name)) + (LINE * len(cut(thing.tag)) + 8 if thing.tag else 0)
    lines = lines_of(thing)
    width = max([head, *(LINE * len(cut(text.with_status())) for text in lines)]) + (
        36 if thing.kind == "network" else 22
    )
    return max(width, 54.0), HEAD + LINE_HEIGHT * len(lines) + (4 if lines else 0)


def frame_title_width(frame: Frame) -> float:
    """Return the width of the text of a frame: the machine's name and address."""
    return NAME * len(cut(frame.name)) + 8 + LINE * len(frame.address)


def leaf_texts(thing: Thing, end: EdgeEnd) -> tuple[Text, ...]:
    """Return the texts after the name in the line of a leaf."""
    return (*end.texts(), *thing.lines)


def leaf_length(thing: Thing, end: EdgeEnd) -> float:
    """Return the length of a leaf that is drawn as one line."""
    words = cut(" ".join(text.with_status(end.status) for text in leaf_texts(thing, end)))
    return 7.0 * len(cut(thing.name)) + LABEL * len(words) + (26 if words else 16)


def end_lines(end: EdgeEnd) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """Return the texts above and below an edge at its end.

    Above are the interface and its first address, below are its further addresses.
    """
    texts = end.texts()
    first = 2 if end.interface else 1
    return texts[:first], texts[first:]


def end_length(end: EdgeEnd) -> float:
    return max(
        LABEL * len(cut(" ".join(text.with_status(end.status) for text in part)))
        for part in end_lines(end)
    )


def middle_width(edge: Edge) -> float:
    """Return the width of the labels in an edge's middle."""
    return max(
        (LABEL * len(cut(text.with_status(edge.status))) + 12 for text in edge.labels), default=0.0
    )


def required_length(edge: Edge) -> float:
    """Return the length of an edge that its texts need, from border to border."""
    return max(56.0, sum(map(end_length, edge.ends)) + middle_width(edge) + 50)
