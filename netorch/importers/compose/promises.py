"""The checks of what a compose file promises: who reaches whom, and who does not."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from netorch.importers.compose.networks import ComposeNetwork
from netorch.importers.draft import Draft

_FEW = 40
"""The largest network whose members are all tried with one another."""


def add_checks(
    draft: Draft, networks: dict[str, ComposeNetwork], uncertain: Collection[str]
) -> None:
    """Add checks to a draft whose nodes and networks are complete.

    `uncertain` are nodes that may reach others in ways which the topology does not show.
    """
    members: dict[str, list[str]] = {}
    for node, tree in draft.nodes.items():
        if "attach" not in tree:
            for name in tree.get("networks", ()):
                members.setdefault(name, []).append(node)
    for one in networks.values():
        _reach(draft, one, members.get(one.name, []))
    isolated = [
        one
        for one in networks.values()
        if one.modes <= {"nat", "host-only"} and one.tree.get("isolated", True)
    ]
    for one, other in pairwise(isolated):
        some, others = (
            [node for node in members.get(network.name, ()) if node not in uncertain]
            for network in (one, other)
        )
        _isolate(draft, some, others)


def _reach(draft: Draft, network: ComposeNetwork, members: list[str]) -> None:
    """Add the checks inside a network."""
    if len(members) < 2 or not network.tree:
        return
    if network.tree.get("port_isolation"):
        if len(members) <= _FEW:
            draft.check(all=network.name, reachable=False)
    elif len(members) <= _FEW:
        draft.check(all=network.name)
    else:
        draft.check(source=members[0], to=members[-1])
        draft.check(source=members[-1], to=members[0])


def _isolate(draft: Draft, some: list[str], others: list[str]) -> None:
    """Add a check between two nodes that have no network in common."""
    for one in some:
        for other in others:
            if one != other and not _common(draft, one, other):
                draft.check(source=one, to=other, reachable=False)
                return


def _common(draft: Draft, one: str, other: str) -> bool:
    networks = draft.nodes[one].get("networks", {}), draft.nodes[other].get("networks", {})
    return bool(set(networks[0]) & set(networks[1]))
