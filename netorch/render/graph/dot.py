"""Writes a picture in the dot language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.errors import printable
from netorch.render.graph.picture import Edge, Picture, Status, Thing

_SHAPES = {"network": "ellipse", "router": "box", "host": "box", "node": "box", "machine": "box"}
_FILLS = {
    "network": "#e6f2ea",
    "router": "#e8effb",
    "host": "#fdf3e1",
    "node": "#f7f7f9",
    "machine": "#ffffff",
}
_LINES = {
    "network": "#2f7d4f",
    "router": "#2f5fb3",
    "host": "#a66a00",
    "node": "#666677",
    "machine": "#7a4fb0",
}
_RED = "#cc0000"


def lines(picture: Picture) -> Iterator[str]:
    """Yield the lines of a dot file.

    Its `layout` names the engine that suits it, so that `dot -Tsvg` uses that one. The option -K of
    dot chooses another.
    """
    yield f"graph {_quoted(picture.title)} {{"
    # dot, because neato does not draw frames
    engine = "dot" if picture.frames else "neato"
    yield (
        f"  graph [label={_quoted(picture.title)}, labelloc=t, fontname=Helvetica, layout={engine}]"
    )
    if picture.frames:
        yield "  graph [rankdir=LR, ranksep=2, nodesep=0.7, outputorder=edgesfirst]"
    else:
        yield '  graph [overlap=prism, sep="+14", outputorder=edgesfirst]'
    yield '  node [fontname="Helvetica", fontsize=11, style="filled,rounded"]'
    yield '  edge [fontname="Helvetica", fontsize=8, color="#888899", len=2.6]'
    numbers = {thing.id: f"n{index}" for index, thing in enumerate(picture.things)}
    for index, (frame, things) in enumerate(picture.framed()):
        label = {"label": f"{frame.name} {frame.address}", "fontsize": "12"}
        style = {"style": "rounded", "color": "#7a4fb0", "labeljust": "l", "margin": "24"}
        yield f"  subgraph cluster_{index} {{"
        yield f"    graph [{_joined(label | style)}]"
        yield from (f"    {numbers[thing.id]}" for thing in things)
        yield "  }"
    for thing in picture.things:
        yield f"  {numbers[thing.id]} [{_joined(_thing(thing))}]"
    for edge in picture.edges:
        one, other = (numbers[end.thing] for end in edge.ends)
        yield f"  {one} -- {other} [{_joined(_edge(edge))}]"
    yield "}"


def _thing(thing: Thing) -> dict[str, str]:
    mark = "" if thing.status is Status.OK else f"{thing.status.value} "
    first = f"{mark}{thing.name}" + (f" ({thing.tag})" if thing.tag else "")
    attributes = {
        "label": "\n".join((first, *(line.with_status(thing.status) for line in thing.lines))),
        "shape": _SHAPES[thing.kind],
        "fillcolor": _FILLS[thing.kind],
        "color": _LINES[thing.kind],
    }
    if thing.kind == "network":
        attributes["style"] = "filled"
    if thing.status is not Status.OK:
        attributes |= {"color": _RED, "penwidth": "2", "fontcolor": _RED}
    if thing.status is Status.MISSING:
        attributes |= {"style": "dashed"}
    return attributes


def _edge(edge: Edge) -> dict[str, str]:
    tail, head = (
        "\n".join(text.with_status(edge.status) for text in end.texts()) for end in edge.ends
    )
    attributes = {
        "taillabel": tail,
        "headlabel": head,
        "label": "\n".join(label.with_status(edge.status) for label in edge.labels),
    }
    attributes = {name: text for name, text in attributes.items() if text}
    if edge.kind == "owner":
        attributes["penwidth"] = "2"
    if edge.kind in {"tunnel", "parent"}:
        attributes["style"] = "dotted"
    if edge.status is not Status.OK:
        attributes |= {"color": _RED, "penwidth": "2", "tooltip": edge.status.value}
    if edge.status is Status.MISSING:
        attributes["style"] = "dashed"
    return attributes


def _joined(attributes: dict[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(text)}" for name, text in attributes.items())


def _quoted(text: str) -> str:
    """Return a quoted string for dot.

    Backslashes are doubled, because dot reads escapes (\\N, \\G, \\l) in a string. An & becomes
    `&amp;`, because dot reads HTML entities too.
    """
    plain = (
        "\n".join(map(printable, text.split("\n")))
        .replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("&", "&amp;")
    )
    return '"' + plain.replace("\n", "\\n") + '"'
