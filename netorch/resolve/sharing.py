"""Nodes that share the namespace of another node (`attach: node:NAME`)."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.kinds.name import SecondName
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, SharingNode
from netorch.state.key import HOST
from netorch.topology import NodeModel


def target_of(model: NodeModel) -> str | None:
    """Return the node that a node with `attach: node:NAME` names, None for any other node."""
    there = model.attach
    return there.what if there is not None and there.how == "node" else None


def holder_of(nodes: Mapping[str, NodeModel], name: str) -> str:
    """Return the node whose namespace a node has: itself, unless it shares that of another one.

    A node may share that of a node that shares one itself. Return "" if these lead in a circle.
    """
    seen: set[str] = set()
    while name in nodes and (target := target_of(nodes[name])) is not None:
        if name in seen:
            return ""
        seen.add(name)
        name = target
    return name


def declare_sharing(draft: Draft) -> None:
    """Let each node that shares a namespace mean the site of the other node.

    Complain of nodes that can share none. They have a site of their own then.
    """
    nodes = draft.topology.nodes
    for name, model in nodes.items():
        target = target_of(model)
        if target is None or name not in draft.declared:
            continue
        path: Path = ("nodes", name)
        holder = holder_of(nodes, name)
        site = draft.declared.get(holder)
        if not _is_possible(draft, name, target, holder, (*path, "attach")) or site is None:
            continue
        if model.on is not None and draft.spread is not None and model.on != site.machine:
            draft.complain(
                "crosses-machines",
                (*path, "on"),
                f"node {name} shares the namespace of {holder}, so both must be on one machine, and"
                f" {holder} is on {site.machine}.",
                "Remove `on`.",
            )
        own = draft.declared[name]
        draft.sites.pop(own.name, None)
        draft.sharing[name] = SharingNode(name, own.label, site, model, path)
    # afterwards, because a node may share the namespace of a node that comes later in the file
    for name, sharing in draft.sharing.items():
        draft.declared[name] = sharing.site
        sharing.site.sharing.append(sharing)


def put_second_names(draft: Draft) -> None:
    """Put the second names of namespaces."""
    for sharing in draft.sharing.values():
        draft.put(SecondName(sharing.label, sharing.site.label), (*sharing.path, "attach"))


def _is_possible(draft: Draft, name: str, target: str, holder: str, path: Path) -> bool:
    nodes = draft.topology.nodes
    if name == HOST or name.startswith(f"{HOST}."):
        return False  # because `host` cannot have `attach` at all
    if not holder:
        circle = _circle(draft, name)
        if name == next(node for node in nodes if node in circle):
            draft.complain(
                "bad-attach",
                path,
                f"node {name}: `attach` leads in a circle: {' → '.join((*circle, name))}.",
                "Give one of these nodes a namespace of its own.",
            )
        return False
    if holder == HOST or holder.startswith(f"{HOST}."):
        draft.complain(
            "bad-attach",
            path,
            f"node {name}: `{holder}` is the namespace in which netorch runs, so no node can share"
            " it.",
            f"Write `{holder}` in the place of {name}.",
        )
        return False
    if holder not in nodes:
        if target not in nodes:
            draft.unknown("unknown-node", path, "node", target, nodes, "Declare it under nodes.")
        return False
    if nodes[holder].attach is not None:
        draft.complain(
            "bad-attach",
            path,
            f"node {name}: netorch does not make the namespace of {holder}, so it gives it no"
            " second name.",
            f"Delete {name}, and write it under `aliases` of {holder}.",
        )
        return False
    return True


def _circle(draft: Draft, name: str) -> list[str]:
    """Return the nodes of the circle into which the chain of a node leads, in its order."""
    chain: list[str] = []
    while name not in chain:
        chain.append(name)
        name = target_of(draft.topology.nodes[name]) or ""
    return chain[chain.index(name) :]
