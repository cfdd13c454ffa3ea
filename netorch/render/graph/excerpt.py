"""Cuts a topology file into the parts of its nodes and networks, as YAML."""

from __future__ import annotations

from typing import Any

import yaml

from netorch.render import topology_file
from netorch.render.applied_file import plain
from netorch.render.graph.scene import Scene


def extracts(scene: Scene) -> tuple[dict[str, str], dict[str, str]]:
    """Return the part of the file of each node, and of each network.

    A node's part includes its links. Ranges and variables are resolved. If the file is not known,
    the parts come from the live state.
    """
    if scene.loaded is None:
        tree = yaml.safe_load(topology_file.topology(scene.name, scene.state, "", scene.attached))
    else:
        tree = plain(scene.loaded.tree)
    links = list(tree.get("links") or [])
    nodes: dict[str, str] = {}
    by_node: dict[str, list[Any]] = {}
    for entry in links:
        ends = entry["endpoints"] if isinstance(entry, dict) else entry
        for name in dict.fromkeys(
            end["node"] if isinstance(end, dict) else str(end).partition(":")[0] for end in ends
        ):
            by_node.setdefault(name, []).append(entry)
    for name, entries in (tree.get("nodes") or {}).items():
        part = {"nodes": {name: entries or {}}} | (
            {"links": by_node[name]} if name in by_node else {}
        )
        nodes[str(name)] = dumped(part)
    return nodes, {
        str(name): dumped({"networks": {name: entries or {}}})
        for name, entries in (tree.get("networks") or {}).items()
    }


def dumped(tree: Any) -> str:
    return str(
        yaml.safe_dump(
            tree, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
        )
    ).rstrip()
