"""How large things and words are in pixels, before anybody draws them: widths are guesses on the safe side, since fonts differ."""

from __future__ import annotations

from netorch.render.graph.picture import Edge, EdgeEnd, Text, Thing

NAME, LINE, LABEL = 8.6, 6.5, 6.1
"""Width of a letter in a name (13 px, bold), in the lines below it (10.5 px), and along an edge (10 px)."""
LINE_HEIGHT, HEAD = 14.0, 30.0
LONGEST = 48
"""Letters of a line; the whole of it is in its tooltip."""
MOST_LINES = 7


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def lines_of(thing: Thing) -> tuple[Text, ...]:
    """The lines that there is room for."""
    if len(thing.lines) <= MOST_LINES:
        return thing.lines
    left = len(thing.lines) - MOST_LINES + 1
    return (*thing.lines[: MOST_LINES - 1], Text(f"and {left} more"))


def box(thing: Thing) -> tuple[float, float]:
    """Width and height of a thing that stands upright."""
    head = NAME * len(cut(thing.name)) + (LINE * len(cut(thing.tag)) + 8 if thing.tag else 0)
    lines = lines_of(thing)
    width = max([head, *(LINE * len(cut(text.with_status())) for text in lines)]) + (
        36 if thing.kind == "network" else 22
    )
    return max(width, 54.0), HEAD + LINE_HEIGHT * len(lines) + (4 if lines else 0)


def leaf_texts(thing: Thing, end: EdgeEnd) -> tuple[Text, ...]:
    """What a leaf says in its one line beside its name."""
    return (*end.texts(), *thing.lines)


def pill(thing: Thing, end: EdgeEnd) -> float:
    """Length of a leaf that is one line."""
    words = cut(" ".join(text.with_status(end.status) for text in leaf_texts(thing, end)))
    return 7.0 * len(cut(thing.name)) + LABEL * len(words) + (26 if words else 16)


def end_lines(end: EdgeEnd) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """What stands above and below an edge at its end: the interface with its first address, and the further ones."""
    texts = end.texts()
    first = 2 if end.interface else 1
    return texts[:first], texts[first:]


def end_length(end: EdgeEnd) -> float:
    return max(
        LABEL * len(cut(" ".join(text.with_status(end.status) for text in part)))
        for part in end_lines(end)
    )


def middle(edge: Edge) -> float:
    """Width of what stands in an edge's middle."""
    return max(
        (LABEL * len(cut(text.with_status(edge.status))) + 12 for text in edge.labels), default=0.0
    )


def wanted_length(edge: Edge) -> float:
    """From border to border."""
    return max(56.0, sum(map(end_length, edge.ends)) + middle(edge) + 50)
