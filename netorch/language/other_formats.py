"""Recognise the files of other tools, because a hundred unknown keys explain nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netorch.errors import Position, Problem

_MIGRATE = "docs/howto/migrate.md compares the two languages."
_DOCKER = (
    "Let Compose make the containers, and write a file with `nodes: {web: {attach: docker:web}}` "
    "for their networks (docs/howto/docker.md)."
)
_TEXTS = (
    (
        "a lab.conf of Kathara",
        re.compile(r"^[A-Za-z]\w*\[(?:\d+|\w+)\]\s*=", re.MULTILINE),
        "Each machine is a node, and each collision domain a network: "
        "`nodes: {pc1: {networks: [A]}}`, `networks: {A: {}}`.",
    ),
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
        _MIGRATE,
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
        return _problem("a file of Docker Compose", where["services"], _DOCKER)
    if isinstance(topology, Mapping) and not {"nodes", "links"}.isdisjoint(topology):
        remedy = (
            "Write its `nodes` and `links` at the top of the file, a link as "
            f"`[a:eth1, b:eth1]`, without `kind` and `image`: {_MIGRATE}"
        )
        return _problem("a file of containerlab", where["topology"], remedy)
    devices = {"ethernets", "bridges", "bonds", "vlans", "wifis", "tunnels", "renderer"}
    if isinstance(network, Mapping) and not devices.isdisjoint(network):
        remedy = (
            "It sets up the interfaces of one machine. Here they are "
            "`nodes: {host: {interfaces: {…}}}`, and `kind: bridge`, `bond` or `vlan` makes one."
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
    what = f"This is {tool}, which netorch does not read."
    return Problem("other-format", what, where, remedy)
