"""Makes the lines that say why a node, a network or an edge is not as in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netorch.kinds.netns import Netns
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl
from netorch.render.graph.picture import Status, Text
from netorch.render.graph.scene import Scene
from netorch.state.key import Key
from netorch.state.resource import Resource

_FIRST = {"netns": 0, "route": 1, "rule": 2}
"""The kinds that come first, because most often they are the reason of a fault."""
MOST = 3
"""The most lines for the drift of one thing or edge. One more says how many there are."""


def limited(texts: Iterable[Text]) -> tuple[Text, ...]:
    """Return the first texts, and `+3 more` for the others."""
    every = tuple(texts)
    if len(every) <= MOST:
        return every
    left = every[MOST:]
    return (*every[:MOST], Text(f"+{len(left)} more", Status.CHANGED))


def node_drift(scene: Scene, keys: Sequence[Key]) -> Iterator[Text]:
    """Yield a text for each of the objects of a node that differ, except its links."""
    for key in sorted(keys, key=lambda key: _FIRST.get(key.kind, len(_FIRST))):
        resource = scene.state.get(key)
        if resource is None:
            continue
        status = scene.status_of(key)
        name = _name(resource, whole=status is not Status.CHANGED)
        lines = scene.differences.get(key, ())
        if status is not Status.CHANGED:
            yield Text(name, status, lines)
        elif isinstance(resource, Netns):
            yield from (Text(line, status) for line in lines)
        elif any(line.startswith(("missing: ", "extra: ")) for line in lines):
            yield Text(f"{name}: {len(lines)} lines differ", status, lines)
        else:
            yield Text(f"{name}: {_values(lines)}", status, lines)


def link_drift(scene: Scene, parts: Sequence[Key]) -> Iterator[Text]:
    """Yield a text for each setting of a link that differs, except its impairment.

    `parts` are the keys of the link and its parts.
    """
    if scene.status_of(parts[0]) in {Status.OK, Status.CHANGED}:
        for key in parts:
            if key.kind != "impair":
                yield from (Text(line, Status.CHANGED) for line in scene.differences.get(key, ()))


def _name(resource: Resource, *, whole: bool) -> str:
    """Return an object of a node in few words: with its values, or only what identifies it."""
    name, attributes = resource.key.name, resource.attributes() if whole else {}
    if isinstance(resource, Route):
        kind = [attributes["type"]] if "type" in attributes else []
        word = next((word for word in ("via", "dev") if word in attributes), None)
        way = [f"{word} {attributes[word]}"] if word is not None else []
        return " ".join(("route", *kind, name, *way))
    if isinstance(resource, Rule):
        words = [f"{word} {value}" for word, value in attributes.items()]
        return " ".join(("rule", name, *words))
    if isinstance(resource, Sysctl):
        return name.replace("/", ".")
    if resource.key.kind == "filter":
        return "packet filter"
    return f"{resource.key.kind} {name}".strip()


def _values(lines: Sequence[str]) -> str:
    """Return the values of an object that differ, on one line."""
    return ", ".join(line.removeprefix("value ") for line in lines) or "changed"
