"""Reads graphs in GraphML or GML, such as those of the Internet Topology Zoo and of networkx."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from netorch.errors import NetorchError, Problem, printable
from netorch.importers.draft import Draft
from netorch.importers.names import node_names, topology_name

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_POSITION = frozenset(("graphics", "x", "y", "pos", "Latitude", "Longitude"))
"""Attributes with the place of a node in a picture."""


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return a topology with a node for each node of the graph, and a link for each edge.

    Raises NetorchError if the graph cannot be read.
    """
    path = files.paths[0]
    graph = _parse(path, files.read(path))
    draft = Draft(topology_name(name or PurePath(path).stem), path, "a graph")
    for extra in files.paths[1:]:
        draft.lose(("nodes",), extra, "netorch reads one graph at a time", matters=True)
    names = _names(graph)
    for node, data in graph.nodes(data=True):
        _add_node(draft, names[node], _label(node, data), data)
    ports: dict[str, int] = {}
    for one, other, data in _edges(graph):
        if one == other:
            text = f"the edge of {names[one]} to itself"
            draft.lose(("links",), text, "a cable has two different ends")
        else:
            _add_link(draft, (names[one], names[other]), data, ports)
    return draft


def _edges(graph: Any) -> Iterator[tuple[object, object, dict[str, Any]]]:
    """Yield the edges. Two edges of a directed graph in opposite directions are one cable."""
    opposite: Counter[tuple[object, object]] = Counter()
    for one, other, data in graph.edges(data=True):
        if graph.is_directed() and opposite[other, one]:
            opposite[other, one] -= 1
            continue
        opposite[one, other] += 1
        yield one, other, data


def _parse(path: str, data: bytes) -> Any:
    try:
        import networkx
    except ImportError:
        what = "a graph needs the library networkx, which is not installed."
        command = "pip install 'netorch[import]'"
        raise NetorchError(
            Problem("no-networkx", what, None, f"Run `{command}`.", "networkx", command)
        ) from None
    text = data.decode("utf-8", "replace")
    try:
        if "<graphml" in text[:4000]:
            return networkx.read_graphml(io.BytesIO(data), force_multigraph=True)
        return _gml(networkx, text)
    except Exception as error:
        # because the readers of networkx raise whatever the parser below them raises
        what = f"{path}: the graph cannot be read: {' '.join(str(error).split())}."
        raise NetorchError(Problem("bad-import", what, object=path)) from None


def _gml(networkx: Any, text: str) -> Any:
    """Return the graph of a GML text.

    Two nodes may have the same label, and two edges the same ends, as in the Topology Zoo.
    """
    if not re.search(r"^\s*multigraph\s+1\b", text, re.MULTILINE):
        text = re.sub(r"(?m)^(\s*graph\s*\[)", r"\1\n  multigraph 1", text, count=1)
    return networkx.parse_gml(text, label="id")


def _names(graph: Any) -> dict[object, str]:
    """Return node of the graph → its name in the topology."""
    names = node_names()
    labels: dict[object, str] = {node: _label(node, data) for node, data in graph.nodes(data=True)}
    count = Counter(labels.values())
    return {
        node: names(label if count[label] == 1 else f"{label}-{node}")
        for node, label in labels.items()
    }


def _label(node: object, data: dict[str, Any]) -> str:
    return str(data.get("label") or data.get("name") or node).strip()


def _add_node(draft: Draft, name: str, label: str, data: dict[str, Any]) -> None:
    caption = printable(" ".join(label.split()))
    draft.nodes[name] = {"label": caption} if caption not in ("", name) else {}
    draft.nodes[name]["forwarding"] = True
    rest = {
        key: value
        for key, value in data.items()
        if key not in _POSITION and key not in ("label", "name", "id") and value not in (None, "")
    }
    if rest:
        draft.lose(("nodes", name), _words(rest), "netorch has no word for them")


def _add_link(
    draft: Draft, ends: tuple[str, str], data: dict[str, Any], ports: dict[str, int]
) -> None:
    """Add a link between the next free interfaces, `eth1` being the first one, of two nodes."""
    endpoints = []
    for node in ends:
        ports[node] = ports.get(node, 0) + 1
        endpoints.append(f"{node}:eth{ports[node]}")
    # 10.128.0.0/9 has 4,194,304 subnets of two addresses
    base = 0x0A800000 + 2 * len(draft.links)
    subnet = ".".join(str(base >> shift & 255) for shift in (24, 16, 8, 0)) + "/31"
    draft.links.append({"endpoints": endpoints, "subnet": subnet})
    rest = {key: value for key, value in data.items() if key != "id" and value not in (None, "")}
    if rest:
        draft.lose(("links", len(draft.links) - 1), _words(rest), "netorch has no word for them")


def _words(data: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in data.items())
