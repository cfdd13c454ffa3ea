"""Writes a picture as a Mermaid flowchart, which GitHub, GitLab and many editors can draw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netorch.errors import printable
from netorch.render.graph.picture import Edge, Picture, Status, Thing

_LETTERS = re.compile(r"[^\w ,.:-]+")
_PLAIN = " .:/-_,="
_SHAPES = {
    "network": ("([", "])"),
    "router": ("{{", "}}"),
    "host": ("[[", "]]"),
    "node": ("[", "]"),
    "machine": ("[/", "/]"),
}
_ARROWS = {"cable": "---", "owner": "===", "tunnel": "-.-", "parent": "-.-"}
_CLASSES = """\
    classDef network fill:#e6f2ea,stroke:#2f7d4f,color:#123
    classDef router fill:#e8effb,stroke:#2f5fb3,color:#123
    classDef node fill:#f7f7f9,stroke:#667,color:#123
    classDef host fill:#fdf3e1,stroke:#a66a00,color:#123
    classDef missing fill:#fff,stroke:#c00,stroke-width:2px,stroke-dasharray:6 4,color:#c00
    classDef extra fill:#fde4e4,stroke:#c00,stroke-width:2px,color:#900
    classDef changed stroke:#c00,stroke-width:3px"""
_MACHINE = "    classDef machine fill:none,stroke:#7a4fb0,stroke-width:1px"


def lines(picture: Picture) -> Iterator[str]:
    """Yield the lines of a flowchart.

    The title loses all characters but letters, digits and a few others. Mermaid looks for
    directives in the title too, but does not read character codes there.
    """
    yield "---"
    yield f"title: '{_LETTERS.sub(' ', picture.title)}'"
    yield "---"
    yield "flowchart LR"
    numbers = {thing.id: f"n{index}" for index, thing in enumerate(picture.things)}
    for thing in picture.things:
        before, after = _SHAPES[thing.kind]
        yield f'    {numbers[thing.id]}{before}"{"<br/>".join(_about(thing))}"{after}'
    for index, (frame, things) in enumerate(picture.framed()):
        yield f'    subgraph m{index}["{_escaped(f"{frame.name} {frame.address}")}"]'
        yield from (f"        {numbers[thing.id]}" for thing in things)
        yield "    end"
    for edge in picture.edges:
        one, other = (numbers[end.thing] for end in edge.ends)
        label = "<br/>".join(_along(edge))
        yield f"    {one} {_ARROWS[edge.kind]}" + (f'|"{label}"| ' if label else " ") + other
    yield _CLASSES
    if picture.frames:
        yield _MACHINE
        yield f"    class {','.join(f'm{index}' for index in range(len(picture.frames)))} machine"
    for name in (*_SHAPES, *(status.value for status in Status if status is not Status.OK)):
        members = [
            numbers[thing.id]
            for thing in picture.things
            if name in {thing.kind, thing.status.value}
        ]
        if members:
            yield f"    class {','.join(members)} {name}"
    for status in Status:
        edges = [str(index) for index, edge in enumerate(picture.edges) if edge.status is status]
        if edges and status is not Status.OK:
            dashes = ",stroke-dasharray:6 4" if status is Status.MISSING else ""
            yield f"    linkStyle {','.join(edges)} stroke:#c00,stroke-width:3px{dashes},color:#c00"


def _about(thing: Thing) -> Iterator[str]:
    yield (
        ("" if thing.status is Status.OK else f"{thing.status.value} ")
        + f"<b>{_escaped(thing.name)}</b>"
        + (f" {_escaped(thing.tag)}" if thing.tag else "")
    )
    yield from (_escaped(line.with_status(thing.status)) for line in thing.lines)


def _along(edge: Edge) -> Iterator[str]:
    """Yield the lines of an edge's label.

    Mermaid has labels in the middle of an edge only, so the texts of both ends are there, in the
    order of the ends.
    """
    if edge.status is not Status.OK:
        yield edge.status.value
    for end in edge.ends:
        if texts := end.texts():
            yield _escaped(" ".join(text.with_status(edge.status) for text in texts))
    yield from (_escaped(label.with_status(edge.status)) for label in edge.labels)


def _escaped(text: str) -> str:
    """Replace characters that have a meaning in Mermaid, Markdown or HTML by Mermaid's codes.

    A code is the decimal number of the character between # and ;.
    """
    return "".join(
        letter if letter.isalnum() or letter in _PLAIN or ord(letter) > 127 else f"#{ord(letter)};"
        for letter in printable(text)
    )
