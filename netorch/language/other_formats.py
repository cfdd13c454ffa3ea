"""Recognise the files of other tools, because a hundred unknown keys explain nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netorch.errors import Position, Problem

_MIGRATE = "docs/howto/migrate.md compares the two languages."
_COMPOSE = (
    "`netorch import FILE -o topo.yaml` writes its networks as a topology "
    "(docs/howto/migrate-compose.md)."
)
_GRAPH = "`netorch import FILE -o topo.yaml` writes its nodes and edges as a topology."
_TEXTS = (
    (
        "a lab.conf of Kathara",
        re.compile(r"^[A-Za-z]\w*\[(?:\d+|\w+)\]\s*=", re.MULTILINE),
        "`netorch import FOLDER -o NEW.yaml` writes the lab of this folder as a topology "
        "(docs/howto/migrate-kathara.md).",
    ),
    ("a graph in GraphML", re.compile(r"<graphml\b"), _GRAPH),
    ("a graph in GML", re.compile(r"\A\s*(?:Creator\b[^\n]*\s+)?graph\s*\["), _GRAPH),
    (
        "a Python program of Mininet",
        re.compile(r"^\s*(?:from|import) mininet\b", re.MULTILINE),
        _MIGRATE,
    ),
    (
        "a file of ifupdown",
        re.compile(r"^(?:auto|allow-hotplug|iface) \S+", re.MULTILINE),
        "Write `nodes: {NODE: {interfaces: {eth0: {addresses: […]}}}}`.",
    ),
    (
        "a shell script",
        re.compile(r"\A#!.*\b(?:ba|da|z)?sh\b|^\s*(?:sudo )?ip (?:netns|link) add ", re.MULTILINE),
        "`netorch import --run FILE` runs it in an empty network of its own, and prints what it "
        "makes there as a topology.",
    ),
    (
        "a file of systemd-networkd",
        re.compile(r"^\[(?:Match|NetDev|Network)\]\s*$", re.MULTILINE),
        "Write `nodes: {NODE: {interfaces: {eth0: {addresses: […]}}}}`.",
    ),
)
"""Files that are not YAML: name, pattern, remedy."""


def of_tree(tree: Mapping[str, object], where: Mapping[str, Position]) -> Problem | None:
    """Return the problem of a YAML file that belongs to another tool, None if there is none."""
    if "nodes" in tree or ("networks" in tree and "services" not in tree):
        return None
    topology, network, services = map(tree.get, ("topology", "network", "services"))
    if isinstance(services, Mapping):
        return _problem("a file of Docker Compose", where["services"], _COMPOSE)
    if isinstance(topology, Mapping) and "project_id" in tree:
        remedy = (
            "Its nodes are virtual machines: netorch gives these a tap "
            "(docs/howto/virtual-machines.md)."
        )
        return _problem("a project of GNS3", where["topology"], remedy)
    if isinstance(topology, Mapping) and not {"nodes", "links"}.isdisjoint(topology):
        remedy = (
            "`netorch import FILE -o NEW.yaml` writes it as a topology "
            "(docs/howto/migrate-containerlab.md)."
        )
        return _problem("a file of containerlab", where["topology"], remedy)
    devices = {"ethernets", "bridges", "bonds", "vlans", "wifis", "tunnels", "renderer"}
    if isinstance(network, Mapping) and not devices.isdisjoint(network):
        remedy = (
            "It sets up the NICs of one machine, so let netplan keep them. A topology has networks "
            "of its own beside them, and `kind: bridge`, `bond` or `vlan` makes such interfaces."
        )
        return _problem("a file of netplan", where["network"], remedy)
    if isinstance(tree.get("kind"), str) and "apiVersion" in tree:
        remedy = "Write `nodes`, `networks` and `links`: docs/tutorial begins with two nodes."
        return _problem("a manifest of Kubernetes", where["apiVersion"], remedy)
    return None


def of_text(data: bytes) -> Problem | None:
    """Return the problem of a text that is the file of another tool."""
    text = data.decode("utf-8", "replace")
    for tool, pattern, remedy in _TEXTS:
        if match := pattern.search(text):
            line = text.count("\n", 0, match.start()) + 1
            return _problem(tool, Position(line, 1), remedy)
    return None


def _problem(tool: str, where: Position, remedy: str) -> Problem:
    what = f"This is {tool}, which is not a topology of netorch."
    return Problem("other-format", what, where, remedy)
