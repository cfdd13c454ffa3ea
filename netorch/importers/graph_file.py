"""Reads graphs in GraphML or GML, such as those of the Internet Topology Zoo and of networkx."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from netorch.errors import NetorchError, Problem, printable
from netorch.importers.draft import Draft
from netorch.importers.names import network_names, node_names, topology_name

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_POSITION = ("graphics", "x", "y", "pos", "Latitude", "Longitude")
"""Attributes with the place of a node in a picture."""
_EMPTY = (None, "")
_GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
_OF_NETWORKX = frozenset(("node_default", "edge_default", "multigraph", "directed"))
"""Attributes of a graph that networkx adds, or that say how the file is written."""


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
    _lose_of_graph(draft, graph)
    for node, data in graph.nodes(data=True):
        _add_node(draft, node, names[node], data)
    ports: dict[str, int] = {}
    for one, other, data, back in _edges(graph):
        if one == other:
            text = f"the edge of {names[one]} to itself"
            draft.lose(("links",), _with_words(text, data), "a cable has two different ends")
        else:
            _add_link(draft, (names[one], names[other]), data, ports)
            _lose_attributes(draft, back, "of the edge back")
    if _is_graphml(files.read(path)):
        ids = {str(node): name for node, name in names.items()}
        _add_hyperedges(draft, files.read(path), ids)
    return draft


def _lose_of_graph(draft: Draft, graph: Any) -> None:
    """Record the attributes of the graph itself, and the kinds of positions of its nodes."""
    own = {
        key: value
        for key, value in graph.graph.items()
        if key not in _OF_NETWORKX and value not in _EMPTY
    }
    if own:
        draft.lose((), _words(own), "netorch has no word for attributes of a graph")
    kinds = {key for _, data in graph.nodes(data=True) for key in data if key in _POSITION}
    if kinds:
        text = ", ".join(key for key in _POSITION if key in kinds)
        draft.lose((), f"{text} of the nodes", "netorch chooses the places in its pictures itself")
    if graph.is_directed() and graph.size():
        draft.lose((), "the direction of the edges", "a cable carries packets in both directions")


def _is_graphml(data: bytes) -> bool:
    return b"<graphml" in data[:4000]


def _add_hyperedges(draft: Draft, data: bytes, names: dict[str, str]) -> None:
    """Add a network for each hyperedge, which networkx does not read."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(data)  # because networkx has parsed it already
    prefix = _GRAPHML if root.tag.startswith(_GRAPHML) else ""
    for graph in root.findall(f"{prefix}graph")[1:]:
        text = f"graph {graph.get('id', '')}".strip()
        draft.lose(("nodes",), text, "netorch reads the first graph of a file", matters=True)
    for one in root.iter(f"{prefix}node"):
        if one.find(f"{prefix}graph") is not None:
            text, why = f"the graph in the node {one.get('id')}", "a node has no graph in it"
            draft.lose(("nodes",), text, why, matters=True)
    if next(root.iter(f"{prefix}port"), None) is not None:
        why = "netorch counts the interfaces of nodes itself"
        draft.lose(("nodes",), "ports of the nodes", why)
    networks = network_names()
    graphs = root.findall(f"{prefix}graph")[:1]
    edges = [one for graph in graphs for one in graph.findall(f"{prefix}hyperedge")]
    for number, edge in enumerate(edges, 1):
        title = edge.get("id") or f"hyperedge-{number}"
        network = networks(title)
        label = {"label": printable(title)} if title != network else {}
        draft.networks[network] = label | {"subnet": "auto"}
        for end in edge.findall(f"{prefix}endpoint"):
            node = names.get(end.get("node", ""))
            if node is None:
                text, why = f"end {end.get('node')} of {network}", "the graph has no such node"
                draft.lose(("networks", network), text, why, matters=True)
            else:
                draft.nodes[node].setdefault("networks", {})[network] = {}


Edge = tuple[object, object, dict[str, Any], dict[str, Any]]
"""The two nodes, the attributes, and those of the edge in the opposite direction if they differ."""


def _edges(graph: Any) -> list[Edge]:
    """Return the edges. Two edges of a directed graph in opposite directions are one cable."""
    edges: list[Edge] = []
    waiting: dict[tuple[object, object], list[int]] = {}
    for one, other, data in graph.edges(data=True):
        if graph.is_directed() and (places := waiting.get((other, one))):
            place = places.pop(0)
            if edges[place][2] != data:
                edges[place] = (*edges[place][:3], data)
            continue
        waiting.setdefault((one, other), []).append(len(edges))
        edges.append((one, other, data, {}))
    return edges


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
            plain = _without_hyperedges(data)
            return networkx.read_graphml(io.BytesIO(plain), force_multigraph=True)
        return _gml(networkx, text)
    except Exception as error:
        # because the readers of networkx raise whatever the parser below them raises
        what = f"{path}: the graph cannot be read: {' '.join(str(error).split())}."
        raise NetorchError(Problem("bad-import", what, object=path)) from None


def _without_hyperedges(data: bytes) -> bytes:
    """Return a GraphML file without the elements that networkx refuses."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(data)
    hyperedges = [
        (graph, edge)
        for graph in root.iter()
        for edge in graph
        if edge.tag.removeprefix(_GRAPHML) == "hyperedge"
    ]
    for graph, edge in hyperedges:
        graph.remove(edge)
    return ElementTree.tostring(root) if hyperedges else data


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


def _add_node(draft: Draft, node: object, name: str, data: dict[str, Any]) -> None:
    label = _label(node, data)
    caption = printable(" ".join(label.split()))
    draft.nodes[name] = {"label": caption} if caption not in ("", name) else {}
    draft.nodes[name]["forwarding"] = True
    rest = {
        key: value
        for key, value in data.items()
        if key not in (*_POSITION, "label", "name") and value not in _EMPTY
    }
    if data.get("name") not in (*_EMPTY, label, data.get("label")):
        rest["name"] = data["name"]
    if str(rest.get("id")) == str(node):
        del rest["id"]
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
    _lose_attributes(draft, data, "")


def _lose_attributes(draft: Draft, data: dict[str, Any], of: str) -> None:
    """Record the attributes of the last link."""
    rest = {key: value for key, value in data.items() if value not in _EMPTY}
    if rest:
        text = f"{_words(rest)} {of}".rstrip()
        draft.lose(("links", len(draft.links) - 1), text, "netorch has no word for them")


def _with_words(text: str, data: dict[str, Any]) -> str:
    words = _words({key: value for key, value in data.items() if value not in _EMPTY})
    return f"{text} ({words})" if words else text


def _words(data: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in data.items())
